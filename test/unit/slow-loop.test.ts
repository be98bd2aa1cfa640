import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startSlowLoop } from '../../src/composition/slow-loop.ts';
import type { Candidate, Sighting } from '../../src/core/types.ts';
import { trackKey } from '../../src/core/types.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { look } from '../support/sightings.ts';
import { until } from '../support/until.ts';

type Embed = Parameters<typeof startSlowLoop>[0]['embed'];

/** A loop over one camera; looks are numbered by their track. */
function start(embed?: Embed) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const seen: number[] = [];
  const qualities: number[] = [];
  const poisonous = new Set<number>();
  const loop = startSlowLoop(
    {
      tracks: { update: () => [] },
      candidates: { see: () => {}, of: () => [] },
      embed: embed ?? (async (batch) => batch.map(({ track }) => look({ at: 0, track: track.trackId }).embedding)),
      match: async (queries) => queries.map(() => [look({ at: 0 }).result]),
      alerts: {
        seeFrame: () => {},
        seeSighting: ({ track, crop }: Sighting) => {
          if (poisonous.has(track.trackId)) throw new TypeError('a reducer has a bug');
          seen.push(track.trackId);
          qualities.push(crop.quality.overall);
        },
      },
      batchSize: 8,
    },
    ctx,
  );
  const put = (track: number, quality = 0.6) => {
    const candidate: Candidate = { ...look({ at: 0, track, quality }), kind: 'face' };
    loop.stages.waiting.put(trackKey(candidate.track), candidate);
  };
  return { clock, ctx, loop, put, seen, qualities, poisonous };
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

  test('keeps the best crop of each track while no server can embed, and embeds it when one can', async () => {
    const runs: PromiseWithResolvers<'later' | 'now'>[] = [];
    const { clock, loop, put, seen, qualities } = start(async (batch) => {
      const run = Promise.withResolvers<'later' | 'now'>();
      runs.push(run);
      return (await run.promise) === 'later'
        ? batch.map(() => 'later' as const)
        : batch.map(({ track }) => look({ at: 0, track: track.trackId }).embedding);
    });
    const answer = async (how: 'later' | 'now') => {
      const count = runs.length;
      runs.at(-1)?.resolve(how);
      await until('the next batch', async () => {
        await clock.advance(300);
        return runs.length > count || loop.stages.waiting.depth === 0;
      });
    };
    put(1, 0.5);
    await until('the first batch', () => runs.length === 1);
    await answer('later');
    // Under way again: these two come meanwhile, and a track that has not been seen before.
    put(1, 0.9);
    put(1, 0.4);
    put(2, 0.3);
    await answer('later');
    put(1, 0.7);
    await answer('later');
    await answer('now');
    await loop.idle(1000);
    assert.deepEqual(
      new Map(seen.map((track, at) => [track, qualities[at]])),
      new Map([
        [1, 0.9],
        [2, 0.3],
      ]),
    );
    await loop[Symbol.asyncDispose]();
  });

  test('makes batches of a slow network so small that none of its crops is late, and full ones once it is fast', async () => {
    let cropMs = 400;
    const batches: number[] = [];
    const { clock, loop, put, seen } = start(async (batch) => {
      batches.push(batch.length);
      const takesMs = cropMs * batch.length;
      await clock.sleep(takesMs, new AbortController().signal);
      return batch.map(({ track }) => (takesMs > 2000 ? undefined : look({ at: 0, track: track.trackId }).embedding));
    });
    const through = async () => {
      const before = batches.length;
      for (let track = 1; track <= 16; track += 1) put(track);
      await until('all to be through', async () => {
        await clock.advance(100);
        return loop.stages.waiting.depth === 0 && batches.slice(before).reduce((sum, size) => sum + size, 0) === 16;
      });
      await clock.advance(4000);
      return batches.slice(before);
    };
    await using _stopping = loop;
    assert.deepEqual(await through(), [4, 2, 2, 2, 2, 2, 2]);
    assert.equal(seen.length, 16);
    cropMs = 10;
    assert.deepEqual(await through(), [2, 8, 6]);
    assert.equal(seen.length, 32);
    cropMs = 300;
    assert.deepEqual((await through()).slice(0, 3), [8, 3, 3], 'too late once: it was fast before');
    assert.equal(seen.length, 32 + 8);
  });

  test('does not wait for a server when it is told to stop', async () => {
    const { clock, ctx, loop, put, seen } = start(async (batch) => {
      await new Promise((resolve) => setImmediate(resolve));
      return batch.map(() => 'later' as const);
    });
    for (let track = 1; track <= 20; track += 1) put(track);
    let stopped = false;
    void loop[Symbol.asyncDispose]().then(() => {
      stopped = true;
    });
    await until('the loop to have stopped', async () => {
      await clock.advance(300);
      return stopped;
    });
    assert.deepEqual(seen, []);
    const dropped = await ctx.metrics.registry.getSingleMetric('sightline_candidates_dropped_total')?.get();
    assert.equal(
      dropped?.values.reduce((sum, { value }) => sum + value, 0),
      20,
    );
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
