/** One place with no more than these is no crowd: what a browser opens before its login, players that come at once. */
export const crowd = 8;

export interface StrangersOptions<T> {
  /** So many are welcome; beyond these one leaves for each that comes. */
  readonly all: number;
  /** Of one place; without it there is no limit of its own. */
  readonly ofPlace?: number;
  /** So long nobody leaves but for the limit of their place, or as one of a crowd; for that time there may be more than `all`. */
  readonly introductionMs?: number;
  /** Whether it has asked something. Who has not leaves first of a place. */
  readonly spoke?: (one: T) => boolean;
  /** CLOCK_MONOTONIC, milliseconds; where there is an introduction. */
  readonly mono?: () => number;
}

interface Arrival {
  readonly place: string | undefined;
  readonly mono: number;
}

/**
 * Those who are here and have not shown who they are, oldest first, and the one rule by which they leave for others: of a place that has as
 * many as one may have, one of its own; where nothing is free at all, one of the place that has most, if that is a crowd; else the oldest
 * that has had the time to introduce himself. So whoever comes again and again, from one place or a few, keeps nobody else out.
 */
export class Strangers<T> {
  readonly #options: Required<Omit<StrangersOptions<T>, 'all'>> & { readonly all: number };
  readonly #arrivals = new Map<T, Arrival>();
  readonly #ofPlace = new Map<string, Set<T>>();

  constructor(options: StrangersOptions<T>) {
    this.#options = {
      ofPlace: Number.POSITIVE_INFINITY,
      introductionMs: 0,
      spoke: () => false,
      mono: () => 0,
      ...options,
    };
  }

  get size(): number {
    return this.#arrivals.size;
  }

  /**
   * Who leaves so that one of this place may come, and is no longer counted. `full`: there is nothing free, for strangers or for others.
   * Undefined: nobody needs to, or nobody has to.
   */
  makeRoom(place: string | undefined, full = this.#arrivals.size >= this.#options.all): T | undefined {
    const leaving = this.#leaving(place, full);
    if (leaving !== undefined) this.delete(leaving);
    return leaving;
  }

  /** A `place` that is not known or speaks for many has no limit of its own and is no crowd. */
  add(one: T, place: string | undefined): void {
    this.#arrivals.set(one, { place, mono: this.#options.mono() });
    if (place === undefined) return;
    const there = this.#ofPlace.get(place) ?? new Set();
    this.#ofPlace.set(place, there.add(one));
  }

  /** It has gone, or is no stranger any more. False: it was none. */
  delete(one: T): boolean {
    const place = this.#arrivals.get(one)?.place;
    if (!this.#arrivals.delete(one)) return false;
    if (place === undefined) return true;
    const there = this.#ofPlace.get(place);
    there?.delete(one);
    if (there?.size === 0) this.#ofPlace.delete(place);
    return true;
  }

  #leaving(place: string | undefined, full: boolean): T | undefined {
    const { all, ofPlace, introductionMs, mono } = this.#options;
    const there = place === undefined ? undefined : this.#ofPlace.get(place);
    if (there !== undefined && there.size >= ofPlace) return this.#firstOf(there);
    if (full) {
      const most = this.#largest();
      if (most.size > crowd) return this.#firstOf(most);
    } else if (this.#arrivals.size < all) return undefined;
    const [oldest] = this.#arrivals;
    return oldest !== undefined && mono() - oldest[1].mono >= introductionMs ? oldest[0] : undefined;
  }

  #firstOf(there: ReadonlySet<T>): T | undefined {
    const [oldest] = there;
    return there.values().find((one) => !this.#options.spoke(one)) ?? oldest;
  }

  #largest(): ReadonlySet<T> {
    let most: ReadonlySet<T> = new Set();
    for (const there of this.#ofPlace.values()) if (there.size > most.size) most = there;
    return most;
  }
}
