import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { startVectorIndex, type VectorIndex } from '../../src/watchlist/faiss.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { seeded } from '../support/seeded.ts';
import { randomVector } from '../support/store.ts';
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
async function withHeld(run: (held: Held, vectors: readonly Float32Array[]) => Promise<void>): Promise<void> {
  using ctx = testContext();
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
    await index.change(space, { ids: vectors.map((_vector, i) => `id${i}`), vectors: flat(vectors) });
    await until('a build was asked for', () => asked > 0);
    const held: Held = {
      index,
      ctx,
      get asked() {
        return asked;
      },
      say: (word) => channel.postMessage(word),
      add: (id, vector) => index.change(space, { ids: [id], vectors: vector.slice() }),
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
    await index.change(space, { ids: more.map((_vector, i) => `more${i}`), vectors: flat(more) });
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
  await index.change(space, { ids: vectors.map((_vector, i) => `id${i}`), vectors: flat(vectors) });
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
