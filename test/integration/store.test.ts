import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startStore } from '../../src/store/store.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { exampleCommit, exampleEpisode, exampleEvent } from '../support/store.ts';

test('a committed alert is there after a restart, with its episode and what waits for the output', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    const rows = await store.alerts.commit(
      exampleCommit({ events: [exampleEvent({}, 1, Uint8Array.of(1, 2, 3))], episodes: [exampleEpisode()] }),
    );
    assert.equal(rows.length, 1);
  }
  await using store = await startStore({ directory: directory.path }, ctx);
  const open = await store.alerts.loadOpen();
  assert.deepEqual(open.episodes, [exampleEpisode()]);
  assert.deepEqual(open.alerts, [{ alert: exampleEvent().alert, revision: 1 }]);
  const [row] = await store.outbox.pending('mqtt', 10);
  assert.deepEqual(row?.event, exampleEvent({}, 1, Uint8Array.of(1, 2, 3)));
});
