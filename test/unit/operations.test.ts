import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorCodes } from '../../src/core/errors.ts';

const operations = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');

test('glossary: every word is defined once', () => {
  const glossary = readFileSync(join(import.meta.dirname, '../../docs/glossary.md'), 'utf8');
  const words = [...glossary.matchAll(/^\| ([a-z][^|]*?) \|/gm)].map(([, word]) => word);
  assert.ok(words.length > 40);
  assert.deepEqual(
    words.filter((word, index) => words.indexOf(word) !== index),
    [],
  );
});

test('operations: every error code has a cause and a remedy, and none is listed that does not exist', () => {
  const section = operations.slice(operations.indexOf('## Error codes'));
  const rows = [...section.matchAll(/^\| `([a-z]+\.[a-z_]+)` \| (.+?) \| (.+?) \|$/gm)];
  assert.deepEqual(
    rows.map(([, code]) => code),
    [...errorCodes],
  );
  for (const [, code, cause = '', remedy = ''] of rows) {
    assert.ok(cause.length > 10 && remedy.length > 5, `${code} says what happened and what to do`);
  }
});
