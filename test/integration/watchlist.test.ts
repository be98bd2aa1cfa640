import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist } from '../../src/watchlist/watchlist.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fakePhoto, fakePhotoTools, fakeVector } from '../support/photos.ts';

test('somebody who was enrolled is found, also after a restart', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const query = { kind: 'face', embedding: { vector: fakeVector('test@1', 'alex', 64, 2), space: 'test@1' } } as const;
  for (const round of ['first', 'second']) {
    await using store = await startStore({ directory: directory.path }, ctx);
    await using watchlist = await startWatchlist(
      {
        store: store.watchlist,
        audit: store.audit.add,
        lists: { banned: { kind: 'watch' } },
        spaces: { face: { name: 'test@1', dimensions: 64, threshold: 0.5 } },
        photos: fakePhotoTools('test@1'),
      },
      ctx,
    );
    if (round === 'first') {
      for (const person of ['alex', 'bo']) {
        const photo = fakePhoto({ person, variant: 1 });
        await watchlist.enrol({ photo, source: `${person}.jpg`, name: person, list: 'banned', actor: 'operator' });
      }
    }
    const [result] = await watchlist.search([query], 5);
    assert.equal(result?.top[0]?.entryName, 'alex');
    assert.ok((result?.top[0]?.score ?? 0) > 0.8);
    assert.equal(result?.top.length, 2);
  }
});
