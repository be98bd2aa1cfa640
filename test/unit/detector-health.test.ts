import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDetectorHealth } from '../../src/software-worker/detector-health.ts';

const fail = 'inference.failed';

describe("health of a camera's detectors", () => {
  it('names those that have given nothing for three seconds, with their latest error, until they work again', () => {
    const health = createDetectorHealth();
    health.worked('good');
    health.failed('bad', 'model.missing', 0);
    assert.deepEqual([health.works('good'), health.works('bad'), health.works('unasked')], [true, false, true]);
    for (const atMs of [1000, 2000, 3000]) {
      assert.deepEqual(health.failing(atMs - 1), []);
      health.failed('bad', fail, atMs);
    }
    assert.deepEqual(health.failing(3000), [{ model: 'bad', code: fail }]);
    health.worked('bad');
    assert.equal(health.works('bad'), true);
    assert.equal(health.failing(5999).length, 1, 'it may be luck');
    assert.deepEqual(health.failing(6000), []);
  });

  it('takes a thread that died once for no news, nor a detector that gives something now and then for one that works', () => {
    const health = createDetectorHealth();
    health.failed('once', fail, 0);
    assert.deepEqual(health.failing(60_000), []);
    for (const atMs of [0, 1000, 2000, 3000]) health.failed('mostly', fail, atMs);
    const names = (atMs: number) => health.failing(atMs).map(({ model }) => model);
    assert.deepEqual(names(3000), ['mostly']);
    for (let atMs = 4000; atMs < 20_000; atMs += 1000) {
      if (atMs % 2000 === 0) health.worked('mostly');
      else health.failed('mostly', fail, atMs);
      assert.deepEqual(names(atMs), ['mostly']);
    }
  });
});
