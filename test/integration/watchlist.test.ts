import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Clock } from '../../src/core/clock.ts';
import type { PortableEntry } from '../../src/core/control.ts';
import { isSightlineError, SightlineError } from '../../src/core/errors.ts';
import type { EntryRecord, Store, WatchlistStore } from '../../src/core/store.ts';
import { startStore } from '../../src/store/store.ts';
import type { EnrolRequest } from '../../src/watchlist/enrolment.ts';
import { acceptedRaise } from '../../src/watchlist/ranking.ts';
import { startWatchlist, type Watchlist, type WatchlistOptions } from '../../src/watchlist/watchlist.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { rejectsWith } from '../support/errors.ts';
import { type FakePhotoTools, type FakeSubject, fakePhoto, fakePhotoTools, fakeVector } from '../support/photos.ts';
import { findBytes } from '../support/store.ts';
import { watchingThreads } from '../support/threads.ts';
import { until } from '../support/until.ts';

const space = { name: 'test@1', dimensions: 64, threshold: 0.5 };
const lists = { banned: { kind: 'watch' }, staff: { kind: 'ignore' } } as const;

before(() => {
  process.env['OMP_NUM_THREADS'] = '1';
});

interface Room {
  readonly watchlist: Watchlist;
  readonly store: Store;
  readonly photos: FakePhotoTools;
  readonly ctx: TestContext;
  readonly directory: string;
  /** Enrols a picture of somebody under that name. */
  enrol(person: string, request?: Partial<EnrolRequest> & Omit<FakeSubject, 'person'>): ReturnType<Watchlist['enrol']>;
  /** The entries beside a new picture of somebody, best first, with two decimals. */
  near(person: string, kind?: 'face' | 'appearance'): Promise<readonly (readonly [string, number])[]>;
}

interface RoomOptions extends Partial<Omit<WatchlistOptions, 'store'>> {
  readonly clock?: Clock;
  readonly directory?: string;
  readonly wrap?: (store: WatchlistStore) => WatchlistStore;
}

async function withRoom(run: (room: Room) => Promise<void>, options: RoomOptions = {}): Promise<void> {
  using ctx = testContext(options.clock);
  await using temporary = await temporaryDirectory();
  const directory = options.directory ?? temporary.path;
  await using store = await startStore({ directory }, ctx);
  const photos = fakePhotoTools(options.spaces?.face?.name ?? space.name, options.spaces?.face?.dimensions ?? 64);
  const { wrap = (whole: WatchlistStore) => whole, ...others } = options;
  await using watchlist = await startWatchlist(
    { lists, spaces: { face: space }, photos, audit: store.audit.add, ...others, store: wrap(store.watchlist) },
    ctx,
  );
  await run({
    watchlist,
    store,
    photos,
    ctx,
    directory,
    enrol: (person, { variant, left, quality, ...request } = {}) => {
      const subject = {
        person,
        variant: variant ?? 1,
        ...(left === undefined ? {} : { left }),
        ...(quality === undefined ? {} : { quality }),
      };
      const photo = fakePhoto(subject);
      return watchlist.enrol({ photo, source: `${person}.jpg`, name: person, list: 'banned', actor: 'kim', ...request });
    },
    near: async (person, kind = 'face') => {
      const { name, dimensions } = options.spaces?.[kind] ?? space;
      const [result] = await watchlist.search(
        [{ kind, embedding: { vector: fakeVector(name, person, dimensions, 9), space: name } }],
        5,
      );
      return (result?.top ?? []).map(({ entryName, score }) => [entryName, Math.round(100 * score) / 100]);
    },
  });
}

test('somebody who was enrolled is found, also after a restart', async () => {
  await using directory = await temporaryDirectory();
  for (const round of ['first', 'second']) {
    await withRoom(
      async ({ enrol, near, watchlist }) => {
        if (round === 'first') for (const person of ['alex', 'bo']) await enrol(person);
        const [best, next] = await near('alex');
        assert.equal(best?.[0], 'alex');
        assert.ok((best?.[1] ?? 0) > 0.8 && (next?.[1] ?? 1) < 0.5);
        assert.equal(watchlist.get('alex').references[0]?.source, 'alex.jpg');
      },
      { directory: directory.path },
    );
  }
});

test('nobody enrolled gives an empty answer with no margin', () =>
  withRoom(async ({ watchlist }) => {
    const vector = fakeVector(space.name, 'alex', 64);
    assert.deepEqual(await watchlist.search([{ kind: 'face', embedding: { vector, space: space.name } }], 5), [
      { kind: 'face', space: space.name, top: [], margin: 0 },
    ]);
    assert.deepEqual(await watchlist.search([], 5), []);
  }));

test('photos that will not do are refused with reasons and help, and leave nothing behind', () =>
  withRoom(async ({ enrol, watchlist, store }) => {
    const several = fakePhoto({ person: 'alex', left: 500 }, { person: 'bo', left: 20 });
    await assert.rejects(enrol('alex', { photo: fakePhoto() }), rejectsWith('photo.refused', /alex\.jpg is refused: no face/));
    await assert.rejects(enrol('alex', { photo: several }), rejectsWith('photo.refused', /2 faces .* 1 at 20,50/));
    await assert.rejects(
      enrol('alex', { quality: { heightPx: 38 } }),
      rejectsWith('photo.refused', /the face is 38 px high; photos of at least 80 px work/),
    );
    await assert.rejects(enrol('alex', { quality: { sharpness: 3, rollDegrees: 70 } }), (error) => {
      assert.ok(isSightlineError(error, 'photo.refused'));
      const refusals = error.details['refusals'] as readonly { readonly reason: string }[];
      assert.deepEqual(
        refusals.map(({ reason }) => reason),
        ['blurred', 'tilted'],
      );
      return true;
    });
    await assert.rejects(enrol('alex', { photo: Buffer.from('no picture') }), rejectsWith('photo.undecodable'));
    await assert.rejects(enrol('alex', { list: 'other' }), rejectsWith('watchlist.unknown', /no list other; .* banned, staff/));
    await assert.rejects(
      enrol('alex', { kind: 'body' }),
      rejectsWith('control.request', /no embedder for entries of kind body/),
    );
    await assert.rejects(enrol('alex', { negative: true }), rejectsWith('control.request', /enrol that one first/));
    assert.deepEqual(watchlist.list(), []);
    assert.deepEqual(await store.watchlist.load(), { entries: [], references: [], removed: [] });
    const { entry } = await enrol('bo', { photo: several, pick: 1 });
    assert.equal(entry.name, 'bo');
  }));

test('accepted quality is no way around a photo without a face or with several', () =>
  withRoom(async ({ enrol }) => {
    const several = fakePhoto({ person: 'alex' }, { person: 'bo' });
    await assert.rejects(enrol('alex', { photo: several, acceptQuality: true }), rejectsWith('photo.refused', /2 faces/));
    await assert.rejects(enrol('alex', { photo: fakePhoto(), acceptQuality: true }), rejectsWith('photo.refused', /no face/));
  }));

test('a photo of poor quality that is accepted is marked, warned of and matched with a raised threshold', () =>
  withRoom(async ({ enrol, watchlist }) => {
    const { reference, warnings } = await enrol('alex', { quality: { heightPx: 38 }, acceptQuality: true });
    assert.ok(reference.accepted);
    assert.match(warnings.join(), /raised threshold: the face is 38 px high/);
    const { reference: good } = await enrol('bo', { acceptQuality: true });
    assert.ok(!good.accepted, 'nothing had to be accepted');
    const query = (person: string) =>
      ({ kind: 'face', embedding: { vector: fakeVector(space.name, person, 64), space: space.name } }) as const;
    const [alex, bo] = await watchlist.search([query('alex'), query('bo')], 1);
    assert.equal(alex?.top[0]?.threshold, space.threshold + acceptedRaise);
    assert.equal(bo?.top[0]?.threshold, space.threshold);
  }));

test('a second photo under the same name and list is of the same entry, on another list it is another one', () =>
  withRoom(async ({ enrol, near, watchlist }) => {
    const first = await enrol('alex', { notes: 'first' });
    const second = await enrol('alex', { variant: 2, threshold: 0.7 });
    assert.equal(second.entry.id, first.entry.id);
    assert.deepEqual([second.entry.notes, second.entry.threshold], ['first', 0.7]);
    assert.equal(watchlist.get('alex').references.length, 2);
    assert.equal((await near('alex')).length, 1, 'one entry, however many pictures');
    const other = await enrol('alex', { list: 'staff', variant: 3 });
    assert.notEqual(other.entry.id, first.entry.id);
    assert.throws(() => watchlist.get('alex'), rejectsWith('watchlist.unknown', /2 entries are called alex/));
    const third = await enrol('renamed', { entryId: first.entry.id, variant: 4 });
    assert.deepEqual([third.entry.id, third.entry.name], [first.entry.id, 'alex']);
  }));

test('a picture that is near to another entry, or unlike its own, is enrolled with a warning', () =>
  withRoom(async ({ enrol }) => {
    assert.deepEqual((await enrol('alex')).warnings, []);
    const again = await enrol('alex', { list: 'staff', variant: 2 });
    assert.match(again.warnings.join(), /nearly identical to alex \(.*\) on list banned: similarity 0\.9/);
    const unlike = await enrol('alex', { photo: fakePhoto({ person: 'somebody else' }) });
    assert.match(unlike.warnings.join(), /does not look like the entry's other pictures/);
    const same = await enrol('alex');
    assert.match(same.warnings.join(), /has this picture already/);
  }));

test('somebody who looks like an entry is no longer taken for it once enrolled as a negative example', () =>
  withRoom(async ({ enrol, near, watchlist }) => {
    const lookalike = fakePhoto({ person: 'alex', variant: 9 });
    await enrol('alex', { variant: 0 });
    assert.equal((await near('alex'))[0]?.[0], 'alex');
    const { reference } = await enrol('alex', { photo: lookalike, negative: true });
    assert.deepEqual(await near('alex'), []);
    await watchlist.removeReference(reference.id, 'kim');
    assert.equal((await near('alex'))[0]?.[0], 'alex');
  }));

test('bodies are compared in their own space, with bodies only', () =>
  withRoom(
    async ({ watchlist, enrol, near }) => {
      await enrol('alex');
      const photos = fakePhoto({ person: 'alex', quality: { heightPx: 300 } });
      await enrol('alex', { photo: photos, kind: 'body' });
      assert.deepEqual(
        (await near('alex', 'appearance')).map(([name]) => name),
        ['alex'],
      );
      const embedding = { vector: fakeVector('test@1', 'alex', 64), space: 'test@1' };
      const [face, body] = await watchlist.search(
        [
          { kind: 'face', embedding },
          { kind: 'appearance', embedding: { ...embedding, space: 'body@1' } },
        ],
        5,
      );
      assert.deepEqual([face?.kind, face?.top[0]?.threshold], ['face', 0.5]);
      assert.deepEqual([body?.kind, body?.space, body?.top[0]?.threshold], ['appearance', 'body@1', 0.8]);
      await assert.rejects(
        watchlist.search([{ kind: 'appearance', embedding }], 5),
        rejectsWith('watchlist.dimension', /an embedding of test@1 cannot be compared here: appearance uses body@1/),
      );
      assert.deepEqual([watchlist.health.entries, watchlist.health.references], [2, 2]);
    },
    {
      spaces: { face: space, appearance: { name: 'body@1', dimensions: 64, threshold: 0.8 } },
      photos: {
        ...fakePhotoTools('test@1'),
        embed: async (picture, kind, signal) => ({
          ...(await fakePhotoTools('test@1').embed(picture, kind, signal)),
          space: kind === 'body' ? 'body@1' : 'test@1',
        }),
      },
    },
  ));

test('people are added and removed while searches go on, and each search sees a whole watchlist', () =>
  withRoom(async ({ enrol, near, watchlist }) => {
    await enrol('stays');
    let searching = true;
    const seen: string[][] = [];
    const search = (async () => {
      while (searching) seen.push((await near('stays')).map(([name]) => name));
    })();
    for (let i = 0; i < 15; i += 1) {
      const { entry } = await enrol(`guest ${i}`);
      assert.equal((await near(`guest ${i}`))[0]?.[0], `guest ${i}`);
      await watchlist.remove(entry.id, 'kim');
      assert.deepEqual(
        (await near(`guest ${i}`)).map(([name]) => name),
        ['stays'],
      );
    }
    searching = false;
    await search;
    assert.ok(seen.length > 0);
    for (const names of seen) assert.equal(names[0], 'stays');
  }));

test('removing an entry tells its listener first and then erases it: no picture and no vector is left in the data directory', async () => {
  const told: string[] = [];
  let stillThere: boolean | undefined;
  let room: Room | undefined;
  await withRoom(
    async (made) => {
      room = made;
      const { enrol, watchlist, store, directory, near } = made;
      const { entry } = await enrol('alex', { variant: 1 });
      await enrol('alex', { variant: 2 });
      await enrol('bo');
      const { references } = await store.watchlist.load();
      const gone = references.filter(({ entryId }) => entryId === entry.id);
      const secrets = await Promise.all(
        gone.flatMap(({ id, vector }) => [watchlist.image(id), Promise.resolve(new Uint8Array(vector.buffer))]),
      );
      assert.equal(secrets.length, 4);
      assert.notDeepEqual(findBytes(directory, secrets), []);
      await watchlist.remove(entry.id, 'kim');
      assert.deepEqual(findBytes(directory, secrets), []);
      assert.deepEqual(told, [`${entry.id} removed`]);
      assert.equal(stillThere, true, 'the listener is told before the store forgets');
      assert.equal(watchlist.has(entry.id), false);
      assert.ok(!(await near('alex')).some(([name]) => name === 'alex'));
      await assert.rejects(watchlist.image(gone[0]?.id ?? ''), rejectsWith('watchlist.unknown'));
      await assert.rejects(watchlist.remove(entry.id, 'kim'), rejectsWith('watchlist.unknown'));
      assert.equal((await store.watchlist.load()).entries.length, 1);
    },
    {
      onRemove: async (entry, cause) => {
        told.push(`${entry.id} ${cause}`);
        stillThere = (await room?.store.watchlist.load())?.removed.some(({ id }) => id === entry.id);
      },
    },
  );
});

test('an entry ends by its expiry or its list and is then neither matched nor kept', async () => {
  const clock = new ManualClock();
  const hour = 3_600_000;
  const gone: string[] = [];
  const aged = { ...lists, visitors: { kind: 'watch', maxAge: 2 * hour } } as const;
  const listener = (entry: EntryRecord, cause: string) => void gone.push(`${entry.name} ${cause}`);
  await withRoom(
    async ({ enrol, near, watchlist, store }) => {
      await enrol('alex', { expiresAt: clock.now() + hour });
      await enrol('bo', { list: 'visitors' });
      await enrol('cy');
      clock.jump(hour);
      assert.ok(!(await near('alex')).some(([name]) => name === 'alex'), 'not even before it is erased');
      await clock.advance(60_000);
      await until('alex is erased and that is audited', async () => (await store.audit.list(10)).length === 4);
      assert.equal((await store.watchlist.load()).entries.length, 2);
      clock.jump(hour);
      await clock.advance(60_000);
      await until('bo is erased and that is audited', async () => (await store.audit.list(10)).length === 5);
      assert.equal((await store.watchlist.load()).entries.length, 1);
      assert.deepEqual(gone, ['alex expired', 'bo expired']);
      assert.deepEqual(
        watchlist.list().map(({ entry }) => entry.name),
        ['cy'],
      );
    },
    { clock, lists: aged, onRemove: listener },
  );
});

test('an erasure that the store could not do is tried again, and its entry is not matched meanwhile', async () => {
  const clock = new ManualClock();
  let failures = 2;
  await withRoom(
    async ({ enrol, near, watchlist, store }) => {
      const { entry } = await enrol('alex');
      await assert.rejects(watchlist.remove(entry.id, 'kim'), rejectsWith('store.full'));
      assert.deepEqual(await near('alex'), []);
      assert.equal((await store.watchlist.load()).removed.length, 1);
      await clock.advance(60_000);
      await until('it was tried again', () => failures === 0);
      await clock.advance(60_000);
      await until('it is erased', async () => (await store.watchlist.load()).removed.length === 0);
    },
    {
      clock,
      wrap: (whole) => ({
        ...whole,
        erase: async (id) => {
          if (failures === 0) return whole.erase(id);
          failures -= 1;
          throw new SightlineError('store.full', 'no space left');
        },
      }),
    },
  );
});

test('an entry whose erasure failed is not matched after a restart either, and is erased then', async () => {
  await using directory = await temporaryDirectory();
  let id = '';
  const failing = (whole: WatchlistStore): WatchlistStore => ({
    ...whole,
    erase: async () => {
      throw new SightlineError('store.failed', 'the disk fails');
    },
  });
  await withRoom(
    async ({ enrol, watchlist }) => {
      id = (await enrol('alex')).entry.id;
      await enrol('bo');
      await assert.rejects(watchlist.remove(id, 'kim'), rejectsWith('store.failed'));
    },
    { directory: directory.path, wrap: failing },
  );
  await withRoom(
    async ({ near, watchlist, store }) => {
      assert.equal(watchlist.has(id), false);
      assert.ok(!(await near('alex')).some(([name]) => name === 'alex'));
      assert.equal((await store.watchlist.load()).removed.length, 1);
    },
    { directory: directory.path, wrap: failing },
  );
  await withRoom(
    async ({ store, watchlist }) => {
      await until('alex is erased', async () => (await store.watchlist.load()).removed.length === 0);
      assert.deepEqual(
        watchlist.list().map(({ entry }) => entry.name),
        ['bo'],
      );
    },
    { directory: directory.path },
  );
});

test('a removal that nothing can be noted of still ends open alerts and erases', async () => {
  const told: string[] = [];
  await withRoom(
    async ({ enrol, watchlist, store, ctx }) => {
      const { entry } = await enrol('alex');
      await watchlist.remove(entry.id, 'kim');
      assert.deepEqual(told, ['alex']);
      assert.deepEqual(await store.watchlist.load(), { entries: [], references: [], removed: [] });
      assert.ok(ctx.lines.some(({ msg }) => msg === 'removal is remembered only until the daemon ends'));
    },
    {
      onRemove: (entry) => void told.push(entry.name),
      wrap: (whole) => ({
        ...whole,
        markRemoved: async () => {
          throw new SightlineError('store.failed', 'the disk fails');
        },
      }),
    },
  );
});

test('an entry whose listener fails is erased all the same', () =>
  withRoom(
    async ({ enrol, watchlist, store }) => {
      const { entry } = await enrol('alex');
      await assert.rejects(watchlist.remove(entry.id, 'kim'), /no room/);
      assert.deepEqual(await store.watchlist.load(), { entries: [], references: [], removed: [] });
    },
    {
      onRemove: () => {
        throw new Error('no room');
      },
    },
  ));

test('names that look alike are one entry, and what is not seen in a name is refused, enrolled or imported', () =>
  withRoom(async ({ watchlist, enrol, near }) => {
    const { entry } = await enrol('zoe', { name: ' Zoe\u0301\u00a0 Ray ' });
    assert.equal(entry.name, 'Zo\u00e9 Ray');
    assert.equal((await enrol('zoe', { name: 'Zo\u00e9 Ray', variant: 2 })).entry.id, entry.id);
    for (const name of ['Z\u200boe', '\u202eeoZ', 'Zo\u2066e', 'two\nlines', 'red\x1b[31m', '\u3164', 'Zo\u00ade', ' \ufeff '])
      await assert.rejects(enrol('zoe', { name }), { code: 'control.request' }, JSON.stringify(name));
    await assert.rejects(enrol('zoe', { name: 'Z\u200boe' }), /Z\ufffdoe has U\+200B: write it without/);
    assert.equal(watchlist.list().length, 1);
    const records: PortableEntry[] = [];
    for await (const record of watchlist.export(undefined, 'kim')) records.push(record);
    const [record] = records;
    assert.ok(record);
    await watchlist.remove(entry.id, 'kim');
    const signal = new AbortController().signal;
    const as = (name: string) => watchlist.import({ ...record, entry: { ...record.entry, name } }, 'kim', signal);
    await assert.rejects(as('Zoe\u200d'), { code: 'control.request' });
    assert.equal((await as('Zoe\u0301 ')).entry.name, 'Zo\u00e9');
    assert.deepEqual((await near('zoe'))[0]?.[0], 'Zo\u00e9');
  }));

test('an entry from before with a name that would be refused now is loaded, found and takes pictures', async () => {
  await using directory = await temporaryDirectory();
  const name = 'O\u200bld ';
  {
    using ctx = testContext();
    await using store = await startStore({ directory: directory.path }, ctx);
    const old = { id: 'old', name, list: 'banned', kind: 'face', notes: '', reason: '', addedBy: 'kim', addedAt: 1 } as const;
    await store.watchlist.put(old, []);
  }
  await withRoom(
    async ({ watchlist, enrol }) => {
      assert.equal(watchlist.get(name).entry.id, 'old');
      assert.equal((await enrol('olga', { name: 'x', entryId: 'old' })).entry.name, name);
      assert.equal((await enrol('olga', { name, variant: 2 })).entry.id, 'old');
    },
    { directory: directory.path },
  );
});

test('what is done to the watchlist is audited by who and to which entry, without a name', () =>
  withRoom(async ({ enrol, watchlist, store }) => {
    const { entry, reference } = await enrol('alex');
    await enrol('alex', { variant: 2 });
    await watchlist.removeReference(reference.id, 'lee');
    for await (const _entry of watchlist.export('banned', 'lee'));
    await watchlist.remove(entry.id, 'lee');
    const rows = await store.audit.list(10);
    assert.deepEqual(
      rows.map(({ actor, action, subject }) => [actor, action, subject === entry.id ? 'entry' : subject]).reverse(),
      [
        ['kim', 'watchlist.enrol', 'entry'],
        ['kim', 'watchlist.enrol', 'entry'],
        ['lee', 'watchlist.removeReference', 'entry'],
        ['lee', 'watchlist.export', 'banned'],
        ['lee', 'watchlist.remove', 'entry'],
      ],
    );
    assert.ok(!JSON.stringify(rows).includes('alex'));
  }));

test('neither names nor vectors are in logs and metrics', () =>
  withRoom(async ({ enrol, watchlist, ctx }) => {
    const { entry } = await enrol('Persephone');
    await watchlist.remove(entry.id, 'kim');
    assert.ok(!JSON.stringify(ctx.lines).includes('Persephone'));
    assert.ok(!(await ctx.metrics.registry.metrics()).includes('Persephone'));
  }));

test('references of another embedding space are embedded anew from their pictures until all are, and found from then on', async () => {
  await using directory = await temporaryDirectory();
  const people = Array.from({ length: 5 }, (_, i) => `person ${i}`);
  await withRoom(async ({ enrol }) => void (await Promise.all(people.map((person) => enrol(person)))), {
    directory: directory.path,
  });
  const next = { name: 'test@2', dimensions: 32, threshold: 0.6 };
  const gate = Promise.withResolvers<void>();
  const tools = fakePhotoTools('test@2', 32);
  let failures = 0;
  const photos: WatchlistOptions['photos'] = {
    ...tools,
    embed: async (picture, kind, signal) => {
      await gate.promise;
      const embedding = await tools.embed(picture, kind, signal);
      if (tools.embedded < 2 || tools.embedded > 6) return embedding;
      failures += 1;
      throw new SightlineError('inference.failed', 'the engine starts again');
    },
  };
  const clock = new ManualClock();
  await withRoom(
    async ({ watchlist, near, ctx, store }) => {
      assert.deepEqual([watchlist.health.references, watchlist.health.outdated], [5, 5]);
      assert.deepEqual(await near('person 0'), []);
      gate.resolve();
      const said = 'references are still of another embedding space and not matched';
      const rounds = () => ctx.lines.filter(({ msg }) => msg === said).length;
      await until('the first round is over', () => rounds() === 1);
      assert.equal(watchlist.health.outdated, 4, 'those that failed');
      assert.match(await ctx.metrics.registry.metrics(), /sightline_watchlist_outdated_references 4/);
      assert.equal((await near('person 0'))[0]?.[0], 'person 0');
      await clock.advance(1200);
      await until('the second round is over', () => rounds() === 2);
      assert.deepEqual([watchlist.health.outdated, failures], [1, 5]);
      await clock.advance(2400);
      await watchlist.settled;
      assert.equal(watchlist.health.outdated, 0);
      for (const person of people) assert.equal((await near(person))[0]?.[0], person);
      const { references } = await store.watchlist.load();
      assert.deepEqual(
        references.map((reference) => `${reference.space} ${reference.vector.length}`),
        new Array(5).fill('test@2 32'),
      );
      const named = ctx.lines.filter(({ msg }) => msg === 'reference cannot be embedded anew');
      assert.equal(named.length, 4, 'each once');
    },
    { clock, directory: directory.path, spaces: { face: next }, photos },
  );
});

test('a watchlist that cannot embed anew yet stops at once', async () => {
  await using directory = await temporaryDirectory();
  await withRoom(async ({ enrol }) => void (await enrol('alex')), { directory: directory.path });
  const failing: WatchlistOptions['photos'] = {
    ...fakePhotoTools('test@2', 32),
    embed: () => Promise.reject(new SightlineError('inference.failed', 'the engine starts again')),
  };
  const clock = new ManualClock();
  let settled: Promise<void> | undefined;
  await withRoom(
    async ({ watchlist, ctx }) => {
      settled = watchlist.settled;
      await until('it waits', () => ctx.lines.some(({ retryMs }) => retryMs !== undefined));
    },
    { clock, directory: directory.path, spaces: { face: { ...space, name: 'test@2', dimensions: 32 } }, photos: failing },
  );
  await settled;
});

test('an index that dies is built again from the store, with what changed meanwhile', async () => {
  await watchingThreads(async (threads) =>
    withRoom(async ({ enrol, near, watchlist, ctx }) => {
      await enrol('alex');
      const { entry: bo } = await enrol('bo');
      await threads.at(-1)?.terminate();
      await until('the index is known to be down', () => watchlist.health.state === 'failed');
      await assert.rejects(near('alex'), rejectsWith('thread.exited'));
      const { warnings } = await enrol('cy');
      assert.match(warnings.join(), /could not be compared/);
      await watchlist.remove(bo.id, 'kim');
      await until('the index is back', () => watchlist.health.state === 'ready');
      for (const person of ['alex', 'cy']) assert.equal((await near(person))[0]?.[0], person);
      assert.ok(!(await near('bo')).some(([name]) => name === 'bo'));
      assert.match(await ctx.metrics.registry.metrics(), /sightline_watchlist_index_restarts_total 1/);
    }),
  );
});

test('an exported watchlist is taken in elsewhere by another embedder, and again without doubling', async () => {
  const exported: PortableEntry[] = [];
  await withRoom(async ({ enrol, watchlist }) => {
    await enrol('alex', { notes: 'tall', threshold: 0.7 });
    await enrol('alex', { variant: 2 });
    await enrol('alex', { photo: fakePhoto({ person: 'double' }), negative: true });
    await enrol('bo', { list: 'staff' });
    for await (const entry of watchlist.export(undefined, 'kim')) exported.push(JSON.parse(JSON.stringify(entry)));
    const staff: PortableEntry[] = [];
    for await (const entry of watchlist.export('staff', 'kim')) staff.push(entry);
    assert.deepEqual(
      staff.map(({ entry }) => entry.name),
      ['bo'],
    );
  });
  assert.equal(exported.length, 2);
  assert.ok(!JSON.stringify(exported).includes('vector'));
  const elsewhere = { face: { name: 'test@2', dimensions: 32, threshold: 0.6 } };
  await withRoom(
    async ({ watchlist, near }) => {
      const [alex, bo] = exported;
      assert.ok(alex !== undefined && bo !== undefined);
      const imported = await watchlist.import(alex, 'lee');
      assert.deepEqual([imported.references, imported.warnings], [3, []]);
      assert.deepEqual(imported.entry, alex.entry);
      assert.equal((await watchlist.import(bo, 'lee')).references, 1);
      assert.equal((await near('alex'))[0]?.[0], 'alex');
      assert.ok(!(await near('double')).some(([name]) => name === 'alex'), 'the negative example came along');
      assert.equal((await watchlist.import(alex, 'lee')).references, 0, 'nothing twice');
      assert.equal(watchlist.health.references, 4);
    },
    { spaces: elsewhere },
  );
});

test('an import takes what it can of an entry, says what it left out, and refuses one of which nothing is left', () =>
  withRoom(async ({ enrol, watchlist }) => {
    await enrol('alex');
    let whole: PortableEntry | undefined;
    for await (const entry of watchlist.export(undefined, 'kim')) whole = entry;
    assert.ok(whole !== undefined);
    const [reference] = whole.references;
    assert.ok(reference !== undefined);
    const other = { ...whole.entry, id: 'other', name: 'other' };
    const spoilt = { ...reference, id: 'spoilt', entryId: 'other', imageBase64: Buffer.from('nothing').toString('base64') };
    const both = await watchlist.import({ entry: other, references: [{ ...reference, entryId: 'other' }, spoilt] }, 'kim');
    assert.equal(both.references, 1);
    assert.match(both.warnings.join(), /picture spoilt \(alex\.jpg\) was left out/);
    assert.notEqual(watchlist.get('other').references[0]?.id, reference.id, 'its id is taken by another entry here');
    const twice = { ...reference, id: 'twice', entryId: 'double' };
    const double = { entry: { ...other, id: 'double', name: 'double' }, references: [twice, twice] };
    assert.equal((await watchlist.import(double, 'kim')).references, 1, 'a picture that stands there twice is one');
    const none = { entry: { ...other, id: 'none' }, references: [spoilt] };
    await assert.rejects(watchlist.import(none, 'kim'), rejectsWith('photo.refused', /entry none is not imported/));
    const elsewhere = { entry: { ...other, id: 'elsewhere', list: 'unheard of' }, references: [reference] };
    await assert.rejects(watchlist.import(elsewhere, 'kim'), rejectsWith('watchlist.unknown'));
    const body = { entry: { ...whole.entry, kind: 'body' as const }, references: [] };
    await assert.rejects(watchlist.import(body, 'kim'), rejectsWith('control.request'));
    assert.equal(watchlist.has('none'), false);
  }));

test('new lists and thresholds count from the next search on, and entries on lists that are gone are said', () =>
  withRoom(async ({ enrol, watchlist, ctx }) => {
    await enrol('alex');
    watchlist.configure({ lists: { staff: { kind: 'ignore' } }, thresholds: { face: 0.8 } });
    const query = { kind: 'face', embedding: { vector: fakeVector(space.name, 'alex', 64), space: space.name } } as const;
    const [result] = await watchlist.search([query], 1);
    assert.equal(result?.top[0]?.threshold, 0.8);
    assert.ok(
      ctx.lines.some(({ level, msg }) => level === 'warn' && /lists that the configuration does not have/.test(String(msg))),
    );
    await assert.rejects(enrol('bo'), rejectsWith('watchlist.unknown'));
  }));

test('many pictures of one entry do not hide the others', () =>
  withRoom(async ({ enrol, near }) => {
    for (let variant = 1; variant <= 40; variant += 1) await enrol('alex', { variant });
    for (const person of ['bo', 'cy', 'di', 'ed']) await enrol(person);
    const names = (await near('alex')).map(([name]) => name);
    assert.equal(names[0], 'alex');
    assert.deepEqual(names.toSorted(), ['alex', 'bo', 'cy', 'di', 'ed']);
  }));

test('without faiss a plain scan gives the same and health says so', () =>
  withRoom(
    async ({ enrol, near, watchlist, ctx }) => {
      await enrol('alex');
      assert.equal((await near('alex'))[0]?.[0], 'alex');
      assert.equal(watchlist.health.index.kind, 'scan');
      const metrics = await ctx.metrics.registry.metrics();
      assert.match(metrics, /sightline_watchlist_index\{index="scan"\} 1/);
      assert.match(metrics, /sightline_watchlist_searches_total\{kind="face"\} 2/);
      assert.match(metrics, /sightline_watchlist_entries\{kind="face"\} 1/);
    },
    { scanOnly: true },
  ));

test('an enrolment that is called off leaves nothing behind', () =>
  withRoom(
    async ({ watchlist, store }) => {
      const off = new AbortController();
      const enrolling = watchlist.enrol(
        { photo: fakePhoto({ person: 'alex' }), source: 'a', name: 'alex', list: 'banned', actor: 'kim' },
        off.signal,
      );
      off.abort();
      await assert.rejects(enrolling, { name: 'AbortError' });
      assert.deepEqual(await store.watchlist.load(), { entries: [], references: [], removed: [] });
    },
    {
      photos: {
        ...fakePhotoTools(space.name),
        embed: (_picture, _kind, signal) =>
          new Promise((_resolve, reject) => {
            const stop = () => reject(new DOMException('called off', 'AbortError'));
            if (signal.aborted) stop();
            else signal.addEventListener('abort', stop, { once: true });
          }),
      },
    },
  ));
