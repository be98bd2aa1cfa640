import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import type { MatchResult, Quality } from '../../src/core/types.ts';
import { problemOf } from '../../src/http/problem.ts';
import { checkEntry, warningsOf } from '../../src/watchlist/enrolment.ts';
import { createMembers, endOf } from '../../src/watchlist/members.ts';
import type { PhotoSubject } from '../../src/watchlist/photos.ts';
import { choose, judge } from '../../src/watchlist/quality.ts';
import { unitVector } from '../../src/watchlist/spaces.ts';
import { createTurns } from '../../src/watchlist/turns.ts';
import { goodQuality } from '../support/photos.ts';
import { exampleEntry, exampleReference } from '../support/store.ts';

function subject(left: number): PhotoSubject {
  return { box: { left, top: 40, width: 80, height: 100 }, score: 0.9, quality: goodQuality };
}

function photo(...lefts: readonly number[]) {
  return { width: 640, height: 480, subjects: lefts.map(subject) };
}

function reasonsFor(changes: Partial<Quality>): readonly string[] {
  return judge({ ...goodQuality, ...changes }, 'face').map(({ reason }) => reason);
}

test('the only face of a photo is the one that is meant', () => {
  assert.deepEqual(choose(photo(100), 'face'), subject(100));
});

test('a photo without a face is refused with what would help', () => {
  const refusal = choose(photo(), 'face');
  assert.ok('reason' in refusal);
  assert.equal(refusal.reason, 'nobody');
  assert.match(refusal.message, /no face was found .* 640 x 480 px.* at least \d+ px high/);
});

test('of several faces it is said where each is, numbered from the left', () => {
  const refusal = choose(photo(300, 20), 'face');
  assert.ok('reason' in refusal);
  assert.equal(refusal.reason, 'several');
  assert.match(refusal.message, /2 faces are on this photo: 1 at 20,40 \(80 x 100 px\); 2 at 300,40/);
});

test('the number picks a face from the left, and one that is not there is refused', () => {
  assert.deepEqual(choose(photo(300, 20), 'face', 2), subject(300));
  assert.deepEqual(choose(photo(100), 'face', 1), subject(100));
  for (const pick of [0, 3, 1.5]) {
    const refusal = choose(photo(300, 20), 'face', pick);
    assert.ok('reason' in refusal && refusal.reason === 'no_such_subject', String(pick));
  }
});

test('a photo of good quality is not refused', () => {
  assert.deepEqual(reasonsFor({}), []);
});

test('each shortcoming is refused by its own reason', () => {
  assert.deepEqual(reasonsFor({ heightPx: 38 }), ['too_small']);
  assert.deepEqual(reasonsFor({ sharpness: 1 }), ['blurred']);
  assert.deepEqual(reasonsFor({ rollDegrees: -60 }), ['tilted']);
  assert.deepEqual(reasonsFor({ yaw: -0.9 }), ['turned']);
  assert.deepEqual(reasonsFor({ visible: 0.6 }), ['cut_off']);
  assert.deepEqual(reasonsFor({ score: 0.1 }), ['uncertain']);
  assert.deepEqual(reasonsFor({ heightPx: 38, sharpness: 1 }), ['too_small', 'blurred']);
});

test('the words of a refusal give the number and what would do', () => {
  const [refusal] = judge({ ...goodQuality, heightPx: 38.4 }, 'face');
  assert.match(refusal?.message ?? '', /^the face is 38 px high; photos of at least \d+ px work$/);
});

test('an entry on a list that is not configured, already over, or with a threshold that cannot be is refused', () => {
  const lists = { banned: { kind: 'watch' } } as const;
  checkEntry(exampleEntry({ expiresAt: 6000, threshold: 0.4 }), lists, 5000);
  const code = (changes: Parameters<typeof exampleEntry>[0]) => {
    try {
      checkEntry(exampleEntry(changes), lists, 5000);
      return 'taken';
    } catch (error) {
      return isSightlineError(error) ? error.code : String(error);
    }
  };
  assert.equal(code({ list: 'other' }), 'watchlist.unknown');
  assert.equal(code({ list: 'toString' }), 'watchlist.unknown');
  assert.equal(code({ notes: 'n'.repeat(2001) }), 'control.request');
  assert.equal(code({ expiresAt: 5000 }), 'control.request');
  for (const threshold of [0, 1, -1, Number.NaN]) assert.equal(code({ threshold }), 'control.request');
});

function nearest(...found: readonly (readonly [string, number])[]): MatchResult {
  const top = found.map(([entryId, score]) => ({
    entryId,
    entryName: entryId.toUpperCase(),
    list: 'banned',
    referenceId: 'r',
    score,
    threshold: 0.5,
  }));
  return { kind: 'face', space: 'test@1', top, margin: 0 };
}

test('a picture that is near to another entry is warned of, one that is not is not', () => {
  const entry = exampleEntry({ id: 'own' });
  const options = { negative: false, threshold: 0.5 };
  assert.deepEqual(warningsOf(nearest(['other', 0.49]), entry, undefined, options), []);
  assert.deepEqual(warningsOf(nearest(['other', 0.83]), entry, undefined, options), [
    'nearly identical to OTHER (other) on list banned: similarity 0.83; one person in two entries is told from neither, and there is no alert: keep one of them, with all pictures',
  ]);
});

test('a picture that the entry has already, or that does not look like its others, is warned of', () => {
  const entry = exampleEntry({ id: 'own' });
  const options = { negative: false, threshold: 0.5 };
  const { vector: _vector, image: _image, ...reference } = exampleReference({ entryId: 'own' });
  const before = { entry, references: [reference] };
  assert.deepEqual(warningsOf(nearest(['own', 0.7]), entry, before, options), []);
  assert.match(warningsOf(nearest(['own', 0.9995]), entry, before, options).join(), /has this picture already/);
  assert.match(warningsOf(nearest(['own', 0.31]), entry, before, options).join(), /does not look like .* similarity 0\.31/);
  assert.match(warningsOf(nearest(), entry, before, options).join(), /does not look like the entry's other pictures$/);
  const onlyNegative = { entry, references: [{ ...reference, negative: true }] };
  assert.deepEqual(warningsOf(nearest(), entry, onlyNegative, options), []);
});

test('a negative example is expected to be near to somebody, and is warned of only when it is one of the own pictures', () => {
  const entry = exampleEntry({ id: 'own' });
  const options = { negative: true, threshold: 0.5 };
  assert.deepEqual(warningsOf(nearest(['own', 0.8], ['other', 0.9]), entry, undefined, options), []);
  assert.match(warningsOf(nearest(['own', 1]), entry, undefined, options).join(), /one of the entry's own pictures/);
});

test('an entry ends by its own expiry or by the greatest age of its list, whichever is first', () => {
  const lists = { banned: { kind: 'watch', maxAge: 5000 }, staff: { kind: 'ignore' } } as const;
  const end = (changes: Parameters<typeof exampleEntry>[0]) => endOf(exampleEntry({ addedAt: 1000, ...changes }), lists);
  assert.equal(end({ list: 'banned' }), 6000);
  assert.equal(end({ list: 'banned', expiresAt: 2000 }), 2000);
  assert.equal(end({ list: 'banned', expiresAt: 9000 }), 6000);
  assert.equal(end({ list: 'staff', expiresAt: 9000 }), 9000);
  assert.equal(end({ list: 'staff' }), undefined);
  assert.equal(end({ list: 'gone' }), undefined);
});

test('an entry from before is found by exactly its name, or by one that looks the same', () => {
  const members = createMembers();
  for (const [id, name] of [
    ['plain', 'Ada'],
    ['blank', 'Ada '],
    ['marked', 'Zoe\u0301'],
  ] as const)
    members.put(exampleEntry({ id, name }), []);
  assert.equal(members.named('Ada').entry.id, 'plain');
  assert.equal(members.named('Ada ').entry.id, 'blank');
  assert.equal(members.named('Zo\u00e9').entry.id, 'marked');
  assert.throws(() => members.named('  Ada'), /2 entries/);
});

test('an entry is named by its id, or by its name while only one has it', () => {
  const members = createMembers();
  members.put(exampleEntry({ id: 'one', name: 'Alex' }), []);
  members.put(exampleEntry({ id: 'two', name: 'Bo' }), []);
  members.put(exampleEntry({ id: 'three', name: 'Bo', list: 'staff' }), []);
  assert.equal(members.named('one').entry.name, 'Alex');
  assert.equal(members.named('Alex').entry.id, 'one');
  assert.throws(
    () => members.named('Cy'),
    (error) => isSightlineError(error, 'watchlist.unknown'),
  );
  assert.throws(() => members.named('Bo'), /2 entries are called Bo: two \(banned, face\), three \(staff, face\)/);
});

test('members are counted by kind through every change', () => {
  const members = createMembers();
  const { vector: _vector, image: _image, ...reference } = exampleReference({ id: 'r1', entryId: 'one' });
  members.put(exampleEntry({ id: 'one' }), [reference]);
  members.put(exampleEntry({ id: 'one' }), [reference, { ...reference, id: 'r2' }]);
  members.put(exampleEntry({ id: 'two', kind: 'body' }), [{ ...reference, id: 'r3', entryId: 'two' }]);
  const description = { entries: 0, references: 0 };
  assert.deepEqual(members.counts, { face: { entries: 1, references: 2 }, body: { entries: 1, references: 1 }, description });
  members.removeReference('r1');
  members.removeReference('r1');
  members.remove('two');
  members.remove('two');
  assert.deepEqual(members.counts, { face: { entries: 1, references: 1 }, body: { entries: 0, references: 0 }, description });
});

test('vectors are brought to unit length; those that cannot be are refused', () => {
  const space = { name: 'test@1', dimensions: 2, threshold: 0.5 };
  assert.deepEqual(unitVector(Float32Array.of(3, 4), space), Float32Array.of(0.6, 0.8));
  for (const vector of [Float32Array.of(1), Float32Array.of(0, 0), Float32Array.of(Number.NaN, 1)]) {
    assert.throws(
      () => unitVector(vector, space),
      (error) => isSightlineError(error, 'watchlist.dimension'),
    );
  }
});

test('changes happen one at a time in their order, also after one that fails, and too many are refused', async () => {
  const turns = createTurns(3);
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take(async () => {
    seen.push('first begins');
    await gate.promise;
    seen.push('first ends');
    throw new Error('first fails');
  });
  const second = turns.take(async () => void seen.push('second'));
  const third = turns.take(async () => 'third');
  await assert.rejects(
    turns.take(async () => void seen.push('fourth')),
    (error) => {
      const { problem, headers } = problemOf(error);
      return isSightlineError(error, 'watchlist.busy') && problem.status === 503 && headers['retry-after'] === '2';
    },
  );
  gate.resolve();
  await assert.rejects(first, /first fails/);
  await second;
  assert.equal(await third, 'third');
  assert.deepEqual(seen, ['first begins', 'first ends', 'second']);
  assert.equal(await turns.take(async () => 'again'), 'again');
});
