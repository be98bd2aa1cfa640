import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createWorkplace, kill, patience, workerOf } from '../support/daemon.ts';
import { fixturePath } from '../support/fixtures.ts';
import { until } from '../support/until.ts';

test('a data directory has one owner; commands talk to it, work without one, and never beside one', async () => {
  await using place = await createWorkplace({
    lists: { watch: {} },
    cameras: { lobby: { source: fixturePath('clips/lobby.mp4'), loop: true, realtime: true } },
  });
  const daemon = await place.start();
  const taken = new RegExp(`is in use by process ${daemon.pid}\\b`);
  const second = await place.command('run', place.configFile);
  assert.equal(second.code, 1);
  assert.match(second.stderr, taken);
  await until('the worker runs', () => workerOf(place.dataDir), patience);
  const worker = workerOf(place.dataDir);
  assert.ok(worker !== undefined, 'the second start has not ended the worker of the first');
  const closed = readdirSync(place.dataDir, { recursive: true }).map((name) => join(place.dataDir, String(name)));
  for (const path of [place.dataDir, ...closed]) {
    // What the daemon writes beside and renames may be gone by now.
    const isClosed = () => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) === 0;
    // A socket is closed to others a moment after it listens.
    if (path.endsWith('.sock')) await until(`${path} is for its owner alone`, isClosed, patience);
    else assert.ok(isClosed(), `${path} is for its owner alone`);
  }

  // Sockets that somebody tidied away, while the daemon cannot make them anew: the store is not opened behind its back.
  const sockets = ['control.sock', 'run/bridge.sock'].map((name) => join(place.dataDir, name));
  daemon.signal('SIGSTOP');
  for (const socket of sockets) rmSync(socket);
  const beside = await place.command('watchlist', 'list');
  assert.deepEqual([beside.code, beside.stdout], [1, '']);
  assert.match(beside.stderr, taken);
  // When it can it does, and a worker that dies comes back.
  daemon.signal('SIGCONT');
  const isClosed = (socket: string) => existsSync(socket) && (statSync(socket).mode & 0o077) === 0;
  await until('the sockets are back, for their owner alone', () => sockets.every(isClosed), patience);
  kill(worker, 'SIGKILL');
  const next = await until('another worker', () => [workerOf(place.dataDir)].find((pid) => pid !== worker), patience);
  const live = async () => (await place.ask('status', {})).cameras.every(({ state }) => state.state === 'live');
  await until('its camera is live', live, patience);
  kill(next, 'SIGKILL');
  daemon.signal('SIGKILL');
  await daemon.finished;

  // Without a daemon, and after its crash, commands work on the store themselves.
  await place.enrol('watch', 'ada');
  assert.match(await place.succeed('watchlist', 'list'), /^ada +watch +face +2 pictures/);
  assert.match(await place.succeed('why', '--camera', 'lobby', '--at', '00:00'), /no track was seen/);
  for (const args of [['status'], ['reload'], ['alerts', 'tail'], ['alerts', 'ack', 'x']]) {
    const { code, stderr } = await place.command(...args);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /no daemon is running there/, args.join(' '));
  }
  await using again = await place.start();
  assert.deepEqual((await place.ask('status', {})).watchlist, { entries: 1, references: 2, descriptions: 0 });

  // The whole folder deleted under it: it says so, and no second daemon makes another store beside it.
  rmSync(place.dataDir, { recursive: true });
  await until('the sockets are back again', () => sockets.every((socket) => existsSync(socket)), patience);
  const third = await place.command('run', place.configFile);
  assert.equal(third.code, 1);
  assert.match(third.stderr, /another daemon serves .*control\.sock/);
  assert.equal(existsSync(join(place.dataDir, 'sightline.db')), false);
  const trouble = async () => (await place.ask('status', {})).parts.find(({ name, ready }) => name === 'store' && !ready);
  assert.match((await until('it is said', trouble, patience)).reason ?? '', /sightline\.db was deleted or replaced/);
  await again.stop();
  for (const name of ['control.sock', 'run/bridge.sock']) assert.equal(existsSync(join(place.dataDir, name)), false, name);
});
