/**
 * Whether the detectors of a camera, or its decoder, keep up with what is asked of them, judged by the frames that they worked on and those
 * that were passed over because there was too much to do. Pure.
 */
export interface KeepingUp {
  /** Totals so far, once a second or so; gives the verdict when there is something new to say. */
  add(totals: { readonly done: number; readonly missed: number }, nowMs: number): KeepingUpVerdict | undefined;
  /** Forgets everything: what comes next has nothing to do with what was. */
  reset(): void;
}

export type KeepingUpVerdict =
  | { readonly late: false }
  | { readonly late: true; readonly fps: number; readonly dueFps: number };

/** How much may be missed. */
export interface PaceLimits {
  /** Share of missed frames above which a camera is late, and up to which it is not any more. */
  readonly lateFrom: number;
  readonly wellUpTo: number;
  /** Longer than what makes it late, so that a camera does not go to and fro. */
  readonly wellAfterMs: number;
}

export const lookLimits: PaceLimits = { lateFrom: 0.1, wellUpTo: 0.02, wellAfterMs: 30_000 };
/** Units are skipped many at once, a minute and more apart where the machine lacks but little. */
export const decodeLimits: PaceLimits = { lateFrom: 0, wellUpTo: 0, wellAfterMs: 180_000 };

/** Judged over at least so long and so many frames: neither a machine that is busy for a moment nor a single frame is news. */
const lateAfter = { ms: 10_000, frames: 20 } as const;
/** Nothing is judged by what is older. */
const memoryMs = 600_000;
/**
 * A late camera is news again when its rate over this time has changed by this share and by so many frames: one frame more or less in
 * the ten seconds of the first verdict is six in a minute.
 */
const newsAfter = { ms: 60_000, frames: 0 } as const;
const newsFrom = { share: 0.25, frames: 8 } as const;

interface Sample {
  readonly done: number;
  readonly missed: number;
  readonly atMs: number;
}

interface Span {
  readonly ms: number;
  readonly done: number;
  readonly missed: number;
}

export function createKeepingUp(limits: PaceLimits): KeepingUp {
  const wellAfter = { ms: limits.wellAfterMs, frames: lateAfter.frames };
  const samples: Sample[] = [];
  let told: { readonly fps: number; readonly atMs: number } | undefined;

  /** What happened up to `last` in the shortest time that is long enough; undefined when there is none. */
  function since(last: Sample, least: { readonly ms: number; readonly frames: number }): Span | undefined {
    const first = samples.findLast(
      ({ done, missed, atMs }) => last.atMs - atMs >= least.ms && last.done - done + (last.missed - missed) >= least.frames,
    );
    if (first === undefined) return undefined;
    return { ms: last.atMs - first.atMs, done: last.done - first.done, missed: last.missed - first.missed };
  }

  const missedShare = ({ done, missed }: Span) => (missed === 0 ? 0 : missed / (done + missed));

  function sayLate({ ms, done, missed }: Span, atMs: number): KeepingUpVerdict {
    const perSecond = (frames: number) => (frames * 1000) / ms;
    told = { fps: perSecond(done), atMs };
    return { late: true, fps: told.fps, dueFps: perSecond(done + missed) };
  }

  return {
    add: (totals, nowMs) => {
      const last = { ...totals, atMs: nowMs };
      samples.push(last);
      while (samples[0] !== undefined && nowMs - samples[0].atMs > memoryMs) samples.shift();
      if (told === undefined) {
        const span = since(last, lateAfter);
        return span !== undefined && missedShare(span) > limits.lateFrom ? sayLate(span, nowMs) : undefined;
      }
      const lately = since(last, wellAfter);
      if (lately !== undefined && missedShare(lately) <= limits.wellUpTo) {
        told = undefined;
        return { late: false };
      }
      if (nowMs - told.atMs < newsAfter.ms) return undefined;
      const minute = since(last, newsAfter);
      if (minute === undefined || minute.done + minute.missed === 0) return undefined;
      const expected = (told.fps * minute.ms) / 1000;
      const change = Math.abs(minute.done - expected);
      return change > newsFrom.share * expected && change >= newsFrom.frames ? sayLate(minute, nowMs) : undefined;
    },
    reset: () => {
      samples.length = 0;
      told = undefined;
    },
  };
}
