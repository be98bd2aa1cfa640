import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEpochs } from '../../src/composition/epochs.ts';
import { SightlineError } from '../../src/core/errors.ts';
import { FloodGate } from '../../src/core/log.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

function start() {
  const ctx = testContext(new ManualClock());
  const store = {
    full: false,
    counts: new Map<string, number>([['lobby', 41]]),
    nextEpoch: async (camera: string) => {
      if (store.full) throw new SightlineError('store.full', 'no space left');
      const next = (store.counts.get(camera) ?? 0) + 1;
      store.counts.set(camera, next);
      return next;
    },
  };
  return { ctx, store, epochs: createEpochs(store, new FloodGate(ctx.log, ctx.clock), ctx.metrics) };
}

test('epochs go on without the store, rise, and are made up for once it counts again', async () => {
  const { ctx, store, epochs } = start();
  assert.equal(await epochs.next('lobby'), 42);
  store.full = true;
  assert.equal(await epochs.next('lobby'), 43);
  assert.equal(await epochs.next('lobby'), 44);
  assert.equal(await epochs.next('yard'), 1);
  store.full = false;
  assert.equal(await epochs.next('lobby'), 45);
  assert.equal(await epochs.next('yard'), 2);
  assert.equal(store.counts.get('lobby'), 45);
  const warning = ctx.lines.find(({ msg }) => msg === 'epoch of a camera is counted in memory');
  assert.equal(warning?.['reason'], 'no space left');
});
