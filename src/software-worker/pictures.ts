import type { Frame } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { type DecodeChoice, type Hardware, openDecoder } from './decoder.ts';
import { stamp, type UnitSource, type VideoUnit } from './demux.ts';
import { createFrameTimes, type FrameClock, type TimeBase } from './times.ts';

/** One decoded frame: I420 in memory, owned by whoever takes it (`free`). */
export interface Picture extends FrameClock {
  readonly frame: Frame;
  readonly width: number;
  readonly height: number;
  readonly receivedMonoUs: bigint;
  readonly decodedMonoUs: bigint;
  /** Units before it were skipped: the time since the frame before is no frame interval. */
  readonly afterSkip: boolean;
}

/** Decoded frames of one open source, in the order of presentation. One caller at a time. */
export interface PictureStream extends AsyncDisposable {
  readonly kind: 'live' | 'file';
  readonly timeBase: TimeBase;
  readonly codec: string;
  /** As announced; undefined when nobody said. */
  readonly frameRate: number | undefined;
  /** How it is decoded; may become `software` with the first frames. */
  readonly path: string;
  /** Units so far that could not be decoded, or not in whole. */
  readonly undecodable: number;
  /** Undefined at the end. Rejects with `source.timeout` when the source falls silent. */
  next(): Promise<Picture | undefined>;
  /** Makes a pending `next` end; no other call may follow but disposal. */
  interrupt(): void;
}

export interface PictureOptions {
  readonly decode: DecodeChoice;
  readonly hardware: Hardware;
  /** Files: hand frames over at the pace of their time stamps. */
  readonly realtime: boolean;
  /** Undefined for a file of this machine: it may take its time, and to begin anew would play it twice. */
  readonly silenceTimeoutMs: number | undefined;
  /** Called for each unit that is not decoded because decoding is too far behind. */
  onSkipped?(): void;
}

/** Arrival times kept for frames that the decoder still holds (B-frames, frame threads). */
const arrivalsKept = 64;
/** Frame rate assumed for sources that neither announce one nor stamp their frames. */
const assumedFrameRate = 25;

/** Takes `source` over: disposing the stream disposes it, also when this rejects. */
export async function openPictures(source: UnitSource, options: PictureOptions, ctx: Context): Promise<PictureStream> {
  const decoder = await openDecoder(source.parameters, options.decode, options.hardware).catch(async (error: unknown) => {
    await source[Symbol.asyncDispose]();
    throw error;
  });
  const times = createFrameTimes({
    timeBase: source.timeBase,
    kind: source.kind,
    frameRate: source.frameRate ?? assumedFrameRate,
    openedWallUs: ctx.clock.now() * 1000,
  });
  const arrivals = new Map<bigint, VideoUnitTimes>();
  const ready: DecodedFrame[] = [];
  let latest: VideoUnitTimes | undefined;
  let damaged = 0;
  let ended = false;
  let silent = false;
  let interrupted = false;
  let skipping = false;
  let afterSkip = false;
  let begunMonoMs: number | undefined;
  let waitingSinceMs: number | undefined;
  /** How long the source was waited for without a frame. */
  let silentMs = 0;
  const stopping = new AbortController();

  function watch(limitMs: number): Disposable {
    const everyMs = Math.min(500, limitMs / 4);
    let tickMonoMs = ctx.clock.mono();
    return ctx.clock.every(everyMs, () => {
      const nowMs = ctx.clock.mono();
      const waitedMs = nowMs - Math.max(tickMonoMs, waitingSinceMs ?? nowMs);
      tickMonoMs = nowMs;
      // A tick that comes late says that this process had no turn, not that nothing was sent.
      silentMs += Math.min(waitedMs, 2 * everyMs);
      if (silentMs < limitMs) return;
      silent = true;
      source.interrupt();
    });
  }

  const watchdog = options.silenceTimeoutMs === undefined ? undefined : watch(options.silenceTimeoutMs);

  const undecodable = () => decoder.errors + damaged + source.broken;
  const nowUs = () => BigInt(Math.round(ctx.clock.mono() * 1000));

  function remember(unit: VideoUnit): void {
    latest = { receivedMonoUs: unit.receivedMonoUs, wallUs: unit.wallUs, ntpUs: unit.ntpUs };
    const pts = stamp(unit.packet.pts);
    if (pts === undefined) return;
    arrivals.set(pts, latest);
    if (arrivals.size > arrivalsKept) {
      const oldest = arrivals.keys().next().value;
      if (oldest !== undefined) arrivals.delete(oldest);
    }
  }

  function arrivalOf(pts: bigint | undefined): VideoUnitTimes {
    const known = pts === undefined ? undefined : arrivals.get(pts);
    if (pts !== undefined) arrivals.delete(pts);
    return known ?? latest ?? { receivedMonoUs: nowUs(), wallUs: ctx.clock.now() * 1000, ntpUs: undefined };
  }

  function heard(): void {
    waitingSinceMs = undefined;
    silentMs = 0;
  }

  function take(frames: readonly Frame[], last = false): void {
    const decodedMonoUs = nowUs();
    for (const frame of frames) {
      // What was cut off is made up from the picture before: nobody shall be seen in that.
      if (last && frame.decodeErrorFlags !== 0) {
        damaged += 1;
        frame.free();
        continue;
      }
      ready.push({ frame, times: arrivalOf(stamp(frame.pts)), decodedMonoUs, afterSkip });
      afterSkip = false;
    }
  }

  async function skip(): Promise<void> {
    // The source is not silent: it sends more than can be decoded.
    heard();
    options.onSkipped?.();
    if (!skipping) take(await decoder.breakOff());
    skipping = true;
    afterSkip = true;
  }

  async function fill(): Promise<void> {
    while (ready.length === 0 && !ended) {
      waitingSinceMs ??= ctx.clock.mono();
      const unit = await source.read();
      if (unit === undefined) ended = true;
      if (interrupted || silent) return;
      if (unit?.skipped === true) {
        await skip();
        continue;
      }
      skipping = false;
      if (unit !== undefined) remember(unit);
      take(await decoder.decode(unit?.packet), unit?.last);
    }
    heard();
  }

  async function paced(clock: FrameClock): Promise<bigint> {
    begunMonoMs ??= ctx.clock.mono() - clock.mediaMs;
    const wait = begunMonoMs + clock.mediaMs - ctx.clock.mono();
    if (wait > 0) await ctx.clock.sleep(wait, AbortSignal.any([ctx.signal, stopping.signal]));
    return nowUs();
  }

  return {
    kind: source.kind,
    timeBase: source.timeBase,
    codec: decoder.codec,
    frameRate: source.frameRate,
    get path() {
      return decoder.path;
    },
    get undecodable() {
      return undecodable();
    },
    next: async () => {
      await fill();
      if (interrupted) return undefined;
      if (silent) {
        throw new SightlineError('source.timeout', `no frame for ${options.silenceTimeoutMs} ms`, {
          details: { silenceTimeoutMs: options.silenceTimeoutMs, undecodable: undecodable() },
        });
      }
      const next = ready.shift();
      if (next === undefined) return undefined;
      const { frame } = next;
      const pts = stamp(frame.pts) ?? stamp(frame.bestEffortTimestamp);
      const clock = times.next({ pts, ...next.times });
      if (clock.restarted) begunMonoMs = undefined;
      const isPaced = options.realtime && source.kind === 'file';
      const receivedMonoUs = isPaced ? await paced(clock) : next.times.receivedMonoUs;
      return {
        ...clock,
        frame,
        width: frame.width,
        height: frame.height,
        receivedMonoUs,
        decodedMonoUs: isPaced ? receivedMonoUs : next.decodedMonoUs,
        afterSkip: next.afterSkip,
      };
    },
    interrupt: () => {
      interrupted = true;
      stopping.abort();
      source.interrupt();
    },
    [Symbol.asyncDispose]: async () => {
      watchdog?.[Symbol.dispose]();
      for (const { frame } of ready.splice(0)) frame.free();
      decoder[Symbol.dispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}

type VideoUnitTimes = Omit<VideoUnit, 'packet' | 'last' | 'skipped'>;

interface DecodedFrame extends Pick<Picture, 'frame' | 'decodedMonoUs' | 'afterSkip'> {
  readonly times: VideoUnitTimes;
}
