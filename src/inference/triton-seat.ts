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
/** Requests under way for each run that the server does at once: one that runs, and one that is there when it is done. */
const ahead = 2;
/** Fewer rows are not made two requests of: a run costs something, however few rows it has. */
const fewestRows = 8;
/** Rows under way may take this part of the time that requests have, so that one more can still wait its turn. */
const shareOfBudget = 0.5;
/** A server that has said nothing for so long, with requests under way, hangs. Slow models get four times what they usually take. */
const stallMs = 1500;
const stallFactor = 4;

export class Seat {
  readonly server: PoolServer;
  /** With the milliseconds that each was thought to take; undefined where nothing was known. */
  readonly #flights = new Map<Flight, number | undefined>();
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
  /** Of what was measured, the mean of late. */
  #answers: { ms: number; rows: number } | undefined;
  /** By how much answers came later than was thought, the mean of late. */
  #lateMs = 0;
  #heardMs = 0;
  #sampledMs = 0;

  constructor(server: PoolServer) {
    this.server = server;
  }

  get flights(): readonly Flight[] {
    return [...this.#flights.keys()];
  }

  /** Rows under way. */
  get rows(): number {
    return this.#rows;
  }

  add(flight: Flight): void {
    this.#rows += flight.rows;
    const { rowMs } = this;
    this.#flights.set(flight, rowMs === undefined ? undefined : this.#rows * rowMs);
  }

  /**
   * Takes a flight out. The time of one that was answered counts, and that of one that was not in time: it takes longer than that. An
   * answer that is doubted says nothing of failures.
   */
  remove(flight: Flight, nowMs: number, how: 'answered' | 'doubted' | 'late' | 'failed'): void {
    const expectedMs = this.#flights.get(flight);
    if (!this.#flights.delete(flight)) return;
    if (how !== 'failed') {
      // From one answer to the next, not from its own sending: what was under way before it came first.
      this.#sample(nowMs - Math.max(flight.sentMs, this.#heardMs), flight.rows);
      const lateMs = expectedMs === undefined ? undefined : Math.max(0, nowMs - flight.sentMs - expectedMs);
      if (lateMs !== undefined) this.#lateMs += deviationGain * (lateMs - this.#lateMs);
      this.#sampledMs = nowMs;
    }
    if (how === 'answered' || how === 'doubted') {
      this.#heardMs = nowMs;
      this.stalled = false;
    }
    if (how === 'answered') this.failures = 0;
    this.#rows -= flight.rows;
  }

  /** Milliseconds and rows by themselves: requests that ran together are answered one right after the other. */
  #sample(ms: number, rows: number): void {
    const before = this.#answers;
    if (before === undefined) {
      this.#answers = { ms, rows };
      this.#lateMs = ms / 2;
      return;
    }
    before.ms += gain * (ms - before.ms);
    before.rows += gain * (rows - before.rows);
  }

  /** One row's time. */
  get rowMs(): number | undefined {
    return this.#answers === undefined ? undefined : this.#answers.ms / this.#answers.rows;
  }

  /**
   * When so many rows more would be done, from now; 0 where nothing is known. Cautious: the mean and four times what answers are late
   * (RFC 6298), unless the caller says how often.
   */
  expectedMs(rows: number, times = 4): number {
    const { rowMs } = this;
    return rowMs === undefined ? 0 : (this.#rows + rows) * rowMs + times * this.#lateMs;
  }

  /**
   * For the choice between servers: the one that would be done first. One that is not known comes before all others; one that says
   * nothing for longer than it should takes that much longer.
   */
  meanMs(rows: number, nowMs: number): number {
    const age = 0.5 ** ((nowMs - this.#sampledMs) / halfLifeMs);
    const rowMs = this.rowMs === undefined ? 1e-6 : this.rowMs * age;
    const overdueMs = Math.max(0, this.#silentMs(nowMs) - this.#rows * (this.rowMs ?? 0));
    return (this.#rows + rows) * rowMs + overdueMs;
  }

  /**
   * Rows that may be added to those under way: up to twice what the server runs at once (NVIDIA's rule,
   * [server:docs/user_guide/optimization.md]), less where that would take too much of the time that requests have, one at least. One
   * that failed before gets one request at a time.
   */
  room(budgetMs: number): number {
    if (this.failures > 0 && this.#flights.size > 0) return 0;
    return Math.max(this.#flights.size === 0 ? 1 : 0, this.#most(budgetMs) - this.#rows);
  }

  #most(budgetMs: number): number {
    const most = ahead * Math.max(1, this.ceiling) * this.instances;
    return this.rowMs === undefined ? most : Math.min(most, Math.floor((shareOfBudget * budgetMs) / this.rowMs));
  }

  /**
   * When the next request may go. Two that arrive together the server puts together: it runs one where it could run two at once, and has
   * nothing to do when it is done. So the next goes when half of the one before should be done.
   */
  get nextMs(): number {
    const last = [...this.#flights.keys()].at(-1);
    return last === undefined ? 0 : last.sentMs + (last.rows * (this.rowMs ?? 0)) / ahead;
  }

  /**
   * Of so many rows that wait and can go together, how many go now in one request; 0 where they wait for an answer or for company. All
   * requests that may be under way get the same part: with a single large one the server had nothing to do from its answer until the
   * next had been written and sent.
   */
  portion(waiting: number, budgetMs: number, nowMs: number): number {
    const free = ahead * this.instances - this.#flights.size;
    const room = this.room(budgetMs);
    if (Math.min(waiting, room) < this.ceiling && (free <= 0 || nowMs < this.nextMs)) return 0;
    if (free <= 0) return this.ceiling;
    const inBudget = Math.ceil(this.#most(budgetMs) / (ahead * this.instances));
    return Math.min(Math.max(fewestRows, Math.ceil(waiting / free)), this.ceiling, room, Math.max(1, inBudget));
  }

  /** How long nothing has been heard although something is under way. */
  #silentMs(nowMs: number): number {
    const [oldest] = this.#flights.keys();
    return oldest === undefined ? 0 : nowMs - Math.max(oldest.sentMs, this.#heardMs);
  }

  /** How long nothing has been heard although something is under way, when that is too long. */
  stalledMs(nowMs: number): number | undefined {
    const silentMs = this.#silentMs(nowMs);
    return silentMs > Math.max(stallMs, stallFactor * this.expectedMs(0, 1)) ? silentMs : undefined;
  }
}
