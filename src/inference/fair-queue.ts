/**
 * Waiting requests in front of what runs them. Memory only and without time: who is next, and who has to go.
 *
 * Streams share by start-time fair queueing (Goyal, Vin, Cheng 1996): each has a tag, the rows that it was given so far, and the lowest
 * goes first. The tag stays when nothing of the stream waits, since requests of cameras come at their pace and would miss the same
 * turns again and again; what a stream did not ask for it cannot save up, but for a few requests (`credit`).
 * `live` goes before `background`, but after `liveInARow` live ones a waiting background request has its turn: enrolment works under
 * full load. Each stream holds at most `perStream` requests and the whole queue `total`; what is too much is the oldest request of the
 * stream with the longest queue.
 */
export interface FairItem {
  readonly stream: string;
  readonly priority: 'live' | 'background';
  /** What it costs; absent: 1. */
  readonly rows?: number;
}

export interface FairLimits {
  readonly perStream: number;
  readonly total: number;
}

const liveInARow = 16;
/** Requests that a stream may be behind the others, to have them first, or before them because it was alone. */
const credit = 8;
/** Streams whose tags are known; of more the one that was served longest ago begins anew. */
const mostRemembered = 1024;

/** The streams of one priority. */
class Ring<T extends FairItem> {
  /** What waits, in the order of arrival or of the last turn: that decides between equal tags. */
  readonly queues = new Map<string, T[]>();
  /** The one that was served longest ago comes first. */
  readonly #tags = new Map<string, number>();
  /** The highest tag that had a turn before others. */
  #now = 0;

  add(item: T): readonly T[] {
    const waiting = this.queues.get(item.stream);
    if (waiting !== undefined) {
      waiting.push(item);
      return waiting;
    }
    this.#begin(item);
    const queue = [item];
    this.queues.set(item.stream, queue);
    return queue;
  }

  /** The stream whose turn it is, of those whose oldest item `fits`. */
  turn(fits: (item: T) => boolean): string | undefined {
    let first: string | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (const [stream, [oldest]] of this.queues) {
      const tag = this.#tag(stream);
      if (tag >= lowest || oldest === undefined || !fits(oldest)) continue;
      first = stream;
      lowest = tag;
    }
    return first;
  }

  /** Takes the oldest item of a stream; its turn is over. */
  serve(stream: string): T | undefined {
    const queue = this.queues.get(stream);
    const item = queue?.shift();
    if (queue === undefined || item === undefined) return undefined;
    const tag = this.#tag(stream);
    if (this.queues.size > 1) {
      this.#now = Math.max(this.#now, tag);
      this.#remember(stream, tag + cost(item));
      // What nobody else wanted moves nobody, and is not held against a stream for long.
    } else this.#remember(stream, Math.max(tag, Math.min(tag + cost(item), this.#now + credit * cost(item))));
    this.queues.delete(stream);
    if (queue.length > 0) this.queues.set(stream, queue);
    return item;
  }

  /** The turn that an item had does not count. */
  putBack(item: T): void {
    const { stream } = item;
    const queue = this.queues.get(stream);
    if (queue === undefined) this.queues.set(stream, [item]);
    else queue.unshift(item);
    this.#remember(stream, this.#tag(stream) - cost(item));
  }

  /** Of a stream of which nothing waited so far: it has what it is behind, up to the credit. One that is not known has none. */
  #begin(item: T): void {
    const { stream } = item;
    this.#remember(stream, Math.max(this.#tag(stream), this.#now - credit * cost(item)));
  }

  #tag(stream: string): number {
    return this.#tags.get(stream) ?? this.#now;
  }

  #remember(stream: string, tag: number): void {
    this.#tags.delete(stream);
    this.#tags.set(stream, tag);
    if (this.#tags.size <= mostRemembered) return;
    const [oldest] = this.#tags.keys();
    if (oldest !== undefined) this.#tags.delete(oldest);
  }
}

function cost({ rows }: FairItem): number {
  return rows ?? 1;
}

export class FairQueue<T extends FairItem> {
  readonly #limits: FairLimits;
  readonly #rings = { live: new Ring<T>(), background: new Ring<T>() };
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
    const { length } = ring.add(item);
    this.#depth += 1;
    if (length > this.#limits.perStream) return this.#dropOldest(ring, item.stream);
    if (this.#depth > this.#limits.total) return this.#dropFromLongest();
    return undefined;
  }

  /** The item whose turn it is; the turn of its stream is over. */
  next(): T | undefined {
    const { live, background } = this.#rings;
    const useLive = live.queues.size > 0 && (background.queues.size === 0 || this.#liveRun < liveInARow);
    this.#liveRun = useLive ? this.#liveRun + 1 : 0;
    return this.#serve(useLive ? live : background, () => true);
  }

  /**
   * The next item that `fits`, in the order of turns; streams whose oldest item does not fit keep their turn. Goes with one that
   * `next` gave.
   */
  nextThat(fits: (item: T) => boolean): T | undefined {
    return this.#serve(this.#rings.live, fits) ?? this.#serve(this.#rings.background, fits);
  }

  #serve(ring: Ring<T>, fits: (item: T) => boolean): T | undefined {
    const stream = ring.turn(fits);
    if (stream === undefined) return undefined;
    this.#depth -= 1;
    return ring.serve(stream);
  }

  /** Puts an item that was taken out back as the oldest of its stream, above any limit; its turn did not count. */
  putBack(item: T): void {
    this.#rings[item.priority].putBack(item);
    this.#depth += 1;
  }

  /**
   * Takes the oldest items of each stream out as long as `useless` says so; no stream loses its turn by that. `stream`: all that waits
   * of its stream.
   */
  dropOldest(useless: (item: T, stream: readonly T[]) => boolean): readonly T[] {
    const dropped: T[] = [];
    for (const { queues } of [this.#rings.live, this.#rings.background]) {
      for (const [stream, queue] of queues) {
        for (let [item] = queue; item !== undefined && useless(item, queue); [item] = queue) {
          dropped.push(item);
          queue.shift();
        }
        if (queue.length === 0) queues.delete(stream);
      }
    }
    this.#depth -= dropped.length;
    return dropped;
  }

  /** Everything that waits, in no order that matters. */
  *items(): Generator<T, void, undefined> {
    for (const { queues } of [this.#rings.live, this.#rings.background]) for (const queue of queues.values()) yield* queue;
  }

  /** Takes an item out that nobody waits for any more; false when it is not here. */
  remove(item: T): boolean {
    const { queues } = this.#rings[item.priority];
    const queue = queues.get(item.stream);
    const at = queue?.indexOf(item) ?? -1;
    if (queue === undefined || at < 0) return false;
    queue.splice(at, 1);
    if (queue.length === 0) queues.delete(item.stream);
    this.#depth -= 1;
    return true;
  }

  /** Empties the queue. */
  drain(): readonly T[] {
    const items = [...this.items()];
    this.#rings.live.queues.clear();
    this.#rings.background.queues.clear();
    this.#depth = 0;
    return items;
  }

  #dropFromLongest(): T | undefined {
    let longest: { ring: Ring<T>; stream: string; length: number } | undefined;
    for (const ring of [this.#rings.background, this.#rings.live]) {
      for (const [stream, { length }] of ring.queues) {
        if (length > (longest?.length ?? 0)) longest = { ring, stream, length };
      }
    }
    return longest === undefined ? undefined : this.#dropOldest(longest.ring, longest.stream);
  }

  #dropOldest({ queues }: Ring<T>, stream: string): T | undefined {
    const queue = queues.get(stream);
    const oldest = queue?.shift();
    if (queue?.length === 0) queues.delete(stream);
    if (oldest !== undefined) this.#depth -= 1;
    return oldest;
  }
}
