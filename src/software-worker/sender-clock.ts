/** How long a quick arrival is the measure of later ones: beyond the lag of a busy network or machine. */
const quickForMs = 300_000;
/** Media time that the sender's reports put back by more at once, or ahead, is no drift: its wall clock was set. */
const drift = { backMs: 500, aheadMs: 2000 } as const;

export interface SenderTimes {
  /** On the time line of the source. */
  readonly mediaMs: number;
  /** Our monotonic clock at arrival. */
  readonly arrivedMonoMs: number;
  /** Our wall clock at arrival, milliseconds since 1970. */
  readonly arrivedMs: number;
  /** Sender's wall clock at capture, milliseconds since 1970; undefined while its reports have not said. */
  readonly capturedMs: number | undefined;
}

/**
 * The sender's wall clock against ours. Only what came quickest counts, in this span of five minutes and the one before, by a clock
 * that nobody sets: what comes late, by the network or because we were busy, says nothing about clocks. Media time carries over
 * from quick arrivals to late ones; it may run a few per cent beside real time (cameras that stamp by frame count), so that
 * the sender's reports put it right. Setting either wall clock shows at once. Pure.
 */
export interface SenderClock {
  add(times: SenderTimes): void;
  /** By how much the sender's clock is ahead of ours, less the way here; undefined while its reports have not said. */
  readonly aheadMs: number | undefined;
  /** Another time line. */
  reset(): void;
}

export function createSenderClock(): SenderClock {
  /** Sender's wall clock minus media time by its latest report. */
  let senderShiftMs: number | undefined;
  /** Real time of the sender minus media time, of what passed since the first report. */
  let driftMs = 0;
  /** Our wall clock minus our monotonic one. */
  let ourShiftMs = 0;
  let sinceMs = 0;
  /** Real time of the sender minus our monotonic clock at arrival, of what came quickest: in this span and in the one before. */
  let leadMs = Number.NEGATIVE_INFINITY;
  let leadBeforeMs = Number.NEGATIVE_INFINITY;

  function hear(shiftMs: number): void {
    const movedMs = senderShiftMs === undefined ? 0 : shiftMs - senderShiftMs;
    if (movedMs >= -drift.backMs && movedMs <= drift.aheadMs) driftMs += movedMs;
    senderShiftMs = shiftMs;
  }

  return {
    add: ({ mediaMs, arrivedMonoMs, arrivedMs, capturedMs }) => {
      if (capturedMs !== undefined) hear(capturedMs - mediaMs);
      ourShiftMs = arrivedMs - arrivedMonoMs;
      if (arrivedMonoMs - sinceMs > quickForMs) {
        sinceMs = arrivedMonoMs;
        leadBeforeMs = leadMs;
        leadMs = Number.NEGATIVE_INFINITY;
      }
      leadMs = Math.max(leadMs, mediaMs + driftMs - arrivedMonoMs);
    },
    get aheadMs() {
      if (senderShiftMs === undefined) return undefined;
      return senderShiftMs - driftMs + Math.max(leadMs, leadBeforeMs) - ourShiftMs;
    },
    reset: () => {
      senderShiftMs = undefined;
      driftMs = 0;
      sinceMs = 0;
      leadMs = Number.NEGATIVE_INFINITY;
      leadBeforeMs = Number.NEGATIVE_INFINITY;
    },
  };
}
