import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { matchCrops } from '../../src/composition/matching.ts';
import { type PortableEntry, parsePortableEntry } from '../../src/core/control.ts';
import type { Store } from '../../src/core/store.ts';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist, type Watchlist, type WatchlistOptions } from '../../src/watchlist/watchlist.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { rejectsWith } from '../support/errors.ts';
import { fakeDescriptionTools, fakePhoto, fakePhotoTools } from '../support/photos.ts';
import { findBytes } from '../support/store.ts';

/** Entries known by words alone, in the real store and index. A body of the tests is a bag of words, as its descriptions are. */

const bodies = { name: 'bodies@1', dimensions: 64 };
const spaces = { appearance: { ...bodies, threshold: 0.9 }, description: { ...bodies, threshold: 0.3 } };
const lists = { banned: { kind: 'watch' } } as const;
const request = { list: 'banned', actor: 'kim' } as const;

before(() => {
  process.env['OMP_NUM_THREADS'] = '1';
});

async function withWatchlist(
  directory: string,
  run: (room: { readonly watchlist: Watchlist; readonly store: Store; said(): TestContext['lines'] }) => Promise<void>,
  options: Partial<WatchlistOptions> = {},
): Promise<void> {
  using ctx = testContext();
  await using store = await startStore({ directory }, ctx);
  const tools = { photos: fakePhotoTools(bodies.name), descriptions: fakeDescriptionTools(bodies.name) };
  await using watchlist = await startWatchlist(
    { lists, spaces, ...tools, audit: store.audit.add, ...options, store: store.watchlist },
    ctx,
  );
  await run({ watchlist, store, said: () => ctx.lines });
}

/** A crop of somebody in whose clothes these words are. */
async function crop(text: string, space = bodies.name) {
  return {
    kind: 'appearance' as const,
    embedding: await fakeDescriptionTools(space).embed(text, new AbortController().signal),
  };
}

async function described(watchlist: Watchlist, text: string, space?: string): Promise<readonly (readonly [string, number])[]> {
  const [results] = await matchCrops(watchlist, [await crop(text, space)], 3);
  const found = results?.find(({ kind }) => kind === 'description');
  return (found?.top ?? []).map(({ entryName, score }) => [entryName, Math.round(100 * score) / 100]);
}

test('what was described is compared with bodies, in a ranking of its own, also after a restart', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist, store }) => {
    assert.deepEqual(await matchCrops(watchlist, [await crop('red jacket')], 3).then(([results]) => results?.length), 1);
    const photo = fakePhoto({ person: 'red', quality: { heightPx: 300 } });
    await watchlist.enrol({ ...request, photo, source: 'anna.jpg', name: 'anna', kind: 'body' });
    const { entry, reference, warnings } = await watchlist.describe({
      ...request,
      name: 'cap',
      text: ' red  jacket,, black cap, red jacket',
    });
    assert.equal(entry.kind, 'description');
    assert.equal(reference.text, 'red jacket, black cap');
    assert.deepEqual(warnings, ['experimental, matches a description, not a person']);
    const [row] = await store.audit.list(1);
    assert.deepEqual([row?.action, row?.actor, row?.subject], ['watchlist.enrol', 'kim', entry.id]);
    assert.equal(row?.details['kind'], 'description');
  });
  await withWatchlist(directory.path, async ({ watchlist }) => {
    const [results, face] = await matchCrops(watchlist, [await crop('red jacket black cap'), await crop('green coat')], 3);
    assert.deepEqual(
      results?.map(({ kind, space, top }) => [kind, space, top.map(({ entryName, threshold }) => [entryName, threshold])]),
      [
        ['appearance', 'bodies@1', [['anna', 0.9]]],
        ['description', 'bodies@1', [['cap', 0.3]]],
      ],
      'neither is among the other',
    );
    assert.ok((results?.[1]?.top[0]?.score ?? 0) > 0.99);
    assert.ok((face?.[1]?.top[0]?.score ?? 1) < 0.3);
    assert.equal(watchlist.get('cap').references[0]?.text, 'red jacket, black cap');
    const { entries, references, descriptions } = watchlist.health;
    assert.deepEqual([entries, references, descriptions], [2, 2, 1]);
  });
});

test('one entry may have several descriptions; the same one again is said', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist }) => {
    const first = await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
    const second = await watchlist.describe({ ...request, name: 'cap', text: 'black hat', threshold: 0.4 });
    assert.equal(second.entry.id, first.entry.id);
    assert.equal(second.entry.threshold, 0.4);
    assert.deepEqual(await described(watchlist, 'black hat'), [['cap', 1]], 'by its best description');
    const again = await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
    assert.match(again.warnings.join(), /the entry has this description already/);
    const other = await watchlist.describe({ ...request, name: 'other', text: 'black cap' });
    assert.match(other.warnings.join(), /cap \(.*\) on list banned has this description too/);
    await watchlist.removeReference(second.reference.id, 'kim');
    assert.ok((await described(watchlist, 'black hat')).every(([, score]) => score < 0.99));
  });
});

test('a description is no picture: it has none, and takes none', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist }) => {
    const { entry, reference } = await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
    await assert.rejects(
      watchlist.image(reference.id),
      rejectsWith('watchlist.unknown', /is a description and has no picture/),
    );
    const photo = fakePhoto({ person: 'anna', quality: { heightPx: 300 } });
    await assert.rejects(
      watchlist.enrol({ ...request, photo, source: 'a.jpg', name: 'cap', kind: 'body', entryId: entry.id }),
      rejectsWith('control.request', /is of kind description, not body/),
    );
    const anna = await watchlist.enrol({ ...request, photo, source: 'a.jpg', name: 'anna', kind: 'body' });
    await assert.rejects(
      watchlist.describe({ ...request, name: 'anna', text: 'black cap', entryId: anna.entry.id }),
      rejectsWith('control.request', /is of kind body, not description/),
    );
    await assert.rejects(watchlist.describe({ ...request, name: 'x', text: ' , ' }), rejectsWith('text.refused', /is empty/));
    await assert.rejects(
      watchlist.describe({ ...request, name: 'x', text: 'a'.repeat(501) }),
      rejectsWith('text.refused', /501 characters; allowed are 500/),
    );
    await assert.rejects(
      watchlist.describe({ ...request, name: 'x', text: 'black cap', list: 'none' }),
      rejectsWith('watchlist.unknown', /there is no list none/),
    );
    assert.equal(watchlist.list().length, 2);
  });
});

test('an entry that is removed leaves nothing of its words and of its vector in the data directory', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist, store }) => {
    const { entry } = await watchlist.describe({ ...request, name: 'cap', text: 'black cap with a white feather' });
    await watchlist.describe({ ...request, name: 'stays', text: 'green coat' });
    const { references } = await store.watchlist.load();
    const vectors = references.filter(({ entryId }) => entryId === entry.id).map(({ vector }) => new Uint8Array(vector.buffer));
    const secrets = [Buffer.from('black cap with a white feather'), ...vectors];
    assert.equal(findBytes(directory.path, secrets).length > 0, true);
    await watchlist.remove(entry.id, 'kim');
    assert.deepEqual(findBytes(directory.path, secrets), []);
    assert.deepEqual(
      (await described(watchlist, 'black cap')).map(([name]) => name),
      ['stays'],
    );
  });
});

test('while descriptions are off those that are there are kept and not compared, and new ones are refused', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist }) => {
    await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
  });
  const off = { spaces: { appearance: spaces.appearance }, descriptions: undefined };
  await withWatchlist(
    directory.path,
    async ({ watchlist, said }) => {
      assert.equal(watchlist.get('cap').references[0]?.text, 'black cap');
      const [results] = await matchCrops(watchlist, [await crop('black cap')], 3);
      assert.deepEqual(
        results?.map(({ kind }) => kind),
        ['appearance'],
      );
      const told = said().find(({ msg }) => /kept and compared with nothing/.test(String(msg)));
      assert.deepEqual(told?.['kinds'], ['description']);
      await assert.rejects(watchlist.describe({ ...request, name: 'x', text: 'x' }), rejectsWith('control.request'));
      await watchlist.remove(watchlist.get('cap').entry.id, 'kim');
    },
    off,
  );
  await withWatchlist(directory.path, async ({ watchlist }) => assert.deepEqual(watchlist.list(), []));
});

test('with another pair of models descriptions are embedded anew from their words', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist }) => {
    await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
  });
  const name = 'bodies@2';
  await withWatchlist(
    directory.path,
    async ({ watchlist }) => {
      await watchlist.settled;
      assert.equal(watchlist.health.outdated, 0);
      assert.deepEqual(await described(watchlist, 'black cap', name), [['cap', 1]]);
    },
    {
      spaces: { appearance: { ...spaces.appearance, name }, description: { ...spaces.description, name } },
      photos: fakePhotoTools(name),
      descriptions: fakeDescriptionTools(name),
    },
  );
});

test('an exported description is taken in elsewhere, by its words', async () => {
  await using from = await temporaryDirectory();
  await using to = await temporaryDirectory();
  let record: PortableEntry | undefined;
  await withWatchlist(from.path, async ({ watchlist }) => {
    await watchlist.describe({ ...request, name: 'cap', text: 'black cap', reason: 'lost bag' });
    for await (const exported of watchlist.export(undefined, 'kim')) record = exported;
  });
  const portable = parsePortableEntry(JSON.parse(JSON.stringify(record)), 'the export');
  assert.deepEqual(
    portable.references.map(({ text, imageBase64 }) => [text, imageBase64]),
    [['black cap', '']],
  );
  await withWatchlist(to.path, async ({ watchlist }) => {
    assert.equal((await watchlist.import(portable, 'kim')).references, 1);
    assert.equal((await watchlist.import(portable, 'kim')).references, 0, 'not doubled');
    assert.deepEqual(await described(watchlist, 'black cap'), [['cap', 1]]);
    assert.equal(watchlist.get('cap').entry.reason, 'lost bag');
  });
});

test('thresholds of descriptions change with the configuration, those of pictures stay', async () => {
  await using directory = await temporaryDirectory();
  await withWatchlist(directory.path, async ({ watchlist }) => {
    await watchlist.describe({ ...request, name: 'cap', text: 'black cap' });
    watchlist.configure({ lists, thresholds: { description: 0.45 } });
    const [results] = await matchCrops(watchlist, [await crop('black cap')], 3);
    assert.equal(results?.[1]?.top[0]?.threshold, 0.45);
  });
});
