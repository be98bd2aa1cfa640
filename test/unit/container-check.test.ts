import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { type CheckEngine, checkBody, checkInContainer } from '../../src/workers/container-check.ts';
import { containerBody, labels } from '../../src/workers/container-spec.ts';
import type { FoundContainer } from '../../src/workers/docker-engine.ts';
import { ManualClock } from '../support/clock.ts';

it('the container of a check has what a worker has, and neither its network, its mounts nor its owner', () => {
  const { deepstream: settings } = configSchema.parse({ deepstream: { cpus: 2 } });
  const common = { settings, gpu: 'GPU-1', user: { uid: 1000, gid: 1000 }, groups: [44] };
  const { HostConfig: host, Labels, ...body } = checkBody(common);
  const {
    HostConfig: workerHost,
    Labels: _,
    ...worker
  } = containerBody({
    ...{ ...common, owner: 'us', worker: 'deepstream-main', version: '1', imageId: 'sha256:1' },
    ...{ folders: { run: '/data/run', settings: '/data/deepstream' }, films: [], files: new Map() },
  });
  assert.deepEqual(body, { ...worker, Cmd: body.Cmd });
  assert.equal(body.Cmd[0], '--check');
  assert.deepEqual(host, {
    ...workerHost,
    ...{ NetworkMode: 'none', Mounts: [] },
    Tmpfs: { ...workerHost.Tmpfs, '/var/cache/cuda': 'rw,nosuid,nodev,size=512m,mode=1777' },
  });
  assert.equal(host.ReadonlyRootfs, true);
  assert.deepEqual(host.DeviceRequests?.[0]?.DeviceIDs, ['GPU-1']);
  assert.equal(Labels[labels.owner], 'doctor');
});

const clock = new ManualClock();
const { deepstream: settings } = configSchema.parse({});
const check = { settings, gpu: '0', user: { uid: 1000, gid: 1000 }, groups: [], limitMs: 60_000 };

/** An engine whose container writes this to its stderr and ends; one that is not told to start never ends. */
function engineOf(stderrText: string, found: readonly FoundContainer[] = []) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const removed: string[] = [];
  const over = Promise.all([stdout, stderr].map((stream) => new Promise((done) => stream.once('close', done)))).then(() => {});
  const engine: CheckEngine = {
    list: async () => found,
    create: async () => 'new',
    output: async () => ({ stdout, stderr, over }),
    start: async () => {
      stdout.end('{"check":"crops","begins":true}\n');
      stderr.end(stderrText);
    },
    wait: async () => {},
    facts: async () => ({ running: false, exitCode: 127, outOfMemory: false, pid: 0 }),
    remove: async (id) => void removed.push(id),
  };
  return { engine, removed };
}

async function saidBy(engine: CheckEngine, signal = new AbortController().signal) {
  const said: unknown[] = [];
  for await (const one of checkInContainer(engine, check, clock, signal)) said.push(one);
  return said;
}

it('the last words of a check are its last line, ended or not', async () => {
  for (const words of ['first\nlast words', 'first\nlast words\n', 'first\nlast words\n\n']) {
    const { engine, removed } = engineOf(words);
    const end = { late: false, exitCode: 127, outOfMemory: false, lastWords: 'last words' };
    assert.deepEqual(await saidBy(engine), ['{"check":"crops","begins":true}', end]);
    assert.deepEqual(removed, ['new']);
  }
});

it('a check that nobody waits for any more before it begins is not begun, and its container is removed', async () => {
  const { engine, removed } = engineOf('');
  const stop = new AbortController();
  engine.create = async () => {
    stop.abort();
    return 'new';
  };
  engine.start = () => assert.fail('it was started');
  await assert.rejects(saidBy(engine, stop.signal), /abort/i);
  assert.deepEqual(removed, ['new']);
});

it('a check removes what doctors before it left, and not what another one may be about to start or to ask how it ended', async () => {
  const container = (id: string, ageMs: number, running = false) => ({
    ...{ id, worker: 'check', config: '', running },
    createdMs: clock.now() - ageMs,
  });
  const { engine, removed } = engineOf('', [
    container('old', 120_000),
    container('running', 120_000, true),
    container('fresh', 60_000),
  ]);
  await saidBy(engine);
  assert.deepEqual(removed, ['old', 'new']);
});
