import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKeepingUp, decodeLimits, type KeepingUpVerdict, lookLimits } from '../../src/software-worker/keeping-up.ts';

type Second = readonly [looked: number, missed: number] | 'away';

/** Verdicts by second, of frames looked at and missed in each second. */
function verdicts(seconds: readonly Second[], limits = lookLimits): ReadonlyMap<number, KeepingUpVerdict> {
  const keeping = createKeepingUp(limits);
  const told = new Map<number, KeepingUpVerdict>();
  const totals = { done: 0, missed: 0 };
  keeping.add({ ...totals }, 0);
  for (const [second, counts] of seconds.entries()) {
    if (counts === 'away') {
      keeping.reset();
      continue;
    }
    totals.done += counts[0];
    totals.missed += counts[1];
    const verdict = keeping.add({ ...totals }, (second + 1) * 1000);
    if (verdict !== undefined) told.set(second + 1, verdict);
  }
  return told;
}

const seconds = (count: number, looked: number, missed: number) =>
  Array.from({ length: count }, () => [looked, missed] as const);

const rates = (told: ReadonlyMap<number, KeepingUpVerdict>) =>
  [...told].map(([second, verdict]) => [second, verdict.late ? verdict.fps : 'well']);

/** Five frames a second are due, and one look takes so many seconds. */
function slow(count: number, secondsPerLook: number): readonly Second[] {
  return Array.from({ length: count }, (_, second) => {
    const looked = Math.floor((second + 1) / secondsPerLook) - Math.floor(second / secondsPerLook);
    return [looked, 5 - looked] as const;
  });
}

describe('keeping up', () => {
  it('has nothing to say while every frame is looked at, or nothing moves', () => {
    assert.equal(verdicts(seconds(60, 5, 0)).size, 0);
    assert.equal(verdicts(seconds(60, 0, 0)).size, 0);
  });

  it('does not take a busy moment for more than that', () => {
    assert.equal(verdicts([...seconds(20, 5, 0), [1, 4], ...seconds(30, 5, 0)]).size, 0);
  });

  it('says after ten seconds how much of what is asked is looked at, once', () => {
    assert.deepEqual([...verdicts(seconds(600, 2, 3))], [[10, { late: true, fps: 2, dueFps: 5 }]]);
  });

  it('says it again after a minute when it has become clearly more or less, and when all has been well for half a minute', () => {
    const told = rates(verdicts([...seconds(20, 4, 1), ...seconds(110, 1, 4), ...seconds(60, 5, 0)]));
    assert.deepEqual(
      [told[0], told.at(-1)],
      [
        [10, 4],
        [160, 'well'],
      ],
    );
    assert.ok(told.some(([, fps]) => typeof fps === 'number' && fps < 2));
    assert.ok(told.length <= 4, JSON.stringify(told));
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

  it('takes one look more or less in some seconds for no news, however few they are', () => {
    for (const secondsPerLook of [1.7, 2.7, 3.7, 7.3, 23])
      assert.equal(verdicts(slow(600, secondsPerLook)).size, 1, `one look in ${secondsPerLook} s`);
  });

  it('has news at most once a minute while a machine is busier now and then', () => {
    const unsteady = Array.from({ length: 30 }, (_, round) => seconds(20, round % 2 === 0 ? 1 : 4, 1)).flat();
    const told = rates(verdicts(unsteady));
    for (const [index, [second]] of told.entries())
      assert.ok(index === 0 || Number(second) - Number(told[index - 1]?.[0]) >= 60, JSON.stringify(told));
  });

  it('does not call a camera well that is late again and again', () => {
    const toAndFro = Array.from({ length: 15 }, () => [...seconds(20, 1, 4), ...seconds(20, 5, 0)]).flat();
    assert.deepEqual(rates(verdicts(toAndFro)), [
      [10, 1],
      [70, 3],
    ]);
  });

  it('does not call a detector late that looks seldom and has lost one look', () => {
    const seldom = Array.from({ length: 600 }, (_, second): Second => {
      if (second % 5 !== 0) return [0, 0];
      return second === 300 ? [0, 1] : [1, 0];
    });
    assert.deepEqual(rates(verdicts(seldom)), []);
  });

  it('says it of a detector that looks seldom and loses every other look', () => {
    const seldom = Array.from({ length: 600 }, (_, second): Second => {
      if (second % 5 !== 0) return [0, 0];
      return second % 10 === 0 ? [0, 1] : [1, 0];
    });
    const [first, ...rest] = verdicts(seldom).values();
    assert.ok(first?.late && Math.abs(first.fps - 0.1) < 0.02 && Math.abs(first.dueFps - 0.2) < 0.02, JSON.stringify(first));
    assert.deepEqual(rest, []);
  });

  it('does not take it for well that nothing is due, nor that the camera was away', () => {
    const still = [...verdicts([...seconds(20, 1, 4), ...seconds(900, 0, 0)]).values()];
    assert.ok(still.length <= 2 && still.every(({ late }) => late), JSON.stringify(still));
    const away = Array.from({ length: 40 }, () => 'away' as const);
    assert.deepEqual(rates(verdicts([...seconds(20, 1, 4), ...away, ...seconds(60, 5, 0)])), [[10, 1]]);
    assert.deepEqual(rates(verdicts([...seconds(20, 1, 4), ...away, ...seconds(20, 2, 3)])), [
      [10, 1],
      [71, 2],
    ]);
  });

  it('has one verdict of video that is skipped two seconds at once, every minute or two', () => {
    const burst = (wellFor: number) => [...seconds(wellFor, 25, 0), [0, 25], [0, 25]] as const;
    const told = rates(
      verdicts([...burst(30), ...burst(60), ...burst(120), ...burst(60), ...seconds(200, 25, 0)], decodeLimits),
    );
    assert.deepEqual(
      told.filter(([, fps]) => fps === 'well'),
      [[458, 'well']],
      'three minutes after the last',
    );
    assert.equal(told[0]?.[0], 31, 'the first is said at once');
    assert.ok(told.length <= 4, JSON.stringify(told));
  });

  it('says once of video that was whole for long that a few units are skipped, and three minutes later that it is over', () => {
    for (const units of [1, 20]) {
      const told = verdicts([...seconds(300, 25, 0), [25 - units, units], ...seconds(300, 25, 0)], decodeLimits);
      assert.deepEqual(
        [...told].map(([second, { late }]) => [second, late]),
        [
          [301, true],
          [481, false],
        ],
        `${units} units`,
      );
    }
  });
});
