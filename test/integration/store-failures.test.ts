import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { isSightlineError } from '../../src/core/errors.ts';
import { startStore } from '../../src/store/store.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { smallDisk } from '../support/small-disk.ts';
import { exampleCommit, exampleEpisode, exampleEvent, exampleLedgerRow } from '../support/store.ts';
import { threadsOf } from '../support/threads.ts';
import { until } from '../support/until.ts';

type Writer = ChildProcessByStdio<null, Readable, null>;

function startWriter(directory: string, prefix: string): Writer {
  const program = join(import.meta.dirname, '../support/store-writer.ts');
  return spawn(process.execPath, [program, '--directory', directory, '--prefix', prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Lets it write until `count` commits were acknowledged, kills it, and returns all that it said. */
async function killAfter(writer: Writer, count: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const exited = once(writer, 'exit');
  for await (const line of createInterface({ input: writer.stdout })) {
    lines.push(line);
    if (lines.length === count) writer.kill('SIGKILL');
  }
  const [, signal] = await exited;
  assert.equal(signal, 'SIGKILL');
  return lines;
}

test('a process killed in the middle of commits has lost nothing it acknowledged and given no epoch twice', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const acknowledged: string[] = [];
  const epochs: number[] = [];
  for (const [prefix, count] of [
    ['first', 40],
    ['second', 111],
  ] as const) {
    for (const line of await killAfter(startWriter(directory.path, prefix), count)) {
      const [id = '', epoch] = line.split(' ');
      acknowledged.push(id);
      epochs.push(Number(epoch));
    }
  }
  assert.ok(acknowledged.length >= 151);
  assert.equal(new Set(epochs).size, epochs.length);

  await using store = await startStore({ directory: directory.path }, ctx);
  const loaded = await store.alerts.loadOpen();
  const waiting = new Set<string>();
  for (let last = 0; ; ) {
    const rows = await store.outbox.pending('mqtt', 100, last);
    for (const row of rows) {
      assert.equal(row.event.snapshot?.length, 30_000);
      waiting.add(row.alertId);
    }
    last = rows.at(-1)?.id ?? 0;
    if (rows.length === 0) break;
  }
  const stored = {
    alerts: new Set(loaded.alerts.map(({ alert }) => alert.id)),
    episodes: new Set(loaded.episodes.map(({ id }) => id)),
    cooldowns: new Set(loaded.cooldowns.map(({ key }) => key)),
    waiting,
  };
  for (const [what, ids] of Object.entries(stored)) {
    assert.deepEqual(
      acknowledged.filter((id) => !ids.has(id)),
      [],
      what,
    );
    // What was committed but not acknowledged any more is whole: in all places or in none.
    assert.deepEqual([...ids].sort(), [...stored.alerts].sort(), what);
  }
  assert.ok((await store.nextEpoch('lobby')) > Math.max(...epochs));
});

test('a second owner is refused with the pid of the first, and let in once that has ended', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const writer = startWriter(directory.path, 'owner');
  await once(writer.stdout, 'data');
  await assert.rejects(startStore({ directory: directory.path }, ctx), (error) => {
    assert.ok(isSightlineError(error, 'daemon.running'));
    assert.equal(error.details['pid'], writer.pid);
    assert.match(error.message, new RegExp(`process ${writer.pid}`));
    return true;
  });
  await killAfter(writer, 1);
  await using _store = await startStore({ directory: directory.path }, ctx);
  await assert.rejects(
    startStore({ directory: directory.path }, ctx),
    (error) => isSightlineError(error, 'daemon.running') && error.details['pid'] === process.pid,
  );
});

test('a thread that dies is replaced: calls fail in between, nothing acknowledged is lost', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const { result: store, threads } = await threadsOf(() => startStore({ directory: directory.path }, ctx));
  await using _closing = store;
  await store.alerts.commit(exampleCommit({ events: [exampleEvent()] }));
  const inFlight = store.alerts.list({ limit: 1 });
  const outcome = inFlight.then(
    () => 'answered',
    (error) => isSightlineError(error) && error.code,
  );
  await threads[0]?.terminate();
  assert.ok(['answered', 'store.failed'].includes(String(await outcome)));
  await until('the end of the thread is known', () => store.state === 'failed');
  await assert.rejects(store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'meanwhile' })] })), (error) =>
    isSightlineError(error, 'store.failed'),
  );
  await until('the store takes writes again', () => store.state === 'ready');
  await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'after' })] }));
  assert.deepEqual(
    (await store.alerts.list({ limit: 10 })).alerts.map(({ id }) => id),
    ['alert-1', 'after'],
  );
  const metrics = await ctx.metrics.registry.metrics();
  assert.match(metrics, /sightline_store_restarts_total 1/);
  assert.match(metrics, /sightline_store_ready 1/);
});

test('closing while the thread is down ends the attempts to start it', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const { result: store, threads } = await threadsOf(() => startStore({ directory: directory.path }, ctx));
  await threads[0]?.terminate();
  await until('the end of the thread is known', () => store.state === 'failed');
  await store[Symbol.asyncDispose]();
  await using again = await startStore({ directory: directory.path }, ctx);
  assert.equal(again.state, 'ready');
});

test('a full disk is said, takes nothing with it, and is forgotten as soon as a write succeeds', async (t) => {
  const disk = await smallDisk(32 * 1024 * 1024);
  if (typeof disk === 'string') return t.skip(disk);
  await using _unmount = disk;
  using ctx = testContext();
  await using store = await startStore({ directory: disk.path }, ctx);
  await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'before' })], episodes: [exampleEpisode()] }));
  disk.fill();
  await assert.rejects(
    async () => {
      for (let i = 0; i < 200; i += 1) {
        await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: `full-${i}` }, 1, randomBytes(100_000))] }));
      }
    },
    (error) => isSightlineError(error, 'store.full'),
  );
  assert.equal(store.state, 'full');
  assert.match(await ctx.metrics.registry.metrics(), /sightline_store_ready 0/);
  assert.ok(await store.alerts.get('before'), 'reading still works');
  assert.equal(store.state, 'full', 'reading heals nothing');
  disk.clear();
  await store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: 'after' }, 1, randomBytes(100_000))] }));
  assert.equal(store.state, 'ready');
  assert.ok(ctx.lines.some(({ level, msg }) => level === 'error' && /disk is full/.test(String(msg))));
});

/** No file of this process may grow beyond `bytes`: writes fail as on a broken disk. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

test('a disk that fails is said too, until a write succeeds', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  const write = (id: string) => store.alerts.commit(exampleCommit({ events: [exampleEvent({ id }, 1, randomBytes(100_000))] }));
  await write('before');
  limitFiles(4096);
  try {
    await assert.rejects(write('lost'), (error) => isSightlineError(error, 'store.failed') && /disk I\/O/.test(error.message));
    await assert.rejects(write('lost too'), (error) => isSightlineError(error, 'store.failed'));
    assert.equal(store.state, 'failed');
    assert.ok(await store.alerts.get('before'), 'reading still works');
    assert.equal(store.state, 'failed', 'reading heals nothing');
  } finally {
    limitFiles('unlimited');
  }
  assert.equal(ctx.lines.filter(({ level, msg }) => level === 'error' && /takes no writes/.test(String(msg))).length, 1);
  await write('after');
  assert.equal(store.state, 'ready');
});

test('audit rows of a disk that fails are stored once it takes writes, in their order, without being asked for', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  const add = (subject: string) =>
    store.audit.add({ at: ctx.clock.now(), actor: 'ada', action: 'user.add', subject, details: { via: 'session' } });
  const subjects = async () => (await store.audit.list(10)).map(({ subject }) => subject).toReversed();
  await add('before');
  limitFiles(4096);
  try {
    for (const subject of ['first', 'second', 'third']) await add(subject);
    assert.equal(store.state, 'failed');
    assert.deepEqual(await subjects(), ['before']);
  } finally {
    limitFiles('unlimited');
  }
  await until('the rows are stored', async () => (await subjects()).length === 4);
  assert.deepEqual(await subjects(), ['before', 'first', 'second', 'third']);
  assert.equal(store.state, 'ready');
});

test('a store that filled its disk itself can still delete, and so makes room', async (t) => {
  const disk = await smallDisk(32 * 1024 * 1024);
  if (typeof disk === 'string') return t.skip(disk);
  await using _unmount = disk;
  using ctx = testContext();
  await using store = await startStore({ directory: disk.path }, ctx);
  const write = (id: string) =>
    store.alerts.commit(exampleCommit({ events: [exampleEvent({ id }, 1, randomBytes(100_000))], outputs: [] }));
  await assert.rejects(
    async () => {
      for (let i = 0; i < 1000; i += 1) await write(`alert-${i}`);
    },
    (error) => isSightlineError(error, 'store.full'),
  );
  const now = ctx.clock.now() + 1000;
  const swept = await store.sweep(now, { alertsMs: 1, snapshotsMs: 1, ledgerMs: 1 });
  assert.ok(swept.alerts > 50);
  await write('room');
  assert.equal(store.state, 'ready');
});

test('a file that is no database is refused with what to do', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'sightline.db'), randomBytes(8192));
  await assert.rejects(startStore({ directory: directory.path }, ctx), (error) => {
    assert.ok(isSightlineError(error, 'store.failed'));
    assert.match(error.message, /sightline\.db is damaged .*; stop sightline, move the file away or put a backup in its place/);
    return true;
  });
});

test('damage within the file is found when it is read, with the same remedy', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.db');
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    const ledger = Array.from({ length: 300 }, (_, i) =>
      exampleLedgerRow({ track: { camera: 'lobby', epoch: 1, trackId: i } }),
    );
    await store.alerts.commit(exampleCommit({ events: [exampleEvent()], ledger }));
  }
  const db = new Sqlite(file, { readonly: true });
  const leaves = db.prepare<[], number>("SELECT pageno FROM dbstat WHERE name = 'ledger' AND pagetype = 'leaf'").pluck().all();
  db.close();
  const handle = await open(file, 'r+');
  for (const page of leaves) await handle.write(Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096);
  await handle.close();
  await using store = await startStore({ directory: directory.path }, ctx);
  await assert.rejects(store.ledger.query({ from: 0, to: 1e12, limit: 1000 }), (error) => {
    assert.ok(isSightlineError(error, 'store.failed'));
    assert.match(error.message, /is damaged/);
    return true;
  });
});

test('a damaged table is said until a restart, whatever other writes succeed', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.db');
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    await store.alerts.commit(exampleCommit({ events: [exampleEvent()] }));
  }
  const db = new Sqlite(file, { readonly: true });
  const page = db.prepare<[], number>("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").pluck().get() ?? 0;
  db.close();
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096);
  await handle.close();
  await using store = await startStore({ directory: directory.path }, ctx);
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(
      store.alerts.commit(exampleCommit({ events: [exampleEvent({ id: `lost-${i}` })] })),
      (error) => isSightlineError(error, 'store.failed') && error.details['lasting'] === true,
    );
    await store.nextEpoch('lobby');
    assert.equal(store.state, 'failed');
    assert.match(store.reason ?? '', /sightline\.db is damaged .*; stop sightline, move the file away or put a backup/);
  }
  const said = ctx.lines.filter(({ level, room }) => room === 'store' && level !== 'debug').map(({ msg }) => msg);
  assert.deepEqual(said, ['store made', 'store open', 'store is damaged']);
});

test('a store deleted under the program is noticed, keeps nothing, is not made anew, and goes on when it is put back', async () => {
  using ctx = testContext();
  await using place = await temporaryDirectory();
  const directory = join(place.path, 'data');
  const { result: store, threads } = await threadsOf(() => startStore({ directory }, ctx));
  await using _closing = store;
  const write = (id: string) => store.alerts.commit(exampleCommit({ events: [exampleEvent({ id })] }));
  await write('before');
  await rename(directory, `${directory}.away`);
  await assert.rejects(write('lost'), (error) => isSightlineError(error, 'store.failed'));
  assert.equal(store.state, 'failed');
  assert.match(store.reason ?? '', /sightline\.db was deleted or replaced .*; stop sightline, put a backup in its place/);
  await rename(`${directory}.away`, directory);
  await until('it is back', () => store.state === 'ready');
  await write('after');

  await rename(directory, `${directory}.away`);
  await until('it is seen without a write', () => store.state === 'failed');
  await threads[0]?.terminate();
  await until('its thread cannot be started', () => ctx.lines.some(({ msg }) => msg === 'store thread does not start'));
  assert.equal(existsSync(directory), false);
  assert.match(store.reason ?? '', /was deleted or replaced/);
  await rename(`${directory}.away`, directory);
  await until('it is back again', () => store.state === 'ready');
  assert.deepEqual((await store.alerts.list({ limit: 9 })).alerts.map(({ id }) => id).sort(), ['after', 'before']);
});

test('a place where nothing can be written is refused by name', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'file');
  await writeFile(file, '');
  await assert.rejects(
    startStore({ directory: join(file, 'data') }, ctx),
    (error) => isSightlineError(error, 'store.failed') && /ENOTDIR/.test(error.message),
  );
  await assert.rejects(
    startStore({ directory: '/proc/no/such' }, ctx),
    (error) => isSightlineError(error, 'store.failed') && /mkdir '\/proc\/no'/.test(error.message),
  );
  await mkdir(join(directory.path, 'data', 'sightline.db'), { recursive: true });
  await assert.rejects(startStore({ directory: join(directory.path, 'data') }, ctx), (error) =>
    isSightlineError(error, 'store.failed'),
  );
  assert.ok(!existsSync(join(directory.path, 'data', 'owner.pid')));
});

test('what lies where a file or folder of the store belongs is named as what it is', async () => {
  using ctx = testContext();
  await using place = await temporaryDirectory();
  const refused = (directory: string, message: RegExp) =>
    assert.rejects(startStore({ directory }, ctx), (error) => isSightlineError(error) && message.test(error.message));
  const directory = join(place.path, 'data');
  await writeFile(directory, '');
  await refused(directory, /data is no folder; move it away or name another dataDir$/);
  await rm(directory);
  for (const name of ['owner.pid', 'reserve', 'sightline.db']) {
    await mkdir(join(directory, name), { recursive: true });
    await refused(directory, new RegExp(`${name} is a folder, and a file belongs there; move it away$`));
    await rm(directory, { recursive: true });
  }
  for (const version of [0, 1, 2]) {
    await mkdir(directory);
    const file = join(directory, 'sightline.db');
    const db = new Sqlite(file);
    db.exec(`CREATE TABLE recipes (id); PRAGMA user_version = ${version}`);
    db.close();
    const before = await readFile(file);
    await refused(directory, /sightline\.db is a database of another program \(its tables: recipes\); move it away/);
    assert.deepEqual(await readdir(directory), ['sightline.db']);
    // Bytes 18 to 95 of the head say how it is read and who wrote last.
    assert.deepEqual((await readFile(file)).subarray(96), before.subarray(96), 'its content is as it was');
    await rm(directory, { recursive: true });
  }
});

test('a store that begins anew beside the files of an older one says so, and is ready', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.db');
  {
    await using store = await startStore({ directory: directory.path }, ctx);
    assert.deepEqual([store.state, store.reason], ['ready', undefined]);
  }
  for (const lose of [() => writeFile(file, ''), () => rm(file)]) {
    await lose();
    await using store = await startStore({ directory: directory.path }, ctx);
    assert.equal(store.state, 'ready');
    assert.match(
      store.reason ?? '',
      /sightline\.db is new beside what an earlier one left \(reserve\): watchlist and history begin anew/,
    );
  }
  assert.equal(ctx.lines.filter(({ msg }) => msg === 'store begins anew where an older one was').length, 2);
  await using store = await startStore({ directory: directory.path }, ctx);
  assert.equal(store.reason, undefined);
});
