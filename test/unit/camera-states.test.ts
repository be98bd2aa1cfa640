import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCameraStates } from '../../src/composition/camera-states.ts';
import type { CameraState } from '../../src/core/types.ts';

function states() {
  const said: (string | undefined)[] = [];
  const cameras = createCameraStates((_camera, state) => said.push(state?.state));
  cameras.configure(['lobby'], 1000);
  const away = (since: number, reason = 'no answer'): CameraState => ({ state: 'away', since, reason });
  return { said, cameras, away, now: () => cameras.entries()[0]?.state };
}

test('camera states: one that is away stays away since then, however often it is tried', () => {
  const { cameras, said, away, now } = states();
  for (const at of [2000, 3000, 4000]) {
    cameras.set('lobby', away(at));
    cameras.set('lobby', { state: 'connecting', since: at + 500 });
  }
  assert.deepEqual(said, ['connecting', 'away']);
  assert.equal(now()?.since, 2000);
  cameras.set('lobby', away(5000, 'connection refused'));
  assert.equal(now()?.since, 2000);
  assert.deepEqual(said, ['connecting', 'away', 'away'], 'another reason is news');
});

test('camera states: one that is gone is said to be gone', () => {
  const { cameras, said } = states();
  assert.deepEqual(cameras.configure([], 2000), ['lobby']);
  assert.deepEqual(said, ['connecting', undefined]);
});

test('camera states: when it is tried next is told each time, and to those only who look on', () => {
  const said: string[] = [];
  const cameras = createCameraStates(
    (_camera, state) => said.push(`${state?.state}`),
    (_camera, state) => said.push(`again at ${state.state === 'away' ? state.retryAt : ''} since ${state.since}`),
  );
  cameras.configure(['lobby'], 1000);
  for (const [since, retryAt] of [
    [2000, 3000],
    [3000, 5000],
    [3000, 5000],
    [5000, 9000],
  ] as const)
    cameras.set('lobby', { state: 'away', since, reason: 'no answer', retryAt });
  assert.deepEqual(said, ['connecting', 'away', 'again at 5000 since 2000', 'again at 9000 since 2000']);
});
