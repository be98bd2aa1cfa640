import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { frameMessage, MessageSplitter } from '../../src/core/framing.ts';
import {
  CameraConfig,
  type Configure,
  DaemonMessage,
  type Detect,
  type Frame,
  type Hello,
  type InferenceConfig,
  type LogLine,
  SourceState,
  type SourceStatus,
  WorkerMessage,
  type WorkerStats,
} from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { temporaryDirectory } from './directory.ts';
import { until } from './until.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';

/** A daemon's end of the bridge for one worker process: gives epochs, answers nothing else, keeps all it is told. */
export interface TestDaemon extends AsyncDisposable {
  readonly socketPath: string;
  /** Cameras of the first Configure. */
  readonly configured: readonly string[];
  readonly hello: Hello | undefined;
  readonly frames: readonly Frame[];
  readonly statuses: readonly SourceStatus[];
  readonly stats: readonly WorkerStats[];
  readonly logs: readonly LogLine[];
  readonly pongs: readonly bigint[];
  readonly drained: boolean;
  /** Waits for `drained`: the end of its process may be heard of before what it sent last. */
  untilDrained(): Promise<true>;
  /** Epochs given so far per camera. */
  readonly epochs: ReadonlyMap<string, number>;
  send(message: NonNullable<DaemonMessage['message']>): void;
  /** Stops reading, as a daemon that hangs. */
  pause(): void;
  resume(): void;
  /** Goes away without a word. */
  vanish(): void;
}

export async function startTestDaemon(
  configure: Configure,
  options: { readonly protocolVersion?: number; readonly socketPath?: string } = {},
): Promise<TestDaemon> {
  const directory = await temporaryDirectory();
  const socketPath = options.socketPath ?? join(directory.path, 'bridge.sock');
  const sockets = new Set<Socket>();
  const frames: Frame[] = [];
  const statuses: SourceStatus[] = [];
  const stats: WorkerStats[] = [];
  const logs: LogLine[] = [];
  const pongs: bigint[] = [];
  const epochs = new Map<string, number>();
  let hello: Hello | undefined;
  let drained = false;

  function send(message: NonNullable<DaemonMessage['message']>): void {
    for (const socket of sockets) socket.write(frameMessage(DaemonMessage.encode({ message }).finish()));
  }

  function take(bytes: Uint8Array): void {
    const message = WorkerMessage.decode(bytes).message;
    switch (message?.$case) {
      case 'hello':
        hello = message.value;
        send({ $case: 'welcome', value: { protocolVersion: options.protocolVersion ?? 1, configure } });
        return;
      case 'epochRequest': {
        const { camera } = message.value;
        const epoch = (epochs.get(camera) ?? 0) + 1;
        epochs.set(camera, epoch);
        send({ $case: 'epoch', value: { camera, epoch } });
        return;
      }
      case 'frames':
        frames.push(...message.value.frames);
        return;
      case 'status':
        statuses.push(message.value);
        return;
      case 'stats':
        stats.push(message.value);
        return;
      case 'log':
        if (process.env['SIGHTLINE_TEST_LOG'] === '1') {
          const { level, message: text, fieldsJson } = message.value;
          process.stderr.write(`${level} ${text} ${fieldsJson}\n`);
        }
        logs.push(message.value);
        return;
      case 'pong':
        pongs.push(message.value.id);
        return;
      case 'drained':
        drained = true;
        return;
      default:
        throw new Error('the worker sent an empty message');
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    const splitter = new MessageSplitter();
    socket.on('data', (chunk) => {
      for (const bytes of splitter.push(chunk)) take(bytes);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(socketPath);
  await once(server, 'listening');

  function vanish(): void {
    for (const socket of sockets) socket.destroy();
  }

  return {
    socketPath,
    configured: configure.cameras.map(({ camera }) => camera),
    frames,
    statuses,
    stats,
    logs,
    pongs,
    epochs,
    get hello() {
      return hello;
    },
    get drained() {
      return drained;
    },
    untilDrained: () => until('the worker to say that it is drained', () => drained),
    send,
    pause: () => {
      for (const socket of sockets) socket.pause();
    },
    resume: () => {
      for (const socket of sockets) socket.resume();
    },
    vanish,
    [Symbol.asyncDispose]: async () => {
      vanish();
      server.close();
      await once(server, 'close');
      await directory[Symbol.asyncDispose]();
    },
  };
}

const workerMain = resolve(import.meta.dirname, '../../src/software-worker/main.ts');

/** The real program, as the supervisor starts it. */
export function startWorkerProcess(socketPath: string, env: Readonly<Record<string, string>> = {}): WorkerProcess {
  return startWorker(process.execPath, [workerMain], {
    UV_THREADPOOL_SIZE: '12',
    SIGHTLINE_BRIDGE: socketPath,
    SIGHTLINE_WORKER: 'main',
    SIGHTLINE_TOKEN: 'a token of the test',
    ...env,
  });
}

export function cameraConfig(camera: string, source: string, more: Partial<CameraConfig> = {}): CameraConfig {
  return {
    ...CameraConfig.create({ camera, source }),
    transport: 'tcp',
    decode: 'software',
    detect: [detectConfig('centerface')],
    crops: {
      faces: true,
      bodies: true,
      minFaceHeight: 20,
      minBodyHeight: 40,
      refreshMs: 2000,
      betterBy: 0.15,
      jpegQuality: 90,
      maxSide: 512,
    },
    openTimeoutMs: 5000,
    silenceTimeoutMs: 5000,
    revision: '1',
    ...more,
  };
}

export function detectConfig(model: string, more: Partial<Detect> = {}): Detect {
  return { model, fps: 5, minScore: 0, classes: [], minSize: 0, width: 0, ...more };
}

export function inferenceConfig(repository: string): InferenceConfig {
  return {
    engine: 'embedded',
    repository,
    threads: 1,
    urls: [],
    inFlight: 4,
    caFile: '',
    certFile: '',
    keyFile: '',
    fallback: 'none',
    sharedMemory: false,
    queueTimeout: false,
    traceRatio: 0,
    headers: {},
  };
}

/** Waits for a state of a camera; `from` skips that many earlier reports. */
export async function untilState(
  daemon: TestDaemon,
  camera: string,
  state: SourceState,
  from = 0,
  timeoutMs = 60_000,
): Promise<SourceStatus> {
  return await until(
    `${camera} to become ${state}`,
    () => daemon.statuses.slice(from).find((status) => status.camera === camera && status.state === state),
    timeoutMs,
  );
}

/** The frames of a camera, once its file has been played to its end. */
export async function untilEnded(daemon: TestDaemon, camera: string, timeoutMs = 120_000): Promise<readonly Frame[]> {
  await untilState(daemon, camera, SourceState.ENDED, 0, timeoutMs);
  return daemon.frames.filter((frame) => frame.camera === camera);
}
