import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { frameMessage, MessageSplitter } from '../../src/core/framing.ts';
import { DaemonMessage, Frame, Hello, Object as SeenObject, WorkerMessage } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { type Command, connectBridge, type Report } from '../../src/software-worker/bridge-client.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** The daemon's end, as raw as it gets. */
async function startEnd() {
  const folder = await temporaryDirectory();
  const received: Report[] = [];
  let socket: Socket | undefined;
  const server = createServer((connection) => {
    socket = connection;
    const splitter = new MessageSplitter();
    connection.on('data', (chunk) => {
      for (const bytes of splitter.push(chunk)) {
        const { message } = WorkerMessage.decode(bytes);
        if (message !== undefined) received.push(message);
      }
    });
    connection.on('error', () => connection.destroy());
  }).listen(join(folder.path, 'bridge.sock'));
  await once(server, 'listening');
  return {
    path: join(folder.path, 'bridge.sock'),
    received,
    socket: async () => await until('the worker to connect', () => socket),
    frames: () => received.flatMap((message) => (message.$case === 'frames' ? message.value.frames : [])),
    [Symbol.asyncDispose]: async () => {
      socket?.destroy();
      server.close();
      await once(server, 'close');
      await folder[Symbol.asyncDispose]();
    },
  };
}

function frame(sequence: number, jpegBytes: number): Frame {
  const crop = {
    jpeg: Buffer.alloc(jpegBytes),
    rect: undefined,
    width: 1,
    height: 1,
    landmarks: [],
    box: undefined,
    quality: undefined,
  };
  return { ...Frame.create({ camera: 'a', sequence: BigInt(sequence) }), objects: [{ ...SeenObject.create(), crop }] };
}

test('a daemon that does not read costs the oldest frames and no report; what is left comes in order', async () => {
  using ctx = testContext();
  await using end = await startEnd();
  const dropped: bigint[] = [];
  await using bridge = await connectBridge(
    {
      socketPath: end.path,
      hello: Hello.create({ worker: 'w' }),
      onCommand: () => {},
      onDropped: (frames) => dropped.push(...frames.map(({ sequence }) => sequence)),
    },
    ctx,
  );
  const socket = await end.socket();
  await until('hello', () => end.received.length === 1);
  socket.pause();
  const count = 300;
  for (let sequence = 0; sequence < count; sequence += 1) {
    bridge.sendFrame(frame(sequence, 200_000));
    if (sequence % 50 === 0) bridge.send({ $case: 'epochRequest', value: { camera: String(sequence) } });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const noRoom = new AbortController();
  const waiting = bridge.room(noRoom.signal);
  noRoom.abort(new Error('gave up'));
  await assert.rejects(waiting, /gave up/);
  socket.resume();
  await bridge.flushed();
  await bridge.room(ctx.signal);
  await until('the newest frame', () => end.frames().some(({ sequence }) => sequence === BigInt(count - 1)));
  const got = end.frames().map(({ sequence }) => sequence);
  assert.ok(dropped.length > 50 && got.length > 50, `${dropped.length} dropped, ${got.length} taken`);
  assert.deepEqual(
    [...got, ...dropped].map(Number).toSorted((a, b) => a - b),
    [...Array(count).keys()],
    'each is either taken or counted',
  );
  assert.deepEqual(
    got.map(Number),
    got.map(Number).toSorted((a, b) => a - b),
  );
  assert.deepEqual(
    dropped.map(Number),
    dropped.map(Number).toSorted((a, b) => a - b),
  );
  const requests = end.received.flatMap((message) => (message.$case === 'epochRequest' ? [message.value.camera] : []));
  assert.deepEqual(requests, ['0', '50', '100', '150', '200', '250']);
  assert.ok(end.frames().every(({ sentMonoUs }) => sentMonoUs > 0n));
});

test('commands arrive, pings are answered at once, and the end of the connection has a reason', async () => {
  using ctx = testContext();
  await using end = await startEnd();
  const commands: Command[] = [];
  await using bridge = await connectBridge(
    { socketPath: end.path, hello: Hello.create(), onCommand: (command) => commands.push(command), onDropped: () => {} },
    ctx,
  );
  const socket = await end.socket();
  const say = (message: Command) => socket.write(frameMessage(DaemonMessage.encode({ message }).finish()));
  say({ $case: 'ping', value: { id: 3n } });
  say({ $case: 'epoch', value: { camera: 'a', epoch: 4 } });
  await until('the answer', () => end.received.some((message) => message.$case === 'pong' && message.value.id === 3n));
  await until('the command behind it', () => commands.length > 0);
  assert.deepEqual(commands, [{ $case: 'epoch', value: { camera: 'a', epoch: 4 } }]);
  socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]));
  assert.match(await bridge.closed, /more than 16777216 bytes/);
  await assert.rejects(bridge.room(ctx.signal), /the bridge ended/);
});

test('nobody listening is an error of the bridge', async () => {
  using ctx = testContext();
  await using folder = await temporaryDirectory();
  await assert.rejects(
    connectBridge(
      { socketPath: join(folder.path, 'none.sock'), hello: Hello.create(), onCommand: () => {}, onDropped: () => {} },
      ctx,
    ),
    { code: 'bridge.protocol' },
  );
});
