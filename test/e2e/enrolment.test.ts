import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience, photosOf, type RunningDaemon } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { badPhotos, fixturePath } from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';
import { findBytes } from '../support/store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

/** Ada walks by for ever; a daemon watches, and nobody is enrolled. */
async function watching() {
  const broker = await startBroker();
  const listener = await listen(broker.port);
  // The daemon alone loses the broker: who listens would have to be back before it.
  const line = await startTcpProxy(broker.port);
  const place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  const config = {
    mqtt: { url: `mqtt://127.0.0.1:${line.port}` },
    lists: { watch: {} },
    cameras: { lobby: { source, loop: true, realtime: true } },
    alerting: { leaveAfter: '4s' },
  };
  place.configure(config);
  const daemon = await place.start();
  return {
    line,
    listener,
    place,
    config,
    daemon,
    [Symbol.asyncDispose]: async () => {
      await place[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

/** Vectors as they lie in the store, read from a copy, which the daemon stands still for: it has the files to itself. */
async function vectorsIn(
  daemon: RunningDaemon,
  dataDir: string,
  folder: string,
  count: number,
): Promise<readonly Uint8Array[]> {
  return await until('the vectors are in the store', () => {
    daemon.signal('SIGSTOP');
    try {
      for (const file of ['sightline.db', 'sightline.db-wal']) cpSync(join(dataDir, file), join(folder, file));
    } finally {
      daemon.signal('SIGCONT');
    }
    const db = new Sqlite(join(folder, 'sightline.db'));
    try {
      const rows = db.prepare<[], { vector: Uint8Array }>('SELECT vector FROM entry_references').all();
      return rows.length === count && rows.map(({ vector }) => vector);
    } finally {
      db.close();
    }
  });
}

test('somebody enrolled while the daemon runs alerts with the next sighting; removed, the alert ends and nothing is left on disk', {
  skip,
}, async () => {
  await using it = await watching();
  const { listener, place, daemon } = it;
  const name = 'Zebulon Quatermass';
  await place.succeed('enroll', '--name', name, '--list', 'watch', '--notes', 'seen near the vault', ...photosOf('ada'));
  const opened = await alertWith(listener, { name, state: 'opened' });
  assert.ok(opened.snapshot.mode === 'inline');

  const { references } = await place.ask('watchlist.show', { entry: name });
  assert.equal(references.length, photosOf('ada').length);
  const pictures = await Promise.all(references.map(({ id }) => place.ask('watchlist.image', { referenceId: id })));
  const texts = [Buffer.from(name), Buffer.from('seen near the vault')];
  const secrets = [
    ...pictures.map(({ jpegBase64 }) => Buffer.from(jpegBase64, 'base64')),
    ...(await vectorsIn(daemon, place.dataDir, place.directory, references.length)),
    ...texts,
  ];
  const found = findBytes(place.dataDir, secrets).join();
  for (const index of secrets.keys()) assert.match(found, new RegExp(`secret ${index} in`), 'the search finds what is there');
  // A picture may give way to a better one while it is looked for.
  const snapshotFile = join(place.directory, 'snapshot.jpg');
  const snapshot = await until(
    'the picture of the alert is found',
    async () => {
      rmSync(snapshotFile, { force: true });
      await place.succeed('alerts', 'show', opened.id, '--snapshot', snapshotFile);
      const picture = readFileSync(snapshotFile);
      return findBytes(place.dataDir, [picture]).length > 0 && picture;
    },
    patience,
  );
  secrets.push(snapshot, Buffer.from(opened.snapshot.data, 'base64'));

  const said = await place.succeed('watchlist', 'remove', name);
  assert.equal(said, `${name} (watch) is erased\n`);
  const closed = await until(
    'the alert ends',
    () => alertsIn(listener).find((alert) => alert.id === opened.id && alert.state === 'closed'),
    patience,
  );
  assert.equal(closed.steps.at(-1)?.reason, 'entry_removed');
  await until('its end has left', async () => (await place.ask('status', {})).outbox.waiting === 0, patience);
  assert.deepEqual(findBytes(place.dataDir, secrets), []);

  // She still walks by: as somebody else from now on.
  await place.enrol('watch', 'dee');
  await alertWith(listener, { name: 'dee', state: 'opened' });
  await place.enrol('watch', 'ada');
  const again = await alertWith(listener, { name: 'ada', state: 'opened' });
  assert.notEqual(again.id, opened.id);
  assert.equal(alertsIn(listener).at(-1)?.entry?.name === name, false);
  await daemon.stop();
  assert.deepEqual(findBytes(place.dataDir, texts), [], 'nor once it has stopped');
});

test('somebody removed while alerts wait for the broker: their pictures go with them, and only the end is told', {
  skip,
}, async () => {
  await using it = await watching();
  const { line, listener, place, daemon } = it;
  line.refuse = true;
  line.cut();
  const name = 'Zebulon Quatermass';
  await place.succeed('enroll', '--name', name, '--list', 'watch', ...photosOf('ada'));
  const alert = await until('an alert waits', async () => (await place.ask('alerts.list', {})).alerts[0], patience);
  const { jpegBase64 } = await place.ask('alerts.snapshot', { id: alert.id });
  const secrets = [Buffer.from(jpegBase64, 'base64'), Buffer.from(name)];
  assert.equal(findBytes(place.dataDir, secrets).length > 0, true);
  await place.succeed('watchlist', 'remove', name);
  assert.deepEqual(findBytes(place.dataDir, secrets), [], 'nothing of the messages that wait is left');
  line.refuse = false;
  const end = await alertWith(listener, { state: 'closed' });
  assert.deepEqual([end.id, end.entry?.name, end.steps.at(-1)?.reason], [alert.id, '', 'entry_removed']);
  assert.deepEqual(
    alertsIn(listener).map(({ state }) => state),
    ['closed'],
  );
  assert.ok(listener.messages.every(({ text }) => !text.includes(name) && !text.includes('"inline"')));
  await daemon.stop();
});

test('photos that would recognise badly are refused with reason and remedy; an entry ends when it expires', {
  skip,
}, async () => {
  await using it = await watching();
  const { listener, place, daemon } = it;
  // Longer than a busy machine takes to see her; what follows takes most of it.
  await place.succeed('enroll', '--name', 'ada', '--list', 'watch', '--expires', '40s', ...photosOf('ada'));
  const { entry } = await place.ask('watchlist.show', { entry: 'ada' });
  const opened = await alertWith(listener, { name: 'ada', state: 'opened' });

  const expected: readonly (readonly [keyof typeof badPhotos, string, RegExp])[] = [
    ['noFace', 'photo.refused', /no face was found .*; take one where the face is upright, lit and at least 80 px high/],
    ['twoFaces', 'photo.refused', /2 faces are on this photo: 1 at \d+,\d+ .*; 2 at \d+,\d+ .*; say which by its number/],
    ['tiny', 'photo.refused', /the face is \d+ px high; photos of at least 80 px work/],
    ['blurred', 'photo.refused', /the face is blurred .*; take one without motion and in focus/],
    ['tilted', 'photo.refused', /the face is tilted by \d+ degrees; .*/],
    ['notAnImage', 'photo.undecodable', /not an image|no picture|cannot be decoded/],
    ['truncated', 'photo.undecodable', /damaged|incomplete|cannot be decoded/],
    ['onePixel', 'photo.refused', /no face was found on this photo of 1 x 1 px/],
    ['bomb', 'photo.undecodable', /cannot be decoded; .* at most 50 million pixels/],
  ];
  const files = expected.map(([photo]) => fixturePath(badPhotos[photo]));
  const refused = await place.command('enroll', '--json', '--name', 'mona', '--list', 'watch', ...files);
  assert.equal(refused.code, 1);
  const answers = refused.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const [index, [photo, code, words]] of expected.entries()) {
    const { file, error } = answers[index];
    assert.deepEqual([file, error?.code], [files[index], code], `${photo}: ${JSON.stringify(answers[index])}`);
    assert.match(error.message, words, photo);
  }
  assert.equal(answers.length, expected.length);
  const { entries } = await place.ask('watchlist.list', {});
  assert.deepEqual(
    entries.map((item) => item.entry.name),
    ['ada'],
    'nobody was enrolled by them',
  );

  const picked = await place.command(
    'enroll',
    '--name',
    'second',
    '--list',
    'watch',
    '--face',
    '2',
    fixturePath(badPhotos.twoFaces),
  );
  assert.equal(picked.code, 0, picked.stderr);
  const taken = await place.command(
    'enroll',
    '--name',
    'mona',
    '--list',
    'watch',
    '--accept-quality',
    fixturePath(badPhotos.blurred),
  );
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(taken.stderr, /warning: enrolled all the same, with a raised threshold: the face is blurred/);
  const shown = await place.succeed('watchlist', 'show', 'mona');
  assert.match(shown, /^picture .* accepted despite its quality$/m);
  const hopeless = await place.command(
    'enroll',
    '--name',
    'mona',
    '--list',
    'watch',
    '--accept-quality',
    fixturePath(badPhotos.noFace),
  );
  assert.equal(hopeless.code, 1);
  assert.match(hopeless.stderr, /no face was found/);

  await until('her time is over', () => Date.now() >= (entry.expiresAt ?? 0), patience);
  const closed = await until(
    'her alert ends',
    () => alertsIn(listener).find(({ id, state }) => id === opened.id && state === 'closed'),
    patience,
  );
  assert.ok(closed.lastSeenAt < (entry.expiresAt ?? 0));
  await place.enrol('watch', 'dee');
  await alertWith(listener, { name: 'dee', state: 'opened' });
  assert.deepEqual(
    alertsIn(listener)
      .filter(({ entry }) => entry?.name === 'ada')
      .map(({ state }) => state)
      .slice(-1),
    ['closed'],
  );
  await daemon.stop();
  // Looked for once a minute, and at every start.
  await using next = await place.start();
  await until(
    'she is erased',
    async () => {
      const { entries: left } = await place.ask('watchlist.list', {});
      return left.every((item) => item.entry.id !== entry.id);
    },
    patience,
  );
  await next.stop();
});

test('exported, imported into another data directory without a daemon, the same people alert', { skip }, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  const config = {
    mqtt: { url: broker.url, snapshot: 'off' as const },
    lists: { watch: {}, others: { kind: 'ignore' as const } },
    cameras: { lobby: { source: fixturePath('clips/lobby.mp4') } },
  };
  function told(): readonly string[] {
    return alertsIn(listener)
      .filter(({ state }) => state === 'opened')
      .map(({ entry, score }) => `${entry?.name} of ${entry?.list}, ${score.toFixed(2)}`);
  }
  await using first = await createWorkplace(config);
  await first.enrol('watch', 'ada', 'ben');
  await first.enrol('others', 'cyd');
  const file = join(first.directory, 'people.jsonl');
  await first.succeed('run', '--once', first.configFile);
  await listener.settled();
  const before = told();
  assert.equal(before.length, 2);
  const exported = await first.command('watchlist', 'export', file);
  assert.match(exported.stderr, /^3 entries written to /);

  await using second = await createWorkplace(config);
  const imported = await second.succeed('watchlist', 'import', file);
  assert.deepEqual(imported.trimEnd().split('\n'), [
    'ada (watch): 2 pictures added',
    'ben (watch): 2 pictures added',
    'cyd (others): 2 pictures added',
  ]);
  await second.succeed('run', '--once', second.configFile);
  await listener.settled();
  assert.deepEqual(told().slice(before.length), before);
});
