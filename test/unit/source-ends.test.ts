import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCameraStates } from '../../src/composition/camera-states.ts';
import { createSourceEnds } from '../../src/composition/source-ends.ts';
import type { TrackChange } from '../../src/core/types.ts';
import { trackEnded } from '../support/sightings.ts';

/** Two cameras whose crops are done when `loop` resolves. */
function start() {
  const cameras = createCameraStates(() => {});
  cameras.configure(['lobby', 'yard'], 0);
  const loop = Promise.withResolvers<void>();
  const steps: string[] = [];
  const forgotten: (readonly TrackChange[])[] = [];
  const changes = [trackEnded(0)];
  const ends = createSourceEnds({
    loop: { idle: () => loop.promise },
    cameras,
    tracks: { endCamera: () => changes },
    candidates: { see: (ended) => void forgotten.push(ended) },
    alerts: {
      endTracks: (ended) => {
        assert.equal(ended, changes);
        steps.push('tracks ended');
      },
      endSource: (camera, ended) => {
        assert.equal(ended, changes);
        steps.push(`ended ${camera}`);
      },
      flush: async () => void steps.push('stored'),
    },
    allOver: () => void steps.push('all over'),
  });
  const over = { state: 'failed', since: 1, reason: 'its settings cannot work' } as const;
  return { cameras, loop, steps, forgotten, changes, ends, end: ends.over, over };
}

test('a source that is over ends its tracks and visits once its last crops are recognised', async () => {
  const { cameras, loop, steps, forgotten, changes, end, over } = start();
  cameras.set('lobby', over);
  const ending = end('lobby');
  await Promise.resolve();
  assert.deepEqual(steps, []);
  loop.resolve();
  await ending;
  assert.deepEqual(steps, ['ended lobby', 'stored']);
  assert.deepEqual(forgotten, [changes]);
  cameras.set('yard', over);
  await end('yard');
  assert.deepEqual(steps.slice(2), ['ended yard', 'stored', 'all over']);
});

test('a camera that is set up anew while its last crops are waited for goes on', async () => {
  const { cameras, loop, steps, end, over } = start();
  cameras.set('lobby', over);
  const ending = end('lobby');
  cameras.set('lobby', { state: 'connecting', since: 2 });
  loop.resolve();
  await ending;
  assert.deepEqual(steps, ['stored']);
});

test('a camera that is away ends its tracks at once, and nothing else', () => {
  const { cameras, steps, forgotten, changes, ends } = start();
  cameras.set('lobby', { state: 'away', since: 1, reason: 'connection refused' });
  ends.away('lobby');
  assert.deepEqual(steps, ['tracks ended']);
  assert.deepEqual(forgotten, [changes]);
});
