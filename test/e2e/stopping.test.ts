import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, type Listener, listen, startBroker } from '../support/broker.ts';
import {
  alertsIn,
  alertWith,
  createWorkplace,
  cutClip,
  kill,
  patience,
  processesOf,
  workerOf,
  workersOf,
} from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

/** Ada walks by for ever; her alert stays open. */
async function adaInView() {
  const broker = await startBroker();
  const listener = await listen(broker.port);
  const place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: { lobby: { source, loop: true, realtime: true } },
  });
  await place.enrol('watch', 'ada');
  return {
    broker,
    listener,
    place,
    [Symbol.asyncDispose]: async () => {
      await place[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

function statuses(listener: Listener): readonly string[] {
  return listener.messages
    .filter(({ topic }) => topic === 'sightline/v1/status')
    .map(({ text }) => statusMessage.parse(JSON.parse(text)))
    .map(({ state, reason }) => (reason === undefined ? state : `${state}: ${reason}`));
}

test('SIGTERM while an alert is open ends everything cleanly, and the next start goes on with the alert', {
  skip,
}, async () => {
  await using it = await adaInView();
  const { listener, place } = it;
  let first = '';
  {
    await using daemon = await place.start();
    const { id } = await alertWith(listener, { name: 'ada', state: 'opened' });
    first = id;
    assert.ok(workerOf(place.dataDir) !== undefined, 'the test can see the worker');
    // What the broker has is not sent again.
    await until('its opening has left', async () => (await place.ask('status', {})).outbox.waiting === 0, patience);
    await daemon.stop();
    assert.equal(daemon.said('worker has not stopped in time and is killed'), undefined);
    assert.deepEqual(processesOf(place.dataDir), []);
    for (const socket of ['control.sock', 'run/bridge.sock'])
      assert.equal(existsSync(join(place.dataDir, socket)), false, socket);
  }
  await listener.settled();
  assert.equal(statuses(listener).at(-1), 'offline: stopped');
  assert.ok(!statuses(listener).includes('offline: connection_lost'), 'the last will is not published');
  const stored = await place.succeed('alerts', 'list', '--open', '--json');
  assert.deepEqual([JSON.parse(stored).id, JSON.parse(stored).state === 'closed'], [first, false]);

  const before = alertsIn(listener).length;
  await using again = await place.start();
  assert.deepEqual(again.said('open episodes go on')?.['episodes'], 1);
  await place.enrol('watch', 'dee');
  await alertWith(listener, { name: 'dee', state: 'opened' });
  const since = alertsIn(listener).slice(before);
  assert.ok(
    since.every(({ entry, id, state }) => entry?.name !== 'ada' || (id === first && state !== 'opened')),
    'her alert is not opened anew',
  );
  await again.stop();
});

test('a worker that hangs does not keep the daemon from stopping', { skip }, async () => {
  await using it = await adaInView();
  const { listener, place } = it;
  await using daemon = await place.start();
  await alertWith(listener, { name: 'ada', state: 'opened' });
  const worker = workerOf(place.dataDir);
  assert.ok(worker !== undefined);
  kill(worker, 'SIGSTOP');
  await daemon.stop();
  assert.deepEqual(processesOf(place.dataDir), []);
  await listener.settled();
  assert.equal(statuses(listener).at(-1), 'offline: stopped');
});

test('a second SIGTERM ends at once; what it leaves behind is ended by the next start', { skip }, async () => {
  await using it = await adaInView();
  const { listener, place } = it;
  await using daemon = await place.start();
  await alertWith(listener, { name: 'ada', state: 'opened' });
  const worker = workerOf(place.dataDir);
  assert.ok(worker !== undefined);
  kill(worker, 'SIGSTOP');
  daemon.signal('SIGTERM');
  await until('the first one is heard', () => daemon.said('stopping'), patience);
  daemon.signal('SIGTERM');
  const { code } = await daemon.finished;
  assert.equal(code, 143);
  assert.equal(daemon.said('stopped'), undefined);
  assert.deepEqual(workersOf(place.dataDir), [worker]);
  await until('the last will', () => statuses(listener).at(-1) === 'offline: connection_lost', patience);

  await using next = await place.start();
  assert.deepEqual(next.said('worker of an earlier run was ended')?.['pids'], [worker]);
  assert.ok(!workersOf(place.dataDir).includes(worker));
  await until(
    'the camera is live',
    async () => {
      const { cameras } = await place.ask('status', {});
      return cameras[0]?.state.state === 'live';
    },
    patience,
  );
  await next.stop();
});
