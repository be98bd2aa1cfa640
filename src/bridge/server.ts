import { createServer, type Socket } from 'node:net';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { frameMessage, MessageSplitter } from '../core/framing.ts';
import { LineRate } from '../core/line-rate.ts';
import { FloodGate, foreignFields } from '../core/log.ts';
import { sameSecret } from '../core/same-secret.ts';
import { keepSocket, listenOn, makeWay } from '../core/socket-file.ts';
import { requireSocketPath } from '../core/socket-path.ts';
import type { CameraState, FrameMeta } from '../core/types.ts';
import { DaemonMessage, type Hello, type WorkerStats } from '../gen/sightline/bridge/v1/bridge.ts';
import { createFrameDecoder, decodeStats, decodeStatus } from './decode.ts';
import { StateGate } from './state-gate.ts';
import { decodeWorkerMessage } from './wire.ts';

/**
 * The socket that workers attach to. A worker says Hello with the token it was started with and is given its configuration;
 * from then on the daemon never stops reading. Everything a worker may do wrong ends its connection, never the daemon.
 */
export const protocolVersion = 1;

const pingEveryMs = 1000;
const missedPingsAllowed = 3;
const helloWithinMs = 10_000;
/** Bytes queued towards a worker that does not read, above which its connection is given up. */
const sendLimitBytes = 32 * 1024 * 1024;
/** Some for each camera that a worker can have. */
const epochsAskedLimit = 1024;

/** What the bridge tells the rest of the daemon. Calls must return at once. */
export interface BridgeSink {
  frame(frame: FrameMeta): void;
  cameraState(camera: string, epoch: number, state: CameraState, code: string): void;
  stats(worker: string, stats: WorkerStats): void;
  /** Next epoch of a camera. */
  epoch(camera: string): Promise<number>;
}

export type Command = NonNullable<DaemonMessage['message']>;

/** One worker as the bridge knows it, from `register` until `dispose`; it may connect more than once. */
export interface BridgeWorker extends Disposable {
  /** Cameras whose messages are taken; others are refused and counted. */
  setCameras(cameras: readonly string[]): void;
  /** `false` when the worker is not connected or does not read. */
  send(command: Command): boolean;
  readonly connected: boolean;
}

export interface WorkerEvents {
  /** The worker has introduced itself; answer with Welcome through `send`. */
  hello(hello: Hello): void;
  /** Its connection ended, or, while it had none, one of another protocol came and was refused; `reason` in words. */
  closed(reason: string): void;
  drained(): void;
}

export interface Bridge extends AsyncDisposable {
  readonly socketPath: string;
  register(worker: string, token: string, events: WorkerEvents): BridgeWorker;
  /** Takes nothing of this camera any more, until a worker is given it again. */
  forget(camera: string): void;
}

const welcomeOfVersion: Command = { $case: 'welcome', value: { protocolVersion, configure: undefined } };

interface Registration {
  readonly token: string;
  readonly events: WorkerEvents;
  cameras: ReadonlySet<string>;
  connection: Connection | undefined;
}

interface Connection {
  send(command: Command): boolean;
  close(reason: string): void;
}

export async function startBridge(
  options: { readonly socketPath: string; readonly sink: BridgeSink },
  ctx: Context,
): Promise<Bridge> {
  const { sink, socketPath } = options;
  requireSocketPath(socketPath, 'choose a shorter dataDir, or TMPDIR where it lies there');
  const { clock, metrics } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const workers = new Map<string, Registration>();
  const sockets = new Set<Socket>();
  const decoder = createFrameDecoder(clock);
  /** Epoch in force per camera; frames and states of another are dropped. */
  const epochs = new Map<string, number>();
  const frames = metrics.counter('sightline_bridge_frames_total', 'Frames taken from workers', ['camera']);
  const detected = metrics.counter('sightline_bridge_detected_frames_total', 'Frames taken that a detector had looked at', [
    'camera',
  ]);
  const dropped = metrics.counter('sightline_bridge_dropped_total', 'Messages of workers that were not taken', ['reason']);
  const connectedWorkers = metrics.gauge('sightline_bridge_workers', 'Workers that are connected');

  function drop(reason: string, fields: object): void {
    dropped.inc({ reason });
    flood.warn('worker message dropped', { reason, ...fields });
  }

  function accept(socket: Socket): void {
    sockets.add(socket);
    const splitter = new MessageSplitter();
    let worker: { readonly name: string; readonly registration: Registration } | undefined;
    let ended: string | undefined;
    let pingId = 0n;
    let missed = 0;
    let epochsAsked = 0;
    const lineRate = new LineRate(clock);
    const states = new StateGate<{ readonly epoch: number; readonly state: CameraState; readonly code: string }>({
      pass: (camera, { epoch, state, code }) => {
        if (worker?.registration.cameras.has(camera)) sink.cameraState(camera, epoch, state, code);
      },
      leftOut: (camera) => drop('status_flood', { worker: worker?.name, camera }),
    });

    const isOver = () => ended !== undefined;

    const connection: Connection = {
      send: (command) => {
        if (isOver()) return false;
        if (socket.writableLength > sendLimitBytes) {
          connection.close('it does not read what it is told');
          return false;
        }
        socket.write(frameMessage(DaemonMessage.encode({ message: command }).finish()));
        return true;
      },
      close: (reason) => {
        ended ??= reason;
        socket.destroy();
      },
    };
    const helloTimer = clock.deadline(helloWithinMs);
    helloTimer.signal.addEventListener('abort', () => connection.close(`no hello within ${helloWithinMs / 1000} s`), {
      once: true,
    });
    const pings = clock.every(pingEveryMs, () => {
      if (worker === undefined) return;
      guard(() => states.next());
      if (isOver()) return;
      if (missed >= missedPingsAllowed) {
        connection.close(`${missedPingsAllowed} pings in a row were not answered`);
        return;
      }
      missed += 1;
      pingId += 1n;
      connection.send({ $case: 'ping', value: { id: pingId } });
    });

    function introduce(hello: Hello): void {
      const registration = workers.get(hello.worker);
      if (registration === undefined || !sameSecret(hello.token, registration.token)) {
        throw new SightlineError('bridge.protocol', 'a worker that was not started by this daemon said hello');
      }
      if (hello.protocolVersion !== protocolVersion) {
        refuseVersion(hello.protocolVersion, registration);
        return;
      }
      registration.connection?.close('the same worker connected again');
      registration.connection = connection;
      worker = { name: hello.worker, registration };
      helloTimer[Symbol.dispose]();
      connectedWorkers.inc();
      registration.events.hello(hello);
    }

    /** It is told ours, so that it can say so too and end; the first field of Welcome is that in every version. */
    function refuseVersion(spoken: number, { connection: other, events }: Registration): void {
      ended = `the worker speaks protocol ${spoken}, the daemon ${protocolVersion}: its program, or its image, is not of the daemon's version`;
      dropped.inc({ reason: 'protocol' });
      socket.end(frameMessage(DaemonMessage.encode({ message: welcomeOfVersion }).finish()));
      // One that goes on with the same token is another program.
      if (other === undefined) events.closed(ended);
    }

    function known(camera: string): boolean {
      if (worker?.registration.cameras.has(camera)) return true;
      drop('unknown_camera', { worker: worker?.name });
      return false;
    }

    async function giveEpoch(camera: string): Promise<void> {
      const epoch = await sink.epoch(camera);
      if (!known(camera)) return;
      epochs.set(camera, epoch);
      connection.send({ $case: 'epoch', value: { camera, epoch } });
    }

    function receive(bytes: Uint8Array): void {
      const { message } = decodeWorkerMessage(bytes);
      if (worker === undefined) {
        if (message?.$case !== 'hello') throw new SightlineError('bridge.protocol', 'the first message was not hello');
        introduce(message.value);
        return;
      }
      switch (message?.$case) {
        case 'frames':
          for (const frame of message.value.frames) {
            if (!known(frame.camera)) continue;
            if (epochs.get(frame.camera) !== frame.epoch) {
              drop('old_epoch', { camera: frame.camera });
              continue;
            }
            const decoded = decoder.decode(frame);
            if ('refused' in decoded) drop('invalid_frame', { camera: frame.camera, why: decoded.refused });
            else {
              frames.inc({ camera: frame.camera });
              if (!frame.predicted) detected.inc({ camera: frame.camera });
              sink.frame(decoded.frame);
            }
          }
          return;
        case 'status': {
          if (!known(message.value.camera)) return;
          const { camera, epoch, code } = message.value;
          const state = decodeStatus(message.value, clock.now());
          if (state === undefined) drop('invalid_status', { camera });
          else states.take(camera, { epoch, state, code });
          return;
        }
        case 'stats': {
          const stats = decodeStats(message.value);
          if (stats === undefined) {
            drop('invalid_stats', { worker: worker.name });
            return;
          }
          if (stats.gpu === undefined && message.value.gpu !== undefined) drop('invalid_gpu', { worker: worker.name });
          sink.stats(worker.name, stats);
          return;
        }
        case 'log':
          if (!lineRate.take()) {
            drop('log_flood', { worker: worker.name });
            return;
          }
          ctx.log
            .child({ worker: worker.name })
            [level(message.value.level)](logFields(message.value.fieldsJson), message.value.message);
          return;
        case 'pong':
          missed = 0;
          return;
        case 'drained':
          worker.registration.events.drained();
          return;
        case 'epochRequest':
          if (!known(message.value.camera)) return;
          if (epochsAsked >= epochsAskedLimit)
            throw new SightlineError('bridge.protocol', `it asks for more than ${epochsAskedLimit} epochs at once`);
          epochsAsked += 1;
          giveEpoch(message.value.camera)
            .catch((error: unknown) => {
              ctx.log.error({ err: error, camera: message.value.camera }, 'no epoch for a camera');
              connection.close('the daemon could not give an epoch');
            })
            .finally(() => {
              epochsAsked -= 1;
            });
          return;
        default:
          drop('unexpected_message', { worker: worker.name, message: message?.$case ?? 'none' });
      }
    }

    /** Whatever a worker says ends its own connection at most. */
    function guard(take: () => void): void {
      try {
        take();
      } catch (error) {
        dropped.inc({ reason: 'protocol' });
        if (isSightlineError(error, 'bridge.protocol')) connection.close(error.message);
        else {
          ctx.log.error({ err: error, from: worker?.name }, 'a message of a worker made the daemon fail');
          connection.close('the daemon failed on a message of it; its log says why');
        }
      }
    }

    socket.on('data', (chunk) => {
      if (isOver()) return;
      guard(() => {
        for (const bytes of splitter.push(chunk)) {
          receive(bytes);
          if (isOver()) return;
        }
      });
    });
    socket.on('error', (error) => {
      ended ??= error.message;
    });
    socket.on('close', () => {
      sockets.delete(socket);
      helloTimer[Symbol.dispose]();
      pings[Symbol.dispose]();
      const reason = ended ?? 'the worker closed the connection';
      ended = reason;
      if (worker === undefined) {
        flood.warn('connection refused on the bridge', { reason });
        return;
      }
      connectedWorkers.dec();
      if (worker.registration.connection === connection) {
        // Of one that was dismissed nothing is taken any more.
        if (workers.get(worker.name) === worker.registration) guard(() => states.next());
        worker.registration.connection = undefined;
        worker.registration.events.closed(reason);
      }
    });
  }

  await makeWay(socketPath);
  const server = createServer(accept);
  await listenOn(server, socketPath);
  server.on('error', (error) => ctx.log.error({ err: error }, 'bridge failed'));
  const keeping = await keepSocket(server, socketPath, ctx);

  return {
    socketPath,
    register: (name, token, events) => {
      const registration: Registration = { token, events, cameras: new Set(), connection: undefined };
      workers.set(name, registration);
      return {
        setCameras: (cameras) => {
          registration.cameras = new Set(cameras);
        },
        send: (command) => registration.connection?.send(command) ?? false,
        get connected() {
          return registration.connection !== undefined;
        },
        [Symbol.dispose]: () => {
          if (workers.get(name) === registration) workers.delete(name);
          registration.connection?.close('the worker was dismissed');
        },
      };
    },
    forget: (camera) => {
      for (const registration of workers.values())
        registration.cameras = new Set([...registration.cameras].filter((own) => own !== camera));
      epochs.delete(camera);
      decoder.forget(camera);
      frames.remove({ camera });
      detected.remove({ camera });
    },
    [Symbol.asyncDispose]: async () => {
      keeping[Symbol.dispose]();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      flood[Symbol.dispose]();
    },
  };
}

function level(name: string): 'debug' | 'info' | 'warn' | 'error' {
  return name === 'debug' || name === 'info' || name === 'error' ? name : 'warn';
}

/** Longer ones are not taken apart: the log cuts a long text, but not a long list of fields. */
const logFieldsLimit = 16_384;

function logFields(json: string): object {
  if (json === '') return {};
  if (json.length > logFieldsLimit) return { fields: json };
  try {
    const fields: unknown = JSON.parse(json);
    return typeof fields === 'object' && fields !== null ? foreignFields(fields) : { fields };
  } catch {
    return { fields: json };
  }
}
