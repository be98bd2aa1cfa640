import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCameraOutages } from '../../src/composition/camera-outages.ts';
import type { CameraState } from '../../src/core/types.ts';

const live = (since: number): CameraState => ({
  state: 'live',
  since,
  codec: 'h264',
  width: 640,
  height: 360,
  decode: 'software',
});

test('outages: from the start to the first pictures, and from a loss to the next, with the last reason that says something', () => {
  const outages = createCameraOutages(1000);
  outages.note('lobby', { state: 'connecting', since: 1000 }, 1000);
  outages.note('yard', { state: 'connecting', since: 1000 }, 1000);
  outages.note('lobby', live(1800), 1800);
  outages.note('lobby', { state: 'away', since: 5000, reason: 'silent' }, 5000);
  outages.note('lobby', { state: 'away', since: 5000, reason: 'connection refused' }, 7000);
  outages.note('lobby', { state: 'connecting', since: 8000 }, 8000);
  const first = { camera: 'lobby', from: 1000, to: 1800, reason: 'connecting' };
  const second = { camera: 'lobby', from: 5000, reason: 'away: connection refused' };
  assert.deepEqual(outages.of('lobby'), { from: 1000, outages: [first, second] });
  outages.note('lobby', live(9000), 9000);
  outages.note('lobby', live(9000), 9500);
  assert.deepEqual(outages.of('lobby').outages, [first, { ...second, to: 9000 }]);
  outages.note('lobby', undefined, 12_000);
  assert.deepEqual(outages.of('lobby').outages.at(-1), {
    camera: 'lobby',
    from: 12_000,
    reason: 'not in the configuration, or switched off',
  });
  assert.equal(outages.of('yard').outages.length, 1);
});

test('outages: the oldest are forgotten, and from when on they are known moves with them', () => {
  const outages = createCameraOutages(0, 2);
  for (const at of [1000, 2000, 3000]) {
    outages.note('lobby', { state: 'away', since: at, reason: 'silent' }, at);
    outages.note('lobby', live(at + 500), at + 500);
  }
  const { from, outages: known } = outages.of('lobby');
  assert.equal(from, 1500);
  assert.deepEqual(
    known.map((outage) => outage.from),
    [2000, 3000],
  );
});
