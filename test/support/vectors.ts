import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import type { Neighbours } from '../../src/watchlist/vector-index.ts';
import { missingTool } from './data.ts';
import { seeded } from './seeded.ts';
import { randomVector } from './store.ts';

export interface TestedIndex {
  change(change: {
    readonly remove: readonly string[];
    readonly ids: readonly string[];
    readonly vectors: readonly Float32Array[];
  }): Promise<unknown>;
  search(queries: Float32Array<ArrayBuffer>, k: number): Promise<readonly Neighbours[]>;
}

/** `false` when FAISS loads on this machine, otherwise the reason to skip. */
export function missingFaiss(): string | false {
  return missingTool(faissLoads(), 'faiss-node, built by tools/build-native.mjs');
}

function faissLoads(): boolean {
  try {
    createRequire(import.meta.url)('faiss-node');
    return true;
  } catch {
    return false;
  }
}

/** Vectors one after the other, as an index takes them. */
export function flat(vectors: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(vectors.flatMap((vector) => [...vector]));
}

export function bruteForce(vectors: ReadonlyMap<string, Float32Array>, query: Float32Array, k: number) {
  return [...vectors]
    .map(([id, vector]) => ({ id, score: vector.reduce((sum, value, i) => sum + value * (query[i] ?? 0), 0) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}

const step = fc.record({
  seed: fc.integer(),
  remove: fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 6 }),
  put: fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 8 }),
  queries: fc.integer({ min: 0, max: 24 }),
  k: fc.integer({ min: 1, max: 40 }),
});

/** Runs random changes and searches on an index and on a plain map; scores may differ by rounding, ids where scores are equal. */
export async function checkAgainstBruteForce(
  dimensions: number,
  numRuns: number,
  make: () => Promise<TestedIndex>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const index = await make();
      const expected = new Map<string, Float32Array>();
      for (const { seed, remove, put, queries, k } of steps) {
        const random = seeded(seed);
        const vectors = put.map(() => randomVector(dimensions, random));
        await index.change({
          remove: remove.map((n) => `id${n}`),
          ids: put.map((n) => `id${n}`),
          vectors,
        });
        for (const n of remove) expected.delete(`id${n}`);
        for (const [place, n] of put.entries()) expected.set(`id${n}`, vectors[place] ?? new Float32Array(dimensions));

        const asked = Array.from({ length: queries }, () => randomVector(dimensions, random));
        const found = await index.search(flat(asked), k);
        assert.equal(found.length, queries);
        for (const [place, query] of asked.entries()) {
          const right = bruteForce(expected, query, k);
          const given = found[place] ?? { ids: [], scores: [] };
          assert.equal(given.ids.length, right.length);
          assert.equal(new Set(given.ids).size, given.ids.length);
          for (const [rank, id] of given.ids.entries()) {
            const vector = expected.get(id);
            assert.ok(vector !== undefined, `${id} is not there any more`);
            const score = vector.reduce((sum, value, i) => sum + value * (query[i] ?? 0), 0);
            assert.ok(Math.abs(score - (given.scores[rank] ?? Number.NaN)) < 1e-5);
            assert.ok(Math.abs(score - (right[rank]?.score ?? Number.NaN)) < 1e-5);
          }
        }
      }
    }),
    { numRuns },
  );
}
