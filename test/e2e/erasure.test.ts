import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startStore } from '../../src/store/store.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { testContext } from '../support/context.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { exampleCommit, exampleEvent } from '../support/store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

test('of an entry that is erased while the broker is away only the end of its alert is told, without name and picture', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  // The daemon alone is without the broker: who listens would have to be there before it.
  await using line = await startTcpProxy(broker.port);
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  place.configure({
    mqtt: { url: `mqtt://127.0.0.1:${line.port}` },
    lists: { watch: {} },
    cameras: { lobby: { source, loop: true, realtime: true } },
  });
  await place.enrol('watch', 'ada');
  line.refuse = true;
  await using daemon = await place.start();
  const opened = await until(
    'an alert is open',
    async () => (await place.ask('alerts.list', { open: true, limit: 1 })).alerts[0],
    patience,
  );
  assert.equal(opened.entry?.name, 'ada');
  await place.ask('watchlist.remove', { entry: 'ada', actor: 'tester' });
  line.refuse = false;
  await alertWith(listener, { state: 'closed' });
  const told = alertsIn(listener);
  assert.deepEqual(
    told.map(({ id, state, entry, snapshot }) => ({ id, state, name: entry?.name, snapshot: snapshot.mode })),
    [{ id: opened.id, state: 'closed', name: '', snapshot: 'omitted' }],
  );
  assert.equal(told[0]?.steps.at(-1)?.reason, 'entry_removed');
  await daemon.stop();
});

test('removing an entry deletes the clips of its alerts and those that name it, whether a daemon runs or not', async () => {
  await using place = await createWorkplace({ lists: { watch: {} } });
  await place.enrol('watch', 'ada', 'ben', 'cyd');
  const folder = join(place.dataDir, 'clips');
  mkdirSync(folder, { recursive: true });
  {
    using ctx = testContext();
    await using store = await startStore({ directory: place.dataDir }, ctx);
    const { entries } = await store.watchlist.load();
    for (const { id: entryId, name } of entries) {
      const entry = { id: entryId, name, list: 'watch' };
      const event = exampleEvent({ id: name, episodeId: name, entry, top: [] });
      await store.alerts.commit(exampleCommit({ events: [event], outputs: [] }));
      // Ben is in cyd's clip too.
      const named = entries.filter((other) => name === 'cyd' && other.name === 'ben').map(({ id }) => id);
      const clip = { alertId: name, camera: 'lobby', bytes: 20, fromMs: 0, toMs: 1, storedAt: Date.now() };
      assert.ok(await store.clips.add(clip, named));
      for (const ending of ['mp4', 'json']) writeFileSync(join(folder, `${name}.${ending}`), 'something');
    }
  }
  writeFileSync(join(folder, 'ada.part'), 'left by a crash');
  const there = () => readdirSync(folder).sort();
  await place.succeed('watchlist', 'remove', 'ada', '--config', place.configFile);
  assert.deepEqual(there(), ['ben.json', 'ben.mp4', 'cyd.json', 'cyd.mp4']);
  await using daemon = await place.start();
  await place.ask('watchlist.remove', { entry: 'ben', actor: 'tester' });
  assert.deepEqual(there(), []);
  await daemon.stop();
});
