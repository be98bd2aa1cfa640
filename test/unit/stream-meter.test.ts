import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStreamMeter, type MeteredUnit } from '../../src/software-worker/stream-meter.ts';

function unit(ptsMs: number | undefined, more: Partial<MeteredUnit> = {}): MeteredUnit {
  const arrivedMs = more.arrivedMs ?? 1e12 + (ptsMs ?? 0);
  return { ptsMs, bytes: 100, key: false, arrivedMonoMs: arrivedMs - 1e12, capturedMs: undefined, ...more, arrivedMs };
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
  const reported = (ptsMs: number, aheadMs: number) => unit(ptsMs, { capturedMs: 1e12 + ptsMs + aheadMs });
  const stats = measure([unit(0), reported(40, -20), reported(80, 3180), unit(120)]);
  assert.deepEqual([stats.senderClock, stats.senderAheadMs], [true, 3180]);
});

test('stream meter - what comes late does not put the clock of the sender back', () => {
  const late = (ptsMs: number, lateMs: number) =>
    unit(ptsMs, { arrivedMs: 1e12 + ptsMs + lateMs, capturedMs: 1e12 + ptsMs - 20 });
  assert.equal(measure([late(0, 3000), late(40, 0), late(80, 1500), late(120, 4000)]).senderAheadMs, -20);
});

test('stream meter - clocks that drift apart are compared by what came lately', () => {
  const meter = createStreamMeter({ declaredFps: 1, live: true });
  // Our clock gains 10 ms a second on both of the sender's.
  for (let second = 0; second <= 1200; second += 1)
    meter.add(unit(1000 * second, { arrivedMs: 1e12 + 1010 * second, capturedMs: 1e12 + 1000 * second }));
  const { senderAheadMs } = meter.stats(0);
  assert.ok(senderAheadMs <= -6000 && senderAheadMs >= -12_000, `${senderAheadMs}`);
});

test("stream meter - media time beside real time does not put the sender's clock ahead", () => {
  for (const rate of [0.97, 0.996, 1.03]) {
    const meter = createStreamMeter({ declaredFps: 1, live: true });
    for (let second = 0; second <= 1500; second += 1) {
      meter.add(unit(1000 * rate * second, { arrivedMs: 1e12 + 1000 * second + 20, capturedMs: 1e12 + 1000 * second }));
      const { senderAheadMs } = meter.stats(0);
      assert.ok(Math.abs(senderAheadMs + 20) < 1, `${rate}: ${senderAheadMs} at ${second} s`);
    }
  }
});

test('stream meter - either wall clock that is set shows at once, ahead and back', () => {
  const meter = createStreamMeter({ declaredFps: 1, live: true });
  const between = (second: number, from: number, to: number) => (second >= from && second < to ? 3_600_000 : 0);
  for (let second = 0; second <= 500; second += 1) {
    const host = between(second, 100, 200);
    const sender = between(second, 300, 400);
    const atMs = 1000 * second;
    meter.add(unit(atMs, { arrivedMs: 1e12 + atMs + 20 + host, arrivedMonoMs: atMs + 20, capturedMs: 1e12 + atMs + sender }));
    assert.equal(Math.round(meter.stats(0).senderAheadMs), sender - host - 20, `at ${second} s`);
  }
});

test("stream meter - a new time line keeps the sender's clock", () => {
  const reported = (ptsMs: number, atMs: number) => unit(ptsMs, { arrivedMs: 1e12 + atMs, capturedMs: 1e12 + atMs + 700 });
  assert.equal(measure([reported(90_000, 0), reported(90_040, 40), reported(0, 5000), reported(40, 5040)]).senderAheadMs, 700);
});
