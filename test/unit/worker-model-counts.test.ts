import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SightlineError } from '../../src/core/errors.ts';
import type { InferOptions } from '../../src/core/inference.ts';
import { createModelCounts } from '../../src/software-worker/model-counts.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

test('a model fails until a good look, and no longer than some minutes after the latest bad one', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  let outcome: unknown;
  let loads = 0;
  let unavailable = false;
  const counts = createModelCounts(
    {
      load: async () => {
        loads += 1;
        return false;
      },
      states: () => (unavailable ? [{ state: 'unavailable', model: 'm', reason: 'no weights' }] : []),
    },
    ctx,
  );
  const size = { width: 1, height: 1 };
  const detector = counts.counted({
    model: 'm',
    labels: [],
    landmarks: false,
    contentSize: () => size,
    detect: async () => {
      await clock.advance(10);
      if (outcome !== undefined) throw outcome;
      return [];
    },
  });
  const request: InferOptions = { signal: ctx.signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'lobby' };
  const failing = () => counts.stats(new Set(['m']))[0]?.failing;
  const look = async (error?: unknown) => {
    outcome = error;
    await detector.detect({ ...size, data: new Uint8Array(3) }, size, request).catch(() => {});
    return failing();
  };
  const bad = new SightlineError('inference.failed', 'm: not finite');
  const shed = new SightlineError('inference.deadline', 'too late');

  assert.equal(await look(bad), 'm: not finite');
  assert.equal(await look(), '');
  assert.equal(await look(shed), '', 'the model is well');
  assert.equal(await look(bad), 'm: not finite');
  assert.equal(await look(shed), 'm: not finite', 'that says nothing of the model');
  await clock.advance(290_000);
  assert.equal(failing(), 'm: not finite');
  await clock.advance(20_000);
  assert.equal(failing(), '', 'its cameras are away');
  unavailable = true;
  assert.equal(failing(), 'no weights');
  const [stats] = counts.stats(new Set(['m']));
  assert.deepEqual([stats?.requests, stats?.failures, stats?.computeMsTotal, loads], [5n, 4n, 50, 1]);
  assert.deepEqual(counts.stats(new Set()), []);
});
