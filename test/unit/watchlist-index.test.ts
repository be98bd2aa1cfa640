import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { createLabelled, createScan, joinVectors } from '../../src/watchlist/vector-index.ts';
import { checkAgainstBruteForce } from '../support/vectors.ts';

const dimensions = 8;

function scan() {
  return createLabelled(createScan(dimensions), dimensions);
}

function flat(...vectors: readonly (readonly number[])[]): Float32Array {
  return Float32Array.from(vectors.flatMap((vector) => [...vector, ...new Array(dimensions - vector.length).fill(0)]));
}

test('after any adding, removing and replacing the scan finds what brute force finds', async () => {
  await checkAgainstBruteForce(dimensions, 150, async () => {
    const index = scan();
    return {
      change: async ({ vectors, ...change }) => index.change({ ...change, vectors: joinVectors(vectors, dimensions) }),
      search: async (queries, k) => index.search(queries, k),
    };
  });
});

test('no more neighbours are given than there are', () => {
  const index = scan();
  assert.deepEqual(index.search(flat([1]), 5), [{ ids: [], scores: [] }]);
  index.change({ remove: [], ids: ['a', 'b'], vectors: flat([1], [0, 1]) });
  assert.deepEqual(index.search(flat([1]), 5), [{ ids: ['a', 'b'], scores: [1, 0] }]);
});

test('removing moves labels down and leaves every id with its own vector', () => {
  const index = scan();
  index.change({ remove: [], ids: ['a', 'b', 'c', 'd'], vectors: flat([1], [0, 1], [0, 0, 1], [0, 0, 0, 1]) });
  index.change({ remove: ['b', 'nobody'], ids: [], vectors: flat() });
  index.change({ remove: ['a'], ids: ['e'], vectors: flat([0, 1]) });
  assert.equal(index.size, 3);
  const first = (query: readonly number[]) => index.search(flat(query), 1)[0]?.ids[0];
  assert.deepEqual([first([0, 0, 1]), first([0, 0, 0, 1]), first([0, 1])], ['c', 'd', 'e']);
});

test('an id that is added again is replaced', () => {
  const index = scan();
  index.change({ remove: [], ids: ['a', 'b'], vectors: flat([1], [0, 1]) });
  index.change({ remove: [], ids: ['a'], vectors: flat([0, 0, 1]) });
  assert.equal(index.size, 2);
  assert.deepEqual(index.search(flat([0, 0, 1]), 1), [{ ids: ['a'], scores: [1] }]);
});

test('vectors of another length, or with values that are no numbers, are refused and change nothing', () => {
  const index = scan();
  index.change({ remove: [], ids: ['a'], vectors: flat([1]) });
  const refused = (error: unknown) => isSightlineError(error, 'watchlist.dimension');
  assert.throws(() => index.change({ remove: ['a'], ids: ['b'], vectors: new Float32Array(dimensions - 1) }), refused);
  assert.throws(() => index.change({ remove: ['a'], ids: ['b'], vectors: flat([Number.NaN]) }), refused);
  assert.throws(() => index.search(new Float32Array(dimensions + 1), 1), refused);
  assert.throws(() => index.search(flat([Number.POSITIVE_INFINITY]), 1), refused);
  assert.equal(index.size, 1);
});
