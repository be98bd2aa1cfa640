import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertStore, passes } from '../../src/http/viewer/parts/alert-store.js';
import { ApiError, isCsrfRefusal } from '../../src/http/viewer/parts/api.js';
import { decoded } from '../../src/http/viewer/parts/base.js';
import { boxesAt, sightedTrack } from '../../src/http/viewer/parts/clip-index.js';
import { eventParser } from '../../src/http/viewer/parts/events.js';
import { columnsFor } from '../../src/http/viewer/parts/layout.js';
import { reloadWords } from '../../src/http/viewer/parts/reload-words.js';
import { type Session, sameRights } from '../../src/http/viewer/parts/session.js';
import { cannedAlert } from '../support/viewer-canned.ts';

/** What the pages of the viewer decide without a page. */

test('an address that is no encoding of anything leads nowhere and breaks nothing', () => {
  assert.equal(decoded('alerts%2F1'), 'alerts/1');
  assert.equal(decoded('%'), '');
  assert.equal(decoded('%ff'), '');
});

test('an alert is known once, in its newest form, in whatever order it is told', () => {
  const store = new AlertStore();
  const opened = cannedAlert('a', 'ada', 1000);
  const resolved = cannedAlert('a', 'ada', 1000, { state: 'resolved' });
  assert.equal(store.take(opened, 1), 'new');
  assert.equal(store.take(opened, 1), 'same');
  // By a page of the list, which has no revisions.
  assert.equal(store.take(resolved), 'changed');
  assert.equal(store.take(opened), 'same', 'an old page does not undo what is newer');
  assert.equal(store.take(opened, 1), 'same');
  assert.equal(store.take(resolved, 2), 'changed');
  assert.equal(store.get('a')?.alert.state, 'resolved');
  assert.ok(store.hide('a', 3));
  assert.ok(!store.hide('a', 3));
  assert.equal(store.get('a')?.elsewhere, true);
  assert.equal(store.take(resolved, 4), 'changed');
  assert.equal(store.get('a')?.elsewhere, false);
});

test('alerts are listed newest first; handled ones are forgotten first, then the oldest', () => {
  const store = new AlertStore();
  for (const at of [2, 5, 1, 4, 3]) store.take(cannedAlert(`a${at}`, 'ada', at * 1000));
  assert.deepEqual(
    store.list().map(({ id }) => id),
    ['a5', 'a4', 'a3', 'a2', 'a1'],
  );
  store.take(cannedAlert('a4', 'ada', 4000, { state: 'resolved' }));
  store.take(cannedAlert('a3', 'ada', 3000, { state: 'acknowledged' }));
  assert.deepEqual(store.trim(3), ['a4', 'a1'], 'one that is acknowledged and in view is not over');
  assert.deepEqual(store.trim(3), []);
  assert.equal(store.size, 3);
});

test('filters', () => {
  const ada = cannedAlert('a', 'ada', 1, { camera: 'lift' });
  assert.ok(passes(ada, {}) && passes(ada, { list: 'banned', camera: 'lift', severity: 'high', show: 'waiting' }));
  assert.ok(!passes(ada, { list: 'wanted' }) && !passes(ada, { camera: 'lobby' }) && !passes(ada, { severity: 'low' }));
  const left = cannedAlert('a', 'ada', 1, { state: 'closed' });
  assert.ok(passes(left, { show: 'waiting' }), 'who has left unseen still waits for somebody');
  assert.ok(!passes(left, { show: 'open' }));
  assert.ok(!passes(cannedAlert('a', 'ada', 1, { state: 'acknowledged' }), { show: 'waiting' }));
});

test('events are whole however the bytes are cut', () => {
  const text = 'retry: 3000\n\n:\n\nevent: alert\ndata: {"a":1}\n\nevent: camera\r\ndata: {"b":\r\ndata: 2}\r\n\r\ndata: x\n\n';
  for (let size = 1; size < 20; size += 1) {
    const got: string[] = [];
    const parse = eventParser((name, data) => got.push(`${name} ${data}`));
    for (let at = 0; at < text.length; at += size) parse(text.slice(at, at + size));
    assert.deepEqual(got, ['alert {"a":1}', 'camera {"b":\n2}', 'message x'], `pieces of ${size}`);
  }
});

test('whoever asks for a reload reads what was taken from the file before, also where there is more', () => {
  const at = new Date(2026, 0, 2, 3, 4, 5).getTime();
  const view = { at, changes: [], needsDaemonRestart: [], issues: [] };
  const taken = { at, changes: [{ path: 'mqtt.topK', reload: 'live' }] };
  const already = 'Taken from the file already, 03:04:05: mqtt.topK.';
  assert.equal(reloadWords({ ...view, state: 'unchanged' }, at), 'Nothing has changed in the file.');
  assert.equal(reloadWords({ ...view, state: 'unchanged', taken }, at), already);
  const applied = { ...view, state: 'applied', changes: [{ path: 'dataDir', reload: 'daemon' }] } as const;
  assert.equal(reloadWords(applied, at), 'Applied: 1 change.');
  const words = reloadWords({ ...applied, taken, needsDaemonRestart: ['dataDir'] }, at);
  assert.equal(words, `${already} Applied: 1 change. A restart is needed for dataDir.`);
  const refused = reloadWords({ ...view, state: 'refused', issues: ['s.yaml:1:1 one', 's.yaml:2:1 two'] }, at);
  assert.equal(refused, 'Refused, nothing has changed: s.yaml:1:1 one; s.yaml:2:1 two');
});

test('columns that make the pictures largest', () => {
  assert.deepEqual(
    [1, 2, 4, 5, 9, 16].map((count) => columnsFor(count, 1600, 900)),
    [1, 2, 2, 3, 3, 4],
  );
  assert.equal(columnsFor(2, 400, 900), 1);
  assert.equal(columnsFor(0, 0, 0), 1);
});

test('boxes of a clip at a time are those of the frame that is shown then', () => {
  const box = (track: number) => [
    { track, label: 'face', box: [0, 0, 1, 1] as [number, number, number, number], score: 1, colour: '#fff', decided: true },
  ];
  const index = { fps: 25, at: 0.04, frames: [0, 1, 2, 50].map((number) => ({ time: number / 25, boxes: box(number) })) };
  const at = (seconds: number) => boxesAt(index, seconds).map(({ track }) => track);
  assert.deepEqual([at(0), at(0.04), at(0.079), at(0.08)], [[0], [1], [2], [2]]);
  assert.deepEqual(at(1.5), [], 'a second without boxes is one without boxes');
  assert.deepEqual(at(2), [50]);
});

test('the sighting of a clip is known before it has a name, also when its alert goes on elsewhere', () => {
  const box = (track: number, entryId?: string) => ({
    track,
    label: 'face',
    box: [0, 0, 1, 1] as [number, number, number, number],
    score: 1,
    ...(entryId === undefined ? {} : { match: { entryId, name: '', list: '', kind: 'face' as const, similarity: 1 } }),
    colour: '#fff',
    decided: true,
  });
  const frames = [
    { time: 0, boxes: [box(3, 'ada')] },
    { time: 1, boxes: [box(7), box(8)] },
    { time: 2, boxes: [box(7, 'bruno'), box(8, 'ada'), box(9, 'ada')] },
  ];
  const alert = cannedAlert('a', 'ada', 1000);
  const sighted = (camera: string, trackId: number) =>
    sightedTrack({ frames, at: 1, camera }, { ...alert, track: { ...alert.track, trackId } });
  assert.equal(sighted('lobby', 7), 7, 'the alert knows');
  assert.equal(sighted('lobby', 9), 8, 'a later visit to the same camera');
  assert.equal(sighted('lift', 7), 8, 'numbers of tracks are those of one camera');
  assert.equal(sightedTrack({ frames: frames.slice(0, 2), at: 1, camera: 'lift' }, alert), undefined);
});

test('what is asked again after a login elsewhere, and what makes a page load anew', () => {
  assert.ok(isCsrfRefusal(new ApiError(403, 'http.forbidden', 'X-CSRF is missing or wrong', { reason: 'csrf' })));
  assert.ok(isCsrfRefusal(new ApiError(403, 'http.forbidden', 'X-CSRF is missing or wrong')));
  assert.ok(!isCsrfRefusal(new ApiError(403, 'http.forbidden', 'vera does not have the permission alerts.act')));
  const omar: Session = {
    user: 'omar',
    role: 'operator',
    cameras: ['a', 'b'],
    pictures: false,
    permissions: ['live', 'alerts.read'],
    csrf: 'one',
    via: 'session',
  };
  assert.ok(sameRights(omar, { ...omar, cameras: ['b', 'a'], csrf: 'two', expiresAt: 1 }));
  for (const other of [
    { role: 'viewer' },
    { cameras: 'all' },
    { cameras: ['a'] },
    { permissions: ['live'] },
    { pictures: true },
  ] as const)
    assert.ok(!sameRights(omar, { ...omar, ...other }), JSON.stringify(other));
});
