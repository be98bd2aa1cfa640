import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedQueue, LatestByKey } from '../../src/core/queue.ts';

const oneSource = () => 'camera';

async function drain<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('a queue delivers in order and ends after what was queued when it was closed', async () => {
  const queue = new BoundedQueue<number>(10);
  queue.push(1);
  queue.push(2);
  queue.close();
  assert.deepEqual(await drain(queue), [1, 2]);
});

test('a full queue loses its oldest item, says which and counts it', async () => {
  const lost: number[] = [];
  const queue = new BoundedQueue<number>(2, (item) => lost.push(item));
  for (const item of [1, 2, 3, 4]) queue.push(item);
  assert.deepEqual([lost, queue.dropped, queue.depth], [[1, 2], 2, 2]);
  queue.close();
  queue.push(5);
  assert.deepEqual(lost, [1, 2, 5], 'what comes after the end is lost and counted');
  assert.deepEqual(await drain(queue), [3, 4]);
});

test('a waiting reader is woken by an item and by the end', async () => {
  const queue = new BoundedQueue<number>(2);
  const reading = drain(queue);
  await Promise.resolve();
  queue.push(1);
  await Promise.resolve();
  queue.push(2);
  queue.close();
  assert.deepEqual(await reading, [1, 2]);
});

test('whatever happens to a queue, each item is delivered or dropped exactly once, in order, within the bound', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.constantFrom('push', 'read')), async (limit, steps) => {
      const dropped: number[] = [];
      const read: number[] = [];
      const queue = new BoundedQueue<number>(limit, (item) => dropped.push(item));
      const reader = queue[Symbol.asyncIterator]();
      let next = 0;
      for (const step of steps) {
        if (step === 'push') queue.push(next++);
        else if (queue.depth > 0) read.push((await reader.next()).value);
        assert.ok(queue.depth <= limit);
      }
      queue.close();
      for (let item = await reader.next(); item.done !== true; item = await reader.next()) read.push(item.value);
      assert.deepEqual(
        read,
        read.toSorted((a, b) => a - b),
      );
      assert.deepEqual(
        [...read, ...dropped].toSorted((a, b) => a - b),
        Array.from({ length: next }, (_, index) => index),
      );
      assert.equal(queue.dropped, dropped.length);
    }),
  );
});

test('the newest item of a key stands in the place of the oldest', async () => {
  const lost: string[] = [];
  const latest = new LatestByKey<string, number>(3, oneSource, (key, item, why) => lost.push(`${key}${item} ${why}`));
  latest.put('a', 1);
  latest.put('b', 2);
  latest.put('a', 3);
  latest.put('c', 4);
  latest.put('d', 5);
  assert.deepEqual(lost, ['a1 replaced', 'a3 full']);
  assert.equal(latest.depth, 3);
  latest.close();
  assert.deepEqual(await drain(latest.batches(() => 2)), [[2, 4], [5]]);
});

test('sources take turns, and one that has too many loses its own', async () => {
  const lost: string[] = [];
  const latest = new LatestByKey<string, string>(
    5,
    (item) => item.slice(0, 1),
    (key, _item, why) => lost.push(`${key} ${why}`),
  );
  for (const item of ['a1', 'a2', 'a3', 'b1', 'a4', 'c1', 'a5']) latest.put(item, item);
  assert.deepEqual(lost, ['a1 full', 'a2 full']);
  const batches = latest.batches(() => 2);
  assert.deepEqual((await batches.next()).value, ['a3', 'b1']);
  latest.put('b2', 'b2');
  latest.put('a3', 'a3');
  assert.deepEqual((await batches.next()).value, ['c1', 'a4']);
  assert.deepEqual((await batches.next()).value, ['b2', 'a5']);
  latest.putBack('b2', 'b2');
  assert.equal(latest.depth, 2);
  latest.close();
  assert.deepEqual(await drain({ [Symbol.asyncIterator]: () => batches }), [['a3', 'b2']]);
});

test('batches come as soon as there is one item, and end with the queue', async () => {
  const latest = new LatestByKey<string, number>(10, oneSource);
  const batches = latest.batches(() => 8);
  const first = batches.next();
  latest.put('a', 1);
  assert.deepEqual((await first).value, [1]);
  const last = batches.next();
  latest.close();
  assert.equal((await last).done, true);
});
