import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Bridge, type BridgeSink, type BridgeWorker, startBridge } from '../../src/bridge/server.ts';
import { frameMessage, MessageSplitter } from '../../src/core/framing.ts';
import type { CameraState, FrameMeta } from '../../src/core/types.ts';
import { DaemonMessage, Frame, SourceState, SourceStatus, WorkerMessage } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

type Up = NonNullable<WorkerMessage['message']>;

interface Attached extends Disposable {
  readonly socket: Socket;
  readonly received: DaemonMessage[];
  send(message: Up): void;
  readonly closed: boolean;
}

function attach(path: string): Attached {
  const socket = connect(path);
  const received: DaemonMessage[] = [];
  const splitter = new MessageSplitter();
  let closed = false;
  socket.on('data', (chunk) => {
    for (const bytes of splitter.push(chunk)) received.push(DaemonMessage.decode(bytes));
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  return {
    socket,
    received,
    send: (message) => void socket.write(frameMessage(WorkerMessage.encode({ message }).finish())),
    get closed() {
      return closed;
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

function hello(token: string, protocolVersion = 1): Up {
  return { $case: 'hello', value: { protocolVersion, worker: 'main', token, runtime: 'software', capabilities: [], pid: 1 } };
}

function frame(camera: string, epoch: number): Up {
  const value = { ...Frame.create(), camera, epoch, sequence: 1n, timeBaseNum: 1, timeBaseDen: 90_000, width: 64, height: 64 };
  return { $case: 'frames', value: { frames: [value] } };
}

async function withBridge(
  run: (parts: {
    path: string;
    frames: FrameMeta[];
    states: CameraState[];
    closed: string[];
    hellos: string[];
    worker: BridgeWorker;
    bridge: Bridge;
    ctx: TestContext;
    clock: ManualClock;
  }) => Promise<void>,
  nextEpoch?: BridgeSink['epoch'],
): Promise<void> {
  await using directory = await temporaryDirectory();
  // Nobody here answers pings, however long a test takes.
  const clock = new ManualClock();
  using ctx = testContext(clock);
  const frames: FrameMeta[] = [];
  const states: CameraState[] = [];
  const closed: string[] = [];
  const hellos: string[] = [];
  let epoch = 10;
  const sink: BridgeSink = {
    frame: (item) => void frames.push(item),
    cameraState: (_camera, _epoch, state) => void states.push(state),
    stats: () => {},
    epoch: nextEpoch ?? (async () => ++epoch),
  };
  await using bridge = await startBridge({ socketPath: join(directory.path, 'bridge.sock'), sink }, ctx);
  using worker = bridge.register('main', 'secret-token', {
    hello: (value) => void hellos.push(value.worker),
    closed: (reason) => void closed.push(reason),
    drained: () => {},
  });
  worker.setCameras(['lobby']);
  await run({ path: bridge.socketPath, frames, states, closed, hellos, worker, bridge, ctx, clock });
}

async function epochOf(peer: Attached): Promise<number> {
  peer.send({ $case: 'epochRequest', value: { camera: 'lobby' } });
  return until(
    'an epoch',
    () => peer.received.flatMap(({ message }) => (message?.$case === 'epoch' ? [message.value.epoch] : []))[0],
  );
}

test('bridge: takes frames of the epoch it gave and of no other', async () => {
  await withBridge(async ({ path, frames }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const epoch = await epochOf(peer);
    peer.send(frame('lobby', epoch - 1));
    peer.send(frame('kitchen', epoch));
    peer.send(frame('lobby', epoch));
    await until('the frame', () => frames.length > 0);
    assert.deepEqual(
      frames.map((item) => [item.camera, item.epoch]),
      [['lobby', epoch]],
    );
  });
});

test('bridge: writes no more of a worker into the log than a person can use, and counts the rest', async () => {
  await withBridge(async ({ path, ctx, clock }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const line: Up = { $case: 'log', value: { level: 'info', message: 'again', fieldsJson: '' } };
    const count = 20_000;
    for (let sent = 0; sent < count; sent += 1) peer.send(line);
    await epochOf(peer);
    const said = ctx.lines.filter(({ msg }) => msg === 'again').length;
    const left = Number(/dropped_total\{reason="log_flood"\} (\d+)/.exec(await ctx.metrics.registry.metrics())?.[1]);
    assert.equal(said + left, count);
    assert.equal(said, 200);
    await clock.advance(1000);
    for (let sent = 0; sent < 300; sent += 1) peer.send(line);
    await until('as many of the next second', () => ctx.lines.filter(({ msg }) => msg === 'again').length === 400);
  });
});

test('bridge: takes ten states of a camera in a second, counts the rest, and always takes the last', async () => {
  await withBridge(async ({ path, states, closed, worker, ctx, clock }) => {
    worker.setCameras(['lobby', 'yard']);
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const say = (camera: string, reason: string) =>
      peer.send({ $case: 'status', value: { ...SourceStatus.create(), camera, state: SourceState.AWAY, reason } });
    const count = 20_000;
    for (let sent = 0; sent < count; sent += 1) say('lobby', `try ${sent}`);
    say('yard', 'beside it');
    const reasons = () => states.map((state) => ('reason' in state ? state.reason : ''));
    await until('the one after them', () => reasons().includes('beside it'));
    await clock.advance(1000);
    assert.equal(reasons().at(-1), `try ${count - 1}`);
    const left = Number(/dropped_total\{reason="status_flood"\} (\d+)/.exec(await ctx.metrics.registry.metrics())?.[1]);
    assert.equal(states.length - 1 + left, count);
    assert.ok(left > 0 && states.length < 1000, `${states.length} were taken`);
    for (let sent = 0; sent < 50; sent += 1) say('lobby', `last words ${sent}`);
    peer.socket.end();
    await until('its end', () => closed.length === 1);
    assert.equal(reasons().at(-1), 'last words 49');
  });
});

test('bridge: a worker speaks in the log for itself alone', async () => {
  await withBridge(async ({ path, ctx }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const fieldsJson = JSON.stringify({
      worker: 'other',
      container: 'c',
      level: 'error',
      time: 'never',
      msg: 'fake',
      count: 3,
    });
    peer.send({ $case: 'log', value: { level: 'info', message: 'said', fieldsJson } });
    const line = await until('its line', () => ctx.lines.find(({ msg }) => msg === 'said'));
    assert.deepEqual({ ...line, time: '' }, { level: 'info', time: '', worker: 'main', msg: 'said', count: 3 });
    assert.notEqual(line['time'], 'never');
  });
});

test('bridge: ends a worker that asks for epochs without end', async () => {
  const forever = Promise.withResolvers<number>();
  await withBridge(
    async ({ path, closed }) => {
      using peer = attach(path);
      peer.send(hello('secret-token'));
      for (let asked = 0; asked < 2000; asked += 1) peer.send({ $case: 'epochRequest', value: { camera: 'lobby' } });
      await until('its end', () => peer.closed);
      assert.deepEqual(closed, ['it asks for more than 1024 epochs at once']);
    },
    () => forever.promise,
  );
});

test('bridge: takes nothing of a camera that was forgotten until a worker is given it again', async () => {
  await withBridge(async ({ path, frames, states, worker, bridge }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const epoch = await epochOf(peer);
    peer.send(frame('lobby', epoch));
    await until('the frame', () => frames.length === 1);
    bridge.forget('lobby');
    worker.setCameras(['yard']);
    const live = (camera: string): Up => ({
      $case: 'status',
      value: { ...SourceStatus.create(), camera, state: SourceState.LIVE },
    });
    peer.send(frame('lobby', epoch));
    peer.send(live('yard'));
    await until('what came after', () => states.length === 1);
    assert.equal(frames.length, 1);
    worker.setCameras(['lobby', 'yard']);
    peer.send(frame('lobby', epoch));
    peer.send(live('yard'));
    await until('what came after', () => states.length === 2);
    assert.equal(frames.length, 1, 'its epoch is over');
  });
});

test('bridge: refuses a wrong token and a message before hello', async () => {
  await withBridge(async ({ path, hellos, closed }) => {
    for (const first of [hello('wrong'), hello('wrong', 2), frame('lobby', 1)]) {
      using peer = attach(path);
      peer.send(first);
      await until('the door to close', () => peer.closed);
      assert.deepEqual(peer.received, []);
    }
    assert.deepEqual([hellos, closed], [[], []]);
  });
});

test('bridge: tells a worker of another protocol its own, and says so', async () => {
  await withBridge(async ({ path, hellos, closed }) => {
    using peer = attach(path);
    peer.send(hello('secret-token', 2));
    await until('the door to close', () => peer.closed);
    assert.deepEqual(
      peer.received.map(({ message }) => message?.$case === 'welcome' && message.value.protocolVersion),
      [1],
    );
    assert.deepEqual(hellos, []);
    assert.match(closed.join(), /^the worker speaks protocol 2, the daemon 1: .* not of the daemon's version$/);
  });
});

test('bridge: answers one of another protocol whatever it sends after its hello, and keeps the connection of the worker', async () => {
  await withBridge(async ({ path, closed, hellos, worker, ctx }) => {
    using good = attach(path);
    good.send(hello('secret-token'));
    await until('the hello', () => hellos.length === 1);
    using peer = attach(path);
    const messages = [hello('secret-token', 2), frame('lobby', 1)];
    // In one chunk.
    peer.socket.write(Buffer.concat(messages.map((message) => frameMessage(WorkerMessage.encode({ message }).finish()))));
    await until('the door to close', () => peer.closed);
    assert.equal(peer.received[0]?.message?.$case, 'welcome');
    assert.match(await ctx.metrics.registry.metrics(), /^sightline_bridge_dropped_total\{reason="protocol"\} 1$/m);
    assert.deepEqual([closed, good.closed], [[], false]);
    assert.equal(worker.send({ $case: 'drain', value: {} }), true);
    await until('the command', () => good.received.some(({ message }) => message?.$case === 'drain'));
  });
});

test('bridge: ends a connection that announces more than the limit or sends what is no message, and takes the next one', async () => {
  await withBridge(async ({ path, hellos, closed }) => {
    for (const garbage of [Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]), Buffer.from([3, 0xff, 0xff, 0xff])]) {
      using peer = attach(path);
      peer.send(hello('secret-token'));
      peer.socket.write(garbage);
      await until('the end of the connection', () => peer.closed);
    }
    using peer = attach(path);
    peer.send(hello('secret-token'));
    await until('a third hello', () => hellos.length === 3);
    assert.equal(closed.length, 2);
  });
});

test('bridge: a message of few bytes that would be hundreds of megabytes ends its connection before it is made', async () => {
  await withBridge(async ({ path, closed }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    const empty = Buffer.alloc(1024 * 1024, Buffer.from([0x0a, 0]));
    peer.socket.write(frameMessage(Buffer.concat([Buffer.from([0x12]), frameMessage(empty)])));
    await until('the end of the connection', () => closed.length === 1);
    assert.match(closed[0] ?? '', /^a message cannot be read: it has more than 500000 parts$/);
  });
});

test('bridge: a message on which the daemon fails is in the log as its failure, and ends that connection only', async () => {
  await using directory = await temporaryDirectory();
  using ctx = testContext();
  const closed: string[] = [];
  const broken = () => {
    throw new TypeError('a mistake of ours');
  };
  const sink: BridgeSink = { frame: () => {}, cameraState: broken, stats: () => {}, epoch: async () => 1 };
  await using bridge = await startBridge({ socketPath: join(directory.path, 'bridge.sock'), sink }, ctx);
  using worker = bridge.register('main', 'secret-token', {
    hello: () => {},
    closed: (reason) => void closed.push(reason),
    drained: () => {},
  });
  worker.setCameras(['lobby']);
  using peer = attach(bridge.socketPath);
  peer.send(hello('secret-token'));
  peer.send({ $case: 'status', value: { ...SourceStatus.create(), camera: 'lobby', state: SourceState.LIVE } });
  await until('the end of the connection', () => closed.length === 1);
  assert.deepEqual(closed, ['the daemon failed on a message of it; its log says why']);
  const line = ctx.lines.find(({ level }) => level === 'error');
  assert.equal((line?.['err'] as { message?: string } | undefined)?.message, 'a mistake of ours');
  using next = attach(bridge.socketPath);
  next.send(hello('secret-token'));
  await until('the next one', () => worker.connected);
});

test('bridge: pings every second and gives up a worker that does not answer', async () => {
  await withBridge(async ({ path, closed, hellos, worker, clock }) => {
    using peer = attach(path);
    peer.send(hello('secret-token'));
    await until('the hello', () => hellos.length === 1);
    const pings = () => peer.received.filter(({ message }) => message?.$case === 'ping').length;
    for (let count = 1; count <= 3; count += 1) {
      await clock.advance(1000);
      await until('a ping', () => pings() === count);
    }
    assert.deepEqual(closed, []);
    await clock.advance(1000);
    await until('the end of the connection', () => closed.length === 1);
    assert.match(closed[0] ?? '', /3 pings/);
    assert.equal(worker.connected, false);
  });
});

test('bridge: the same worker connecting again replaces its old connection', async () => {
  await withBridge(async ({ path, hellos, worker }) => {
    using old = attach(path);
    old.send(hello('secret-token'));
    await until('the first hello', () => hellos.length === 1);
    using fresh = attach(path);
    fresh.send(hello('secret-token'));
    await until('the old connection to end', () => old.closed);
    assert.equal(worker.connected, true);
    assert.equal(worker.send({ $case: 'drain', value: {} }), true);
    await until('the command', () => fresh.received.some(({ message }) => message?.$case === 'drain'));
  });
});
