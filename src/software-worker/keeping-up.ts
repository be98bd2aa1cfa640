/**
 * Whether the detectors of a camera keep up with what is asked of them, judged by the frames that were looked at and those that lost their
 * turn because there was too much to do. Pure.
 */
export interface KeepingUp {
  /** Totals so far, once a second or so; gives the verdict when there is something new to say. */
  add(totals: { readonly looked: number; readonly missed: number }, nowMs: number): KeepingUpVerdict | undefined;
  /** Forgets everything: what comes next has nothing to do with what was. */
  reset(): void;
}

export type KeepingUpVerdict =
  | { readonly late: false }
  | { readonly late: true; readonly fps: number; readonly dueFps: number };

/** Judged over at least so long and so many frames: neither a machine that is busy for a moment nor a single frame is news. */
const lateAfter = { ms: 10_000, frames: 20 } as const;
/** Longer, so that a camera does not go to and fro. */
const wellAfter = { ms: 30_000, frames: 20 } as const;
/** Nothing is judged by what is older. */
const memoryMs = 600_000;
/** Share of missed frames from which a camera is late, and below which it is not any more. */
const lateFrom = 0.1;
const wellBelow = 0.02;
/**
 * A late camera is news again when its rate over this time has changed by this share and by so many frames: one frame more or less in
 * the ten seconds of the first verdict is six in a minute.
 */
const newsAfter = { ms: 60_000, frames: 0 } as const;
const newsFrom = { share: 0.25, frames: 8 } as const;

interface Sample {
  readonly looked: number;
  readonly missed: number;
  readonly atMs: number;
}

interface Span {
  readonly ms: number;
  readonly looked: number;
  readonly missed: number;
}

export function createKeepingUp(): KeepingUp {
  const samples: Sample[] = [];
  let told: { readonly fps: number; readonly atMs: number } | undefined;

  /** What happened up to `last` in the shortest time that is long enough; undefined when there is none. */
  function since(last: Sample, least: { readonly ms: number; readonly frames: number }): Span | undefined {
    const first = samples.findLast(
      ({ looked, missed, atMs }) =>
        last.atMs - atMs >= least.ms && last.looked - looked + (last.missed - missed) >= least.frames,
    );
    if (first === undefined) return undefined;
    return { ms: last.atMs - first.atMs, looked: last.looked - first.looked, missed: last.missed - first.missed };
  }

  const missedShare = ({ looked, missed }: Span) => (missed === 0 ? 0 : missed / (looked + missed));

  function sayLate({ ms, looked, missed }: Span, atMs: number): KeepingUpVerdict {
    const perSecond = (frames: number) => (frames * 1000) / ms;
    told = { fps: perSecond(looked), atMs };
    return { late: true, fps: told.fps, dueFps: perSecond(looked + missed) };
  }

  return {
    add: (totals, nowMs) => {
      const last = { ...totals, atMs: nowMs };
      samples.push(last);
      while (samples[0] !== undefined && nowMs - samples[0].atMs > memoryMs) samples.shift();
      if (told === undefined) {
        const span = since(last, lateAfter);
        return span !== undefined && missedShare(span) > lateFrom ? sayLate(span, nowMs) : undefined;
      }
      const lately = since(last, wellAfter);
      if (lately !== undefined && missedShare(lately) < wellBelow) {
        told = undefined;
        return { late: false };
      }
      if (nowMs - told.atMs < newsAfter.ms) return undefined;
      const minute = since(last, newsAfter);
      if (minute === undefined || minute.looked + minute.missed === 0) return undefined;
      const expected = (told.fps * minute.ms) / 1000;
      const change = Math.abs(minute.looked - expected);
      return change > newsFrom.share * expected && change >= newsFrom.frames ? sayLate(minute, nowMs) : undefined;
    },
    reset: () => {
      samples.length = 0;
      told = undefined;
    },
  };
}
