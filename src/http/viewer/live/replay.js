/**
 * Tells the replayed group of pictures, which the server sends at once to a new subscriber, from what is live: in a replay units are sent
 * much faster than they were captured. Its pictures are decoded, and only the newest is worth showing.
 */
export class ReplayGauge {
  /** @type {{ captureMs: number, sentMs: number } | undefined} */
  #last;
  #over = false;

  /**
   * @param {{ captureMs: number, sentMs: number }} unit in the order of arrival, from the first of a subscription on
   * @returns {boolean} whether it belongs to the replay
   */
  isReplayed({ captureMs, sentMs }) {
    if (this.#over) return false;
    const last = this.#last;
    this.#last = { captureMs, sentMs };
    if (last === undefined) return sentMs - captureMs > 200;
    // Reordered pictures are not captured in the order in which they are sent.
    const captured = Math.abs(captureMs - last.captureMs);
    if (captured > 0 && sentMs - last.sentMs >= captured / 2) this.#over = true;
    return !this.#over;
  }
}
