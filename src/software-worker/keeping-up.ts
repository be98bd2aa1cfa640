/**
 * Whether the detectors of a camera keep up with what is asked of them, judged by the frames that were looked at and those that lost their
 * turn to a newer one. Pure.
 */
export interface KeepingUp {
  /** Totals so far, once a second; gives the verdict when there is something new to say. */
  add(totals: { readonly looked: number; readonly missed: number }): KeepingUpVerdict | undefined;
}

export type KeepingUpVerdict =
  | { readonly late: false }
  | { readonly late: true; readonly fps: number; readonly dueFps: number };

/** Judged over this many seconds: a machine that is busy for a moment is no news. */
const windowS = 10;
/** Share of missed frames from which a camera is late, and below which it is not any more. */
const lateFrom = 0.1;
const wellBelow = 0.02;
/** A late camera is news again when its rate has changed by this share. */
const newsFrom = 0.25;

export function createKeepingUp(): KeepingUp {
  const samples: { readonly looked: number; readonly missed: number }[] = [];
  let told: number | undefined;
  return {
    add: (totals) => {
      samples.push(totals);
      if (samples.length > windowS + 1) samples.shift();
      const first = samples[0];
      if (first === undefined || samples.length <= windowS) return undefined;
      const fps = (totals.looked - first.looked) / windowS;
      const dueFps = fps + (totals.missed - first.missed) / windowS;
      const share = dueFps === 0 ? 0 : 1 - fps / dueFps;
      if (told === undefined ? share <= lateFrom : share < wellBelow) {
        if (told === undefined) return undefined;
        told = undefined;
        return { late: false };
      }
      if (told !== undefined && Math.abs(fps - told) <= newsFrom * told) return undefined;
      told = fps;
      return { late: true, fps, dueFps };
    },
  };
}
