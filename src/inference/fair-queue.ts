/**
 * Waiting requests in front of one inference thread. Memory only and without time: who is next, and who has to go.
 *
 * Streams take turns (round robin), so that a camera with many requests cannot hold up the others. `live` goes before
 * `background`, but after `liveInARow` live ones a waiting background request has its turn: enrolment works under full load.
 * Each stream holds at most `perStream` requests and the whole queue `total`; what is too much is the oldest request of the
 * stream with the longest queue.
 */
export interface FairItem {
  readonly stream: string;
  readonly priority: 'live' | 'background';
}

export interface FairLimits {
  readonly perStream: number;
  readonly total: number;
}

const liveInARow = 16;

export class FairQueue<T extends FairItem> {
  readonly #limits: FairLimits;
  /** Streams in the order of their next turn. */
  readonly #rings = { live: new Map<string, T[]>(), background: new Map<string, T[]>() };
  #depth = 0;
  #liveRun = 0;

  constructor(limits: FairLimits) {
    this.#limits = limits;
  }

  get depth(): number {
    return this.#depth;
  }

  /** Adds an item and returns the one that has to go instead, if any (it may be the same). */
  push(item: T): T | undefined {
    const ring = this.#rings[item.priority];
    const queue = ring.get(item.stream);
    if (queue === undefined) ring.set(item.stream, [item]);
    else queue.push(item);
    this.#depth += 1;
    if ((queue?.length ?? 0) > this.#limits.perStream) return this.#dropOldest(ring, item.stream);
    if (this.#depth > this.#limits.total) return this.#dropFromLongest();
    return undefined;
  }

  /** The item whose turn it is; the turn of its stream is over. */
  next(): T | undefined {
    const { live, background } = this.#rings;
    const useLive = live.size > 0 && (background.size === 0 || this.#liveRun < liveInARow);
    this.#liveRun = useLive ? this.#liveRun + 1 : 0;
    const ring = useLive ? live : background;
    const turn = ring.entries().next().value;
    if (turn === undefined) return undefined;
    const [stream, queue] = turn;
    const item = queue.shift();
    ring.delete(stream);
    if (queue.length > 0) ring.set(stream, queue);
    if (item !== undefined) this.#depth -= 1;
    return item;
  }

  /**
   * The next item that `fits`, in the order of turns; streams whose oldest item does not fit keep their turn. Goes with one that
   * `next` gave.
   */
  nextThat(fits: (item: T) => boolean): T | undefined {
    for (const ring of [this.#rings.live, this.#rings.background]) {
      for (const [stream, queue] of ring) {
        const [item] = queue;
        if (item === undefined || !fits(item)) continue;
        queue.shift();
        ring.delete(stream);
        if (queue.length > 0) ring.set(stream, queue);
        this.#depth -= 1;
        return item;
      }
    }
    return undefined;
  }

  /** Puts an item that was taken out back as the oldest of its stream, above any limit. */
  putBack(item: T): void {
    const ring = this.#rings[item.priority];
    const queue = ring.get(item.stream);
    if (queue === undefined) ring.set(item.stream, [item]);
    else queue.unshift(item);
    this.#depth += 1;
  }

  /**
   * Takes the oldest items of each stream out as long as `useless` says so; no stream loses its turn by that. `more`: its stream has
   * younger ones.
   */
  dropOldest(useless: (item: T, more: boolean) => boolean): readonly T[] {
    const dropped: T[] = [];
    for (const ring of [this.#rings.live, this.#rings.background]) {
      for (const [stream, queue] of ring) {
        for (let [item] = queue; item !== undefined && useless(item, queue.length > 1); [item] = queue) {
          dropped.push(item);
          queue.shift();
        }
        if (queue.length === 0) ring.delete(stream);
      }
    }
    this.#depth -= dropped.length;
    return dropped;
  }

  /** Everything that waits, in no order that matters. */
  *items(): Generator<T, void, undefined> {
    for (const ring of [this.#rings.live, this.#rings.background]) for (const queue of ring.values()) yield* queue;
  }

  /** Takes an item out that nobody waits for any more; false when it is not here. */
  remove(item: T): boolean {
    const ring = this.#rings[item.priority];
    const queue = ring.get(item.stream);
    const at = queue?.indexOf(item) ?? -1;
    if (queue === undefined || at < 0) return false;
    queue.splice(at, 1);
    if (queue.length === 0) ring.delete(item.stream);
    this.#depth -= 1;
    return true;
  }

  /** Empties the queue. */
  drain(): readonly T[] {
    const items = [...this.#rings.live.values(), ...this.#rings.background.values()].flat();
    this.#rings.live.clear();
    this.#rings.background.clear();
    this.#depth = 0;
    return items;
  }

  #dropFromLongest(): T | undefined {
    let longest: { ring: Map<string, T[]>; stream: string; length: number } | undefined;
    for (const ring of [this.#rings.background, this.#rings.live]) {
      for (const [stream, { length }] of ring) {
        if (length > (longest?.length ?? 0)) longest = { ring, stream, length };
      }
    }
    return longest === undefined ? undefined : this.#dropOldest(longest.ring, longest.stream);
  }

  #dropOldest(ring: Map<string, T[]>, stream: string): T | undefined {
    const queue = ring.get(stream);
    const oldest = queue?.shift();
    if (queue?.length === 0) ring.delete(stream);
    if (oldest !== undefined) this.#depth -= 1;
    return oldest;
  }
}
