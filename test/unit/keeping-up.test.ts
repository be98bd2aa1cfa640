import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKeepingUp, type KeepingUpVerdict } from '../../src/software-worker/keeping-up.ts';

/** Verdicts by second, of frames looked at and missed in each second. */
function verdicts(seconds: readonly (readonly [looked: number, missed: number])[]): ReadonlyMap<number, KeepingUpVerdict> {
  const keeping = createKeepingUp();
  const told = new Map<number, KeepingUpVerdict>();
  const totals = { looked: 0, missed: 0 };
  keeping.add({ ...totals });
  for (const [second, [looked, missed]] of seconds.entries()) {
    totals.looked += looked;
    totals.missed += missed;
    const verdict = keeping.add({ ...totals });
    if (verdict !== undefined) told.set(second + 1, verdict);
  }
  return told;
}

const seconds = (count: number, looked: number, missed: number) =>
  Array.from({ length: count }, () => [looked, missed] as const);

describe('keeping up', () => {
  it('has nothing to say while every frame is looked at, or nothing moves', () => {
    assert.equal(verdicts(seconds(60, 5, 0)).size, 0);
    assert.equal(verdicts(seconds(60, 0, 0)).size, 0);
  });

  it('does not take a busy moment for more than that', () => {
    assert.equal(verdicts([...seconds(20, 5, 0), [1, 4], ...seconds(30, 5, 0)]).size, 0);
  });

  it('says after ten seconds how much of what is asked is looked at, once', () => {
    assert.deepEqual([...verdicts(seconds(60, 2, 3))], [[10, { late: true, fps: 2, dueFps: 5 }]]);
  });

  it('says it again when it has become clearly more or less, and when all is well again', () => {
    const told = verdicts([...seconds(20, 4, 1), ...seconds(20, 1, 4), ...seconds(20, 5, 0)]);
    const rates = [...told.values()].map((verdict) => (verdict.late ? verdict.fps : 'well'));
    assert.equal(rates[0], 4);
    assert.ok(rates.includes(1) || rates.some((fps) => typeof fps === 'number' && fps < 2));
    assert.deepEqual([[...told.keys()].at(-1), rates.at(-1)], [50, 'well']);
  });

  it('does not change its mind between one missed frame in ten and one in fifty', () => {
    assert.equal(verdicts(seconds(60, 19, 1)).size, 0);
    assert.equal(
      verdicts([...seconds(10, 5, 5), ...seconds(200, 19, 1)])
        .values()
        .some(({ late }) => !late),
      false,
    );
  });
});
