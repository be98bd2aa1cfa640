import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startSlowLoop } from '../../src/composition/slow-loop.ts';
import type { Candidate, Sighting } from '../../src/core/types.ts';
import { trackKey } from '../../src/core/types.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { look } from '../support/sightings.ts';

type Embed = Parameters<typeof startSlowLoop>[0]['embed'];

/** A loop over one camera; looks are numbered by their track. */
function start(embed?: Embed) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const seen: number[] = [];
  const poisonous = new Set<number>();
  const loop = startSlowLoop(
    {
      tracks: { update: () => [] },
      candidates: { see: () => {}, of: () => [] },
      embed: embed ?? (async (batch) => batch.map(({ track }) => look({ at: 0, track: track.trackId }).embedding)),
      match: async (queries) => queries.map(() => [look({ at: 0 }).result]),
      alerts: {
        seeFrame: () => {},
        seeSighting: ({ track }: Sighting) => {
          if (poisonous.has(track.trackId)) throw new TypeError('a reducer has a bug');
          seen.push(track.trackId);
        },
      },
      batchSize: 8,
    },
    ctx,
  );
  const put = (track: number) => {
    const candidate: Candidate = { ...look({ at: 0, track }), kind: 'face' };
    loop.stages.waiting.put(trackKey(candidate.track), candidate);
  };
  return { clock, ctx, loop, put, seen, poisonous };
}

describe('the slow loop', () => {
  test('loses the batch in which something throws, says so, and goes on', async () => {
    const { ctx, loop, put, seen, poisonous } = start();
    await using _stopping = loop;
    poisonous.add(1);
    put(1);
    await loop.idle(1000);
    assert.deepEqual(loop.part(), { name: 'recognition', ready: false, reason: 'a reducer has a bug' });
    assert.ok(ctx.lines.some(({ msg }) => msg === 'a batch of crops was not recognised'));
    put(2);
    await loop.idle(1000);
    assert.deepEqual(seen, [2]);
    assert.deepEqual(loop.part(), { name: 'recognition', ready: true });
  });

  test('is not ready while a batch hangs', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly undefined[]>();
    const { clock, loop, put } = start(() => promise);
    put(1);
    await clock.advance(29_000);
    assert.equal(loop.part().ready, true);
    await clock.advance(2000);
    assert.equal(loop.part().ready, false);
    resolve([undefined]);
    await loop[Symbol.asyncDispose]();
    assert.equal(loop.part().ready, true);
  });
});
