import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import { startVectorIndex, type VectorIndex } from '../../src/watchlist/faiss.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { seeded } from '../support/seeded.ts';
import { randomVector } from '../support/store.ts';
import { threadsOf } from '../support/threads.ts';
import { until } from '../support/until.ts';
import { bruteForce, checkAgainstBruteForce, flat, missingFaiss } from '../support/vectors.ts';

const skip = missingFaiss();
const dimensions = 16;
const space = 'test@1';
const heldThread = new URL('../support/held-graph-thread.ts', import.meta.url);

before(() => {
  process.env['OMP_NUM_THREADS'] = '1';
});

interface Held {
  readonly index: VectorIndex;
  readonly ctx: TestContext;
  /** Builds that were asked for so far. */
  readonly asked: number;
  say(word: 'go' | 'fail' | 'die'): void;
  add(id: string, vector: Float32Array): Promise<number>;
  remove(...ids: string[]): Promise<number>;
  /** Ids nearest to this vector, best first. */
  near(vector: Float32Array, k?: number): Promise<readonly string[]>;
}

/** An index of 200 vectors, `id0` to `id199`, whose graph is asked for and not built until told so. */
async function withHeld(
  run: (held: Held, vectors: readonly Float32Array[]) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  using ctx = testContext(clock);
  const channel = new BroadcastChannel('held-graph');
  let asked = 0;
  channel.onmessage = () => {
    asked += 1;
  };
  try {
    await using index = await startVectorIndex({ graph: { from: 100, thread: heldThread } }, ctx);
    await index.reset(space, dimensions);
    const random = seeded(11);
    const vectors = Array.from({ length: 200 }, () => randomVector(dimensions, random));
    await index.change(space, { ids: vectors.map((_vector, i) => `id${i}`), vectors });
    await until('a build was asked for', () => asked > 0);
    const held: Held = {
      index,
      ctx,
      get asked() {
        return asked;
      },
      say: (word) => channel.postMessage(word),
      add: (id, vector) => index.change(space, { ids: [id], vectors: [vector.slice()] }),
      remove: (...remove) => index.change(space, { remove }),
      near: async (vector, k = 1) => (await index.search(space, flat([vector]), k))[0]?.ids ?? [],
    };
    await run(held, vectors);
  } finally {
    channel.close();
  }
}

function at<T>(items: readonly T[], place: number): T {
  const item = items[place];
  assert.ok(item !== undefined);
  return item;
}

test('searches and changes do not wait for a build, and it misses none of them', { skip }, async () => {
  await withHeld(async ({ index, add, remove, near, say }, vectors) => {
    const added = randomVector(dimensions, seeded(12));
    assert.equal(index.info.kind, 'faiss-flat');
    assert.equal(await add('new', added), 201);
    assert.deepEqual(await near(added), ['new'], 'enrolled during the build, found at once');
    assert.equal(await remove('id7'), 200);
    assert.notDeepEqual(await near(at(vectors, 7)), ['id7'], 'removed during the build, not found');
    await add('id8', at(vectors, 7)); // id8 has another vector now

    say('go');
    await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
    assert.deepEqual(await near(added), ['new']);
    assert.deepEqual(await near(at(vectors, 7)), ['id8']);
    assert.notDeepEqual(await near(at(vectors, 8)), ['id8'], 'its old vector is not found');
    const all = await near(at(vectors, 7), 250);
    assert.equal(all.includes('id7'), false);
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual(await near(at(vectors, 9)), ['id9']);
  });
});

test('a graph that stands goes on while the next one is built', { skip }, async () => {
  await withHeld(async (held, vectors) => {
    const { index, add, remove, near, say } = held;
    say('go');
    await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
    assert.deepEqual(await near(at(vectors, 3)), ['id3']);
    await remove('id3');
    assert.notDeepEqual(await near(at(vectors, 3)), ['id3']);
    // Enough changes for the next one.
    const random = seeded(13);
    const more = Array.from({ length: 1100 }, () => randomVector(dimensions, random));
    await index.change(space, { ids: more.map((_vector, i) => `more${i}`), vectors: more });
    await until('the next build was asked for', () => held.asked === 2);
    assert.deepEqual(await near(at(more, 1000)), ['more1000']);
    assert.deepEqual(await near(at(vectors, 4)), ['id4']);
    await remove('id4', 'more1000');
    await add('last', at(vectors, 3));
    const during = [await near(at(vectors, 3)), await near(at(vectors, 5)), await near(at(more, 9))];
    assert.deepEqual(during, [['last'], ['id5'], ['more9']]);
    const searching = near(at(vectors, 6), 20);
    say('go');
    await until(
      'the next graph serves',
      () => held.ctx.lines.filter(({ msg }) => msg === 'the index for a large list is built').length === 2,
    );
    assert.equal((await searching)[0], 'id6');
    assert.deepEqual(await Promise.all([3, 5].map((place) => near(at(vectors, place)))), [['last'], ['id5']]);
    assert.deepEqual(await near(at(more, 9)), ['more9']);
    const all = await near(at(vectors, 3), 2000);
    for (const gone of ['id3', 'id4', 'more1000']) assert.equal(all.includes(gone), false, gone);
  });
});

const hourMs = 3_600_000;

test('a graph that holds what was removed or replaced is built anew within a day, one that only lacks something is not', {
  skip,
}, async () => {
  const clock = new ManualClock();
  await withHeld(async (held, vectors) => {
    const built = () => held.ctx.lines.filter(({ msg }) => msg === 'the index for a large list is built').length;
    held.say('go');
    await until('the graph serves', () => built() === 1);
    await held.add('new', randomVector(dimensions, seeded(14)));
    await held.remove('new', 'never there');
    await clock.advance(30 * hourMs);
    assert.equal(held.asked, 1, 'the graph never had them');
    for (const [place, erase] of [() => held.remove('id7'), () => held.add('id8', at(vectors, 7))].entries()) {
      await erase();
      await clock.advance(hourMs);
      assert.equal(held.asked, place + 1, 'removals of some hours share a build');
      await clock.advance(22 * hourMs);
      await until('the next build was asked for', () => held.asked === place + 2);
      held.say('go');
      await until('the next graph serves', () => built() === place + 2);
      await clock.advance(48 * hourMs);
      assert.equal(held.asked, place + 2, 'once is enough');
    }
    assert.deepEqual(await held.near(at(vectors, 7)), ['id8']);
  }, clock);
});

test('a list that has become small is searched exactly again, an empty one at once', { skip }, async () => {
  const clock = new ManualClock();
  await withHeld(async ({ index, remove, add, near, say, ctx }, vectors) => {
    say('go');
    await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
    const ids = vectors.map((_vector, i) => `id${i}`);
    await remove(...ids.slice(0, 120));
    assert.equal(index.info.kind, 'faiss-hnsw', 'for a while');
    await clock.advance(23 * hourMs);
    await until('the exact index serves', () => index.info.kind === 'faiss-flat');
    const known = new Map(vectors.slice(120).map((vector, i) => [`id${i + 120}`, vector]));
    const query = randomVector(dimensions, seeded(15));
    assert.deepEqual(
      await near(query, 200),
      bruteForce(known, query, 200).map(({ id }) => id),
    );
    await index.change(space, { ids, vectors });
    await until('a graph serves again', () => {
      say('go');
      return index.info.kind === 'faiss-hnsw';
    });
    await remove(...ids);
    await until('the exact index serves again', () => index.info.kind === 'faiss-flat');
    assert.deepEqual(await near(query, 3), []);
    await add('new', query);
    assert.deepEqual(await near(query, 3), ['new']);
    assert.equal(ctx.lines.filter(({ level }) => level === 'error').length, 0);
  }, clock);
});

test('what changes while a list goes back to being searched exactly is not missed', { skip }, async () => {
  using ctx = testContext();
  await using index = await startVectorIndex({ graph: { from: 5000 } }, ctx);
  await index.reset(space, dimensions);
  const random = seeded(16);
  const known = new Map(Array.from({ length: 6500 }, (_, i) => [`id${i}`, randomVector(dimensions, random)]));
  await index.change(space, { ids: [...known.keys()], vectors: [...known.values()] });
  await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
  const leaving = [...known.keys()].slice(0, 1600);
  const changes: Promise<number>[] = [];
  const remove = (...ids: string[]) => {
    changes.push(index.change(space, { remove: ids }));
    for (const id of ids) known.delete(id);
  };
  const put = (id: string) => {
    const vector = randomVector(dimensions, random);
    changes.push(index.change(space, { ids: [id], vectors: [vector.slice()] }));
    known.set(id, vector);
  };
  remove(...leaving);
  for (let i = 0; index.info.kind === 'faiss-hnsw'; i += 1) {
    remove(`id${6400 - (i % 1000)}`);
    put(`id${1700 + (i % 1000)}`);
    put(`id${i % 1000}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(changes);
  const queries = Array.from({ length: 20 }, () => randomVector(dimensions, random));
  const found = await index.search(space, flat(queries), 50);
  for (const [i, query] of queries.entries())
    assert.deepEqual(
      found[i]?.ids,
      bruteForce(known, query, 50).map(({ id }) => id),
    );
  const [whole] = await index.search(space, flat(queries.slice(0, 1)), 10_000);
  assert.deepEqual([...(whole?.ids ?? [])].sort(), [...known.keys()].sort());
});

test('a large change is handed over in parts, counts as one, and what is asked for later comes after it', {
  skip,
}, async () => {
  using ctx = testContext();
  const { result: index, threads } = await threadsOf(() => startVectorIndex({ graph: { from: 100 } }, ctx));
  await using _closing = index;
  await index.reset(space, dimensions);
  const random = seeded(17);
  const known = new Map(Array.from({ length: 7000 }, (_, i) => [`id${i}`, randomVector(dimensions, random)]));
  const ids = [...known.keys()];
  /** Bytes of vectors in each message to the thread. */
  const parts: number[] = [];
  const thread = threads[0];
  assert.ok(thread !== undefined);
  const post = thread.postMessage.bind(thread);
  thread.postMessage = (message, ...rest: never[]) => {
    for (const argument of (message as { readonly args: readonly unknown[] }).args)
      if (argument instanceof Float32Array && argument.length > dimensions) parts.push(argument.byteLength);
    post(message, ...rest);
  };
  const large = index.change(space, { ids, vectors: [...known.values()] });
  const before = parts.length;
  const replaced = randomVector(dimensions, random);
  const others = new Map(ids.slice(1000, 4000).map((id) => [id, randomVector(dimensions, random)]));
  const sizes = [
    large,
    index.change(space, { remove: ['id6999', 'id1'] }),
    index.change(space, { ids: ['id6998'], vectors: [replaced] }),
    index.change(space, { ids: [...others.keys()], vectors: [...others.values()] }),
    index.change(space, { remove: ['id2'] }),
  ];
  assert.deepEqual(await Promise.all(sizes), [7000, 6998, 6998, 6998, 6997]);
  assert.equal(before, 1, 'the rest waits for the thread');
  assert.ok(Math.max(...parts) <= 2000 * 4 * dimensions, `${parts}`);
  for (const id of ['id6999', 'id1', 'id2']) known.delete(id);
  for (const [id, other] of others) known.set(id, other);
  known.set('id6998', replaced);
  await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
  const builds = ctx.lines.filter(({ msg }) => msg === 'an index for a large list is being built');
  assert.equal(builds[0]?.['vectors'], 6997, 'none is built of a part');
  const queries = [replaced, ...[5, 1500, 6500].map((place) => known.get(`id${place}`) ?? replaced)];
  const found = await index.search(space, flat(queries), 1);
  assert.deepEqual(
    found.map((neighbours) => neighbours.ids[0]),
    ['id6998', 'id5', 'id1500', 'id6500'],
  );
  await assert.rejects(index.change(space, { ids: ['a'], vectors: [new Float32Array(3)] }), { code: 'watchlist.dimension' });
  await assert.rejects(index.change(space, { ids: ['a'], vectors: [] }), { code: 'watchlist.dimension' });
});

test('a build that fails is said, costs no answer and is tried again', { skip }, async () => {
  await withHeld(async (held, vectors) => {
    held.say('fail');
    await until('that is said', () =>
      held.ctx.lines.some(({ level, msg }) => level === 'error' && msg === 'the index of a large list was not built'),
    );
    assert.deepEqual(await held.near(at(vectors, 1)), ['id1']);
    await until('it is tried again', () => held.asked === 2);
    held.say('go');
    await until('the graph serves', () => held.index.info.kind === 'faiss-hnsw');
    assert.deepEqual(await held.near(at(vectors, 1)), ['id1']);
  });
});

test('when the thread of the serving graph ends, the index says that it has ended', { skip }, async () => {
  await withHeld(async ({ index, near, say }, vectors) => {
    say('go');
    await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
    say('die');
    assert.match((await index.died).message, /graph thread ended/);
    await assert.rejects(near(at(vectors, 1)), (error) => isSightlineError(error, 'thread.exited'));
  });
});

test('an index can be let go of while a build is under way', { skip }, async () => {
  await withHeld(async ({ index }) => {
    await index.reset(space, dimensions);
    assert.deepEqual(await index.search(space, new Float32Array(dimensions), 1), [{ ids: [], scores: [] }]);
  });
});

test('with a graph from the first vector on, any changes give what brute force finds', { skip }, async () => {
  using ctx = testContext();
  await using index = await startVectorIndex({ graph: { from: 0 } }, ctx);
  // Lists of this size are searched whole by the graph as well: the answers must be equal.
  await checkAgainstBruteForce(dimensions, 5, async () => {
    await index.reset(space, dimensions);
    return {
      change: async (change) => {
        await index.change(space, change);
        await until('a graph serves', () => change.ids.length === 0 || index.info.kind === 'faiss-hnsw');
      },
      search: (queries, k) => index.search(space, queries, k),
    };
  });
});

test('people of a list of thousands are found as by the exact search', { skip }, async () => {
  using ctx = testContext();
  await using index = await startVectorIndex({ graph: { from: 1000 } }, ctx);
  const [size, count] = [32, 1700];
  await index.reset(space, size);
  const random = seeded(5);
  const vectors = Array.from({ length: count }, () => randomVector(size, random));
  await index.change(space, { ids: vectors.map((_vector, i) => `id${i}`), vectors });
  await until('the graph serves', () => index.info.kind === 'faiss-hnsw');
  const known = new Map(vectors.map((vector, i) => [`id${i}`, vector]));
  const queries = Array.from({ length: 100 }, (_, i) => {
    const stranger = randomVector(size, random);
    const mixed = at(vectors, 17 * i).map((value, place) => value + 0.6 * (stranger[place] ?? 0));
    const length = Math.hypot(...mixed);
    return mixed.map((value) => value / length);
  });
  const found = await index.search(space, flat(queries), 5);
  const right = queries.filter((query, i) => found[i]?.ids[0] === at(bruteForce(known, query, 1), 0).id).length;
  assert.ok(right >= 99, `${right} of 100`);
});
