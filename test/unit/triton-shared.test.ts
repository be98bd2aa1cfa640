import assert from 'node:assert/strict';
import { readdirSync, rmdirSync, statfsSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Tensor } from '../../src/core/inference.ts';
import { grpcCodes, TritonStatus } from '../../src/inference/triton-failures.ts';
import { type Placed, SharedTensors } from '../../src/inference/triton-shared.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

/** Sightline's side of shared memory, with what a server may answer. The real server: test/long/triton-shared.test.ts. */

const mebi = 2 ** 20;
const tensor = (bytes: number): Tensor => ({
  name: 'in',
  datatype: 'UINT8',
  shape: [bytes],
  data: new Uint8Array(bytes).fill(7),
});
/** Names alone: tensors would make the text of a failure endless. */
const regionsOf = (place: Placed | undefined) => place?.inputs.map(({ shared }) => shared?.region ?? '');
const regionOf = (place: Placed): string => regionsOf(place)?.[0] ?? '';
const placed = (shared: SharedTensors, bytes: number) => until('a region to be taken', () => shared.place([tensor(bytes)]));

/** A server that knows regions by name. `answers` replaces what it says to the call of that name. */
function registry() {
  const regions = new Set<string>();
  const calls: string[] = [];
  const answers: { register?: (name: string) => void; unregister?: () => void } = {};
  return {
    regions,
    calls,
    answers,
    async registerSharedMemory(name: string) {
      calls.push('register');
      answers.register?.(name);
      if (regions.has(name))
        throw new TritonStatus(grpcCodes.alreadyExists, `shared memory region '${name}' already in manager`);
      regions.add(name);
    },
    async unregisterSharedMemory(name: string) {
      calls.push('unregister');
      answers.unregister?.();
      regions.delete(name);
    },
    async sharedMemoryStatus() {
      calls.push('status');
      return [...regions].map((name) => ({ name, key: `/${name}`, offset: 0n, byteSize: 0n }));
    },
  };
}

describe('Tensors in shared memory', () => {
  it('leaves no file once the server has it, and uses no name twice', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const server = registry();
    const names = new Set<string>();
    for (let start = 0; start < 2; start += 1) {
      await using shared = new SharedTensors(server, 'a:1', ctx, directory.path);
      assert.equal(regionsOf(shared.place([tensor(mebi)])), undefined, 'the first of a size goes in its message');
      assert.equal(readdirSync(directory.path).length, 1);
      names.add(regionOf(await placed(shared, mebi)));
      assert.deepEqual(readdirSync(directory.path), []);
    }
    assert.equal(names.size, 2);
    assert.deepEqual([...server.regions], []);
  });

  for (const [room, slot, before] of [
    ['no room', mebi, 4],
    ['no room for all of a tensor', 1.5 * mebi, 2],
  ] as const) {
    it(`sends messages when there is ${room}, says what to do, and gives back what it had`, async (t) => {
      const disk = await smallDisk(4 * mebi);
      if (typeof disk === 'string') return t.skip(disk);
      await using _unmount = disk;
      using ctx = testContext();
      const server = registry();
      await using shared = new SharedTensors(server, 'a:1', ctx, disk.path);
      for (let at = 0; at < before; at += 1) await placed(shared, slot);
      for (let tries = 0; tries < 2; tries += 1) assert.equal(regionsOf(shared.place([tensor(slot)])), undefined);
      const warnings = ctx.lines.filter(({ level }) => level === 'warn');
      assert.deepEqual(
        warnings.map(({ msg, reason }) => `${msg}: ${reason}`),
        [
          'no shared memory with triton; tensors go in messages: no room is left in /dev/shm; make it larger (Docker: --shm-size, Compose: shm_size)',
        ],
      );
      await until('the region to be left', () => server.regions.size === 0);
      const { bfree, blocks } = statfsSync(disk.path);
      assert.equal(bfree, blocks);
      shared.forgotten();
      assert.notEqual(regionOf(await placed(shared, slot)), '', 'it begins anew with a server that does');
    });
  }

  it('sends all of a request in its message when one of its tensors finds no room', async (t) => {
    const disk = await smallDisk(4 * mebi);
    if (typeof disk === 'string') return t.skip(disk);
    await using _unmount = disk;
    using ctx = testContext();
    const server = registry();
    await using shared = new SharedTensors(server, 'a:1', ctx, disk.path);
    for (const bytes of [mebi, 3 * mebi]) (await placed(shared, bytes)).done();
    assert.equal(regionsOf(shared.place([tensor(mebi), tensor(mebi), tensor(3 * mebi)])), undefined);
    assert.equal(ctx.lines.filter(({ level }) => level === 'warn').length, 1);
  });

  it('sends all of a request in its message when the region for one of its tensors cannot be made', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const server = registry();
    await using shared = new SharedTensors(server, 'a:1', ctx, directory.path);
    (await placed(shared, mebi)).done();
    rmdirSync(directory.path);
    assert.equal(regionsOf(shared.place([tensor(mebi), tensor(2 * mebi)])), undefined);
    assert.match(String(ctx.lines[0]?.['reason']), /^ENOENT/);
  });

  it('keeps its region through a server that hung, and makes another for one that was started anew', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const server = registry();
    await using shared = new SharedTensors(server, 'a:1', ctx, directory.path);
    const first = regionOf(await placed(shared, mebi));
    shared.forgotten();
    assert.equal(regionOf(await placed(shared, mebi)), first);
    shared.forgotten();
    server.regions.clear();
    const second = await placed(shared, mebi);
    assert.notEqual(regionOf(second), first);
    assert.deepEqual([...server.regions], [regionOf(second)]);
    // Started anew so quickly that nobody saw it away.
    server.regions.clear();
    second.failed(new TritonStatus(grpcCodes.notFound, `Unable to find shared memory region: '${regionOf(second)}'`));
    const third = regionOf(await placed(shared, mebi));
    assert.notEqual(third, regionOf(second));
    assert.deepEqual([...server.regions], [third]);
  });

  it('takes a region as registered whose registering came through late', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const server = registry();
    await using shared = new SharedTensors(server, 'a:1', ctx, directory.path);
    server.answers.register = (name) => {
      delete server.answers.register;
      server.regions.add(name);
      throw new TritonStatus(grpcCodes.deadlineExceeded, 'Deadline exceeded');
    };
    const region = regionOf(await placed(shared, mebi));
    assert.deepEqual([...server.regions], [region]);
    assert.deepEqual(server.calls, ['register', 'register']);
    assert.deepEqual(readdirSync(directory.path), []);
  });

  it('leaves nothing with a server that refuses, and says so once', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const server = registry();
    await using shared = new SharedTensors(server, 'a:1', ctx, directory.path);
    server.answers.register = () => {
      throw new TritonStatus(grpcCodes.unimplemented, 'Client shared memory is disabled.');
    };
    assert.equal(regionsOf(shared.place([tensor(mebi)])), undefined);
    await until('the refusal', () => ctx.lines.length > 0);
    assert.equal(regionsOf(shared.place([tensor(mebi)])), undefined);
    assert.deepEqual(readdirSync(directory.path), []);
    assert.deepEqual(
      ctx.lines.map(({ level, reason }) => [level, reason]),
      [['warn', 'unimplemented: Client shared memory is disabled.']],
    );
  });

  it('tries again after a pause while the server still reads a region, and not for ever', async () => {
    for (const busyMs of [500, Number.POSITIVE_INFINITY]) {
      await using directory = await temporaryDirectory();
      const clock = new ManualClock();
      using ctx = testContext(clock);
      const server = registry();
      const shared = new SharedTensors(server, 'a:1', ctx, directory.path);
      await placed(shared, mebi);
      const freeAtMs = clock.mono() + busyMs;
      server.answers.unregister = () => {
        if (clock.mono() < freeAtMs) throw new TritonStatus(grpcCodes.internal, 'Cannot unregister, it is currently in use.');
      };
      let over = false;
      const closing = shared[Symbol.asyncDispose]().then(() => (over = true));
      await clock.advance(100);
      assert.deepEqual(readdirSync(directory.path), []);
      assert.deepEqual(server.calls, ['register', 'unregister']);
      await clock.advance(300);
      assert.equal(over, false);
      await clock.advance(200);
      assert.equal(over, busyMs === 500);
      await clock.advance(10_000);
      await closing;
      assert.equal(server.regions.size, busyMs === 500 ? 0 : 1);
      assert.equal(ctx.lines.length, busyMs === 500 ? 0 : 1);
    }
  });
});
