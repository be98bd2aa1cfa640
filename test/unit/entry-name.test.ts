import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryName } from '../../src/core/entry-name.ts';

test('a name is kept composed and without blanks around it, with the joiners that its script is written with', () => {
  assert.equal(entryName('  Jose\u0301  '), 'Jos\u00e9');
  assert.equal(entryName('\u0639\u0644\u06cc\u200c\u0631\u0636\u0627'), '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627');
  assert.equal(entryName('\u0915\u094d\u200d\u0937'), '\u0915\u094d\u200d\u0937');
});

test('what nobody sees in a name is refused by its code point', () => {
  for (const [name, code] of [
    ['B\u200bob', 'U+200B'],
    ['B\u200dob', 'U+200D'],
    ['\u200c\u0639\u0644\u06cc', 'U+200C'],
    ['\u202eboB', 'U+202E'],
    ['Bob\nEve', 'U+000A'],
  ] as const)
    assert.throws(() => entryName(name), new RegExp(code.replace('+', '\\+')), JSON.stringify(name));
});
