import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { isSightlineError } from '../../src/core/errors.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migrations } from '../../src/store/migrations.ts';
import { startStore } from '../../src/store/store.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Puts a store of schema 1 into the directory. */
function placeFirst(directory: string): string {
  const file = join(directory, 'sightline.db');
  const db = new Sqlite(file);
  db.exec(readFileSync(join(import.meta.dirname, '../fixtures/store/v1.sql'), 'utf8'));
  db.close();
  return file;
}

function schemaOf(file: string): unknown {
  const db = new Sqlite(file, { readonly: true });
  try {
    return db.pragma('user_version', { simple: true });
  } finally {
    db.close();
  }
}

const newest = migrations.at(-1)?.version ?? 0;
const next = [...migrations, { version: newest + 1, sql: 'ALTER TABLE cooldowns ADD COLUMN note TEXT' }];

test('migrations are numbered from 1 without a gap', () => {
  assert.deepEqual(
    migrations.map(({ version }) => version),
    migrations.map((_migration, place) => place + 1),
  );
});

test('a store of schema 1 is taken over with everything in it', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = placeFirst(directory.path);
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    const loaded = await store.alerts.loadOpen();
    assert.deepEqual([loaded.episodes.length, loaded.alerts.length, loaded.cooldowns.length], [1, 1, 1]);
    assert.deepEqual(await store.alerts.snapshot('alert-1'), Uint8Array.of(1, 2, 3, 4, 5));
    const [waiting] = await store.outbox.pending('mqtt', 10);
    assert.deepEqual([waiting?.id, waiting?.event.snapshot], [7, Uint8Array.of(1, 2, 3, 4, 5)]);
    const { entries, references } = await store.watchlist.load();
    assert.equal(entries[0]?.name, 'Alex Example');
    assert.deepEqual(references[0]?.vector, Float32Array.of(1, 0));
    assert.equal((await store.ledger.query({ from: 0, to: 1e9, limit: 10 }))[0]?.reason, 'cooldown');
    assert.equal((await store.audit.list(10)).length, 1);
    assert.equal(await store.nextEpoch('lobby'), 42);
    assert.ok((await store.clock.trusted()) !== undefined, 'its newest time is the one that was believed');
  }
  assert.equal(schemaOf(file), newest);
});

test('before a migration a copy is kept, closed to others', async () => {
  await using directory = await temporaryDirectory();
  const file = placeFirst(directory.path);
  const opened = openDatabase(directory.path, next);
  assert.deepEqual(opened.migrated, { from: 1, to: newest + 1 });
  assert.ok(opened.db.prepare('SELECT note FROM cooldowns').all());
  opened.close();
  assert.equal(schemaOf(file), newest + 1);
  const copy = `${file}.v1.bak`;
  assert.equal(schemaOf(copy), 1);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
});

test('a migration that fails leaves the file as it was', async () => {
  await using directory = await temporaryDirectory();
  const file = placeFirst(directory.path);
  const broken = [...next, { version: newest + 2, sql: 'CREATE TABLE half (id INTEGER); CREATE TABLE half (id INTEGER)' }];
  assert.throws(
    () => openDatabase(directory.path, broken),
    (error) => isSightlineError(error, 'store.failed') && /half/.test(error.message),
  );
  assert.equal(schemaOf(file), 1);
  const opened = openDatabase(directory.path, next);
  assert.equal(opened.db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'half'").pluck().get(), 0);
  opened.close();
});

test('a store of a newer program is refused by both versions and not touched', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = placeFirst(directory.path);
  const db = new Sqlite(file);
  db.pragma('user_version = 999');
  db.close();
  await assert.rejects(startStore({ directory: directory.path }, ctx), (error) => {
    assert.ok(isSightlineError(error, 'store.schema'));
    assert.match(error.message, new RegExp(`has schema 999, this program knows ${newest}`));
    assert.deepEqual([error.details['found'], error.details['known']], [999, newest]);
    return true;
  });
  assert.equal(schemaOf(file), 999);
});

test('copies of migrations end with the first erasure, or after a week', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const copy = `${placeFirst(directory.path)}.v1.bak`;
  openDatabase(directory.path).close();
  const keep = { alertsMs: 1e12, snapshotsMs: 1e12, ledgerMs: 1e12 };
  await using store = await startStore({ directory: directory.path }, ctx);
  const makeCopy = () => {
    const db = new Sqlite(copy);
    db.exec('CREATE TABLE IF NOT EXISTS copy (id INTEGER)');
    db.close();
  };
  makeCopy();
  await store.sweep(Date.now(), keep);
  assert.ok(existsSync(copy));
  const lastWeek = new Date(Date.now() - 8 * 86_400_000);
  await utimes(copy, lastWeek, lastWeek);
  await store.sweep(Date.now(), keep);
  assert.ok(!existsSync(copy));
  makeCopy();
  await store.watchlist.erase('entry-1');
  assert.ok(!existsSync(copy));
});
