import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchlistPart } from '../../src/composition/watchlist-part.ts';

test('a watchlist is ready when everybody on it can be matched, and says otherwise why not', () => {
  assert.deepEqual(watchlistPart({ state: 'ready', outdated: 0 }), { name: 'watchlist', ready: true });
  const outdated = watchlistPart({ state: 'ready', outdated: 3 });
  assert.equal(outdated.ready, false);
  assert.match(outdated.reason ?? '', /^3 references are of another embedding space and not matched/);
  assert.match(watchlistPart({ state: 'failed', outdated: 1 }).reason ?? '', /index is starting again.*; 1 references/);
});
