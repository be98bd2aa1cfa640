import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, RestartBudget } from '../../src/core/backoff.ts';

test('delays double up to the greatest and begin again after success', () => {
  const backoff = new Backoff({ firstMs: 100, maxMs: 1000, random: () => 0.5 });
  assert.deepEqual(
    Array.from({ length: 6 }, () => backoff.next()),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(backoff.attempt, 6);
  backoff.reset();
  assert.deepEqual([backoff.attempt, backoff.next()], [0, 100]);
});

test('delays differ by a fifth either way, also after years', () => {
  const low = new Backoff({ firstMs: 100, maxMs: 1000, random: () => 0 });
  const high = new Backoff({ firstMs: 100, maxMs: 1000, random: () => 1 });
  assert.deepEqual([low.next(), high.next()], [80, 120]);
  for (let attempt = 0; attempt < 5000; attempt++) high.next();
  assert.equal(high.next(), 1200);
});

test('a budget allows so many restarts in any window', () => {
  const budget = new RestartBudget(3, 60_000);
  assert.deepEqual(
    [0, 10_000, 20_000, 59_999].map((at) => budget.spend(at)),
    [true, true, true, false],
  );
  assert.equal(budget.spend(60_000), true, 'the first one is out of the window now');
  assert.equal(budget.spend(60_001), false);
});
