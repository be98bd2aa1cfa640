/** How long a quick arrival is the measure of later ones: beyond the lag of a busy network or machine, below the drift of clocks. */
const quickForMs = 300_000;

/** Media time minus the clock at arrival, of the units that came quickest: what comes late says nothing about clocks. Pure. */
export interface Quickest {
  /** Gives the lead of the quickest in this span of five minutes and the one before. */
  add(mediaMs: number, arrivedMs: number): number;
  readonly leadMs: number;
  /** Another time line. */
  reset(): void;
}

export function createQuickest(): Quickest {
  let sinceMs = 0;
  let now = Number.NEGATIVE_INFINITY;
  let before = Number.NEGATIVE_INFINITY;
  const lead = () => Math.max(now, before);
  return {
    add: (mediaMs, arrivedMs) => {
      if (arrivedMs - sinceMs > quickForMs) {
        sinceMs = arrivedMs;
        before = now;
        now = Number.NEGATIVE_INFINITY;
      }
      now = Math.max(now, mediaMs - arrivedMs);
      return lead();
    },
    get leadMs() {
      return lead();
    },
    reset: () => {
      sinceMs = 0;
      now = Number.NEGATIVE_INFINITY;
      before = Number.NEGATIVE_INFINITY;
    },
  };
}
