/** How long a minimum is trusted: clocks drift by up to 100 us a second, and a window of this length bounds what that adds. */
const windowMs = 60_000;

/**
 * What the server's clock shows, from the times it writes into its messages. A message cannot arrive before it was sent, so the largest
 * `sent - arrived` of the last one to two minutes is nearest to the truth; it is early by the fastest message's time on the way.
 */
export class ServerClock {
  /** @type {number | undefined} */
  #before;
  /** @type {number | undefined} */
  #current;
  #since = 0;

  /** @param {number} sentMs by the server's clock @param {number} arrivedMs by ours */
  observe(sentMs, arrivedMs) {
    const offset = sentMs - arrivedMs;
    if (this.#current === undefined || arrivedMs - this.#since > windowMs) {
      this.#before = this.#current;
      this.#current = offset;
      this.#since = arrivedMs;
    } else if (offset > this.#current) this.#current = offset;
  }

  /** For a new connection, which may lead to another server. */
  forget() {
    this.#before = undefined;
    this.#current = undefined;
  }

  /** @param {number} oursMs @returns {number} the same moment by the server's clock; ours while nothing is known */
  at(oursMs) {
    if (this.#current === undefined) return oursMs;
    return oursMs + Math.max(this.#current, this.#before ?? Number.NEGATIVE_INFINITY);
  }
}

/** Milliseconds since 1970 that never step: the system's clock may be set while a page is open. */
export function steadyNow() {
  return performance.timeOrigin + performance.now();
}
