import { seeded } from '../../test/support/seeded.ts';
import { quantile } from '../support/quantile.ts';

/**
 * What few observations allow to say: intervals for shares and rates, and a bootstrap over people for pairs that are not independent.
 * Pure and repeatable.
 */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Natural logarithm of n!, by Stirling's series from 16 on (error below 1e-12). */
function logFactorial(n: number): number {
  let sum = 0;
  if (n < 16) {
    for (let i = 2; i <= n; i += 1) sum += Math.log(i);
    return sum;
  }
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5);
}

/** Probability of at most `count` successes in `trials`. */
export function binomialAtMost(count: number, trials: number, probability: number): number {
  if (count < 0) return 0;
  if (count >= trials || probability <= 0) return 1;
  if (probability >= 1) return 0;
  let sum = 0;
  for (let i = 0; i <= count; i += 1) {
    const ways = logFactorial(trials) - logFactorial(i) - logFactorial(trials - i);
    sum += Math.exp(ways + i * Math.log(probability) + (trials - i) * Math.log1p(-probability));
  }
  return Math.min(1, sum);
}

/** Probability of at most `count` events when `mean` are expected. */
export function poissonAtMost(count: number, mean: number): number {
  let sum = 0;
  for (let i = 0; i <= count; i += 1) sum += Math.exp(i * Math.log(mean) - mean - logFactorial(i));
  return Math.min(1, sum);
}

/** The argument at which a falling function crosses `target`. */
function crossing(falling: (x: number) => number, target: number, low: number, high: number): number {
  let [left, right] = [low, high];
  for (let step = 0; step < 100; step += 1) {
    const middle = (left + right) / 2;
    if (falling(middle) > target) left = middle;
    else right = middle;
  }
  return (left + right) / 2;
}

/** Largest share that would still show `count` or fewer of `trials` with probability `1 - level` (Clopper and Pearson, one-sided). */
export function upperShare(count: number, trials: number, level = 0.95): number {
  if (trials === 0 || count >= trials) return 1;
  return crossing((share) => binomialAtMost(count, trials, share), 1 - level, 0, 1);
}

/** Exact two-sided interval of a share (Clopper and Pearson, 1934). */
export function shareInterval(count: number, trials: number, level = 0.95): Interval {
  const half = (1 - level) / 2;
  return {
    low: count === 0 ? 0 : 1 - upperShare(trials - count, trials, 1 - half),
    high: upperShare(count, trials, 1 - half),
  };
}

/** Largest rate per unit that would still show `count` or fewer in `units` with probability 5 %; for none this is the rule of three. */
export function upperRate(count: number, units: number, level = 0.95): number {
  if (units <= 0) return Number.POSITIVE_INFINITY;
  const limit = count + 10 * Math.sqrt(count + 1) + 10;
  return crossing((mean) => poissonAtMost(count, mean), 1 - level, 0, limit) / units;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** How often each of `people` is drawn in `rounds` samples of their own number, with replacement. */
export function resamples(people: number, rounds: number, seed = 1): readonly Uint16Array[] {
  const random = seeded(seed);
  return Array.from({ length: rounds }, () => {
    const drawn = new Uint16Array(people);
    for (let i = 0; i < people; i += 1) {
      const who = Math.floor(random() * people);
      drawn[who] = (drawn[who] ?? 0) + 1;
    }
    return drawn;
  });
}

/** Middle 95 % of resampled values; those that could not be computed (NaN) are left out. */
export function percentileInterval(values: readonly number[], level = 0.95): Interval {
  const finite = values.filter(Number.isFinite);
  return { low: quantile(finite, (1 - level) / 2), high: quantile(finite, (1 + level) / 2) };
}
