/**
 * What a subscriber of the live feed is sent while it reads too slowly: what waits for it is measured in bytes and in time, and what it loses
 * is its own. Bytes alone say little: 8 MiB of a small picture are minutes. Pure.
 */

/** What waits for a subscriber. */
export interface Backlog {
  /** Here; what the system and the network hold is not seen. */
  readonly bytes: number;
  /** For at least so long it has not answered what it was sent, milliseconds; wherever that is. */
  readonly ms: number;
}

/** Video that waits for a subscriber. */
const videoLimitBytes = 8 * 1024 * 1024;
/** What comes later than this is live no more. */
const behindLimitMs = 5000;
/** Metadata that waits for one without video: seconds of it. */
const metadataLimitBytes = 64 * 1024;
const heldLimit = 256;

/** Video of one subscription: whole groups of pictures, or none. */
export class VideoPace {
  #waitsForKey = true;
  #lost = 0;

  /** Units that were left out since `takeLost`, because the subscriber was slow. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether this unit goes out; `backlog`: what waits before it. */
  offer(key: boolean, backlog: Backlog): boolean {
    const full = backlog.bytes > videoLimitBytes || backlog.ms > behindLimitMs;
    if (!full && (key || !this.#waitsForKey)) {
      this.#waitsForKey = false;
      return true;
    }
    // One who waits for the first key frame has lost nothing.
    if (full || this.#lost > 0) this.#lost += 1;
    this.#waitsForKey = true;
    return false;
  }

  /** The units before cannot be continued. */
  cut(): void {
    this.#waitsForKey = true;
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}

/** Metadata of one connection: goes out at once, or waits for its turn; the oldest is lost. */
export class MetadataPace<T> {
  #held: T[] = [];

  get held(): number {
    return this.#held.length;
  }

  /** What goes out now, and what is lost for it. */
  offer(item: T, backlog: Backlog, video: boolean): { readonly out: readonly T[]; readonly lost?: T } {
    this.#held.push(item);
    const out = this.release(backlog, video);
    const lost = this.#held.length > heldLimit ? this.#held.shift() : undefined;
    return lost === undefined ? { out } : { out, lost };
  }

  /** What goes out when the subscriber has read. */
  release(backlog: Backlog, video: boolean): readonly T[] {
    if (backlog.bytes > (video ? videoLimitBytes : metadataLimitBytes) || backlog.ms > behindLimitMs) return [];
    const out = this.#held;
    this.#held = [];
    return out;
  }
}
