import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { acceptedRaise, type Ranked, rank, toResult } from '../../src/watchlist/ranking.ts';
import type { Neighbours } from '../../src/watchlist/vector-index.ts';

interface Reference {
  readonly entry: string;
  readonly score: number;
  readonly negative?: boolean;
  readonly accepted?: boolean;
  readonly gone?: boolean;
}

function world(references: readonly Reference[]) {
  const sorted = references.map((reference, i) => ({ ...reference, id: `r${i}` })).sort((a, b) => b.score - a.score);
  const byId = new Map(sorted.map((reference) => [reference.id, reference]));
  const lookup = (id: string): Ranked | undefined => {
    const reference = byId.get(id);
    if (reference === undefined || reference.gone === true) return undefined;
    return {
      entryId: reference.entry,
      entryName: reference.entry.toUpperCase(),
      list: 'banned',
      negative: reference.negative ?? false,
      accepted: reference.accepted ?? false,
      threshold: 0.5,
    };
  };
  const nearest = (depth: number): Neighbours => {
    const shown = sorted.slice(0, depth);
    return { ids: shown.map(({ id }) => id), scores: shown.map(({ score }) => score) };
  };
  return { lookup, nearest, size: sorted.length };
}

function entriesOf(references: readonly Reference[], count = 5) {
  const { lookup, nearest, size } = world(references);
  return rank(nearest(size), lookup, count, true).matches.map(({ entryId, score, threshold }) => [entryId, score, threshold]);
}

test('every entry counts once, by its best reference', () => {
  const references = [
    { entry: 'a', score: 0.7 },
    { entry: 'b', score: 0.8 },
    { entry: 'a', score: 0.9 },
    { entry: 'b', score: 0.2 },
  ];
  assert.deepEqual(entriesOf(references), [
    ['a', 0.9, 0.5],
    ['b', 0.8, 0.5],
  ]);
});

test('an entry whose negative example is closer than its best picture is left out', () => {
  const references = [
    { entry: 'a', score: 0.8 },
    { entry: 'a', score: 0.85, negative: true },
    { entry: 'b', score: 0.6 },
    { entry: 'b', score: 0.5, negative: true },
  ];
  assert.deepEqual(entriesOf(references), [['b', 0.6, 0.5]]);
});

test('a negative example of one entry says nothing about another', () => {
  assert.deepEqual(
    entriesOf([
      { entry: 'a', score: 0.9, negative: true },
      { entry: 'b', score: 0.7 },
    ]),
    [['b', 0.7, 0.5]],
  );
});

test('a picture accepted despite its quality raises the threshold', () => {
  assert.deepEqual(entriesOf([{ entry: 'a', score: 0.62, accepted: true }]), [['a', 0.62, 0.5 + acceptedRaise]]);
});

test('a good picture that is nearly as close speaks instead of an accepted one; one that is far behind does not', () => {
  assert.deepEqual(
    entriesOf([
      { entry: 'a', score: 0.62, accepted: true },
      { entry: 'a', score: 0.58 },
    ]),
    [['a', 0.58, 0.5]],
  );
  assert.deepEqual(
    entriesOf([
      { entry: 'a', score: 0.85, accepted: true },
      { entry: 'a', score: 0.58 },
    ]),
    [['a', 0.85, 0.5 + acceptedRaise]],
  );
});

test('references that are gone are passed over', () => {
  assert.deepEqual(
    entriesOf([
      { entry: 'a', score: 0.9, gone: true },
      { entry: 'b', score: 0.7 },
    ]),
    [['b', 0.7, 0.5]],
  );
});

test('the margin is the distance to the next other entry, also when only one is asked for', () => {
  const { lookup, nearest, size } = world([
    { entry: 'a', score: 0.75 },
    { entry: 'a', score: 0.7 },
    { entry: 'b', score: 0.25 },
  ]);
  const { matches } = rank(nearest(size), lookup, 2, true);
  const result = toResult('face', 'test@1', matches, 1);
  assert.equal(result.top.length, 1);
  assert.equal(result.margin, 0.5);
  assert.equal(toResult('face', 'test@1', matches.slice(0, 1), 1).margin, 1.75);
  assert.deepEqual(toResult('face', 'test@1', [], 1), { kind: 'face', space: 'test@1', top: [], margin: 0 });
});

test('asking deeper only while it may matter gives the same first entries as asking for everything', () => {
  const reference = fc.record({
    entry: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
    score: fc.integer({ min: -100, max: 100 }).map((n) => n / 100),
    negative: fc.boolean(),
    accepted: fc.boolean(),
    gone: fc.boolean(),
  });
  // Equal scores have no order: they are kept apart.
  const references = fc.uniqueArray(reference, { maxLength: 40, selector: ({ score }) => score });
  fc.assert(
    fc.property(references, fc.integer({ min: 1, max: 5 }), (all, count) => {
      const { lookup, nearest, size } = world(all);
      const whole = rank(nearest(size), lookup, count, true).matches.slice(0, count);
      for (let depth = 1; ; depth += 1) {
        const found = rank(nearest(depth), lookup, count, depth >= size);
        if (!found.settled) continue;
        assert.deepEqual(found.matches.slice(0, count), whole);
        break;
      }
    }),
    { numRuns: 500 },
  );
});
