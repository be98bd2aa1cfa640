import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseControlRequest, parsePortableEntry } from '../../src/core/control.ts';

/** What callers and files say is checked before anything acts on it. */

const refusedField = (field: string) => ({ code: 'control.request', message: new RegExp(`${field}: `) });

test('a time that no calendar can show is refused', () => {
  const request = { photoBase64: 'anBlZw==', source: 'a.jpg', name: 'Ada', list: 'banned', actor: 'kim' };
  const last = 8.64e15;
  assert.equal(parseControlRequest('watchlist.enrol', { ...request, expiresAt: last }).expiresAt, last);
  for (const expiresAt of [last + 1, -1, 1.5, Number.MAX_SAFE_INTEGER])
    assert.throws(() => parseControlRequest('watchlist.enrol', { ...request, expiresAt }), refusedField('expiresAt'));
});

test('an id of an export that could name a file elsewhere is refused, and a quality that none can have', () => {
  const reference = {
    id: 'r1',
    entryId: 'e1',
    negative: false,
    box: { left: 0, top: 0, width: 1, height: 1 },
    quality: 0.5,
    accepted: false,
    source: 'a.jpg',
    addedAt: 1,
    imageBase64: 'anBlZw==',
  };
  const entry = { id: 'e1', name: 'Ada', list: 'banned', kind: 'face', notes: '', reason: '', addedBy: 'kim', addedAt: 1 };
  const parse = (some: object) => parsePortableEntry({ entry, references: [{ ...reference, ...some }] }, 'x:2');
  assert.equal(parse({}).references.length, 1);
  for (const id of ['../x', '/x', 'a.b', '', 'a\0'])
    assert.throws(() => parse({ id }), refusedField('references\\.0\\.id'), JSON.stringify(id));
  assert.throws(() => parse({ quality: 1.1 }), refusedField('references\\.0\\.quality'));
});
