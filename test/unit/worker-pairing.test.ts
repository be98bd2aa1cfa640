import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairFrames } from '../../src/software-worker/pairing.ts';

test('a frame of the substream belongs to the main frame it is nearest to, and to no other', () => {
  // Main stream at 25 fps, substream at 10 fps, 13 ms apart.
  const sub = Array.from({ length: 20 }, (_, index) => index * 100 + 13);
  const paired: number[] = [];
  for (let main = 0; main < 1900; main += 40) {
    const pairing = pairFrames(sub, main, 40);
    assert.notEqual(pairing.kind, 'unknown');
    if (pairing.kind === 'pair') {
      const time = sub[pairing.index] ?? Number.NaN;
      assert.ok(Math.abs(time - main) <= 20, `${main} with ${time}`);
      paired.push(pairing.index);
    }
  }
  assert.deepEqual(paired, [...Array(19).keys()]);
});

test('what the substream has not shown yet is unknown', () => {
  assert.deepEqual(pairFrames([], 0, 40), { kind: 'unknown' });
  assert.deepEqual(pairFrames([0, 40], 80, 40), { kind: 'unknown' });
  assert.deepEqual(pairFrames([0, 140], 80, 40), { kind: 'later' });
});
