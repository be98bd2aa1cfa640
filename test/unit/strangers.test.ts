import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crowd, Strangers, type StrangersOptions } from '../../src/core/strangers.ts';

function strangersOf(options: StrangersOptions<string>) {
  const strangers = new Strangers<string>(options);
  const came = (one: string, place?: string, full?: boolean) => {
    const leaving = strangers.makeRoom(place, full);
    strangers.add(one, place);
    return leaving;
  };
  const many = (count: number, place: string) => Array.from({ length: count }, (_, at) => came(`${place}${at}`, place));
  return { strangers, came, many };
}

test('beyond the limit of a place its own oldest leaves, beyond that of all the oldest of all', () => {
  const { strangers, came } = strangersOf({ all: 4, ofPlace: 2 });
  assert.deepEqual([came('x', 'p'), came('a1', 'a'), came('a2', 'a')], [undefined, undefined, undefined]);
  assert.deepEqual([came('a3', 'a'), came('a4', 'a')], ['a1', 'a2']);
  assert.equal(came('b1', 'b'), undefined);
  assert.equal(strangers.size, 4);
  assert.equal(came('c1', 'c'), 'x');
  assert.equal(came('many'), 'a3', 'a place that speaks for many counts among all');
});

test('who is known or gone leaves no trace', () => {
  const { strangers, came } = strangersOf({ all: 2, ofPlace: 1 });
  came('a', 'p');
  assert.equal(strangers.delete('a'), true);
  assert.equal(strangers.delete('a'), false);
  assert.equal(came('b', 'p'), undefined);
  assert.equal(strangers.makeRoom('other', true), 'b');
  assert.equal(strangers.makeRoom('other', true), undefined);
  assert.equal(strangers.size, 0);
});

test('where nothing is free the oldest of the place with most gives way, whoever is older elsewhere', () => {
  const { came, many } = strangersOf({ all: 2 * crowd + 5 });
  many(crowd + 2, 'others');
  many(crowd + 3, 'flood');
  assert.equal(came('new', 'third'), 'flood0');
  assert.equal(came('newer', 'flood'), 'others0', 'the older one of two that have as many');
});

test('who has asked something gives way after those of the place who have said nothing', () => {
  const asked = new Set<string>();
  const { strangers, came, many } = strangersOf({ all: crowd + 2, spoke: (one) => asked.has(one) });
  many(crowd + 2, 'a');
  for (let at = 0; at < crowd; at++) asked.add(`a${at}`);
  assert.equal(came('b', 'b'), `a${crowd}`);
  asked.add(`a${crowd + 1}`);
  assert.equal(strangers.makeRoom('c', true), 'a0');
});

test('where no place is a crowd the oldest gives way once he has had his time, and nobody before', () => {
  let mono = 0;
  const { strangers, came, many } = strangersOf({ all: crowd, introductionMs: 1000, mono: () => mono });
  many(crowd, 'a');
  mono = 999;
  assert.deepEqual([came('b', 'b'), strangers.size], [undefined, crowd + 1], 'so long there may be more');
  assert.equal(strangers.makeRoom('c', true), undefined, 'not even where nothing is free');
  mono = 1000;
  assert.equal(came('c', 'c'), 'a0');
  for (const one of ['a1', 'a2', 'a3']) strangers.delete(one);
  assert.equal(came('d', 'd'), undefined, 'there are few');
  assert.equal(came('e', 'e', true), 'a4', 'others have taken what was free');
});
