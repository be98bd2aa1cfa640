import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  AV_LOG_QUIET,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_PRFT,
  AVERROR_EOF,
  AVERROR_EXIT,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { type CodecParameters, Dictionary, FormatContext, Log, Packet, type Stream } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { type AccessUnit, AccessUnitJoiner, type Arrival, accessUnitLimitBytes } from './access-units.ts';
import { isKeyPicture, type NalCoding } from './key-pictures.ts';
import { createMemoryWatch, greedyBytes, type WatchedSource } from './memory-watch.ts';
import { PictureEnds } from './picture-ends.ts';
import { watchRedirects } from './redirects.ts';
import type { SourceAddress } from './source-address.ts';
import { sourceError } from './source-error.ts';
import type { StreamMeter } from './stream-meter.ts';
import type { TimeBase } from './times.ts';

/**
 * Encoded video of one source, access unit by access unit. One caller at a time: FFmpeg's contexts do not bear two calls in
 * flight. `interrupt` makes a pending `read` return at once; only then may it be disposed.
 */
export interface UnitSource extends AsyncDisposable {
  /** A file is read at the reader's pace and ends; a live source goes on without us. */
  readonly kind: 'live' | 'file';
  readonly parameters: CodecParameters;
  readonly timeBase: TimeBase;
  /** Frames a second as announced; undefined when nobody said. */
  readonly frameRate: number | undefined;
  /** Units handed over so far with parts of them missing, because their end was foreseen too early. */
  readonly broken: number;
  /** Of a file's video as its container states it; undefined when it does not. */
  readonly durationMs?: number;
  /** Undefined at the end. The unit is the reader's until its next call. */
  read(): Promise<VideoUnit | undefined>;
  interrupt(): void;
}

export interface VideoUnit extends Arrival {
  readonly packet: Packet;
  /** The stream ended with it, perhaps in its midst. */
  readonly last?: boolean;
  /** It is not to be decoded: decoding has fallen too far behind a live source. What comes next is, from a key picture on. */
  readonly skipped?: boolean;
}

export interface OpenOptions {
  readonly address: Exclude<SourceAddress, { kind: 'gst' }>;
  readonly transport: 'tcp' | 'udp';
  /** Holds for what comes over a network. A file is read in its own time: where that takes long, trying again would help nobody. */
  readonly openTimeoutMs: number;
  /** RTSP: where it redirects to is looked at before FFmpeg may follow, as it led nowhere the last time. */
  readonly redirected?: boolean;
}

/** Protocols FFmpeg may use for a source of each kind: a playlist or a redirect must not reach beyond them. */
const protocols = {
  rtsp: 'rtsp,rtsps,tcp,udp,rtp,tls,srtp',
  http: 'http,https,tcp,tls,crypto,hls,httpproxy',
  file: 'file',
} as const;

/** FFmpeg's RTP reader puts pictures of these together itself; those of all others come packet by packet. */
const wholePictures: ReadonlySet<number> = new Set([AV_CODEC_ID_MJPEG, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9]);

/** Codecs whose key pictures can be told from their bytes. */
const nalCodings: ReadonlyMap<number, NalCoding> = new Map<number, NalCoding>([
  [AV_CODEC_ID_H264, 'h264'],
  [AV_CODEC_ID_HEVC, 'h265'],
]);

/**
 * FFmpeg's own limits are a second line behind our watchdog: it notices a silent server only after about twice its timeout.
 * RTSP: without parsers (`noparse`) packets come as they are, and `AccessUnitJoiner` makes pictures of them. Only video is asked
 * for: beside audio FFmpeg moves the time stamps of both with every sender report, in the midst of a picture too. Probing of a
 * live source ends with the first slice, which tells the size; a rate is not measured, and more than a second is not waited.
 * `nobuffer` is not set: it throws away what was probed, the first key frame with it, and nothing decodes until the next one.
 */
function openDictionary(options: OpenOptions): Dictionary {
  const { address } = options;
  const common = { protocol_whitelist: protocols[address.kind] };
  const timeoutUs = String(options.openTimeoutMs * 1000);
  if (address.kind === 'rtsp') {
    return Dictionary.fromObject({
      ...common,
      rtsp_transport: options.transport,
      timeout: timeoutUs,
      allowed_media_types: 'video',
      fflags: 'noparse',
      probesize: '65536',
      analyzeduration: '1000000',
      fpsprobesize: '0',
    });
  }
  return Dictionary.fromObject(address.kind === 'http' ? { ...common, rw_timeout: timeoutUs } : common);
}

function epochUs(packet: Packet): number | undefined {
  const data = packet.getSideData(AV_PKT_DATA_PRFT);
  return data === null || data.length < 8 ? undefined : Number(data.readBigInt64LE(0));
}

/** FFmpeg writes addresses with their passwords to stderr; everything we need comes as return codes. */
export function silenceFfmpeg(): void {
  Log.setLevel(AV_LOG_QUIET);
}

/** Negated EINVAL: FFmpeg's answer to a redirect it may not follow. */
const invalidArgument = -22;
/** Memory belongs to the process, and so does the watch over it. */
const memory = createMemoryWatch(() => process.memoryUsage.rss());

/** Opens a source; rejects with a `source.*` error whose words hold no credentials. */
export async function openDemuxer(options: OpenOptions, ctx: Context): Promise<UnitSource> {
  const { address } = options;
  using limit = address.kind === 'file' ? undefined : ctx.clock.deadline(options.openTimeoutMs, ctx.signal);
  const end = limit?.signal ?? ctx.signal;
  while (true) {
    const opened = await tryOpen(options, end, ctx);
    if (opened !== undefined) return opened;
  }
}

/** Undefined when the open was interrupted for memory that was another's: it is to be tried again. */
async function tryOpen(options: OpenOptions, end: AbortSignal, ctx: Context): Promise<UnitSource | undefined> {
  const { address } = options;
  const format = new FormatContext();
  format.allocContext();
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    format.interrupt();
  };
  const redirects = address.kind === 'rtsp' ? watchRedirects(address.url, ctx.clock, end, interrupt) : undefined;
  const watched: WatchedSource | undefined = address.kind === 'file' ? undefined : memory.add(ctx.clock, interrupt);
  end.addEventListener('abort', interrupt, { once: true });
  if (end.aborted) interrupt();

  function check(result: number, doing: string): void {
    ctx.signal.throwIfAborted();
    if (redirects?.astray !== undefined) {
      throw new SightlineError('source.unreachable', `opening ${address.shown} failed: ${redirects.astray}`, {
        details: { source: address.shown, redirected: true },
      });
    }
    if (interrupted) {
      throw new SightlineError('source.timeout', `${doing} ${address.shown} took longer than ${options.openTimeoutMs} ms`, {
        details: { source: address.shown },
      });
    }
    if (result < 0) throw sourceError(result, doing, address.shown);
  }

  const target = address.kind === 'file' ? `file:${address.path}` : address.url;
  let stream: Stream;
  try {
    if (options.redirected === true) await redirects?.look();
    const slow = redirects?.lookWhenSlow();
    const result = interrupted ? AVERROR_EXIT : await format.openInput(target, null, openDictionary(options));
    if (result === invalidArgument) await redirects?.look();
    redirects?.stop();
    await slow;
    check(result, 'opening');
    check(await format.findStreamInfo(), 'probing');
    const index = format.findBestStream(AVMEDIA_TYPE_VIDEO);
    const found = index < 0 ? undefined : format.streams[index];
    if (found === undefined) {
      throw new SightlineError('source.format', `${address.shown} has no video`, { details: { source: address.shown } });
    }
    stream = found;
  } catch (error) {
    await format.closeInput();
    const suspected = watched?.suspected === true;
    const greedy = suspected && watched.settle();
    watched?.[Symbol.dispose]();
    if (ctx.signal.aborted) throw error;
    if (greedy) throw greedyError(address.shown);
    if (suspected && !end.aborted) return undefined;
    throw error;
  } finally {
    redirects?.stop();
    end.removeEventListener('abort', interrupt);
  }
  watched?.opened();

  const packet = new Packet();
  packet.alloc();
  const rate = stream.avgFrameRate;
  // A file over HTTP says how long it is; a live stream does not.
  const kind = address.kind === 'file' || (address.kind === 'http' && format.duration > 0n) ? 'file' : 'live';

  /** The next packet of the video into `packet`; undefined at the end. */
  async function readPacket(): Promise<Arrival | undefined> {
    while (true) {
      packet.unref();
      watched?.asked();
      const result = interrupted ? AVERROR_EOF : await format.readFrame(packet);
      if (watched?.suspected === true) {
        if (watched.settle()) throw greedyError(address.shown);
        throw new SightlineError('source.failed', `${address.shown} gave nothing while memory ran short`);
      }
      watched?.heard();
      if (interrupted || result === AVERROR_EOF) return undefined;
      if (result < 0) throw sourceError(result, 'reading', address.shown);
      if (packet.streamIndex !== stream.index) continue;
      return {
        receivedMonoUs: BigInt(Math.round(ctx.clock.mono() * 1000)),
        wallUs: ctx.clock.now() * 1000,
        ntpUs: epochUs(packet),
      };
    }
  }

  const coding = nalCodings.get(stream.codecpar.codecId);
  const joiner =
    address.kind === 'rtsp' && !wholePictures.has(stream.codecpar.codecId)
      ? new AccessUnitJoiner(coding === undefined ? undefined : new PictureEnds(coding))
      : undefined;
  /** At most two: a picture that the next one ended, and that next one, whole with its first packet. */
  const joined: AccessUnit[] = [];

  async function readJoined(units: AccessUnitJoiner): Promise<VideoUnit | undefined> {
    let unit = joined.shift();
    let last = false;
    while (unit === undefined) {
      const arrival = await readPacket();
      if (interrupted) return undefined;
      if (arrival === undefined) {
        unit = units.flush();
        if (unit === undefined) return undefined;
        last = true;
      } else if (packet.data !== null) {
        joined.push(...units.push({ ...arrival, pts: stamp(packet.pts), data: packet.data }));
        unit = joined.shift();
        if (units.bytes > accessUnitLimitBytes) {
          throw new SightlineError('source.format', `${address.shown} sends more than 16 MiB with one time stamp`, {
            details: { source: address.shown },
          });
        }
      }
    }
    const { data, pts, ...arrival } = unit;
    packet.unref();
    packet.data = data;
    packet.pts = pts ?? AV_NOPTS_VALUE;
    packet.dts = AV_NOPTS_VALUE;
    if (coding !== undefined) packet.isKeyframe = isKeyPicture(data, coding);
    return { packet, ...arrival, last };
  }

  const msPerTick = (1000 * stream.timeBase.num) / stream.timeBase.den;

  return {
    kind,
    ...(kind === 'file' && stream.duration > 0n ? { durationMs: Number(stream.duration) * msPerTick } : {}),
    parameters: stream.codecpar,
    timeBase: { num: stream.timeBase.num, den: stream.timeBase.den },
    frameRate: rate.num > 0 && rate.den > 0 ? rate.num / rate.den : undefined,
    read: async () => {
      if (joiner !== undefined) return await readJoined(joiner);
      const arrival = await readPacket();
      return arrival === undefined ? undefined : { packet, ...arrival };
    },
    get broken() {
      return joiner?.broken ?? 0;
    },
    interrupt,
    [Symbol.asyncDispose]: async () => {
      watched?.[Symbol.dispose]();
      packet.free();
      await format.closeInput();
    },
  };
}

function greedyError(shown: string): SightlineError {
  return new SightlineError('source.format', `${shown} sends one answer of more than ${greedyBytes / 2 ** 20} MiB`, {
    details: { source: shown, limitBytes: greedyBytes },
  });
}

/** A packet's or frame's time stamp, undefined where FFmpeg has none. */
export function stamp(value: bigint): bigint | undefined {
  return value === AV_NOPTS_VALUE ? undefined : value;
}

/** The same source, each of its units measured as it is read; `lastMs`: how long the latest lasts, undefined when nobody says. */
export function metered(source: UnitSource, meter: StreamMeter): UnitSource & { readonly lastMs: number | undefined } {
  const { timeBase } = source;
  const msPerTick = (1000 * timeBase.num) / timeBase.den;
  let last: { readonly pts: bigint; readonly ms: number } | undefined;
  return {
    get lastMs() {
      return last?.ms;
    },
    kind: source.kind,
    parameters: source.parameters,
    timeBase,
    frameRate: source.frameRate,
    get broken() {
      return source.broken;
    },
    read: async () => {
      const unit = await source.read();
      if (unit === undefined) return undefined;
      const pts = stamp(unit.packet.pts);
      const { duration } = unit.packet;
      if (pts !== undefined && duration > 0n && (last === undefined || pts > last.pts))
        last = { pts, ms: Number(duration) * msPerTick };
      meter.add({
        ptsMs: pts === undefined ? undefined : Number(pts) * msPerTick,
        bytes: unit.packet.size,
        key: unit.packet.isKeyframe,
        arrivedMs: unit.wallUs / 1000,
        arrivedMonoMs: Number(unit.receivedMonoUs) / 1000,
        capturedMs: unit.ntpUs === undefined ? undefined : unit.ntpUs / 1000,
      });
      return unit;
    },
    interrupt: () => source.interrupt(),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
