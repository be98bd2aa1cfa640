import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createControlHandlers } from '../../src/composition/control-handlers.ts';
import type { Keep } from '../../src/composition/keep.ts';
import type { UserHandlers } from '../../src/composition/user-handlers.ts';
import { startStore } from '../../src/store/store.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { exampleCommit, exampleLedgerRow } from '../support/store.ts';

test('why finds what reaches into its window, whatever the busy hour before left behind', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  const at = ctx.clock.now();
  const row = (trackId: number, from: number, to: number) =>
    exampleLedgerRow({ track: { camera: 'lobby', epoch: 1, trackId }, at: at + from, lastAt: at + to });
  const before = Array.from({ length: 1200 }, (_, i) => row(1000 + i, -3_000_000 + i, -2_900_000 + i));
  const ledger = [...before, row(7, -7_200_000, 1000), row(8, -1000, 1000), row(9, 90_000, 91_000)];
  await store.alerts.commit(exampleCommit({ ledger }));
  // Nothing else of what is kept is asked.
  const { why } = createControlHandlers({
    keep: { store } as Keep,
    users: {} as UserHandlers,
    now: () => at,
  });
  const { lines } = await why({ camera: 'lobby', at, windowMs: 60_000, timeZone: 'UTC' }, ctx.signal);
  const tracks = lines.map((line) => /^track (\d+)/.exec(line)?.[1]).filter((track) => track !== undefined);
  assert.deepEqual(tracks, ['7', '8']);
});
