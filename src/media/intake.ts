import { createServer, type Socket } from 'node:net';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { MessageSplitter, messageLimitBytes } from '../core/framing.ts';
import { FloodGate } from '../core/log.ts';
import { sameSecret } from '../core/same-secret.ts';
import { keepSocket, listenOn, makeWay } from '../core/socket-file.ts';
import { requireSocketPath } from '../core/socket-path.ts';
import type { CameraId } from '../core/types.ts';
import {
  decodeIntakeMessage,
  type IntakeFormat,
  type IntakeHello,
  type IntakeMessage,
  type IntakeUnit,
  type StreamVariant,
} from './intake-wire.ts';

/**
 * The socket that workers send video to (`media.proto`). It never stops reading. Whatever a worker does wrong ends its connection at most:
 * what is of others' cameras, of an epoch that is over, or as no format or unit can be is dropped and counted.
 */
const protocolVersion = 1;
const helloWithinMs = 10_000;
const helloLimitBytes = 4096;
/** Connections that have not said hello. */
const strangersLimit = 64;
/** Streams of one connection: two of each camera. */
const streamsLimit = 2048;

export type RefusedReason = 'camera' | 'epoch' | 'token' | 'protocol' | 'unwanted';

export interface IntakeWorker {
  readonly worker: string;
  readonly token: string;
  readonly cameras: readonly CameraId[];
}

/** Calls must return at once and not throw. */
export interface IntakeSink {
  /** In force for the units that follow; called before the first of them, and again whenever a worker says it anew. */
  format(format: IntakeFormat): void;
  /** Why it was not taken, if it was not. */
  unit(unit: IntakeUnit): RefusedReason | undefined;
  /** A worker's connection has ended: no video of these comes until it is back. */
  gone(cameras: readonly CameraId[]): void;
}

export interface Intake extends AsyncDisposable {
  readonly socketPath: string;
  /** The whole list: connections of workers that are not on it any more are closed. */
  setWorkers(workers: readonly IntakeWorker[]): void;
  /** What was not taken, by reason, since the start. */
  readonly refused: Readonly<Record<RefusedReason, number>>;
}

interface Registration {
  readonly token: string;
  readonly cameras: ReadonlySet<CameraId>;
}

interface Connection {
  close(reason: string): void;
}

/** What a connection has said of one stream of one camera. */
interface SaidStream {
  epoch: number;
  /** Of `epoch`; undefined until it has been said. */
  format: IntakeFormat | undefined;
  /** The sink knows it. */
  passed: boolean;
}

/** Rejects with `control.unavailable`, `daemon.running` or the system's error when the socket cannot be opened. */
export async function startIntake(
  options: { readonly socketPath: string; readonly sink: IntakeSink },
  ctx: Context,
): Promise<Intake> {
  const { socketPath, sink } = options;
  requireSocketPath(socketPath, 'choose a shorter dataDir, or TMPDIR where it lies there');
  const flood = new FloodGate(ctx.log, ctx.clock);
  const refused: Record<RefusedReason, number> = { camera: 0, epoch: 0, token: 0, protocol: 0, unwanted: 0 };
  const sockets = new Set<Socket>();
  const connected = new Map<string, Connection>();
  let workers: ReadonlyMap<string, Registration> = new Map();
  let strangers = 0;

  function refuse(reason: RefusedReason, fields: object): void {
    refused[reason] += 1;
    // What is on its way when a source is opened again, or when the last one stops watching, comes too late by nature.
    if (reason !== 'unwanted' && reason !== 'epoch') flood.warn('video of a worker is not taken', { reason, ...fields });
  }

  function accept(socket: Socket): void {
    if (strangers >= strangersLimit) {
      refuse('token', { connections: strangers });
      socket.destroy();
      return;
    }
    sockets.add(socket);
    strangers += 1;
    const splitter = new MessageSplitter(helloLimitBytes);
    const streams = new Map<string, SaidStream>();
    let worker: string | undefined;
    let ended: string | undefined;

    const connection: Connection = {
      close: (reason) => {
        ended ??= reason;
        socket.destroy();
      },
    };
    const helloTimer = ctx.clock.deadline(helloWithinMs);
    helloTimer.signal.addEventListener('abort', () => connection.close(`no hello within ${helloWithinMs / 1000} s`), {
      once: true,
    });

    function introduce(hello: IntakeHello): void {
      if (hello.protocolVersion !== protocolVersion) {
        throw new SightlineError(
          'media.protocol',
          `the worker speaks protocol ${hello.protocolVersion}, the media door ${protocolVersion}`,
        );
      }
      const registration = workers.get(hello.worker);
      if (registration === undefined || !sameSecret(hello.token, registration.token)) {
        refused.token += 1;
        connection.close('a worker that the daemon has not named said hello');
        return;
      }
      connected.get(hello.worker)?.close('the same worker connected again');
      connected.set(hello.worker, connection);
      worker = hello.worker;
      strangers -= 1;
      helloTimer[Symbol.dispose]();
      splitter.limit = messageLimitBytes;
      ctx.log.info({ worker }, 'worker sends video');
    }

    /** The stream of `message` if that is of its newest epoch. */
    function streamOf(message: {
      readonly camera: CameraId;
      readonly variant: StreamVariant;
      readonly epoch: number;
    }): SaidStream | undefined {
      const key = `${message.variant}/${message.camera}`;
      const said = streams.get(key);
      if (said === undefined) {
        if (streams.size >= streamsLimit)
          throw new SightlineError('media.protocol', `a worker has more than ${streamsLimit} streams`);
        const fresh: SaidStream = { epoch: message.epoch, format: undefined, passed: false };
        streams.set(key, fresh);
        return fresh;
      }
      if (message.epoch < said.epoch) return undefined;
      if (message.epoch > said.epoch) {
        said.epoch = message.epoch;
        said.format = undefined;
        said.passed = false;
      }
      return said;
    }

    function takeUnit(unit: IntakeUnit): RefusedReason | undefined {
      const stream = streamOf(unit);
      if (stream === undefined) return 'epoch';
      if (worker === undefined || !workers.get(worker)?.cameras.has(unit.camera)) return 'camera';
      // Its format was not sound, or never came.
      if (stream.format === undefined) return 'protocol';
      if (!stream.passed) sink.format(stream.format);
      stream.passed = true;
      return sink.unit(unit);
    }

    function receive(message: IntakeMessage): void {
      if (message.type === 'hello' || worker === undefined) {
        if (message.type !== 'hello') throw new SightlineError('media.protocol', 'the first message was not hello');
        if (worker !== undefined) throw new SightlineError('media.protocol', 'a second hello came');
        introduce(message.hello);
        return;
      }
      if (message.type === 'unsound') {
        refuse('protocol', { worker, camera: message.camera, why: message.reason });
        return;
      }
      if (message.type === 'format') {
        const stream = streamOf(message.format);
        if (stream === undefined) {
          refuse('epoch', { worker, camera: message.format.camera });
          return;
        }
        // Kept whoever's camera it is: the daemon's list may come a moment later, and the format is said once.
        stream.format = message.format;
        stream.passed = false;
        return;
      }
      const reason = takeUnit(message.unit);
      if (reason !== undefined) refuse(reason, { worker, camera: message.unit.camera });
    }

    socket.on('data', (chunk) => {
      try {
        for (const bytes of splitter.push(chunk)) {
          if (ended !== undefined) return;
          receive(decodeIntakeMessage(bytes));
        }
      } catch (error) {
        if (ended !== undefined) return;
        refused.protocol += 1;
        if (isSightlineError(error)) connection.close(error.message);
        else {
          ctx.log.error({ err: error, from: worker }, 'a message of a worker made the media door fail');
          connection.close('the media door failed on a message of it');
        }
      }
    });
    socket.on('error', (error) => {
      ended ??= error.message;
    });
    socket.on('close', () => {
      sockets.delete(socket);
      helloTimer[Symbol.dispose]();
      const reason = ended ?? 'the worker closed the connection';
      ended = reason;
      if (worker === undefined) {
        strangers -= 1;
        flood.warn('connection refused at the media socket', { reason });
        return;
      }
      flood.info('worker sends no video any more', { worker, reason });
      if (connected.get(worker) !== connection) return;
      connected.delete(worker);
      sink.gone([...(workers.get(worker)?.cameras ?? [])]);
    });
  }

  await makeWay(socketPath);
  const server = createServer(accept);
  await listenOn(server, socketPath);
  server.on('error', (error) => ctx.log.error({ err: error }, 'media socket failed'));
  const keeping = await keepSocket(server, socketPath, ctx);

  return {
    socketPath,
    refused,
    setWorkers: (list) => {
      const before = workers;
      workers = new Map(list.map(({ worker, token, cameras }) => [worker, { token, cameras: new Set(cameras) }]));
      for (const [worker, connection] of [...connected]) {
        const token = workers.get(worker)?.token;
        if (token === undefined || before.get(worker)?.token !== token) connection.close('the daemon has dismissed the worker');
      }
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
