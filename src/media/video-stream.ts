import type { Context } from '../core/context.ts';
import { type Codec, isComplete, noParameterSets, type ParameterSets, parameterKind, withParameterSets } from './nal.ts';
import { onChannel, type Packets, packetise, type RtpState, rtpTimestamp } from './rtp.ts';

/**
 * One stream as it is served: access units go in, every reader gets the same packets. The last group of pictures is kept, so that a
 * reader's first picture does not wait for the next key frame.
 */

export interface AccessUnit {
  /** NAL units without start codes, in stream order. Views are enough: nothing of them is kept once `push` has returned. */
  readonly nals: readonly Uint8Array[];
  /** Continuous as long as the stream lives. */
  readonly pts90k: bigint;
  /** Wall clock of the capture, milliseconds since 1970. */
  readonly captureTimeMs: number;
  readonly key: boolean;
}

export interface VideoFormat {
  readonly codec: Codec;
  /** VPS, SPS and PPS as NAL units in any order, or nothing where the units bring them. */
  readonly parameterSets: readonly Uint8Array[];
}

/** An access unit in packets; shared by all readers, never changed. */
export interface PacketisedUnit extends Packets {
  readonly pts90k: bigint;
  readonly captureTimeMs: number;
  readonly key: boolean;
  /** Of its first packet. */
  readonly sequence: number;
  /** The packets with interleaved heads of this channel; of the first few channels made once for all their readers. */
  on(channel: number): Buffer;
}

export interface StreamReader {
  /** Must not block and must not throw; a reader that cannot keep up drops by itself, and says so by `lose`. */
  take(unit: PacketisedUnit): void;
  /** What follows does not continue what was. `withdrawn`: what was may not be shown any more, and what waits is given up. */
  cut(withdrawn: boolean): void;
  ended(): void;
}

/** A moment on both clocks: this RTP time was captured then. */
export interface StreamTime {
  readonly pts90k: bigint;
  readonly captureTimeMs: number;
}

export interface VideoStream {
  /** The path it is served under, and its label in metrics. */
  readonly name: string;
  readonly ssrc: number;
  readonly codec: Codec;
  /** Those who play. */
  readonly readers: number;
  /** Access units, and bytes of their packets, that it was given so far. */
  readonly units: number;
  readonly bytes: number;
  /** Access units that readers lost because they were too slow, all readers together. */
  readonly lost: number;
  push(unit: AccessUnit): void;
  /** Parameter sets may be known before the first key frame. Another codec than before ends the readers: their description is void. */
  announce(format: VideoFormat): void;
  /**
   * What follows does not continue what was: the kept pictures are forgotten, and readers get nothing before the next key frame; when those
   * were `withdrawn` nothing that waits for them either.
   */
  cut(withdrawn?: boolean): void;
  /** The newest parameter sets; rejects when the signal fires before there are any, or at once when the stream has ended. */
  parameters(signal: AbortSignal): Promise<ParameterSets>;
  /** Somebody is about to read; counted by `onReaders` until disposed. */
  hold(): Disposable;
  /** Pictures from the last key frame on, oldest first; empty where there are none that still say what is to be seen. */
  kept(): readonly PacketisedUnit[];
  /** Where the stream's clocks are now, while its source is silent too; undefined before the first unit. */
  time(): StreamTime | undefined;
  /** Units from the next one on. */
  attach(reader: StreamReader): Disposable;
  lose(units: number): void;
  /** Readers are told; nothing is accepted afterwards. */
  end(): void;
}

export interface VideoStreamOptions {
  readonly name: string;
  /** Until the first `announce`; H.264. */
  readonly codec?: Codec;
  /** A longer group of pictures is not kept, at 0 none: a new reader then waits for a key frame. */
  readonly keptBytes?: number;
  /** How many read or are about to, from a granted DESCRIBE on; called with every change, before it returns to the reader. */
  readonly onReaders?: (count: number) => void;
  readonly random?: () => number;
}

const keptBytesDefault = 16 * 1024 * 1024;
/** Kept pictures of a source that has been silent for longer are not shown as if they were live. */
const staleMs = 30_000;
/** Very many pictures of few bytes would still be many objects. */
const maxKeptUnits = 20_000;
/** Copies of a unit that are kept beside it. Clients choose their channel: each with its own would multiply what is kept. */
const keptChannels = 2;

function uint(bits: number, random: () => number): number {
  return Math.floor(random() * 2 ** bits);
}

export function createVideoStream(options: VideoStreamOptions, ctx: Context): VideoStream {
  const { clock } = ctx;
  const random = options.random ?? Math.random;
  const keptBytes = options.keptBytes ?? keptBytesDefault;
  const state: RtpState = { ssrc: uint(32, random), sequence: uint(16, random) };
  const readers = new Set<StreamReader>();
  const waiting = new Set<{ resolve(parameters: ParameterSets): void; reject(reason: unknown): void }>();
  const given = ctx.metrics.counter('sightline_rtsp_units_total', 'Access units that a stream was given', ['stream']);
  const dropped = ctx.metrics.counter('sightline_rtsp_units_dropped_total', 'Access units that slow clients lost', ['stream']);
  let sets = noParameterSets(options.codec ?? 'h264');
  let kept: PacketisedUnit[] = [];
  let bytesKept = 0;
  /** The group of pictures that is running is kept whole. */
  let keeping = false;
  let newest: (StreamTime & { readonly mono: number }) | undefined;
  let holders = 0;
  let units = 0;
  let bytes = 0;
  let lost = 0;
  let over = false;

  function learn(nals: readonly Uint8Array[]): void {
    const next = withParameterSets(sets, nals);
    if (next === sets) return;
    sets = next;
    if (!isComplete(sets)) return;
    for (const { resolve } of waiting) resolve(sets);
    waiting.clear();
  }

  /** Parameter sets stand before every key frame, once. */
  function complete({ nals, key }: AccessUnit): readonly Uint8Array[] {
    if (!key || !isComplete(sets)) return nals;
    const others = nals.filter((nal) => parameterKind(sets.codec, nal) === undefined);
    return [...sets.vps, ...sets.sps, ...sets.pps, ...others];
  }

  function keep(unit: PacketisedUnit): void {
    if (unit.key) {
      kept = [];
      bytesKept = 0;
      keeping = true;
    }
    if (!keeping) return;
    bytesKept += unit.bytes.length;
    if (bytesKept > keptBytes || kept.length >= maxKeptUnits) forget();
    else kept.push(unit);
  }

  function forget(): void {
    kept = [];
    bytesKept = 0;
    keeping = false;
  }

  function held(change: number): void {
    holders += change;
    options.onReaders?.(holders);
  }

  function endReaders(): void {
    for (const reader of [...readers]) reader.ended();
    readers.clear();
  }

  return {
    name: options.name,
    ssrc: state.ssrc,
    get codec() {
      return sets.codec;
    },
    get readers() {
      return readers.size;
    },
    get units() {
      return units;
    },
    get bytes() {
      return bytes;
    },
    get lost() {
      return lost;
    },
    push(unit) {
      if (over) return;
      units += 1;
      given.inc({ stream: options.name });
      learn(unit.nals);
      const { pts90k, captureTimeMs, key } = unit;
      newest = { pts90k, captureTimeMs, mono: clock.mono() };
      const { sequence } = state;
      const packets = packetise(sets.codec, complete(unit), pts90k, state);
      if (packets.count === 0) return;
      bytes += packets.bytes.length;
      const packetised = packetisedUnit(packets, { pts90k, captureTimeMs, key, sequence });
      keep(packetised);
      for (const reader of readers) reader.take(packetised);
    },
    announce({ codec, parameterSets }) {
      if (over) return;
      if (codec !== sets.codec) {
        sets = noParameterSets(codec);
        forget();
        endReaders();
      }
      learn(parameterSets);
    },
    cut(withdrawn = false) {
      forget();
      for (const reader of readers) reader.cut(withdrawn);
    },
    parameters(signal) {
      if (isComplete(sets) && !over) return Promise.resolve(sets);
      return new Promise((resolve, reject) => {
        if (signal.aborted || over) {
          reject(signal.reason ?? new DOMException('the stream has ended', 'AbortError'));
          return;
        }
        const entry = { resolve, reject };
        waiting.add(entry);
        signal.addEventListener(
          'abort',
          () => {
            waiting.delete(entry);
            reject(signal.reason);
          },
          { once: true },
        );
      });
    },
    hold() {
      let holding = true;
      held(1);
      return {
        [Symbol.dispose]() {
          if (holding) held(-1);
          holding = false;
        },
      };
    },
    kept() {
      return newest === undefined || clock.mono() - newest.mono > staleMs ? [] : kept;
    },
    time() {
      if (newest === undefined) return undefined;
      const silentMs = clock.mono() - newest.mono;
      const pts90k = newest.pts90k + BigInt(Math.round(silentMs * 90));
      return { pts90k, captureTimeMs: newest.captureTimeMs + silentMs };
    },
    attach(reader) {
      if (over) queueMicrotask(() => reader.ended());
      else readers.add(reader);
      return { [Symbol.dispose]: () => void readers.delete(reader) };
    },
    lose(count) {
      lost += count;
      dropped.inc({ stream: options.name }, count);
    },
    end() {
      if (over) return;
      over = true;
      forget();
      for (const { reject } of waiting) reject(new DOMException('the stream has ended', 'AbortError'));
      waiting.clear();
      endReaders();
    },
  };
}

export function packetisedUnit(packets: Packets, about: Omit<PacketisedUnit, keyof Packets | 'on'>): PacketisedUnit {
  let others: Map<number, Buffer> | undefined;
  return {
    ...packets,
    ...about,
    on(channel) {
      if (channel === 0) return packets.bytes;
      others ??= new Map();
      const known = others.get(channel);
      if (known !== undefined) return known;
      const bytes = onChannel(packets.bytes, channel);
      if (others.size < keptChannels) others.set(channel, bytes);
      return bytes;
    },
  };
}

/** Value of the header RTP-Info for a reader that is sent `first` before all else (RFC 2326 section 12.33). */
export function rtpInfo(trackUrl: string, first: PacketisedUnit): string {
  return `url=${trackUrl};seq=${first.sequence};rtptime=${rtpTimestamp(first.pts90k)}`;
}
