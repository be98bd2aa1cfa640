import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toPts90k } from '../../src/core/media-time.ts';
import { createFrameTimes } from '../../src/software-worker/times.ts';
import { type ClockedUnit, createUnitClock, type UnitClockOptions } from '../../src/software-worker/unit-clock.ts';

const ticks = { num: 1, den: 90_000 } as const;

/** Units and frames by hand: numbers are time stamps, items their position in decoding order. */
function clock(options: Partial<UnitClockOptions> = {}) {
  const made = createUnitClock<number>({ timeBase: ticks, live: true, reorder: 0, ...options });
  let sent = 0;
  return {
    clock: made,
    unit: (pts: number | undefined, more: { readonly dts?: number; readonly renewed?: boolean } = {}) =>
      made.push(
        {
          pts: pts === undefined ? undefined : BigInt(pts),
          dts: more.dts === undefined ? undefined : BigInt(more.dts),
          renewed: more.renewed ?? false,
        },
        sent++,
      ),
    frame: (given: number | undefined, pts = given ?? 0, epoch = 1, cameraTimeUs = 1_000_000 + (pts * 100) / 9) =>
      made.shown({ epoch, given: given === undefined ? undefined : BigInt(given), pts: BigInt(pts), cameraTimeUs }),
  };
}

const essence = (units: readonly ClockedUnit<number>[]) => units.map(({ item, epoch, pts }) => [item, epoch, Number(pts)]);

describe('units on the clock of frames', () => {
  it('wait for the first frame, and leave at once from then on', () => {
    const { unit, frame } = clock();
    assert.deepEqual(unit(0), []);
    assert.deepEqual(essence(frame(0)), [[0, 1, 0]]);
    assert.deepEqual(essence(unit(3600)), [[1, 1, 3600]], 'before its frame is decoded');
    assert.deepEqual(frame(3600), []);
    const [third] = unit(7200);
    assert.equal(third?.cameraTimeUs, 1_080_000, 'as far from the latest frame as the stamps are');
    assert.equal(third?.dts, 7200n);
  });

  it('have the time that was made for a frame whose stamp is a twin', () => {
    const { clock: made, unit, frame } = clock();
    unit(0);
    unit(0);
    assert.deepEqual(essence(frame(0)), [[0, 1, 0]]);
    assert.deepEqual(unit(3600), []);
    assert.deepEqual(essence(frame(0, 1)), [[1, 1, 1]]);
    assert.deepEqual(essence(frame(3600)), [[2, 1, 3600]]);
    assert.deepEqual(essence(unit(7200)), [[3, 1, 7200]]);
    assert.equal(made.dropped, 0);
  });

  it('of a new time line wait for its epoch; what never showed of the old one is dropped and counted', () => {
    const { clock: made, unit, frame } = clock();
    unit(9_000_000);
    frame(9_000_000);
    assert.deepEqual(unit(100), [], 'stamps that go back');
    assert.deepEqual(unit(3700), []);
    assert.deepEqual(essence(frame(100, 100, 2)), [
      [1, 2, 100],
      [2, 2, 3700],
    ]);
    assert.deepEqual(unit(90_000_000), [], 'stamps that leap');
    assert.deepEqual(unit(90_003_600), []);
    assert.deepEqual(essence(frame(90_003_600, 90_003_600, 3)), [[4, 3, 90_003_600]]);
    assert.equal(made.dropped, 1);
  });

  it('wait for their frame where another parameter set begins: the picture may have another size, and its epoch', () => {
    const { unit, frame } = clock();
    unit(0);
    frame(0);
    assert.deepEqual(unit(3600, { renewed: true }), []);
    assert.deepEqual(unit(7200), []);
    assert.deepEqual(essence(frame(3600, 3600, 2)), [
      [0 + 1, 2, 3600],
      [2, 2, 7200],
    ]);
  });

  it('without stamps, or with stamps that are not believed, have the times of their frames', () => {
    const { clock: made, unit, frame } = clock();
    unit(undefined);
    assert.deepEqual(essence(frame(undefined, 0)), [[0, 1, 0]]);
    assert.deepEqual(unit(500), []);
    assert.deepEqual(essence(frame(500, 3600)), [[1, 1, 3600]]);
    unit(100);
    unit(42);
    assert.deepEqual(essence(frame(42, 7200)), [[3, 1, 7200]], 'the one before was not decoded');
    assert.equal(made.dropped, 1);
  });

  it('leave at once while frames are far behind them, or are not decoded at all', () => {
    const { clock: made, unit, frame } = clock();
    unit(0);
    frame(0);
    const [late, skipped] = [100, 400];
    for (let index = 1; index < skipped; index += 1) {
      assert.deepEqual(essence(unit(index * 3600)), [[index, 1, index * 3600]]);
      if (index > late && index < 2 * late) assert.deepEqual(frame((index - late) * 3600), []);
    }
    assert.deepEqual(frame((skipped - 1) * 3600), []);
    assert.deepEqual(unit(skipped * 3600 + 900_000), [], 'stamps that leap wait as ever');
    assert.equal(made.dropped, 0);
  });

  it('of a file leave with its frames, those that were read ahead for them too', () => {
    const { unit, frame } = clock({ live: false });
    for (const [pts, dts] of [
      [0, -7200],
      [10_800, -3600],
      [3600, 0],
    ] as const)
      assert.deepEqual(unit(pts, { dts }), []);
    const first = frame(0);
    assert.deepEqual(essence(first), [
      [0, 1, 0],
      [1, 1, 10_800],
      [2, 1, 3600],
    ]);
    assert.deepEqual(
      first.map(({ dts }) => dts),
      [-7200n, -3600n, 0n],
    );
    assert.deepEqual(unit(7200, { dts: 3600 }), []);
    assert.deepEqual(essence(frame(3600)), [[3, 1, 7200]]);
  });

  it('are bounded where nothing can be decoded', () => {
    const { clock: made, unit, frame } = clock();
    for (let i = 0; i < 1000; i += 1) assert.deepEqual(unit(i * 3600), []);
    assert.equal(made.dropped, 1000 - 512);
    assert.equal(frame(999 * 3600).length, 512);
  });

  it('shown out of order have decoding times that rise and never pass their own, also where nobody said how many are reordered', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 5, maxLength: 40 }),
        fc.integer({ min: 0, max: 3 }),
        (groups, reorder) => {
          // Each group: a picture that is shown after the given number of pictures sent behind it.
          const order: number[] = [0];
          let at = 1;
          for (const between of groups) {
            order.push(at + between);
            for (let i = 0; i < between; i += 1) order.push(at + i);
            at += between + 1;
          }
          const { clock: made, unit, frame } = clock({ reorder });
          const out = [...unit(0), ...frame(0)];
          const sent = new Set<number>();
          let next = 1;
          for (const index of order.slice(1)) {
            out.push(...unit(index * 3600));
            for (sent.add(index); sent.has(next); next += 1) out.push(...frame(next * 3600));
          }
          for (const [index, { pts, dts }] of out.entries()) {
            assert.ok(dts <= pts);
            const before = out[index - 1];
            if (before !== undefined) assert.ok(dts > before.dts);
          }
          assert.equal(out.length + made.dropped, order.length);
          if (reorder >= 1) assert.equal(made.dropped, 0, 'one picture is ahead of its time in these orders');
        },
      ),
    );
  });

  it('meet the metadata of their frames by equal numbers, whatever the stamps of a live source do and however late it is decoded', () => {
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.constant(3600) },
      { weight: 1, arbitrary: fc.constantFrom(0, -1, 1, -90_000, 900_000, 2_000_000, -2_000_000) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), fc.integer({ min: 0, max: 100 }), (steps, late) => {
        const times = createFrameTimes({ timeBase: ticks, kind: 'live', frameRate: 25, openedWallUs: 0 });
        const made = createUnitClock<number>({ timeBase: ticks, live: true, reorder: 0 });
        const frames = new Map<number, { readonly epoch: number; readonly pts: bigint }>();
        const stamps: bigint[] = [];
        let pts = 0n;
        let epoch = 1;
        const units: ClockedUnit<number>[] = [];
        for (let index = 0; index < steps.length + late; index += 1) {
          const ahead = steps[index];
          if (ahead !== undefined) {
            pts += BigInt(ahead);
            stamps.push(pts);
            units.push(...made.push({ pts, dts: undefined, renewed: false }, index));
          }
          const given = stamps[index - late];
          if (given === undefined) continue;
          const receivedMonoUs = BigInt(index - late) * 40_000n;
          const clocked = times.next({ pts: given, receivedMonoUs, wallUs: Number(receivedMonoUs), ntpUs: undefined });
          if (clocked.restarted) epoch += 1;
          frames.set(index - late, { epoch, pts: toPts90k(clocked.pts, { numerator: 1, denominator: 90_000 }) });
          units.push(...made.shown({ epoch, given, pts: clocked.pts, cameraTimeUs: clocked.cameraTimeUs }));
        }
        assert.equal(units.length + made.dropped, steps.length, 'every unit leaves or is counted');
        for (const { item, epoch: of, pts: at } of units)
          assert.deepEqual({ epoch: of, pts: at }, frames.get(item), `unit ${item}`);
      }),
      { numRuns: 300 },
    );
  });
});
