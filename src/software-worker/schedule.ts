import { lookMs } from '../core/looks.ts';

/** Which detectors look at a frame, by media time and the motion gate's word. Pure. */
export interface DetectSchedule {
  /** Indices of the detectors that look at this frame; `gated` counts those that a still scene spared. */
  due(mediaMs: number, motion: 'motion' | 'refresh' | 'still'): { readonly due: readonly number[]; readonly gated: number };
  /**
   * A detector saw somebody new at `mediaMs`: it looks again as soon as that counts as a second look, and goes on from there at its
   * pace. At most once in `hurryPeriods`, so that it never looks more than a fifth more often than asked.
   */
  hurry(index: number, mediaMs: number): void;
}

const hurryPeriods = 5;
/** Event time is slewed by a thousandth at most, and a look that comes a moment too early would be none. */
const secondLookMs = 1.002 * lookMs;

/** Forgives the rounding of time stamps. */
const toleranceMs = 0.001;

export function createDetectSchedule(fps: readonly number[]): DetectSchedule {
  const detectors = fps.map((rate) => ({
    periodMs: 1000 / rate,
    plannedMs: Number.NEGATIVE_INFINITY,
    lookedMs: Number.NEGATIVE_INFINITY,
    hurriedMs: Number.NEGATIVE_INFINITY,
  }));
  let still = false;
  return {
    due: (mediaMs, motion) => {
      const now = mediaMs + toleranceMs;
      const wakes = still && motion === 'motion';
      still = motion === 'still' || (still && motion === 'refresh');
      const due: number[] = [];
      let gated = 0;
      detectors.forEach((detector, index) => {
        const planned = now >= detector.plannedMs;
        const rested = motion === 'refresh' && now >= detector.lookedMs + detector.periodMs;
        if (!planned && !rested && !wakes) return;
        // On its grid as long as it keeps up, so that 5 fps of a 12 fps source are 5 on average.
        const onGrid = detector.plannedMs + detector.periodMs;
        detector.plannedMs = planned && onGrid > now ? onGrid : mediaMs + detector.periodMs;
        if (motion === 'still') {
          gated += 1;
          return;
        }
        detector.lookedMs = mediaMs;
        due.push(index);
      });
      return { due, gated };
    },
    hurry: (index, mediaMs) => {
      const detector = detectors[index];
      if (detector === undefined || mediaMs < detector.hurriedMs + hurryPeriods * detector.periodMs) return;
      const soonest = Math.max(mediaMs + secondLookMs, detector.lookedMs);
      if (detector.plannedMs <= soonest) return;
      detector.plannedMs = soonest;
      detector.hurriedMs = mediaMs;
    },
  };
}
