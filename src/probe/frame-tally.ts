import { quantile } from '../core/quantile.ts';
import type { FrameMeta } from '../core/types.ts';

/** How frames came: their rate, gaps in their time stamps, how evenly they arrived. Pure. */

export interface FrameFigures {
  readonly frames: number;
  readonly mediaMs: number;
  readonly fps?: number;
  readonly lostFrames?: number;
  readonly epochs: number;
  readonly arrival?: { readonly jitterMs: number; readonly longestGapMs: number };
}

export interface FrameTally {
  see(frame: FrameMeta): void;
  readonly frames: number;
  /** Media time seen so far. */
  readonly mediaMs: number;
  /** `skipped`: frames that came and that this machine did not decode, for lack of time. */
  figures(skipped: number): FrameFigures;
}

/**
 * What a camera has kept for who connects, and what came while the detector was loaded, arrives at once: that says nothing about how
 * evenly it sends. Time of arrival.
 */
const settlingMs = 1000;
/** Frame intervals of which the middle 80 % differ by more than this factor have no common length to miss frames by. */
const steadyWithin = 1.5;
const lateShare = 0.95;

interface Epoch {
  readonly id: number;
  readonly firstReceivedMs: number;
  sequence: number;
  ptsMs: number;
  receivedMs: number;
  /** Arrival minus time stamp of each frame, relative to the first. */
  readonly lateMs: number[];
}

export function createFrameTally(): FrameTally {
  const epochs: Epoch[] = [];
  const intervalsMs: number[] = [];
  let frames = 0;
  let mediaMs = 0;
  let longestGapMs = 0;

  function msOf({ time }: FrameMeta): number {
    return (Number(time.pts) * 1000 * time.timeBase.numerator) / time.timeBase.denominator;
  }

  function lost(): number | undefined {
    const usual = quantile(intervalsMs, 0.5);
    const [low, high] = [quantile(intervalsMs, 0.1), quantile(intervalsMs, 0.9)];
    if (usual === undefined || low === undefined || high === undefined) return 0;
    if (usual <= 0 || high > steadyWithin * low) return undefined;
    return intervalsMs.reduce((sum, interval) => sum + Math.max(0, Math.round(interval / usual) - 1), 0);
  }

  function jitterMs(): number | undefined {
    const late = epochs.flatMap((epoch) => {
      const middle = quantile(epoch.lateMs, 0.5) ?? 0;
      return epoch.lateMs.map((ms) => ms - middle);
    });
    return quantile(late, lateShare);
  }

  return {
    see: (frame) => {
      const ptsMs = msOf(frame);
      const receivedMs = frame.time.receivedMonoMs;
      frames += 1;
      const epoch = epochs.at(-1);
      if (epoch === undefined || epoch.id !== frame.epoch) {
        epochs.push({ id: frame.epoch, firstReceivedMs: receivedMs, sequence: frame.sequence, ptsMs, receivedMs, lateMs: [] });
        return;
      }
      const interval = ptsMs - epoch.ptsMs;
      mediaMs += interval;
      // What the bridge did not take is no loss of the source's.
      if (frame.sequence === epoch.sequence + 1) intervalsMs.push(interval);
      if (receivedMs - epoch.firstReceivedMs >= settlingMs) {
        epoch.lateMs.push(receivedMs - ptsMs);
        longestGapMs = Math.max(longestGapMs, receivedMs - epoch.receivedMs);
      }
      epoch.sequence = frame.sequence;
      epoch.ptsMs = ptsMs;
      epoch.receivedMs = Math.max(epoch.receivedMs, receivedMs);
    },
    get frames() {
      return frames;
    },
    get mediaMs() {
      return mediaMs;
    },
    figures: (skipped) => {
      const gaps = lost();
      const lostFrames = gaps === undefined ? undefined : Math.max(0, gaps - skipped);
      const jitter = jitterMs();
      const total = intervalsMs.reduce((sum, interval) => sum + interval, 0);
      return {
        frames,
        mediaMs,
        ...(total > 0 ? { fps: (1000 * (intervalsMs.length + skipped)) / total } : {}),
        ...(lostFrames === undefined ? {} : { lostFrames }),
        epochs: epochs.length,
        ...(jitter === undefined ? {} : { arrival: { jitterMs: jitter, longestGapMs } }),
      };
    },
  };
}
