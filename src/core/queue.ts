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

/** The newest item per key, oldest key first; a newer item of a key replaces the waiting one in its place. */
export class LatestByKey<K, T> {
  readonly #items = new Map<K, T>();
  readonly #limit: number;
  readonly #onDrop: (key: K, item: T, why: 'replaced' | 'full') => void;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(limit: number, onDrop: (key: K, item: T, why: 'replaced' | 'full') => void = () => {}) {
    this.#limit = limit;
    this.#onDrop = onDrop;
  }

  get depth(): number {
    return this.#items.size;
  }

  put(key: K, item: T): void {
    if (this.#closed) return;
    const waiting = this.#items.get(key);
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

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Batches of at most `size` items, as soon as there is one. The caller's own pace makes them larger. */
  async *batches(size: number): AsyncIterator<readonly T[]> & AsyncIterable<readonly T[]> {
    while (true) {
      if (this.#items.size > 0) {
        const batch: T[] = [];
        for (const [key, item] of this.#items) {
          if (batch.length === size) break;
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
