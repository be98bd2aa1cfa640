import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isGenuine, type Pair, ratesOf } from '../../bench/recognition/scores.ts';
import { binomialAtMost, median, resamples, shareInterval, upperRate, upperShare } from '../../bench/recognition/statistics.ts';
import { assign, overlap } from '../../bench/recognition/truth.ts';
import { quantile } from '../../bench/support/quantile.ts';
import { seeded } from '../support/seeded.ts';

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

describe('intervals', () => {
  test('of shares are those of exact binomial sums', () => {
    // Bisection on exact binomial sums (Python, math.comb).
    const { low, high } = shareInterval(7, 20);
    near(low, 0.153909205, 1e-8);
    near(high, 0.592188535, 1e-8);
    near(shareInterval(1, 7550).high, 0.000737743, 1e-8);
    near(shareInterval(406, 407).low, 0.986387096, 1e-8);
  });

  test('of nothing counted reach from nought to the rule of three', () => {
    assert.equal(shareInterval(0, 405).low, 0);
    near(upperShare(0, 405), 1 - 0.05 ** (1 / 405), 1e-9);
    near(upperShare(0, 10_000) * 10_000, 3, 0.01);
    near(upperRate(0, 2), -Math.log(0.05) / 2, 1e-6);
  });

  test('of everything or nothing at all do not promise', () => {
    assert.equal(upperShare(5, 5), 1);
    assert.equal(upperShare(0, 0), 1);
    assert.equal(upperRate(0, 0), Number.POSITIVE_INFINITY);
  });

  test('of rates are those of Poisson counts', () => {
    near(upperRate(3, 1), 7.753656528, 1e-8); // the same on Poisson sums
  });

  test('binomial tails add up', () => {
    near(binomialAtMost(1, 3, 0.5), 0.5, 1e-12);
    near(binomialAtMost(30, 100, 0.3), 0.549123601, 1e-8);
  });
});

describe('quantiles and resampling', () => {
  test('are linear between neighbours', () => {
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(quantile([0, 10], 0.25), 2.5);
    assert.ok(Number.isNaN(median([])));
  });

  test('give the same samples in every run, each of as many people as there are', () => {
    const [first, again] = [resamples(7, 3), resamples(7, 3)];
    assert.deepEqual(first, again);
    for (const drawn of first)
      assert.equal(
        drawn.reduce((sum, count) => sum + count, 0),
        7,
      );
    const random = seeded(1);
    const values = Array.from({ length: 10_000 }, random);
    near(values.reduce((sum, value) => sum + value, 0) / values.length, 0.5, 0.01);
  });
});

describe('rates of pairs', () => {
  const pair = (seen: string, reference: string, score: number): Pair => ({
    seen,
    reference,
    score,
    heightPx: 100,
    source: 'photo',
  });

  test('count scores at the threshold as accepted', () => {
    const rates = ratesOf([pair('a', 'a', 0.5), pair('a', 'a', 0.49), pair('a', 'b', 0.5), pair('b', 'a', 0.2)], 0.5);
    assert.deepEqual([rates.frr.count, rates.frr.of, rates.far.count, rates.far.of], [1, 2, 1, 2]);
    const at = rates.curve.find(({ threshold }) => threshold === 0.5);
    assert.deepEqual([at?.far, at?.frr], [0.5, 0.5]);
    assert.deepEqual([rates.people, rates.peoplePairs], [2, 1]);
  });

  test('find the equal error rate where the curves cross', () => {
    const pairs = [0.6, 0.7, 0.8, 0.35].map((score) => pair('a', 'a', score));
    const strangers = [0.1, 0.2, 0.3, 0.65].map((score) => pair('a', 'b', score));
    near(ratesOf([...pairs, ...strangers], 0.5).eer.share, 0.25, 1e-9);
  });

  test('say nothing of people where nothing was counted, and how much one person weighs where something was', () => {
    const people = ['a', 'b', 'c', 'd', 'e', 'f'];
    const pairs = people.flatMap((seen) =>
      people.flatMap((reference) => Array.from({ length: 20 }, () => pair(seen, reference, seen === reference ? 0.9 : 0.1))),
    );
    const clean = ratesOf(pairs, 0.5);
    assert.equal(clean.frr.people95, undefined);
    assert.equal(clean.far.people95, undefined);
    const missed = ratesOf(
      pairs.map((item) => (item.seen === 'a' && isGenuine(item) ? { ...item, score: 0.2 } : item)),
      0.5,
    );
    const { people95, pairs95, share } = missed.frr;
    near(share, 1 / 6, 1e-9);
    assert.ok(people95 !== undefined);
    assert.ok(people95.high > pairs95.high + 0.1, `one of six people: ${people95.high} against ${pairs95.high} of pairs`);
  });
});

describe('detections and ground truth', () => {
  test('overlap is intersection over union', () => {
    near(overlap({ left: 0, top: 0, width: 10, height: 10 }, [5, 0, 10, 10]), 1 / 3, 1e-12);
    assert.equal(overlap({ left: 0, top: 0, width: 10, height: 10 }, [10, 0, 5, 5]), 0);
  });

  test('each detection is the nearest person, each person one detection', () => {
    const boxes = [
      { left: 2, top: 0, width: 10, height: 10 },
      { left: 0, top: 0, width: 10, height: 10 },
      { left: 50, top: 0, width: 10, height: 10 },
    ];
    const truth = [{ id: 'a', box: [0, 0, 10, 10] as const }];
    assert.deepEqual(
      assign(boxes, truth, 0.3).map((who) => who?.id),
      [undefined, 'a', undefined],
    );
  });
});
