/**
 * Pictures wait here for the metadata of exactly their time stamp. A picture is never shown with another's: after `holdMs` it goes without.
 * Times are of one clock that does not step, in milliseconds.
 *
 * @import { LiveFrame } from '../../../core/live-messages.ts'
 */

/**
 * @typedef {object} Picture
 * @property {number} pts 90 kHz
 * @property {number} captureMs by the server's clock
 * @property {number} arrivedAt when its unit came: what it waits is counted from here
 * @property {number} dueAt from when on it could be shown but for its metadata
 * @property {boolean} replayed worth showing only while it is the newest
 * @property {boolean} exact whether `pts` is known to be that of the pixels
 * @property {CanvasImageSource} source
 * @property {number} width as it is meant to be shown @property {number} height
 * @property {() => void} close frees `source`
 */

/** @typedef {{ picture: Picture, metadata: LiveFrame | undefined }} Shown */

export const holdMs = 500;
/** Pictures that may wait at once: half a second of 60 a second. */
export const maxHeld = 30;
/** Metadata of a later picture has come: this picture's is lost, or overtaken at most by this. */
const overtakenMs = 250;
/** Ready for longer than this means that the page draws too slowly for all of them: the older ones are passed over. */
const staleMs = 100;
/** Nothing has come for this long: none is made, and waiting would only delay the video. */
const noneMs = 2000;
const maxMetadata = 600;
/** Length of the track trails. */
export const trailPts = 2 * 90_000;

export class Pairing {
  /** @type {Picture[]} */
  #held = [];
  /** By pts. @type {Map<number, { frame: LiveFrame, arrivedAt: number }>} */
  #metadata = new Map();
  /** Ascending. @type {LiveFrame[]} */
  #history = [];
  #newestAt = Number.NEGATIVE_INFINITY;
  /** @type {number | undefined} */
  #begun;
  /** When what was shown last was ready, or could be for those before it. */
  #readyAt = Number.NEGATIVE_INFINITY;
  /** Passed over because something newer was ready. */
  dropped = 0;
  /** Shown without boxes although metadata are wanted. */
  behind = 0;

  /** @param {boolean} wanted whether metadata are awaited at all */
  constructor(wanted) {
    this.wanted = wanted;
  }

  get held() {
    return this.#held.length;
  }

  /** @param {Picture} picture in the order of presentation; closed by whoever takes it, or here */
  addPicture(picture) {
    this.#begun ??= picture.arrivedAt;
    const last = this.#held.at(-1);
    if (last?.replayed === true && picture.replayed) {
      this.#held.pop();
      last.close();
    }
    this.#held.push(picture);
  }

  /** @param {LiveFrame} frame @param {number} now */
  addMetadata(frame, now) {
    this.#newestAt = now;
    if (this.#metadata.has(frame.pts)) return;
    this.#metadata.set(frame.pts, { frame, arrivedAt: now });
    const after = this.#history.findLastIndex(({ pts }) => pts < frame.pts) + 1;
    this.#history.splice(after, 0, frame);
    if (this.#history.length > maxMetadata) this.#forget(1);
  }

  /**
   * What to draw now; the caller closes its picture. Call it once for every repaint.
   *
   * @param {number} now
   * @returns {Shown | undefined}
   */
  take(now) {
    let ready = 0;
    let chosen = -1;
    // One that had to wait for those before it is ready with them.
    let since = this.#readyAt;
    for (; ready < this.#held.length; ready += 1) {
      const own = this.#readySince(ready, now);
      if (own === undefined) break;
      since = Math.max(since, own);
      if (chosen >= 0) continue;
      this.#readyAt = since;
      if (now - since <= staleMs) chosen = ready;
    }
    if (ready === 0) return undefined;
    const taken = this.#held.splice(0, (chosen < 0 ? ready - 1 : chosen) + 1);
    const picture = taken.pop();
    if (picture === undefined) return undefined;
    for (const passed of taken) {
      passed.close();
      if (!passed.replayed) this.dropped += 1;
    }
    const metadata = picture.exact ? this.metadataOf(picture.pts) : undefined;
    if (metadata === undefined && this.wanted && !picture.replayed) this.behind += 1;
    this.#forget(this.#history.findIndex(({ pts }) => pts >= picture.pts - trailPts));
    return { picture, metadata };
  }

  /** @param {number} pts @returns {LiveFrame | undefined} */
  metadataOf(pts) {
    return this.#metadata.get(pts)?.frame;
  }

  /** What led to `pts`, the oldest first. @param {number} pts @returns {LiveFrame[]} */
  before(pts) {
    return this.#history.filter((frame) => frame.pts > pts - trailPts && frame.pts <= pts);
  }

  /** Whether metadata come at all, so that waiting for them is sensible. @param {number} now */
  expected(now) {
    return this.wanted && now - Math.max(this.#newestAt, this.#begun ?? now) < noneMs;
  }

  /** Pictures and metadata of before are of no use: another stream begins. */
  reset() {
    for (const picture of this.#held) picture.close();
    this.#held = [];
    this.#metadata.clear();
    this.#history = [];
    this.#newestAt = Number.NEGATIVE_INFINITY;
    this.#readyAt = Number.NEGATIVE_INFINITY;
    this.#begun = undefined;
  }

  /**
   * Since when a held picture may be shown; undefined while it waits.
   *
   * @param {number} index @param {number} now
   */
  #readySince(index, now) {
    const picture = this.#held[index];
    if (picture === undefined) return undefined;
    if (!this.wanted || picture.replayed || !picture.exact) return picture.dueAt;
    const metadata = this.#metadata.get(picture.pts);
    if (metadata !== undefined) return Math.max(picture.dueAt, metadata.arrivedAt);
    if (!this.expected(now)) return picture.dueAt;
    if (index === 0 && this.#held.length > maxHeld) return now;
    const later = this.#history[this.#history.findLastIndex(({ pts }) => pts < picture.pts) + 1];
    const overtakenAt = later === undefined ? undefined : this.#metadata.get(later.pts)?.arrivedAt;
    const end = Math.min(picture.arrivedAt + holdMs, (overtakenAt ?? now) + overtakenMs);
    return now >= end ? Math.max(end, picture.dueAt) : undefined;
  }

  /** @param {number} count of the oldest */
  #forget(count) {
    for (const { pts } of this.#history.splice(0, Math.max(0, count))) this.#metadata.delete(pts);
  }
}
