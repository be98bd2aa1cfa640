import { createConnection, type Socket } from 'node:net';
import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { messageLimitBytes } from '../core/framing.ts';
import { Unit, Variant } from '../gen/sightline/media/v1/media.ts';
import { framedMessage, framedUnit } from './media-wire.ts';

/**
 * The worker's end of media.sock: encoded video of its cameras, on its way to the media door. Nothing here waits for the door: what it
 * does not take in time is dropped, oldest first and up to the next key frame, so that what it gets can be decoded. A door that is away
 * is looked for with growing delays; it gets what waited from a key frame on, each stream with its format before.
 */
export interface MediaSender extends AsyncDisposable {
  stream(of: {
    readonly camera: string;
    readonly variant: 'clean' | 'annotated';
    /** Of the settings that its units are made with. */
    readonly revision: string;
  }): SentStream;
}

export interface SentStream extends Disposable {
  /** Takes the bytes over. */
  send(unit: SentUnit, format: SentFormat): void;
  /** Units so far that the door did not take in time. */
  readonly dropped: number;
  /** Called with every connection: what the door gets begins with a key frame, and an encoder may give one sooner. */
  onConnected: (() => void) | undefined;
}

/** One object for all units that it describes. */
export interface SentFormat {
  readonly epoch: number;
  readonly codec: 'h264' | 'h265';
  readonly width: number;
  readonly height: number;
  readonly parameterSets: Buffer;
}

export interface SentUnit {
  readonly key: boolean;
  /** 90 kHz. */
  readonly pts: bigint;
  readonly dts: bigint;
  readonly captureTimeUs: number;
  readonly receivedMonoUs: bigint;
  /** Annex B. */
  readonly data: Buffer;
}

export interface MediaSenderOptions {
  readonly socketPath: string;
  /** As in the Hello of the bridge. */
  readonly worker: string;
  readonly token: string;
}

const protocolVersion = 1;
/** What waits for a door that does not read, all streams together. */
const waitingBytes = 8 * 1024 * 1024;
const waitingMs = 2000;
/** Left of a message for all that is not the unit's own bytes. */
const unitLimitBytes = messageLimitBytes - 1024;
const delays = { firstMs: 100, maxMs: 2000 } as const;
/** A connection that lasted so long is one that the door wants. */
const steadyMs = 2000;

interface Stream {
  readonly camera: string;
  readonly variant: Variant;
  readonly revision: string;
  dropped: number;
  /** What the door knows of it, on this connection. */
  format: SentFormat | undefined;
  /** Units are left out until the next key frame. */
  broken: boolean;
  onConnected: (() => void) | undefined;
}

interface Item {
  readonly stream: Stream;
  readonly unit: SentUnit;
  readonly format: SentFormat;
  readonly atMs: number;
}

export function startMediaSender(options: MediaSenderOptions, ctx: Context): MediaSender {
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  const streams = new Set<Stream>();
  let queue: Item[] = [];
  let bytes = 0;
  let socket: Socket | undefined;
  let blocked = false;
  let connectedMs = 0;
  let away = false;
  const backoff = new Backoff(delays);

  function lose(item: Item): void {
    item.stream.dropped += 1;
    item.stream.broken = true;
    bytes -= item.unit.data.length;
  }

  /** Gives up the oldest unit and those of its stream that cannot be decoded without it. */
  function dropOldest(): void {
    const oldest = queue.shift();
    if (oldest === undefined) return;
    lose(oldest);
    let whole = false;
    queue = queue.filter((item) => {
      if (item.stream !== oldest.stream) return true;
      whole ||= item.unit.key;
      if (!whole) lose(item);
      return whole;
    });
  }

  function write(to: Socket, { stream, unit, format }: Item): void {
    const { camera, variant, revision } = stream;
    to.cork();
    if (stream.format !== format) {
      stream.format = format;
      to.write(framedMessage({ $case: 'format', value: { camera, variant, revision, ...format } }));
    }
    const { key, pts, dts, captureTimeUs, receivedMonoUs, data } = unit;
    const head = Unit.encode({
      ...{ camera, epoch: format.epoch, variant, key, pts, dts, receivedMonoUs },
      captureTimeUs: BigInt(captureTimeUs),
      data: Buffer.alloc(0),
    }).finish();
    for (const part of framedUnit(head, data)) blocked = !to.write(part);
    to.uncork();
  }

  function pump(): void {
    while (socket !== undefined && !blocked) {
      const item = queue.shift();
      if (item === undefined) return;
      if (item.unit.key) item.stream.broken = false;
      if (item.stream.broken) {
        lose(item);
        continue;
      }
      bytes -= item.unit.data.length;
      write(socket, item);
    }
  }

  function noteSteady(nowMs: number): void {
    if (socket === undefined || nowMs - connectedMs < steadyMs) return;
    backoff.reset();
    if (away) ctx.log.info({}, 'media door is there again');
    away = false;
  }

  /** Resolves when the connection has ended, with what ended it where that is known. */
  async function connection(): Promise<Error | undefined> {
    const opened = createConnection(options.socketPath);
    const end = () => opened.destroy();
    signal.addEventListener('abort', end, { once: true });
    let error: Error | undefined;
    try {
      return await new Promise((resolve) => {
        opened.on('connect', () => {
          socket = opened;
          connectedMs = ctx.clock.mono();
          blocked = false;
          const { worker, token } = options;
          opened.write(framedMessage({ $case: 'hello', value: { protocolVersion, worker, token } }));
          for (const stream of streams) {
            stream.format = undefined;
            stream.broken = true;
          }
          pump();
          for (const stream of streams) stream.onConnected?.();
        });
        opened.on('drain', () => {
          blocked = false;
          pump();
        });
        // The door says nothing; read all the same, to hear of its end.
        opened.resume();
        opened.on('error', (cause) => {
          error = cause;
        });
        opened.on('close', () => {
          noteSteady(ctx.clock.mono());
          resolve(error);
        });
      });
    } finally {
      socket = undefined;
      signal.removeEventListener('abort', end);
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const error = await connection();
      if (signal.aborted) return;
      if (!away)
        ctx.log.warn({ reason: error?.message ?? 'it closed the connection' }, 'media door is away, video waits for it');
      away = true;
      await ctx.clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  const running = run();

  return {
    stream: ({ camera, variant, revision }) => {
      const stream: Stream = {
        camera,
        variant: variant === 'clean' ? Variant.CLEAN : Variant.ANNOTATED,
        revision,
        dropped: 0,
        format: undefined,
        broken: false,
        onConnected: undefined,
      };
      streams.add(stream);
      return {
        send: (unit, format) => {
          if (unit.data.length > unitLimitBytes) {
            stream.dropped += 1;
            stream.broken = true;
            return;
          }
          const nowMs = ctx.clock.mono();
          noteSteady(nowMs);
          queue.push({ stream, unit, format, atMs: nowMs });
          bytes += unit.data.length;
          pump();
          while (bytes > waitingBytes || nowMs - (queue[0]?.atMs ?? nowMs) > waitingMs) dropOldest();
        },
        get dropped() {
          return stream.dropped;
        },
        get onConnected() {
          return stream.onConnected;
        },
        set onConnected(call) {
          stream.onConnected = call;
        },
        [Symbol.dispose]: () => {
          streams.delete(stream);
          queue = queue.filter((item) => {
            if (item.stream === stream) bytes -= item.unit.data.length;
            return item.stream !== stream;
          });
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort(new DOMException('the media sender was closed', 'AbortError'));
      await running;
    },
  };
}
