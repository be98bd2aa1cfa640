import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assign } from '../../src/software-worker/assignment.ts';

/** Least total over all ways to pair rows with columns, a row alone costing `limit`. */
function leastByTrying(costs: readonly (readonly number[])[], limit: number, used: ReadonlySet<number> = new Set()): number {
  const [row, ...rest] = costs;
  if (row === undefined) return 0;
  let least = limit + leastByTrying(rest, limit, used);
  for (const [column, cost] of row.entries()) {
    if (!used.has(column)) least = Math.min(least, cost + leastByTrying(rest, limit, new Set([...used, column])));
  }
  return least;
}

describe('assignment', () => {
  it('takes the cheapest whole, not the cheapest pair first', () => {
    const costs = [
      [1, 2],
      [2, 9],
    ];
    const pairs = assign(2, 2, (row, column) => costs[row]?.[column] ?? 0, 10);
    assert.deepEqual([...pairs].sort(), [
      [0, 1],
      [1, 0],
    ]);
  });

  it('leaves rows and columns alone that only fit badly', () => {
    assert.deepEqual(
      assign(2, 1, (row) => (row === 0 ? 0.8 : 0.3), 0.8),
      [[1, 0]],
    );
    assert.deepEqual(
      assign(1, 1, () => 0.8, 0.8),
      [],
    );
    assert.deepEqual(
      assign(0, 3, () => 0, 1),
      [],
    );
  });

  it('costs the same as trying every way', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 25, maxLength: 25 }),
        fc.integer({ min: 1, max: 20 }),
        (rows, columns, values, limit) => {
          const costs = Array.from({ length: rows }, (_, row) =>
            Array.from({ length: columns }, (_, column) => values[row * 5 + column] ?? 0),
          );
          const pairs = assign(rows, columns, (row, column) => costs[row]?.[column] ?? 0, limit);
          assert.equal(new Set(pairs.map(([row]) => row)).size, pairs.length);
          assert.equal(new Set(pairs.map(([, column]) => column)).size, pairs.length);
          const total = pairs.reduce((sum, [row, column]) => sum + (costs[row]?.[column] ?? 0), limit * (rows - pairs.length));
          assert.equal(total, leastByTrying(costs, limit));
        },
      ),
    );
  });
});
