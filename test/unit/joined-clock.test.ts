import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JoinedClock } from '../../src/media/joined-clock.ts';

const tick = 3600n;
const hour = 3_600_000;

function unit(pts: bigint, captureMs: number, dts = pts) {
  return { pts, dts, captureMs };
}

/** Epochs as cameras have them: each begins anywhere, has a few frames, and comes some time after the one before. */
const epochs = fc.array(
  fc.record({
    begin: fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }),
    frames: fc.integer({ min: 1, max: 40 }),
    /** Until the capture of its first frame: also of clocks that were set meanwhile. */
    pauseMs: fc.oneof(fc.integer({ min: 40, max: 60_000 }), fc.integer({ min: -48 * hour, max: 48 * hour })),
    reorder: fc.bigInt({ min: 0n, max: 4n * tick }),
  }),
  { minLength: 1, maxLength: 6 },
);

test('joined time never runs backwards, is exact within an epoch, and advances by the pause between captures', () => {
  fc.assert(
    fc.property(epochs, (list) => {
      const clock = new JoinedClock();
      let captureMs = 1_770_000_000_000;
      let latest = Number.NEGATIVE_INFINITY;
      for (const [epoch, { begin, frames, pauseMs, reorder }] of list.entries()) {
        captureMs += pauseMs;
        let first: number | undefined;
        for (let frame = 0; frame < frames; frame++) {
          const pts = begin + BigInt(frame) * tick;
          const joined = clock.unit(epoch, unit(pts, captureMs + frame * 40, pts - reorder));
          assert.ok(joined !== undefined);
          assert.equal(joined.began, frame === 0);
          assert.equal(joined.pts - joined.dts, Number(reorder));
          first ??= joined.pts;
          assert.equal(joined.pts - first, frame * Number(tick), 'within an epoch');
          if (frame === 0) {
            assert.ok(joined.dts > latest, 'also what is decoded first comes after all that was');
            const pause = pauseMs * 90;
            const between = Math.min(3600 * 90_000, pause);
            if (epoch > 0) assert.equal(joined.pts - latest, Math.max(1 + Number(reorder), between));
          }
          assert.equal(clock.at(epoch, pts), joined.pts, 'metadata of the same frame');
          latest = joined.pts;
        }
        captureMs += (frames - 1) * 40;
        assert.ok(latest < 2 ** 52);
      }
    }),
  );
});

test('an epoch that another has followed is over for video, and its late metadata still finds its frames', () => {
  const clock = new JoinedClock();
  const first = clock.unit(7, unit(100n, 1000));
  const second = clock.unit(8, unit(5n, 1500));
  assert.ok(first && second);
  assert.equal(second.pts - first.pts, 45_000);
  assert.equal(clock.unit(7, unit(3700n, 1040)), undefined);
  assert.equal(clock.at(7, 3700n), first.pts + 3600);
  assert.equal(clock.at(9, 0n), undefined);
  for (const epoch of [9, 10, 11]) clock.unit(epoch, unit(0n, 2000 + epoch));
  assert.equal(clock.at(7, 100n), undefined, 'forgotten after some more');
});

test('metadata alone begins an epoch, and video that comes after all fits into it', () => {
  const clock = new JoinedClock();
  const before = clock.unit(1, unit(0n, 10_000));
  clock.begin(2, 90_000n, 11_000);
  const boxes = clock.at(2, 90_000n);
  const late = clock.unit(2, unit(0n, 10_000));
  assert.ok(before && late && boxes !== undefined);
  assert.equal(boxes - late.pts, 90_000, 'on one clock');
  assert.ok(late.pts > before.pts && !late.began);
});

test('times that cannot be are refused, or joined anew, and nothing goes wrong afterwards', () => {
  const clock = new JoinedClock();
  const first = clock.unit(1, unit(0n, 1000));
  assert.ok(first);
  assert.equal(clock.unit(1, unit(0n, Number.NaN)), undefined);
  assert.equal(clock.unit(1, unit(2n ** 62n, 1000, -(2n ** 62n))), undefined);
  clock.begin(2, 0n, Number.NaN);
  assert.equal(clock.epoch, 1);
  const leap = clock.unit(1, unit(2n ** 62n, 1080));
  assert.ok(leap);
  assert.equal(leap.pts - first.pts, 7200, 'a step of 2^62 within an epoch is none of its clock');
  const next = clock.unit(1, unit(2n ** 62n + 3600n, 1120));
  assert.equal(next?.pts, leap.pts + 3600);
});
