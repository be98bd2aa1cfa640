/**
 * Whether the wall clock may be believed enough to erase by it. What is erased cannot be had back, and a wall clock that is far
 * ahead for a minute makes everything look old. So after a leap ahead nothing is erased for its age until the clock has stood by it
 * for a day, measured by the monotonic clock, or has come back. The later the wall clock says it is, the more would be erased: a
 * clock that goes back needs no such care.
 */
export interface ClockTrust {
  /** Wall clock minus monotonic clock as it was believed last, milliseconds. */
  readonly offsetMs: number;
  /** How far beyond it the wall clock may be. */
  readonly toleranceMs: number;
  /** There is a leap that is not believed yet. */
  readonly leap?: {
    /** The least offset seen since. */
    readonly offsetMs: number;
    /** Monotonic clock when it was seen first. */
    readonly since: number;
  };
}

export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly wall: number;
  /** Monotonic, milliseconds. */
  readonly mono: number;
}

/**
 * Steps and drift that are corrected in everyday running, and a time change on a host whose clock is kept in local time: back by an
 * hour in autumn, ahead by as much in spring, and what the clocks have drifted apart meanwhile.
 */
export const toleratedMs = 65 * 60_000;
/** How long the daemon may have been off without a second thought. */
export const toleratedAtStartMs = 30 * 86_400_000;
/** How long a leap must stand before it is believed. */
export const waitMs = 86_400_000;

/** At start: `lastTrusted` is the latest time an earlier run believed; without one there is nothing to be erased yet. */
export function startClockTrust(reading: ClockReading, lastTrusted: number | undefined): ClockTrust {
  const { wall, mono } = reading;
  if (lastTrusted === undefined || wall - lastTrusted <= toleratedAtStartMs) {
    return { offsetMs: wall - mono, toleranceMs: toleratedMs };
  }
  return judgeClock({ offsetMs: lastTrusted - mono, toleranceMs: toleratedAtStartMs }, reading);
}

export function judgeClock({ offsetMs, toleranceMs, leap }: ClockTrust, { wall, mono }: ClockReading): ClockTrust {
  const offset = wall - mono;
  if (offset <= offsetMs + toleranceMs) {
    // An offset within the tolerance is not taken over: many small steps would pass as none.
    return leap === undefined || toleranceMs === toleratedMs
      ? { offsetMs: Math.min(offsetMs, offset), toleranceMs }
      : { offsetMs: offset, toleranceMs: toleratedMs };
  }
  if (leap === undefined || offset > leap.offsetMs + toleratedMs) {
    return { offsetMs, toleranceMs, leap: { offsetMs: offset, since: mono } };
  }
  if (mono - leap.since >= waitMs) return { offsetMs: offset, toleranceMs: toleratedMs };
  return { offsetMs, toleranceMs, leap: { offsetMs: Math.min(leap.offsetMs, offset), since: leap.since } };
}

/** How far ahead the wall clock is of what is believed, and how long it is not believed yet, milliseconds; undefined when it is. */
export function doubtOf(
  { offsetMs, leap }: ClockTrust,
  { wall, mono }: ClockReading,
): { readonly aheadMs: number; readonly leftMs: number } | undefined {
  if (leap === undefined) return undefined;
  return { aheadMs: wall - mono - offsetMs, leftMs: Math.max(0, leap.since + waitMs - mono) };
}
