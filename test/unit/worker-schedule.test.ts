import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createDetectSchedule } from '../../src/software-worker/schedule.ts';

function looks(
  fps: readonly number[],
  frameMs: number,
  frames: number,
  motion: (index: number) => 'motion' | 'refresh' | 'still',
) {
  const schedule = createDetectSchedule(fps);
  return Array.from({ length: frames }, (_, index) => schedule.due(index * frameMs, motion(index)));
}

describe('the detect schedule', () => {
  test('looks as often as asked, on average, whatever the frame rate of the source', () => {
    for (const [sourceFps, fps] of [
      [25, 5],
      [12, 5],
      [15, 4],
      [30, 7],
    ] as const) {
      const looked = looks([fps], 1000 / sourceFps, sourceFps * 60, () => 'motion').filter(({ due }) => due.length > 0).length;
      assert.ok(Math.abs(looked - fps * 60) <= 1, `${fps} of ${sourceFps}: ${looked}`);
    }
  });

  test('looks at every frame when the source is slower than that', () => {
    assert.ok(looks([10], 200, 20, () => 'motion').every(({ due }) => due.length === 1));
  });

  test('gives every detector its own pace', () => {
    const all = looks([5, 2], 100, 100, () => 'motion');
    assert.equal(all.filter(({ due }) => due.includes(0)).length, 50);
    assert.equal(all.filter(({ due }) => due.includes(1)).length, 20);
  });

  test('spares a still scene, counts what it spared, and looks at the waking frame with all detectors at once', () => {
    const all = looks([5, 1], 100, 40, (index) => (index < 10 || index >= 33 ? 'motion' : 'still'));
    assert.ok(all.slice(10, 33).every(({ due }) => due.length === 0));
    assert.equal(
      all.slice(10, 33).reduce((sum, { gated }) => sum + gated, 0),
      12 + 3,
    );
    assert.deepEqual(all[33]?.due, [0, 1]);
    assert.deepEqual(all[34]?.due, []);
    assert.deepEqual(all[35]?.due, [0]);
  });

  test('refreshes with every detector that has not looked for its period, and no sooner', () => {
    const all = looks([5, 0.5], 100, 60, (index) => (index === 0 ? 'motion' : index % 10 === 0 ? 'refresh' : 'still'));
    assert.deepEqual(
      all.flatMap(({ due }, index) => (due.length === 0 ? [] : [[index, due]])),
      [
        [0, [0, 1]],
        [10, [0]],
        [20, [0, 1]],
        [30, [0]],
        [40, [0, 1]],
        [50, [0]],
      ],
    );
  });

  /** Frames that are looked at when somebody new is seen with every look from frame `from` on. */
  function hurried(fps: number, sourceFps: number, frames: number, from = 0): readonly number[] {
    const schedule = createDetectSchedule([fps]);
    return Array.from({ length: frames }, (_, index) => index).filter((index) => {
      const looks = schedule.due((index * 1000) / sourceFps, 'motion').due.length > 0;
      if (looks && index >= from) schedule.hurry(0, (index * 1000) / sourceFps);
      return looks;
    });
  }

  test('looks again at somebody new as soon as that counts, and goes on from there at its pace', () => {
    assert.deepEqual(hurried(5, 25, 20, 5), [0, 5, 9, 14, 19]);
    assert.deepEqual(hurried(2, 25, 40), [0, 4, 17, 29]);
    assert.deepEqual(hurried(10, 30, 10), [0, 3, 6, 9], 'never later than planned');
  });

  test('never looks a fifth more often than asked, whoever comes', () => {
    for (const fps of [0.5, 1, 2, 5]) {
      const looked = hurried(fps, 25, 25 * 60).length;
      assert.ok(looked > fps * 60 && looked <= 1.2 * fps * 60 + 1, `${fps}: ${looked}`);
    }
  });
});
