import type { StreamStats } from '../gen/sightline/bridge/v1/bridge.ts';
import { createSenderClock } from './sender-clock.ts';

/** What arrives of a source, measured before decoding: how much, how often a key frame, in what order, by whose clock. */

export interface MeteredUnit {
  /** Presentation time in milliseconds; undefined when the source gave none. */
  readonly ptsMs: number | undefined;
  readonly bytes: number;
  readonly key: boolean;
  /** Our wall clock at arrival, milliseconds since 1970. */
  readonly arrivedMs: number;
  /** Our monotonic clock at arrival: the wall clock may be set while a stream is measured. */
  readonly arrivedMonoMs: number;
  /** Sender's wall clock at capture, milliseconds since 1970; undefined while its reports have not said. */
  readonly capturedMs: number | undefined;
}

export interface StreamMeter {
  add(unit: MeteredUnit): void;
  stats(undecodable: number): StreamStats;
}

/** A unit further from the latest than this begins a new time line, which is put at the end of the old one. */
const sameTimeLine = { backMs: 2000, aheadMs: 10_000 } as const;
/** Units looked back at for their order; the codecs allow no more (H.264 max_num_reorder_frames, H.265 sps_max_num_reorder_pics). */
const orderWindow = 16;
/** A depth of reordering counts when it was seen this often: one hiccup of a sender is no B-frame. */
const leastSeen = 3;
const assumedFrameRate = 25;

/** Pure. `declaredFps` 0: nobody said. */
export function createStreamMeter(source: { readonly declaredFps: number; readonly live: boolean }): StreamMeter {
  const stepMs = 1000 / (source.declaredFps > 0 ? source.declaredFps : assumedFrameRate);
  let units = 0;
  let bytes = 0;
  let keyFrames = 0;
  let shiftMs = 0;
  let firstMs = 0;
  let latestMs = 0;
  let firstKeyMs = 0;
  let latestKeyMs = 0;
  let longestKeyMs = 0;
  const senderClock = createSenderClock();
  const recent: number[] = [];
  const depths = new Map<number, number>();

  function placed(ptsMs: number | undefined): number {
    if (units === 0) {
      firstMs = ptsMs ?? 0;
      latestMs = firstMs;
      return firstMs;
    }
    if (ptsMs === undefined) return latestMs + stepMs;
    const away = ptsMs + shiftMs - latestMs;
    if (away < -sameTimeLine.backMs || away > sameTimeLine.aheadMs) {
      shiftMs = latestMs + stepMs - ptsMs;
      recent.length = 0;
      senderClock.reset();
    }
    return ptsMs + shiftMs;
  }

  return {
    add: (unit) => {
      const atMs = placed(unit.ptsMs);
      units += 1;
      bytes += unit.bytes;
      const depth = recent.filter((before) => before > atMs).length;
      if (depth > 0) depths.set(depth, (depths.get(depth) ?? 0) + 1);
      recent.push(atMs);
      if (recent.length > orderWindow) recent.shift();
      latestMs = Math.max(latestMs, atMs);
      if (unit.key) {
        if (keyFrames === 0) firstKeyMs = atMs;
        else longestKeyMs = Math.max(longestKeyMs, atMs - latestKeyMs);
        keyFrames += 1;
        latestKeyMs = atMs;
      }
      const { arrivedMs, arrivedMonoMs, capturedMs } = unit;
      senderClock.add({ mediaMs: atMs, arrivedMonoMs, arrivedMs, capturedMs });
    },
    stats: (undecodable) => ({
      units: BigInt(units),
      bytes: BigInt(bytes),
      mediaMs: latestMs - firstMs,
      keyFrames: BigInt(keyFrames),
      keySpanMs: keyFrames === 0 ? 0 : latestKeyMs - firstKeyMs,
      longestKeyIntervalMs: Math.max(longestKeyMs, latestMs - (keyFrames === 0 ? firstMs : latestKeyMs)),
      reorderUnits: Math.max(0, ...[...depths].filter(([, seen]) => seen >= leastSeen).map(([depth]) => depth)),
      undecodable: BigInt(undecodable),
      declaredFps: source.declaredFps,
      senderClock: senderClock.aheadMs !== undefined,
      senderAheadMs: senderClock.aheadMs ?? 0,
      live: source.live,
    }),
  };
}
