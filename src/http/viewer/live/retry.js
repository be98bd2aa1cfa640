const firstMs = 500;
const longestMs = 15_000;

/**
 * Time until the next attempt: doubling, with half of it by chance so that the viewers of a restarted server do not return all at once.
 *
 * @param {number} attempt 0 for the first one after a failure
 * @param {number} chance 0 to 1
 */
export function retryDelayMs(attempt, chance) {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  return whole / 2 + (whole / 2) * chance;
}
