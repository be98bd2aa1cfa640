import type { PoolServer } from './triton-pool.ts';

/**
 * One model on one server: whether it can be asked, what is under way and how fast it answers. Memory and arithmetic, without timers.
 */

/** What one request to a server tells about itself. */
export interface Flight {
  readonly rows: number;
  readonly sentMs: number;
  /** Ends it here, for another try elsewhere. */
  readonly leave: (reason: string) => void;
}

export type SeatState =
  | { readonly is: 'unknown' }
  | { readonly is: 'checking' }
  | { readonly is: 'ready' }
  /** Not to be asked before `untilMs`. */
  | { readonly is: 'unavailable'; readonly reason: string; readonly untilMs: number };

/** Weights of the newest sample, as TCP's (RFC 6298). */
const gain = 1 / 8;
const deviationGain = 1 / 4;
/** What was measured counts half after so long without another measurement: a server that was slow once gets its chance again. */
const halfLifeMs = 5000;
/** Rows under way may take this part of the time that requests have, so that one more can still wait its turn. */
const shareOfBudget = 0.5;
/** A server that has said nothing for so long, with requests under way, hangs. Slow models get four times what they usually take. */
const stallMs = 1500;
const stallFactor = 4;

export class Seat {
  readonly server: PoolServer;
  readonly #flights = new Set<Flight>();
  state: SeatState = { is: 'unknown' };
  /** Rows of one request. */
  ceiling = 1;
  instances = 1;
  /** Failures since the last answer. */
  failures = 0;
  /** It hangs, and there is no other to go to. */
  stalled = false;
  /** It counts as hanging no longer than this while nothing is under way there. */
  stalledUntilMs = 0;
  /** Its own queue is full: nothing goes there before this. */
  pausedUntilMs = 0;
  #rows = 0;
  #rowMs: number | undefined;
  #deviationMs = 0;
  #heardMs = 0;
  #sampledMs = 0;

  constructor(server: PoolServer) {
    this.server = server;
  }

  get flights(): readonly Flight[] {
    return [...this.#flights];
  }

  /** Rows under way. */
  get rows(): number {
    return this.#rows;
  }

  add(flight: Flight): void {
    this.#rows += flight.rows;
    this.#flights.add(flight);
  }

  /** Takes a flight out. The time of one that was answered counts, and that of one that was not in time: it takes longer than that. */
  remove(flight: Flight, nowMs: number, how: 'answered' | 'late' | 'failed'): void {
    if (!this.#flights.delete(flight)) return;
    if (how !== 'failed') {
      // From one answer to the next, not from its own sending: what was under way before it came first.
      this.#sample((nowMs - Math.max(flight.sentMs, this.#heardMs)) / flight.rows);
      this.#sampledMs = nowMs;
    }
    if (how === 'answered') {
      this.#heardMs = nowMs;
      this.failures = 0;
      this.stalled = false;
    }
    this.#rows -= flight.rows;
  }

  /** One row's time. */
  #sample(rowMs: number): void {
    if (this.#rowMs === undefined) {
      this.#rowMs = rowMs;
      this.#deviationMs = rowMs / 2;
      return;
    }
    this.#deviationMs += deviationGain * (Math.abs(rowMs - this.#rowMs) - this.#deviationMs);
    this.#rowMs += gain * (rowMs - this.#rowMs);
  }

  /**
   * When so many rows more would be done, from now; 0 where nothing is known. Cautious: the mean and twice its deviation, unless the
   * caller says how often.
   */
  expectedMs(rows: number, deviations = 2): number {
    return this.#rowMs === undefined ? 0 : (this.#rows + rows) * (this.#rowMs + deviations * this.#deviationMs);
  }

  /** For the choice between servers: the one that would be done first. One that is not known comes before all others. */
  meanMs(rows: number, nowMs: number): number {
    const age = 0.5 ** ((nowMs - this.#sampledMs) / halfLifeMs);
    return (this.#rows + rows) * (this.#rowMs === undefined ? 1e-6 : this.#rowMs * age);
  }

  /**
   * Rows that may be added to those under way: up to twice what the server runs at once (NVIDIA's rule,
   * [server:docs/user_guide/optimization.md]), less where that would take too much of the time that requests have, one at least. One
   * that failed before gets one request at a time.
   */
  room(budgetMs: number): number {
    if (this.failures > 0 && this.#flights.size > 0) return 0;
    const most = 2 * Math.max(1, this.ceiling) * this.instances;
    const inBudget = this.#rowMs === undefined ? most : Math.floor((shareOfBudget * budgetMs) / this.#rowMs);
    return Math.max(this.#flights.size === 0 ? 1 : 0, Math.min(most, inBudget) - this.#rows);
  }

  /** How long nothing has been heard although something is under way, when that is too long. */
  stalledMs(nowMs: number): number | undefined {
    const [oldest] = this.#flights;
    if (oldest === undefined) return undefined;
    const silentMs = nowMs - Math.max(oldest.sentMs, this.#heardMs);
    return silentMs > Math.max(stallMs, stallFactor * this.expectedMs(0)) ? silentMs : undefined;
  }
}
