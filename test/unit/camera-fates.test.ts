import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cameraFates } from '../../src/composition/camera-fates.ts';
import type { CameraState } from '../../src/core/types.ts';
import type { WorkerState } from '../../src/workers/state.ts';

function fateOf(state: WorkerState): { readonly state: CameraState | undefined; readonly ends: readonly string[] } {
  let set: CameraState | undefined;
  const ends: string[] = [];
  const fates = cameraFates({
    cameras: { set: (_camera, given) => (set = given) },
    sourceEnds: { away: (camera) => ends.push(`away ${camera}`), over: async (camera) => void ends.push(`over ${camera}`) },
    now: () => 7,
  });
  fates.onState('deepstream-main', state, ['lobby']);
  return { state: set, ends };
}

describe('cameras of a worker that does not run', () => {
  it('are away while it is to be started again, with the code of its end', () => {
    const died = { state: 'waiting', sinceMonoMs: 0, untilMonoMs: 1, code: 'container.memory', reason: 'too much' } as const;
    assert.deepEqual(fateOf(died), {
      state: { state: 'away', since: 7, reason: 'its worker is started again: too much', code: 'container.memory' },
      ends: ['away lobby'],
    });
  });

  it('say what is waited for', () => {
    const waits = (needs: 'inference' | 'launcher') =>
      fateOf({ state: 'waiting', sinceMonoMs: 0, untilMonoMs: 1, code: 'container.engine', reason: 'gone', needs }).state;
    assert.match(JSON.stringify(waits('inference')), /its worker is started again once Triton is there: gone/);
    assert.match(JSON.stringify(waits('launcher')), /once the Docker engine is there/);
  });

  it('have failed with it, and say whether it is tried again', () => {
    const failed = { state: 'failed', sinceMonoMs: 0, code: 'container.image', reason: 'no image' } as const;
    assert.deepEqual(fateOf({ ...failed, retryMonoMs: 9 }), {
      state: {
        state: 'failed',
        since: 7,
        reason: 'its worker: no image; tried again every few minutes',
        code: 'container.image',
      },
      ends: ['over lobby'],
    });
    assert.deepEqual(fateOf(failed).state, {
      state: 'failed',
      since: 7,
      reason: 'its worker: no image',
      code: 'container.image',
    });
  });

  it('are left alone while it starts or stops', () => {
    for (const state of ['starting', 'draining', 'stopped'] as const)
      assert.deepEqual(fateOf({ state, sinceMonoMs: 0, reason: '' }), { state: undefined, ends: [] });
  });
});
