/**
 * Those who are here and have not shown who they are, oldest first. Nobody new is refused for them: beyond the limits the oldest leave, of
 * the same place first, so that one place can keep no other out. Who comes has as long to introduce himself as it takes that many others
 * to come.
 */
export class Strangers<T> {
  readonly #limit: number;
  readonly #limitOfPlace: number;
  readonly #placeOf = new Map<T, string | undefined>();
  readonly #ofPlace = new Map<string, Set<T>>();

  constructor(limits: { readonly all: number; readonly ofPlace: number }) {
    this.#limit = limits.all;
    this.#limitOfPlace = limits.ofPlace;
  }

  get size(): number {
    return this.#placeOf.size;
  }

  /** Who leaves for this one, and is no longer counted. A `place` that is not known or speaks for many has no limit of its own. */
  add(one: T, place: string | undefined): T | undefined {
    const [leaving] = this.#crowded(place);
    if (leaving !== undefined) this.delete(leaving);
    this.#placeOf.set(one, place);
    if (place !== undefined) {
      const there = this.#ofPlace.get(place) ?? new Set();
      this.#ofPlace.set(place, there.add(one));
    }
    return leaving;
  }

  /** The oldest leaves: there is no place for somebody else. */
  takeOldest(): T | undefined {
    const [oldest] = this.#placeOf.keys();
    if (oldest !== undefined) this.delete(oldest);
    return oldest;
  }

  /** It has gone, or is no stranger any more. False: it was none. */
  delete(one: T): boolean {
    const place = this.#placeOf.get(one);
    if (!this.#placeOf.delete(one)) return false;
    if (place === undefined) return true;
    const there = this.#ofPlace.get(place);
    there?.delete(one);
    if (there?.size === 0) this.#ofPlace.delete(place);
    return true;
  }

  #crowded(place: string | undefined): Iterable<T> {
    const there = place === undefined ? undefined : this.#ofPlace.get(place);
    if (there !== undefined && there.size >= this.#limitOfPlace) return there;
    return this.#placeOf.size >= this.#limit ? this.#placeOf.keys() : [];
  }
}
