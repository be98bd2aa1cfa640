import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Strangers } from '../../src/core/strangers.ts';

test('beyond the limit of a place its own oldest leaves, beyond that of all the oldest of all', () => {
  const strangers = new Strangers<string>({ all: 4, ofPlace: 2 });
  const came = (one: string, place?: string) => strangers.add(one, place);
  assert.deepEqual([came('x', 'p'), came('a1', 'a'), came('a2', 'a')], [undefined, undefined, undefined]);
  assert.deepEqual([came('a3', 'a'), came('a4', 'a')], ['a1', 'a2']);
  assert.equal(came('b1', 'b'), undefined);
  assert.equal(strangers.size, 4);
  assert.equal(came('c1', 'c'), 'x');
  assert.equal(came('many'), 'a3', 'a place that speaks for many counts among all');
});

test('who is known or gone leaves no trace', () => {
  const strangers = new Strangers<string>({ all: 2, ofPlace: 1 });
  strangers.add('a', 'p');
  assert.equal(strangers.delete('a'), true);
  assert.equal(strangers.delete('a'), false);
  assert.equal(strangers.add('b', 'p'), undefined);
  assert.equal(strangers.takeOldest(), 'b');
  assert.equal(strangers.takeOldest(), undefined);
  assert.equal(strangers.size, 0);
});
