/** Running figures of a player over the last few seconds. Times in milliseconds of one clock that does not step. */

const windowMs = 3000;
/** Of the longest distance lately, what is left of it with each picture that follows. */
const gapDecay = 0.9;
const mostGapMs = 10_000;

export class Figures {
  /** Of each picture that was drawn. @type {{ at: number, delayMs: number, boxed: boolean }[]} */
  #drawn = [];
  drawn = 0;
  /** Between pictures, the longest lately; stays when none come any more, which `recent` forgets. */
  gapMs = 0;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param {number} at @param {number} delayMs capture to now @param {boolean} boxed with the metadata that are wanted, or none are */
  add(at, delayMs, boxed) {
    this.drawn += 1;
    if (Number.isFinite(this.#lastAt)) this.gapMs = Math.min(mostGapMs, Math.max(at - this.#lastAt, this.gapMs * gapDecay));
    this.#lastAt = at;
    this.#drawn.push({ at, delayMs, boxed });
  }

  /** @param {number} now @returns {{ fps: number, delayMs: number, behind: boolean }} fps: by the time of capture where pictures are drawn faster than they were taken, to catch up; delay: the median; behind: most went without boxes */
  recent(now) {
    const from = this.#drawn.findIndex(({ at }) => at > now - windowMs);
    this.#drawn.splice(0, from < 0 ? this.#drawn.length : from);
    const delays = this.#drawn.map(({ delayMs }) => delayMs).toSorted((a, b) => a - b);
    const first = this.#drawn[0];
    const last = this.#drawn.at(-1);
    if (first === undefined || last === undefined) return { fps: 0, delayMs: 0, behind: false };
    const between = Math.max(last.at - first.at, last.at - last.delayMs - (first.at - first.delayMs));
    const bare = this.#drawn.filter(({ boxed }) => !boxed).length;
    return {
      fps: between > 0 ? ((this.#drawn.length - 1) * 1000) / between : 0,
      delayMs: delays[delays.length >> 1] ?? 0,
      behind: this.#drawn.length >= 5 && bare > this.#drawn.length / 2,
    };
  }

  /** The pictures before are those of another stream. */
  forget() {
    this.#drawn = [];
    this.gapMs = 0;
    this.#lastAt = Number.NEGATIVE_INFINITY;
  }
}
