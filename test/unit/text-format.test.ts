import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { parseTextFormat, type TextField, type TextValue } from '../../src/inference/text-format.ts';

type Plain = string | { readonly [name: string]: readonly Plain[] };

function plain(value: TextValue): Plain {
  return value.kind === 'message' ? plainFields(value.fields) : value.text;
}

function plainFields(fields: readonly TextField[]): { readonly [name: string]: readonly Plain[] } {
  const found: Record<string, Plain[]> = {};
  for (const { name, value } of fields) {
    found[name] ??= [];
    found[name].push(plain(value));
  }
  return found;
}

function parsed(source: string): { readonly [name: string]: readonly Plain[] } {
  return plainFields(parseTextFormat(source, 'config.pbtxt'));
}

function problem(source: string): string {
  try {
    parseTextFormat(source, 'config.pbtxt');
  } catch (error) {
    if (isSightlineError(error, 'model.invalid')) return error.message;
    throw error;
  }
  return 'nothing';
}

describe('protobuf text format', () => {
  it('reads messages with and without a colon, in braces or angle brackets', () => {
    const expected = { input: [{ name: ['a'] }] };
    for (const source of ['input { name: "a" }', 'input: { name: "a" }', 'input <name: "a">', 'input\n{\n name : "a" }'])
      assert.deepEqual(parsed(source), expected, source);
  });

  it('reads a list as its field repeated, and repeated fields as a list', () => {
    assert.deepEqual(parsed('dims: [ 3, -1, 640 ]'), { dims: ['3', '-1', '640'] });
    assert.deepEqual(parsed('dims: 3 dims: -1'), { dims: ['3', '-1'] });
    assert.deepEqual(parsed('input [ { name: "a" }, { name: "b" } ]'), { input: [{ name: ['a'] }, { name: ['b'] }] });
    assert.deepEqual(parsed('versions: [ ]'), {});
  });

  it('takes commas and semicolons after fields, comments anywhere and no newline at the end', () => {
    assert.deepEqual(parsed('# first\nkey: "a", value: { x: 1; } # rest'), { key: ['a'], value: [{ x: ['1'] }] });
    assert.deepEqual(parsed('a: "# no comment"'), { a: ['# no comment'] });
  });

  it('joins adjacent strings and undoes escapes in either kind of quote', () => {
    assert.deepEqual(parsed(`a: "one " 'two'\n"three"`), { a: ['one twothree'] });
    assert.deepEqual(parsed(String.raw`a: "q\"q\n\t\x41\101\\"`), { a: ['q"q\n\tAA\\'] });
  });

  it('keeps numbers, enum names and booleans as they are written', () => {
    assert.deepEqual(parsed('a: TYPE_FP32 b: -1.5e-3 c: True'), { a: ['TYPE_FP32'], b: ['-1.5e-3'], c: ['True'] });
  });

  it('names the line of what is wrong', () => {
    assert.match(problem('a: 1\nb 2'), /^config\.pbtxt:2: ":" after b expected, found "2"$/);
    assert.match(problem('a {\n b: 1\n'), /^config\.pbtxt:2: "}" expected, found the end of the file$/);
    assert.match(problem('\n\na: "open\n"'), /^config\.pbtxt:3: a closing quote on the same line expected/);
    assert.match(problem('a: [ 1 2 ]'), /config\.pbtxt:1: "," or "\]" expected, found "2"/);
    assert.match(problem('# \n # \n a: ]'), /config\.pbtxt:3: a value expected, found "\]"/);
    assert.match(problem('a: 1 }'), /a field name expected, found "}"/);
    assert.match(problem('a: 1 €'), /config\.pbtxt:1: a name, a value or a bracket expected, found "€"/);
  });

  it('refuses nesting without end instead of overflowing the stack', () => {
    assert.match(problem('a {'.repeat(10_000)), /at most 32 levels expected/);
  });
});
