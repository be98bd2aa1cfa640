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

/** One item per key, oldest key first; a newer one of a key replaces the waiting one in its place, unless `prefers` the waiting one. */
export class LatestByKey<K, T> {
  readonly #items = new Map<K, T>();
  readonly #limit: number;
  readonly #onDrop: (key: K, item: T, why: WhyDropped) => void;
  readonly #prefers: (waiting: T, newer: T) => boolean;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(
    limit: number,
    onDrop: (key: K, item: T, why: WhyDropped) => void = () => {},
    prefers: (waiting: T, newer: T) => boolean = () => false,
  ) {
    this.#limit = limit;
    this.#onDrop = onDrop;
    this.#prefers = prefers;
  }

  get depth(): number {
    return this.#items.size;
  }

  put(key: K, item: T): void {
    if (this.#closed) return;
    const waiting = this.#items.get(key);
    if (waiting !== undefined && this.#prefers(waiting, item)) {
      this.#onDrop(key, item, 'replaced');
      return;
    }
    if (waiting !== undefined) this.#onDrop(key, waiting, 'replaced');
    else if (this.#items.size >= this.#limit) {
      const oldest = this.#items.entries().next().value;
      if (oldest !== undefined) {
        this.#items.delete(oldest[0]);
        this.#onDrop(oldest[0], oldest[1], 'full');
      }
    }
    this.#items.set(key, item);
    this.#wake?.();
  }

  /** For what was taken and could not be used yet: newer ones have come meanwhile. Once closed, nothing that waits can be used any more. */
  putBack(key: K, item: T): void {
    if (this.#closed) {
      for (const [waitingKey, waiting] of [...this.#items, [key, item] as const]) this.#onDrop(waitingKey, waiting, 'closed');
      this.#items.clear();
      return;
    }
    const newer = this.#items.get(key);
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
      if (this.#items.size > 0) {
        const batch: T[] = [];
        const most = size();
        for (const [key, item] of this.#items) {
          if (batch.length === most) break;
          batch.push(item);
          this.#items.delete(key);
        }
        yield batch;
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
