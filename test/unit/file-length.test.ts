import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breaksOff, playedMs } from '../../src/software-worker/file-length.ts';

test('file length: the last picture is shown as long as it says, or as long as the others', () => {
  assert.equal(playedMs({ mediaMs: 9500, pictures: 20, lastMs: 500, statedMs: 10_000 }), 10_000);
  assert.equal(playedMs({ mediaMs: 9500, pictures: 20, lastMs: undefined, statedMs: 10_000 }), 10_000);
  assert.equal(playedMs({ mediaMs: 0, pictures: 1, lastMs: undefined, statedMs: 10_000 }), 0);
});

test('file length: a whole file does not break off, however few pictures it has a second', () => {
  for (const fps of [0.2, 1, 2, 25]) {
    const pictures = Math.round(20 * fps);
    const whole = { mediaMs: ((pictures - 1) * 1000) / fps, pictures, lastMs: undefined, statedMs: 20_000 };
    assert.equal(breaksOff(whole), false, `${fps} pictures a second`);
    assert.equal(breaksOff({ ...whole, statedMs: 20_000 + 1900 / fps }), false, 'rounding');
  }
});

test('file length: one of which a part is missing breaks off', () => {
  assert.equal(breaksOff({ mediaMs: 2200, pictures: 34, lastMs: 66, statedMs: 3800 }), true);
  assert.equal(breaksOff({ mediaMs: 590_000, pictures: 14_751, lastMs: 40, statedMs: 600_000 }), false, 'less than 2 %');
  assert.equal(breaksOff({ mediaMs: 580_000, pictures: 14_501, lastMs: 40, statedMs: 600_000 }), true);
});
