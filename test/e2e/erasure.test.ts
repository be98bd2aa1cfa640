import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
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
