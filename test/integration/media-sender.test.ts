import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type SentFormat, type SentStream, type SentUnit, startMediaSender } from '../../src/software-worker/media-sender.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { startTestDoor } from '../support/media-door.ts';
import { until } from '../support/until.ts';

const format: SentFormat = { epoch: 3, codec: 'h264', width: 64, height: 48, parameterSets: Buffer.from([0, 0, 0, 1, 0x67]) };

function unit(index: number, bytes = 100, keyEvery = 10): SentUnit {
  const pts = BigInt(index * 3600);
  const data = Buffer.alloc(bytes, index);
  return {
    key: index % keyEvery === 0,
    pts,
    dts: pts - 1n,
    captureTimeUs: 1_700_000_000_000_000 + index,
    receivedMonoUs: 5n,
    data,
  };
}

function sendAll(stream: SentStream, from: number, to: number, bytes?: number): void {
  for (let index = from; index < to; index += 1) stream.send(unit(index, bytes), format);
}

test('media sender: says hello, each format before its units, and every unit as it was given', async () => {
  using ctx = testContext();
  await using door = await startTestDoor();
  await using sender = startMediaSender({ socketPath: door.socketPath, worker: 'main', token: 'secret' }, ctx);
  using clean = sender.stream({ camera: 'lobby', variant: 'clean', revision: 'r1' });
  using annotated = sender.stream({ camera: 'lobby', variant: 'annotated', revision: '' });
  // Before the connection stands, and negative and large values.
  sendAll(clean, 0, 25);
  clean.send({ ...unit(30), pts: -7n, dts: -9n, data: Buffer.alloc(3_000_000, 1) }, format);
  annotated.send(unit(0), { ...format, width: 32 });
  await until('all units', () => door.units('lobby', 'clean').length === 26 && door.units('lobby', 'annotated').length === 1);
  assert.deepEqual(door.hellos, [{ protocolVersion: 1, worker: 'main', token: 'secret' }]);
  assert.equal(door.formats('lobby', 'clean').length, 1);
  assert.equal(door.formats('lobby', 'annotated')[0]?.width, 32);
  for (const [index, got] of door.units('lobby', 'clean').slice(0, 25).entries()) {
    const { key, pts, dts, captureTimeUs, receivedMonoUs, data } = unit(index);
    assert.equal(got.epoch, 3);
    assert.deepEqual(
      [got.key, got.pts, got.dts, got.captureTimeUs, got.receivedMonoUs, got.format],
      [key, pts, dts, BigInt(captureTimeUs), receivedMonoUs, { camera: 'lobby', variant: 1, revision: 'r1', ...format }],
    );
    assert.deepEqual(got.data, data);
  }
  const large = door.units('lobby', 'clean')[25];
  assert.deepEqual([large?.pts, large?.dts, large?.data.length], [-7n, -9n, 3_000_000]);
  clean.send({ ...unit(40), data: Buffer.alloc(17 * 2 ** 20) }, format);
  assert.equal(clean.dropped, 1, 'larger than a message may be');
});

test('media sender: a door that does not read costs the oldest units up to a key frame, and what comes can be decoded', async () => {
  using ctx = testContext();
  await using door = await startTestDoor();
  await using sender = startMediaSender({ socketPath: door.socketPath, worker: 'main', token: 't' }, ctx);
  const streams = [
    sender.stream({ camera: 'a', variant: 'clean', revision: '' }),
    sender.stream({ camera: 'b', variant: 'clean', revision: '' }),
  ] as const;
  sendAll(streams[0], 0, 1);
  await until('the first unit', () => door.units('a', 'clean').length === 1);
  door.pause();
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 1; index < 800; index += 1) for (const stream of streams) sendAll(stream, index, index + 1, 40_000);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 100_000_000, `${grown} bytes of 64 000 000 are kept or wait for the collector`);
  assert.ok(streams[0].dropped > 300 && streams[1].dropped > 300);
  door.resume();
  for (const [at, camera] of (['a', 'b'] as const).entries()) {
    const { dropped } = streams[at] ?? assert.fail();
    const got = await until('what was left', () => {
      const units = door.units(camera, 'clean');
      return units.at(-1)?.pts === unit(799).pts && units;
    });
    assert.equal(got.length + dropped, at === 0 ? 800 : 799, 'all others were counted');
    for (const [index, one] of got.entries()) {
      const previous = got[index - 1];
      if (previous !== undefined && one.pts !== previous.pts + 3600n) assert.ok(one.key, `${camera}: behind a gap a key frame`);
    }
  }
});

test('media sender: a door that comes back gets formats anew and each stream from a key frame on', async () => {
  using ctx = testContext();
  await using door = await startTestDoor();
  await using sender = startMediaSender({ socketPath: door.socketPath, worker: 'main', token: 't' }, ctx);
  const stream = sender.stream({ camera: 'a', variant: 'clean', revision: '' });
  let connections = 0;
  stream.onConnected = () => {
    connections += 1;
  };
  sendAll(stream, 0, 5);
  await until('the first units', () => door.units('a', 'clean').length === 5);
  await door.leave();
  await until('the end is noticed', () => ctx.lines.some(({ msg }) => msg === 'media door is away, video waits for it'));
  sendAll(stream, 5, 15);
  await door.listen();
  await until('the connection', () => connections === 2);
  sendAll(stream, 15, 22);
  const got = await until('the rest', () => {
    const units = door.units('a', 'clean').filter(({ connection }) => connection === 1);
    return units.at(-1)?.pts === unit(21).pts && units;
  });
  assert.deepEqual(
    got.map(({ pts }) => Number(pts) / 3600),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21],
  );
  assert.ok(got.every((one) => one.format?.epoch === 3));
  assert.equal(stream.dropped, 5);
});

test('media sender: a door that ends every connection is asked ever less often, and the end of the worker is not held up', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = join(directory.path, 'media.sock');
  let asked = 0;
  const server = createServer((socket) => {
    asked += 1;
    socket.destroy();
  });
  server.listen(socketPath);
  await once(server, 'listening');
  {
    await using sender = startMediaSender({ socketPath, worker: 'main', token: 't' }, ctx);
    using stream = sender.stream({ camera: 'a', variant: 'clean', revision: '' });
    const end = performance.now() + 1500;
    let index = 0;
    const isOver = () => {
      sendAll(stream, index, index + 1);
      index += 1;
      return performance.now() > end && asked > 1;
    };
    await until('more connections than one', isOver);
    const seconds = (performance.now() - end) / 1000 + 1.5;
    assert.ok(asked < 8 * seconds, `${asked} connections in ${seconds.toFixed(1)} s`);
  }
  server.close();
  await once(server, 'close');
});
