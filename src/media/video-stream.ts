import type { Context } from '../core/context.ts';
import { nalType, nalTypes, type ParameterSets } from './h264.ts';
import { packetise, type RtpState } from './rtp.ts';

/** One H.264 stream as it is served: access units go in, every reader gets the same packets. */

export interface AccessUnit {
  /** NAL units without start codes, in stream order. */
  readonly nals: readonly Uint8Array[];
  readonly pts90k: bigint;
  /** Wall clock of the capture, milliseconds since 1970. */
  readonly captureTimeMs: number;
  readonly key: boolean;
}

/** An access unit in packets; shared by all readers, never changed. */
export interface PacketisedUnit {
  readonly packets: readonly Buffer[];
  readonly pts90k: bigint;
  readonly captureTimeMs: number;
  readonly key: boolean;
}

export interface StreamReader {
  /** Must not block and must not throw; a reader that cannot keep up drops by itself. */
  take(unit: PacketisedUnit): void;
  ended(): void;
}

export interface VideoStream {
  readonly name: string;
  readonly ssrc: number;
  readonly readers: number;
  push(unit: AccessUnit): void;
  /** Parameter sets may be known before the first key frame. */
  announce(parameters: ParameterSets): void;
  /** The newest parameter sets; rejects when the signal fires before there are any, or at once when the stream has ended. */
  parameters(signal: AbortSignal): Promise<ParameterSets>;
  /** `wanted` of the stream's options is called, so that its source can give a key frame soon. */
  attach(reader: StreamReader): Disposable;
  /** Readers are told; nothing is accepted afterwards. */
  end(): void;
}

export interface VideoStreamOptions {
  readonly name: string;
  /** Somebody began to read: a key frame soon would be kind. */
  readonly onReader?: () => void;
  readonly random?: () => number;
}

function uint(bits: number, random: () => number): number {
  return Math.floor(random() * 2 ** bits);
}

export function createVideoStream(options: VideoStreamOptions, ctx: Context): VideoStream {
  const random = options.random ?? Math.random;
  const state: RtpState = { ssrc: uint(32, random), sequence: uint(16, random) };
  const readers = new Set<StreamReader>();
  const waiting = new Set<{ resolve(parameters: ParameterSets): void; reject(reason: unknown): void }>();
  const units = ctx.metrics.counter('sightline_rtsp_units_total', 'Access units that a stream was given', ['stream']);
  let sps: Uint8Array | undefined;
  let pps: Uint8Array | undefined;
  let over = false;

  function known(): ParameterSets | undefined {
    return sps === undefined || pps === undefined ? undefined : { sps, pps };
  }

  function learn(nals: readonly Uint8Array[]): void {
    for (const nal of nals) {
      // A copy: the unit's memory is its giver's.
      if (nalType(nal) === nalTypes.sps) sps = Uint8Array.from(nal);
      else if (nalType(nal) === nalTypes.pps) pps = Uint8Array.from(nal);
    }
    const parameters = known();
    if (parameters === undefined) return;
    for (const { resolve } of waiting) resolve(parameters);
    waiting.clear();
  }

  /** Parameter sets stand before every key frame, once. */
  function complete({ nals, key }: AccessUnit): readonly Uint8Array[] {
    const parameters = known();
    if (!key || parameters === undefined) return nals;
    const others = nals.filter((nal) => nalType(nal) !== nalTypes.sps && nalType(nal) !== nalTypes.pps);
    return [parameters.sps, parameters.pps, ...others];
  }

  return {
    name: options.name,
    ssrc: state.ssrc,
    get readers() {
      return readers.size;
    },
    push(unit) {
      if (over) return;
      units.inc({ stream: options.name });
      learn(unit.nals);
      const { pts90k, captureTimeMs, key } = unit;
      const packets = packetise(complete(unit), pts90k, state);
      if (packets.length === 0) return;
      for (const reader of [...readers]) reader.take({ packets, pts90k, captureTimeMs, key });
    },
    announce(parameters) {
      learn([parameters.sps, parameters.pps]);
    },
    parameters(signal) {
      const parameters = known();
      if (parameters !== undefined) return Promise.resolve(parameters);
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
    attach(reader) {
      readers.add(reader);
      options.onReader?.();
      return { [Symbol.dispose]: () => void readers.delete(reader) };
    },
    end() {
      if (over) return;
      over = true;
      for (const { reject } of waiting) reject(new DOMException('the stream has ended', 'AbortError'));
      waiting.clear();
      for (const reader of [...readers]) reader.ended();
      readers.clear();
    },
  };
}
