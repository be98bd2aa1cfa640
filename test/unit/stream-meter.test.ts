import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStreamMeter, type MeteredUnit } from '../../src/software-worker/stream-meter.ts';

function unit(ptsMs: number | undefined, more: Partial<MeteredUnit> = {}): MeteredUnit {
  return { ptsMs, bytes: 100, key: false, senderAheadMs: undefined, ...more };
}

function measure(units: readonly MeteredUnit[], declaredFps = 25) {
  const meter = createStreamMeter({ declaredFps, live: true });
  for (const each of units) meter.add(each);
  return meter.stats(0);
}

/** Key frames every `every` units of 40 ms. */
function steady(count: number, every: number): MeteredUnit[] {
  return Array.from({ length: count }, (_, i) => unit(1000 + 40 * i, { key: i % every === 0 }));
}

test('stream meter - bytes, media time and key frames of a steady stream', () => {
  const stats = measure(steady(101, 25));
  assert.equal(stats.units, 101n);
  assert.equal(stats.bytes, 10_100n);
  assert.equal(stats.mediaMs, 4000);
  assert.equal(stats.keyFrames, 5n);
  assert.equal(stats.keySpanMs, 4000);
  assert.equal(stats.longestKeyIntervalMs, 1000);
  assert.equal(stats.reorderUnits, 0);
});

test('stream meter - a key frame that does not come makes the interval longer', () => {
  assert.equal(measure(steady(251, 1000)).longestKeyIntervalMs, 10_000);
  assert.equal(measure(steady(251, 1000).map((each) => ({ ...each, key: false }))).longestKeyIntervalMs, 10_000);
});

test('stream meter - B-frames show in the order of arrival', () => {
  const one = [0, 80, 40, 160, 120, 240, 200, 320, 280].map((ms) => unit(ms));
  assert.equal(measure(one).reorderUnits, 1);
  // A pyramid: P4 B2 b1 b3.
  const pyramid = Array.from({ length: 5 }, (_, i) => [4, 2, 1, 3].map((n) => unit(160 * i + 40 * n))).flat();
  assert.equal(measure(pyramid).reorderUnits, 2);
});

test('stream meter - one hiccup of the time stamps is no B-frame', () => {
  assert.equal(
    measure([...steady(50, 25), unit(2900), ...steady(50, 25).map((each) => ({ ...each, ptsMs: 3000 }))]).reorderUnits,
    0,
  );
});

test('stream meter - a new time line goes on at the end of the old one', () => {
  const twice = [...steady(101, 25), ...steady(101, 25)];
  const stats = measure(twice);
  assert.equal(stats.mediaMs, 8040);
  assert.equal(stats.longestKeyIntervalMs, 1000);
  assert.equal(stats.reorderUnits, 0);
});

test('stream meter - units without time stamps are spaced by the declared rate', () => {
  assert.equal(
    measure(
      Array.from({ length: 11 }, () => unit(undefined)),
      10,
    ).mediaMs,
    1000,
  );
});

test("stream meter - the sender's clock is what its latest report says", () => {
  assert.equal(measure([unit(0)]).senderClock, false);
  const stats = measure([unit(0), unit(40, { senderAheadMs: -20 }), unit(80, { senderAheadMs: 3180 }), unit(120)]);
  assert.deepEqual([stats.senderClock, stats.senderAheadMs], [true, 3180]);
});
