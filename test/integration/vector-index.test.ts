import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { startVectorIndex } from '../../src/watchlist/faiss.ts';
import { testContext } from '../support/context.ts';
import { seeded } from '../support/seeded.ts';
import { randomVector } from '../support/store.ts';
import { threadsOf } from '../support/threads.ts';
import { bruteForce, checkAgainstBruteForce, flat, missingFaiss } from '../support/vectors.ts';

const skip = missingFaiss();

before(() => {
  process.env['OMP_NUM_THREADS'] = '1';
});

for (const scanOnly of [false, true]) {
  describe(scanOnly ? 'plain scan' : 'faiss', { skip: scanOnly ? false : skip }, () => {
    test('after any adding, removing and replacing it finds what brute force finds', async () => {
      using ctx = testContext();
      await using index = await startVectorIndex({ scanOnly }, ctx);
      assert.equal(index.info.kind, scanOnly ? 'scan' : 'faiss-flat');
      await checkAgainstBruteForce(16, 40, async () => {
        await index.reset('test@1', 16);
        return {
          change: (change) => index.change('test@1', change),
          search: (queries, k) => index.search('test@1', queries, k),
        };
      });
    });

    test('any number of queries at once gives what each gives alone', async () => {
      using ctx = testContext();
      await using index = await startVectorIndex({ scanOnly }, ctx);
      await index.reset('test@1', 32);
      const random = seeded(7);
      const vectors = Array.from({ length: 500 }, () => randomVector(32, random));
      await index.change('test@1', { ids: vectors.map((_vector, i) => `id${i}`), vectors });
      const known = new Map(vectors.map((vector, i) => [`id${i}`, vector]));
      for (const count of [1, 2, 19, 20, 21, 64]) {
        const queries = Array.from({ length: count }, () => randomVector(32, random));
        const found = await index.search('test@1', flat(queries), 3);
        assert.deepEqual(
          found.map(({ ids }) => ids),
          queries.map((query) => bruteForce(known, query, 3).map(({ id }) => id)),
          `${count} queries`,
        );
      }
    });

    test('searches and changes that are asked for together are carried out in that order', async () => {
      using ctx = testContext();
      await using index = await startVectorIndex({ scanOnly }, ctx);
      await index.reset('test@1', 64);
      const random = seeded(3);
      const vectors = Array.from({ length: 60 }, () => randomVector(64, random));
      const sizes: Promise<number>[] = [];
      const answers: Promise<readonly (string | undefined)[]>[] = [];
      for (const [i, vector] of vectors.entries()) {
        const remove = i >= 10 ? [`id${i - 10}`] : [];
        sizes.push(index.change('test@1', { remove, ids: [`id${i}`], vectors: [vector.slice()] }));
        const queries = flat([vector, vectors[Math.max(0, i - 11)] ?? vector]);
        answers.push(index.search('test@1', queries, 1).then((found) => found.map(({ ids }) => ids[0])));
      }
      assert.deepEqual(
        await Promise.all(sizes),
        vectors.map((_vector, i) => Math.min(10, i + 1)),
      );
      for (const [i, found] of (await Promise.all(answers)).entries()) {
        assert.equal(found[0], `id${i}`);
        if (i >= 11) assert.notEqual(found[1], `id${i - 11}`, 'what was removed is not found');
      }
    });

    test('each embedding space has vectors of its own', async () => {
      using ctx = testContext();
      await using index = await startVectorIndex({ scanOnly }, ctx);
      await index.reset('one@1', 4);
      await index.reset('two@1', 8);
      await index.change('one@1', { ids: ['a'], vectors: [Float32Array.of(1, 0, 0, 0)] });
      assert.deepEqual(await index.search('two@1', new Float32Array(8), 3), [{ ids: [], scores: [] }]);
      await assert.rejects(index.change('two@1', { ids: ['a'], vectors: [Float32Array.of(1, 0, 0, 0)] }), (error) =>
        isSightlineError(error, 'watchlist.dimension'),
      );
      await assert.rejects(index.search('three@1', new Float32Array(4), 1), /no index of space three@1/);
      await index.reset('one@1', 4);
      assert.deepEqual(await index.search('one@1', Float32Array.of(1, 0, 0, 0), 1), [{ ids: [], scores: [] }]);
    });
  });
}

test('where faiss does not serve, that is said', async () => {
  using ctx = testContext();
  await using _index = await startVectorIndex({ scanOnly: true }, ctx);
  assert.ok(
    ctx.lines.some(({ level, msg }) => level === 'warn' && msg === 'faiss is not used, vectors are searched by a plain scan'),
  );
});

test('an index whose thread has ended says so and refuses searches', async () => {
  using ctx = testContext();
  const { result: index, threads } = await threadsOf(() => startVectorIndex({ scanOnly: true }, ctx));
  await using _closing = index;
  await index.reset('test@1', 4);
  await threads[0]?.terminate();
  assert.match((await index.died).message, /vectors thread ended/);
  await assert.rejects(index.search('test@1', new Float32Array(4), 1), (error) => isSightlineError(error, 'thread.exited'));
});

test('OMP_NUM_THREADS set before the thread starts keeps faiss to that thread; unset, it is warned of', { skip }, () => {
  const program = join(import.meta.dirname, '../support/faiss-threads.ts');
  const run = (omp: string) =>
    JSON.parse(execFileSync(process.execPath, [program, omp], { encoding: 'utf8', env: { PATH: process.env['PATH'] } }));
  assert.deepEqual(run('1'), { grown: 0, warned: false });
  assert.equal(run('unset').warned, true);
});
