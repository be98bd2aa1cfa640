/**
 * Two bounded queues read as async iterables by one consumer. Both drop instead of growing and count what they dropped.
 */

/** First in, first out; a full queue loses its oldest item. */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  readonly #onDrop: (item: T) => void;
  #wake: (() => void) | undefined;
  #closed = false;
  #dropped = 0;

  constructor(limit: number, onDrop: (item: T) => void = () => {}) {
    this.#limit = limit;
    this.#onDrop = onDrop;
  }

  get depth(): number {
    return this.#items.length;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** After `close` items are dropped and counted. */
  push(item: T): void {
    if (this.#closed) {
      this.#dropped += 1;
      this.#onDrop(item);
      return;
    }
    this.#items.push(item);
    if (this.#items.length > this.#limit) {
      const oldest = this.#items.shift();
      this.#dropped += 1;
      if (oldest !== undefined) this.#onDrop(oldest);
    }
    this.#wake?.();
  }

  /** What is queued is still delivered; then the iteration ends. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (true) {
      const item = this.#items.shift();
      if (item !== undefined) {
        yield item;
        continue;
      }
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

export type WhyDropped = 'replaced' | 'full' | 'closed';

/**
 * One item per key; a newer one of a key replaces the waiting one in its place, unless `prefers` the waiting one. Sources take turns, each
 * with its oldest key first; where there are too many, the source with most loses its oldest.
 */
export class LatestByKey<K, T> {
  /** By source, whose turn is next first; none is empty. */
  readonly #turns = new Map<string, Map<K, T>>();
  readonly #limit: number;
  readonly #onDrop: (key: K, item: T, why: WhyDropped) => void;
  readonly #prefers: (waiting: T, newer: T) => boolean;
  readonly #sourceOf: (item: T) => string;
  #depth = 0;
  #wake: (() => void) | undefined;
  #closed = false;

  /** All items of a key come from one source. */
  constructor(
    limit: number,
    sourceOf: (item: T) => string,
    onDrop: (key: K, item: T, why: WhyDropped) => void = () => {},
    prefers: (waiting: T, newer: T) => boolean = () => false,
  ) {
    this.#limit = limit;
    this.#sourceOf = sourceOf;
    this.#onDrop = onDrop;
    this.#prefers = prefers;
  }

  get depth(): number {
    return this.#depth;
  }

  put(key: K, item: T): void {
    if (this.#closed) return;
    const source = this.#sourceOf(item);
    const waiting = this.#turns.get(source)?.get(key);
    if (waiting !== undefined && this.#prefers(waiting, item)) {
      this.#onDrop(key, item, 'replaced');
      return;
    }
    if (waiting !== undefined) this.#onDrop(key, waiting, 'replaced');
    else {
      if (this.#depth >= this.#limit) this.#dropOldest();
      this.#depth += 1;
    }
    const items = this.#turns.get(source) ?? new Map<K, T>();
    this.#turns.set(source, items.set(key, item));
    this.#wake?.();
  }

  #dropOldest(): void {
    let most: readonly [string, Map<K, T>] | undefined;
    for (const turn of this.#turns) if (most === undefined || turn[1].size > most[1].size) most = turn;
    const oldest = most === undefined ? undefined : this.#take(most[0], most[1]);
    if (oldest !== undefined) this.#onDrop(...oldest, 'full');
  }

  #take(source: string, items: Map<K, T>): readonly [K, T] | undefined {
    const [oldest] = items;
    if (oldest === undefined) return undefined;
    items.delete(oldest[0]);
    this.#depth -= 1;
    if (items.size === 0) this.#turns.delete(source);
    return oldest;
  }

  /** For what was taken and could not be used yet: newer ones have come meanwhile. Once closed, nothing that waits can be used any more. */
  putBack(key: K, item: T): void {
    if (this.#closed) {
      const waiting = [...this.#turns.values()].flatMap((items) => [...items]);
      for (const [waitingKey, waits] of [...waiting, [key, item] as const]) this.#onDrop(waitingKey, waits, 'closed');
      this.#turns.clear();
      this.#depth = 0;
      return;
    }
    const newer = this.#turns.get(this.#sourceOf(item))?.get(key);
    if (newer === undefined || this.#prefers(item, newer)) this.put(key, item);
    else this.#onDrop(key, item, 'replaced');
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Batches of at most `size()` items, as soon as there is one. The caller's own pace makes them larger. */
  async *batches(size: () => number): AsyncIterator<readonly T[]> & AsyncIterable<readonly T[]> {
    while (true) {
      if (this.#depth > 0) {
        yield this.#batch(size());
        continue;
      }
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  #batch(most: number): readonly T[] {
    const batch: T[] = [];
    while (batch.length < most) {
      const [turn] = this.#turns;
      if (turn === undefined) break;
      const [source, items] = turn;
      const taken = this.#take(source, items);
      if (taken !== undefined) batch.push(taken[1]);
      // Behind all others.
      if (this.#turns.delete(source)) this.#turns.set(source, items);
    }
    return batch;
  }
}
