import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import type { AlertStep } from '../../src/core/alerts.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import type { Store } from '../../src/core/store.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createOutbox } from '../../src/store/outbox.ts';
import { startStore } from '../../src/store/store.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { exampleAlert, exampleCommit, exampleEntry, exampleEpisode, exampleEvent, exampleLedgerRow } from '../support/store.ts';

const closed: AlertStep = { state: 'closed', at: 5000, actor: 'sightline', reason: 'left' };

async function withStore(run: (store: Store, ctx: TestContext, directory: string) => Promise<void>): Promise<void> {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  await run(store, ctx, directory.path);
}

test('a committed alert is there after a restart, with its episode and what waits for the output', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const event = exampleEvent({}, 1, Uint8Array.of(1, 2, 3));
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    const rows = await store.alerts.commit(
      exampleCommit({ events: [event], episodes: [exampleEpisode()], cooldowns: [{ key: 'rule/entry-1', at: 1000 }] }),
    );
    assert.deepEqual(
      rows.map((row) => [row.output, row.alertId, row.revision, row.camera]),
      [['mqtt', 'alert-1', 1, 'lobby']],
    );
  }
  await using store = await startStore({ directory: directory.path }, ctx);
  assert.deepEqual(await store.alerts.loadOpen(), {
    episodes: [exampleEpisode()],
    alerts: [{ alert: event.alert, revision: 1 }],
    cooldowns: [{ key: 'rule/entry-1', at: 1000 }],
  });
  const [row] = await store.outbox.pending('mqtt', 10);
  assert.deepEqual(row?.event, event);
  assert.deepEqual(await store.alerts.get('alert-1'), { alert: event.alert, revision: 1 });
  assert.deepEqual(await store.alerts.snapshot('alert-1'), Uint8Array.of(1, 2, 3));
  assert.equal(await store.alerts.get('alert-2'), undefined);
  assert.equal(await store.alerts.snapshot('alert-2'), undefined);
});

test('a commit that is repeated writes nothing twice and gives the rows that still wait', () =>
  withStore(async (store) => {
    const commit = exampleCommit({
      events: [exampleEvent({}, 1), exampleEvent({ state: 'updated' }, 2)],
      outputs: ['mqtt', 'hook'],
    });
    const first = await store.alerts.commit(commit);
    assert.equal(first.length, 4);
    const [taken] = first;
    await store.outbox.acknowledge([taken?.id ?? 0]);
    const again = await store.alerts.commit(commit);
    assert.deepEqual(
      again.map(({ id }) => id),
      first.slice(1).map(({ id }) => id),
    );
    assert.deepEqual(await store.outbox.counts(), { waiting: 3, dead: 0 });
    assert.equal((await store.alerts.get('alert-1'))?.revision, 2);
  }));

test('an older revision that arrives late does not replace the newer one', () =>
  withStore(async (store) => {
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({ score: 0.8 }, 2)] }));
    assert.deepEqual(await store.alerts.commit(exampleCommit({ events: [exampleEvent({ score: 0.6 }, 1)] })), []);
    assert.equal((await store.alerts.get('alert-1'))?.alert.score, 0.8);
  }));

test('a picture is stored once for all outputs and goes when a newer one has replaced it everywhere', () =>
  withStore(async (store, _ctx, directory) => {
    const [old, fresh] = [randomBytes(300_000), randomBytes(1000)];
    const before = await fileBytes(directory);
    const rows = await store.alerts.commit(
      exampleCommit({ events: [exampleEvent({}, 1, old)], outputs: ['one', 'two', 'three', 'four'] }),
    );
    assert.ok((await fileBytes(directory)) - before < 2 * old.length, 'four outputs share one picture');
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, 2, fresh)], outputs: ['one'] }));
    assert.deepEqual(await store.alerts.snapshot('alert-1'), new Uint8Array(fresh));
    assert.deepEqual((await store.outbox.pending('two', 10))[0]?.event.snapshot, new Uint8Array(old));
    await store.outbox.acknowledge(rows.map(({ id }) => id));
    const swept = await store.sweep(Date.now(), { alertsMs: 1e9, snapshotsMs: 1e9, ledgerMs: 1e9 });
    assert.equal(swept.snapshots, 0, 'the old picture went with the last message that carried it');
    assert.equal((await store.outbox.pending('two', 10)).length, 0);
    assert.deepEqual((await store.outbox.pending('one', 10))[0]?.event.snapshot, new Uint8Array(fresh));
  }));

async function fileBytes(directory: string): Promise<number> {
  const names = await readdir(directory);
  return names.filter((name) => name !== 'reserve').reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

test('without outputs a newer picture replaces the older one at once', () =>
  withStore(async (store) => {
    for (const revision of [1, 2, 3]) {
      await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, revision, Uint8Array.of(revision))], outputs: [] }));
    }
    assert.deepEqual(await store.alerts.snapshot('alert-1'), Uint8Array.of(3));
    assert.equal((await store.sweep(Date.now(), { alertsMs: 1e9, snapshotsMs: 1e9, ledgerMs: 1e9 })).snapshots, 0);
  }));

test('an update without a picture keeps the one there is', () =>
  withStore(async (store) => {
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, 1, Uint8Array.of(7))] }));
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({ state: 'closed', steps: [closed] }, 2)] }));
    assert.deepEqual(await store.alerts.snapshot('alert-1'), Uint8Array.of(7));
    const [, end] = await store.outbox.pending('mqtt', 10);
    assert.equal(end?.event.snapshot, undefined);
    assert.deepEqual(end?.event.step, closed);
  }));

test('an update that describes another sighting and has no picture has none: the one before may be of a camera its readers may not see', () =>
  withStore(async (store) => {
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, 1, Uint8Array.of(7))], outputs: [] }));
    const elsewhere = { camera: 'yard', cameras: ['lobby', 'yard'], eventTime: 9000 };
    await store.alerts.commit(exampleCommit({ events: [exampleEvent(elsewhere, 2)], outputs: [] }));
    assert.equal(await store.alerts.snapshot('alert-1'), undefined);
    await store.alerts.commit(exampleCommit({ events: [exampleEvent(elsewhere, 3, Uint8Array.of(8))], outputs: [] }));
    assert.deepEqual(await store.alerts.snapshot('alert-1'), Uint8Array.of(8));
  }));

test('a picture that is a view of a larger buffer is stored as what it shows', () =>
  withStore(async (store) => {
    const large = randomBytes(1_000_000);
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, 1, large.subarray(500, 600))] }));
    assert.deepEqual(await store.alerts.snapshot('alert-1'), new Uint8Array(large.subarray(500, 600)));
  }));

test('without outputs an alert is history and nothing waits', () =>
  withStore(async (store) => {
    assert.deepEqual(await store.alerts.commit(exampleCommit({ events: [exampleEvent()], outputs: [] })), []);
    assert.deepEqual(await store.outbox.counts(), { waiting: 0, dead: 0 });
    assert.equal((await store.alerts.list({ limit: 10 })).alerts.length, 1);
  }));

test('messages wait in the order of their decisions until they are acknowledged or given up', () =>
  withStore(async (store) => {
    for (const revision of [1, 2, 3, 4]) {
      await store.alerts.commit(exampleCommit({ events: [exampleEvent({}, revision)] }));
    }
    const waiting = await store.outbox.pending('mqtt', 3);
    assert.deepEqual(
      waiting.map(({ revision }) => revision),
      [1, 2, 3],
    );
    const [first, second] = waiting.map(({ id }) => id);
    assert.deepEqual(
      (await store.outbox.pending('mqtt', 10, second)).map(({ revision }) => revision),
      [3, 4],
    );
    await store.outbox.acknowledge([second ?? 0, 999_999]);
    await store.outbox.deadLetter(first ?? 0, 'packet too large');
    await store.outbox.deadLetter(first ?? 0, 'packet too large');
    assert.deepEqual(await store.outbox.counts(), { waiting: 2, dead: 1 });
    assert.deepEqual(
      (await store.outbox.pending('mqtt', 10)).map(({ revision }) => revision),
      [3, 4],
    );
    assert.deepEqual(await store.outbox.pending('other', 10), []);
  }));

test('closed episodes and finished alerts are not loaded; a resolved alert of an open episode is', () =>
  withStore(async (store) => {
    const resolved: AlertStep = { state: 'resolved', at: 3000, actor: 'kim' };
    await store.alerts.commit(
      exampleCommit({
        events: [
          exampleEvent({ id: 'a', episodeId: 'gone', state: 'closed', steps: [closed] }),
          exampleEvent({ id: 'b', episodeId: 'here', state: 'resolved', steps: [resolved] }),
          exampleEvent({ id: 'c', episodeId: 'here', state: 'acknowledged', steps: [{ ...resolved, state: 'acknowledged' }] }),
        ],
        episodes: [exampleEpisode({ id: 'gone', open: false }), exampleEpisode({ id: 'here' })],
      }),
    );
    const loaded = await store.alerts.loadOpen();
    assert.deepEqual(
      loaded.episodes.map(({ id }) => id),
      ['here'],
    );
    assert.deepEqual(
      loaded.alerts.map(({ alert }) => alert.id),
      ['b', 'c'],
    );
    const open = await store.alerts.list({ open: true, limit: 10 });
    assert.deepEqual(
      open.alerts.map(({ id }) => id),
      ['c'],
    );
  }));

test('history is read page by page, newest first, and newer alerts do not shift the pages', () =>
  withStore(async (store) => {
    const at = (i: number) => exampleEvent({ id: `a${i}`, firstSeenAt: 1000 * Math.floor(i / 2), lastSeenAt: 1000 * i });
    await store.alerts.commit(exampleCommit({ events: Array.from({ length: 9 }, (_, i) => at(i)) }));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.alerts.list({ limit: 4, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.alerts.map(({ id }) => id));
      cursor = page.cursor;
      await store.alerts.commit(exampleCommit({ events: [at(20 + seen.length)] }));
    } while (cursor !== undefined);
    assert.deepEqual(seen, ['a8', 'a7', 'a6', 'a5', 'a4', 'a3', 'a2', 'a1', 'a0']);
  }));

test('history is filtered by time in view, any of the cameras, and entry', () =>
  withStore(async (store) => {
    const other = { id: 'entry-2', name: 'Bo', list: 'banned' };
    await store.alerts.commit(
      exampleCommit({
        events: [
          exampleEvent({ id: 'early', firstSeenAt: 1000, lastSeenAt: 2000 }),
          exampleEvent({ id: 'long', firstSeenAt: 1500, lastSeenAt: 9000, camera: 'gate', cameras: ['lobby', 'gate'] }),
          exampleEvent({ id: 'late', firstSeenAt: 8000, lastSeenAt: 9000, camera: 'gate', cameras: ['gate'], entry: other }),
        ],
      }),
    );
    const ids = async (query: object) => (await store.alerts.list({ limit: 10, ...query })).alerts.map(({ id }) => id);
    assert.deepEqual(await ids({ from: 3000, to: 7000 }), ['long']);
    assert.deepEqual(await ids({ to: 1500 }), ['early']);
    assert.deepEqual(await ids({ camera: 'lobby' }), ['long', 'early']);
    assert.deepEqual(await ids({ camera: 'gate' }), ['late', 'long']);
    assert.deepEqual(await ids({ entryId: 'entry-2' }), ['late']);
    assert.deepEqual(await ids({ camera: 'nowhere' }), []);
  }));

test('a cursor that is none is refused', () =>
  withStore(async (store) => {
    await assert.rejects(store.alerts.list({ limit: 1, cursor: 'first' }), (error) =>
      isSightlineError(error, 'control.request'),
    );
  }));

test('ledger rows of one track, entry and reason are one row with their counts added and the best score kept', () =>
  withStore(async (store) => {
    const { entryId: _id, entryName: _name, score: _score, ...nobody } = exampleLedgerRow({ reason: 'too_small' });
    await store.alerts.commit(exampleCommit({ ledger: [exampleLedgerRow(), nobody, nobody] }));
    await store.alerts.commit(
      exampleCommit({
        ledger: [
          exampleLedgerRow({ at: 1600, lastAt: 1900, score: 0.45, count: 2, details: { heightPx: 44 } }),
          exampleLedgerRow({ at: 2000, lastAt: 2000, score: 0.3, details: { heightPx: 30 } }),
          exampleLedgerRow({ track: { camera: 'lobby', epoch: 1, trackId: 8 } }),
        ],
      }),
    );
    const rows = await store.ledger.query({ camera: 'lobby', from: 0, to: 5000, limit: 10 });
    assert.equal(rows.length, 3);
    assert.deepEqual(
      rows.find(({ track, reason }) => track.trackId === 7 && reason === 'below_threshold'),
      exampleLedgerRow({ count: 4, lastAt: 2000, score: 0.45, details: { heightPx: 44 } }),
    );
    assert.deepEqual(
      rows.find(({ reason }) => reason === 'too_small'),
      { ...nobody, count: 2 },
    );
  }));

test('the ledger is asked by camera, time and reason', () =>
  withStore(async (store) => {
    await store.alerts.commit(
      exampleCommit({
        ledger: [
          exampleLedgerRow({ at: 1000, lastAt: 2000 }),
          exampleLedgerRow({ at: 5000, lastAt: 6000, reason: 'cooldown' }),
          exampleLedgerRow({ track: { camera: 'gate', epoch: 1, trackId: 1 }, at: 5500, lastAt: 5600 }),
        ],
      }),
    );
    const reasons = async (query: object) =>
      (await store.ledger.query({ from: 0, to: 10_000, limit: 10, ...query })).map(({ track, reason }) => [
        track.camera,
        reason,
      ]);
    assert.deepEqual(await reasons({ camera: 'lobby' }), [
      ['lobby', 'below_threshold'],
      ['lobby', 'cooldown'],
    ]);
    assert.deepEqual(await reasons({ from: 2001, to: 5500 }), [['lobby', 'cooldown']]);
    assert.deepEqual(await reasons({ reason: 'below_threshold', from: 5000 }), [['gate', 'below_threshold']]);
    assert.equal((await reasons({ limit: 2 })).length, 2);
  }));

test('the audit trail is read newest first', () =>
  withStore(async (store) => {
    const row = { actor: 'kim', action: 'watchlist.enrol', subject: 'entry-1', details: { list: 'banned', accepted: false } };
    for (const at of [1000, 3000, 2000]) await store.audit.add({ ...row, at });
    assert.deepEqual(await store.audit.list(2), [
      { ...row, at: 3000 },
      { ...row, at: 2000 },
    ]);
  }));

test('an epoch is never given twice, also across restarts', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const given: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    await using store = await startStore({ directory: directory.path }, ctx);
    given.push(await store.nextEpoch('lobby'), await store.nextEpoch('lobby'));
    await store.nextEpoch('gate');
  }
  assert.deepEqual(given, [1, 2, 3, 4]);
});

test('the data directory and its files are closed to others', () =>
  withStore(async (store, _ctx, directory) => {
    await store.alerts.commit(exampleCommit({ events: [exampleEvent()] }));
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    const names = await readdir(directory);
    assert.ok(names.includes('sightline.db-wal'));
    for (const name of names) assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name);
  }));

test('a directory that holds other things keeps its mode, and that is said', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const shared = join(directory.path, 'shared');
  await mkdir(join(shared, 'something else'), { recursive: true, mode: 0o755 });
  await using _store = await startStore({ directory: shared }, ctx);
  assert.equal(statSync(shared).mode & 0o777, 0o755);
  assert.equal(statSync(join(shared, 'sightline.db')).mode & 0o777, 0o600);
  assert.ok(ctx.lines.some(({ level, msg }) => level === 'warn' && /others may look/.test(String(msg))));
});

test('retention deletes by the time of writing: alerts, pictures, ledger, messages nobody took; open episodes stay', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  const day = 86_400_000;
  const retention = { alertsMs: 30 * day, snapshotsMs: 10 * day, ledgerMs: 7 * day };
  const many = Array.from({ length: 120 }, (_, i) =>
    exampleEvent({ id: `old-${i}`, episodeId: 'over', state: 'closed', steps: [closed] }, 1, Uint8Array.of(i)),
  );
  await store.alerts.commit(
    exampleCommit({
      events: [...many, exampleEvent({ id: 'still', episodeId: 'open' }, 1, Uint8Array.of(1))],
      episodes: [exampleEpisode({ id: 'over', open: false }), exampleEpisode({ id: 'open' })],
      cooldowns: [{ key: 'rule/entry-1', at: clock.now() }],
      ledger: [exampleLedgerRow()],
    }),
  );
  const [dead] = await store.outbox.pending('mqtt', 1);
  await store.outbox.deadLetter(dead?.id ?? 0, 'refused');

  clock.jump(8 * day);
  assert.deepEqual(await store.sweep(clock.now(), retention), { alerts: 0, snapshots: 0, ledger: 1, outbox: 0 });
  assert.deepEqual((await store.alerts.loadOpen()).cooldowns, []);
  clock.jump(3 * day);
  assert.deepEqual(await store.sweep(clock.now(), retention), { alerts: 0, snapshots: 121, ledger: 0, outbox: 0 });
  assert.equal(await store.alerts.snapshot('still'), undefined);
  await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'new' }, 1)] }));
  clock.jump(20 * day);
  assert.deepEqual(await store.sweep(clock.now(), retention), { alerts: 120, snapshots: 0, ledger: 0, outbox: 120 });
  assert.deepEqual(
    (await store.alerts.list({ limit: 10 })).alerts.map(({ id }) => id),
    ['still', 'new'],
  );
  assert.deepEqual(await store.outbox.counts(), { waiting: 1, dead: 0 });
  assert.equal((await store.alerts.loadOpen()).episodes.length, 1);
  assert.match(await ctx.metrics.registry.metrics(), /sightline_outbox_expired_total 120/);
});

/** Overwrites what the closed store of a directory holds of an alert. */
function spoil(directory: string, alertId: string, text: string): void {
  const db = new Sqlite(join(directory, 'sightline.db'));
  db.prepare('UPDATE events SET alert = ? WHERE alert_id = ?').run(text, alertId);
  db.close();
}

test('a message that cannot be read is put aside with a reason and keeps none of the others back', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const ids = ['first', 'torn', 'between', 'empty', 'last'];
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    await store.alerts.commit(exampleCommit({ events: ids.map((id) => exampleEvent({ id })) }));
  }
  spoil(directory.path, 'torn', '{"entry":{"name":"Alex');
  spoil(directory.path, 'empty', 'null');
  await using store = await startStore({ directory: directory.path }, ctx);
  const page = await store.outbox.pending('mqtt', 2);
  assert.deepEqual(
    page.map(({ alertId }) => alertId),
    ['first', 'between'],
  );
  const rest = await store.outbox.pending('mqtt', 2, page.at(-1)?.id);
  assert.deepEqual(
    rest.map(({ alertId }) => alertId),
    ['last'],
  );
  assert.deepEqual(await store.outbox.counts(), { waiting: 3, dead: 2 });
  assert.match(await ctx.metrics.registry.metrics(), /sightline_outbox_unreadable_total 2/);
  const said = ctx.lines.filter(({ msg }) => msg === 'message in the store cannot be read and is never sent');
  assert.deepEqual(
    said.map(({ output, alert }) => [output, alert]),
    [
      ['mqtt', 'torn'],
      ['mqtt', 'empty'],
    ],
  );
  assert.ok(!JSON.stringify(said).includes('Alex'));
});

test('a message that cannot be read does not keep an entry that it names from being erased', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    await store.watchlist.put(exampleEntry(), []);
    const other = { id: 'entry-2', name: 'Bo', list: 'banned' };
    await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'torn', entry: other })] }));
  }
  spoil(directory.path, 'torn', '{"top":[{"entryId":"entry-1"');
  await using store = await startStore({ directory: directory.path }, ctx);
  await store.watchlist.erase('entry-1');
  assert.deepEqual((await store.watchlist.load()).entries, []);
  assert.deepEqual(await store.outbox.counts(), { waiting: 0, dead: 0 });
});

test('a store that is closed refuses calls and closes twice without harm', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const store = await startStore({ directory: directory.path }, ctx);
  await store.alerts.commit(exampleCommit({ events: [exampleEvent()] }));
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await assert.rejects(store.alerts.get(exampleAlert().id), (error) => isSightlineError(error, 'store.failed'));
  assert.deepEqual((await readdir(directory.path)).sort(), ['reserve', 'sightline.db']);
});

test('only an acknowledgement does not wait for the disk: after it, or after its failure, commits do again', async () => {
  await using directory = await temporaryDirectory();
  const { db, close } = openDatabase(directory.path);
  try {
    const outbox = createOutbox(db);
    const full = 2;
    assert.equal(db.pragma('synchronous', { simple: true }), full);
    outbox.acknowledge([1, 2]);
    assert.equal(db.pragma('synchronous', { simple: true }), full);
    db.exec('DROP TABLE outbox');
    assert.throws(() => outbox.acknowledge([1]), /outbox/);
    assert.equal(db.pragma('synchronous', { simple: true }), full);
  } finally {
    close();
  }
});
