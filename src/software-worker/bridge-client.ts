import { createConnection, type Socket } from 'node:net';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { frameMessage, MessageSplitter, messageLimitBytes } from '../core/framing.ts';
import { DaemonMessage, type Frame, type Hello, WorkerMessage } from '../gen/sightline/bridge/v1/bridge.ts';

export const protocolVersion = 1;

export type Report = NonNullable<WorkerMessage['message']>;
export type Command = NonNullable<DaemonMessage['message']>;

/** The worker's end of the bridge. Messages leave in the order in which they were given. */
export interface BridgeClient extends AsyncDisposable {
  /** States, answers, epoch requests: few, never dropped. */
  send(report: Exclude<Report, { $case: 'frames' }>): void;
  /** Joins frames of one moment into batches; when the daemon does not read, the oldest batch is dropped and counted. */
  sendFrame(frame: Frame): void;
  /** Room for more frames without dropping; files at full speed wait for it. Rejects when the bridge or the signal ends. */
  room(signal: AbortSignal): Promise<void>;
  /** Everything given has been handed to the operating system. */
  flushed(): Promise<void>;
  /** Resolves with the reason in words when the connection ends. */
  readonly closed: Promise<string>;
}

export interface BridgeClientOptions {
  readonly socketPath: string;
  readonly hello: Hello;
  onCommand(command: Command): void;
  /** Frames that were dropped because the daemon did not read. */
  onDropped(frames: readonly Frame[]): void;
}

/** What waits for a daemon that does not read; beyond, the oldest frames go. */
const waitingBatches = 64;
const waitingBytes = 32 * 1024 * 1024;
/** A batch is closed at these, well below the message limit: a crop is a few ten kilobytes. */
const batchFrames = 32;
const batchBytes = messageLimitBytes / 4;
/** Reports that may wait; a daemon that takes none of them is gone. */
const waitingReports = 4096;

interface Batch {
  readonly frames: Frame[];
  bytes: number;
}

function weigh(frame: Frame): number {
  return frame.objects.reduce((sum, { crop }) => sum + 256 + (crop?.jpeg.length ?? 0), 128);
}

/** Connects and says Hello; rejects with `bridge.protocol` when nobody listens. */
export async function connectBridge(options: BridgeClientOptions, ctx: Context): Promise<BridgeClient> {
  const socket = createConnection(options.socketPath);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => {
      reject(new SightlineError('bridge.protocol', 'the daemon does not listen on the bridge', { cause }));
    });
  });
  return attach(socket, options, ctx);
}

function attach(socket: Socket, options: BridgeClientOptions, ctx: Context): BridgeClient {
  const queue: (Report | Batch)[] = [];
  const splitter = new MessageSplitter();
  const closed = Promise.withResolvers<string>();
  let batches = 0;
  let bytes = 0;
  let blocked = false;
  let reason: string | undefined;
  let pumping = false;
  let changed = Promise.withResolvers<void>();

  function isBatch(item: Report | Batch): item is Batch {
    return 'frames' in item;
  }

  function encode(item: Report | Batch): Uint8Array {
    if (!isBatch(item)) return WorkerMessage.encode({ message: item }).finish();
    const sentMonoUs = BigInt(Math.round(ctx.clock.mono() * 1000));
    const frames = item.frames.map((frame) => ({ ...frame, sentMonoUs }));
    return WorkerMessage.encode({ message: { $case: 'frames', value: { frames } } }).finish();
  }

  function tell(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function pump(): void {
    pumping = false;
    while (!blocked && reason === undefined) {
      const item = queue.shift();
      if (item === undefined) break;
      if (isBatch(item)) {
        batches -= 1;
        bytes -= item.bytes;
      }
      blocked = !socket.write(frameMessage(encode(item)));
    }
    tell();
  }

  /** What is given in one turn of the loop leaves together. */
  function schedule(): void {
    if (pumping || blocked) return;
    pumping = true;
    setImmediate(pump);
  }

  function dropOldest(): void {
    const index = queue.findIndex(isBatch);
    const oldest = queue[index];
    if (oldest === undefined || !isBatch(oldest)) return;
    queue.splice(index, 1);
    batches -= 1;
    bytes -= oldest.bytes;
    options.onDropped(oldest.frames);
  }

  function end(why: string): void {
    if (reason !== undefined) return;
    reason = why;
    socket.destroy();
    tell();
    closed.resolve(why);
  }

  socket.on('drain', () => {
    blocked = false;
    schedule();
  });
  socket.on('data', (chunk) => {
    try {
      for (const message of splitter.push(chunk)) {
        const command = DaemonMessage.decode(message).message;
        if (command === undefined) continue;
        if (command.$case === 'ping') client.send({ $case: 'pong', value: { id: command.value.id } });
        else options.onCommand(command);
      }
    } catch (error) {
      end(error instanceof Error ? error.message : String(error));
    }
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the daemon closed the connection'));

  const client: BridgeClient = {
    send: (report) => {
      if (reason !== undefined) return;
      queue.push(report);
      if (queue.length - batches > waitingReports) end('the daemon takes no messages');
      schedule();
    },
    sendFrame: (frame) => {
      if (reason !== undefined) return;
      const weight = weigh(frame);
      const last = queue.at(-1);
      if (last !== undefined && isBatch(last) && last.frames.length < batchFrames && last.bytes + weight <= batchBytes) {
        last.frames.push(frame);
        last.bytes += weight;
      } else {
        queue.push({ frames: [frame], bytes: weight });
        batches += 1;
      }
      bytes += weight;
      while (batches > 1 && (batches > waitingBatches || bytes > waitingBytes)) dropOldest();
      schedule();
    },
    room: async (signal) => {
      const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
      const onAbort = () => stop();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        while (!signal.aborted && reason === undefined && (batches > waitingBatches / 4 || bytes > waitingBytes / 4)) {
          await Promise.race([changed.promise, stopped]);
        }
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
      signal.throwIfAborted();
      if (reason !== undefined) throw new SightlineError('bridge.protocol', `the bridge ended: ${reason}`);
    },
    flushed: async () => {
      while (reason === undefined && queue.length > 0) await changed.promise;
      if (reason !== undefined) return;
      // The callback of a write comes after everything written before has left.
      await Promise.race([new Promise<void>((resolve) => socket.write(new Uint8Array(), () => resolve())), closed.promise]);
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => {
      if (reason === undefined) {
        const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
        socket.end();
        socket.destroySoon();
        await gone;
      }
    },
  };
  client.send({ $case: 'hello', value: options.hello });
  return client;
}
