/** Delays between attempts: doubling from `firstMs` to `maxMs`, ± 20 % jitter; `reset` after success. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(options: { firstMs: number; maxMs: number; random?: () => number }) {
    this.#firstMs = options.firstMs;
    this.#maxMs = options.maxMs;
    this.#random = options.random ?? Math.random;
  }

  get attempt(): number {
    return this.#attempt;
  }

  next(): number {
    const base = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(base * (0.8 + 0.4 * this.#random()));
  }

  reset(): void {
    this.#attempt = 0;
  }
}

/** At most `limit` restarts in any `windowMs`; `spend` says whether this one is still allowed. */
export class RestartBudget {
  readonly #limit: number;
  readonly #windowMs: number;
  #spent: number[] = [];

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  spend(nowMs: number): boolean {
    this.#spent = this.#spent.filter((at) => nowMs - at < this.#windowMs);
    if (this.#spent.length >= this.#limit) return false;
    this.#spent.push(nowMs);
    return true;
  }
}
