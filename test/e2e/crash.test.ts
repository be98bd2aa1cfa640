import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto, type Listener, listen, startBroker } from '../support/broker.ts';
import {
  alertsIn,
  alertWith,
  createWorkplace,
  kill,
  patience,
  processesOf,
  type Workplace,
  workerOf,
} from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { fixturePath } from '../support/fixtures.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto');

/** The whole clip at its own pace: ada walks by first, ben five seconds later. */
const lobby = { lobby: { source: fixturePath('clips/lobby.mp4'), realtime: true } };
const lists = { watch: {} };

function openedOf(listener: Listener, name: string) {
  return alertsIn(listener).filter((alert) => alert.entry?.name === name && alert.state === 'opened');
}

async function waitingRows(place: Workplace): Promise<number> {
  return (await place.ask('status', {})).outbox.waiting;
}

test('kill -9 while an alert is open: the same alert goes on after the restart, and the worker that was left is ended', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists,
    cameras: lobby,
    alerting: { updateEvery: '1s', leaveAfter: '4s' },
  });
  await place.enrol('watch', 'ada', 'ben');
  const killed = await place.start();
  const { id } = await alertWith(listener, { name: 'ada', state: 'opened' });
  const worker = workerOf(place.dataDir);
  assert.ok(worker !== undefined);
  // One that is busy does not notice that its daemon has gone.
  kill(worker, 'SIGSTOP');
  killed.signal('SIGKILL');
  await killed.finished;
  const before = alertsIn(listener).length;

  await using daemon = await place.start();
  assert.deepEqual(daemon.said('worker of an earlier run was ended')?.['pids'], [worker]);
  assert.ok(!processesOf(place.dataDir).includes(worker));
  await alertWith(listener, { name: 'ben', state: 'opened' });
  await until(
    'her alert is closed',
    () => alertsIn(listener).some((alert) => alert.id === id && alert.state === 'closed'),
    patience,
  );
  const hers = alertsIn(listener)
    .slice(before)
    .filter(({ entry }) => entry?.name === 'ada');
  assert.deepEqual([...new Set(hers.map((alert) => alert.id))], [id]);
  // Killed before the PUBACK of its opening was stored it is told again, under the same dedupe.
  const openings = openedOf(listener, 'ada').map(({ dedupe }) => dedupe);
  assert.deepEqual([...new Set(openings)], [`${id}/1`], 'one presence, one alert');
  const closed = hers.find(({ state }) => state === 'closed');
  assert.equal(closed?.steps.at(-1)?.reason, 'left');
  assert.ok(closed.sightings > (openedOf(listener, 'ada')[0]?.sightings ?? 0), 'she was seen again on the same alert');
  await daemon.stop();
});

test('alerts that were decided while the broker was down survive the crash; those that are old by then are late', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists,
    cameras: lobby,
    alerting: { liveFor: '5s' },
  });
  await place.enrol('watch', 'ada', 'ben');
  await broker.kill();
  const killed = await place.start();
  await until(
    'alerts of ada and ben wait',
    async () => {
      const { alerts } = await place.ask('alerts.list', {});
      return new Set(alerts.map(({ entry }) => entry?.name)).size === 2;
    },
    patience,
  );
  const waiting = await waitingRows(place);
  const { alerts } = await place.ask('alerts.list', {});
  killed.signal('SIGKILL');
  await killed.finished;
  assert.equal(alertsIn(listener).length, 0);
  await broker.start();
  await listener.subscribed();

  // Nobody is in view from now on: what comes now was waiting.
  place.configure({ mqtt: { url: broker.url, snapshot: 'off' }, lists, cameras: {}, alerting: { liveFor: '5s' } });
  await using daemon = await place.start();
  const ben = await alertWith(listener, { name: 'ben', state: 'opened' });
  const ada = await alertWith(listener, { name: 'ada', state: 'opened' });
  for (const alert of [ada, ben]) {
    const stored = alerts.find(({ id }) => id === alert.id);
    assert.equal(alert.dedupe, `${stored?.id}/1`, 'the one that was decided');
    const ageMs = alert.times.published - (alert.stages[0]?.at ?? Number.NaN);
    // At the border milliseconds decide.
    if (Math.abs(ageMs - 5000) > 500) assert.equal(alert.late, ageMs > 5000, `${alert.entry?.name} after ${ageMs} ms`);
  }
  assert.equal(ada.late, true, 'she was there more than five seconds before him');
  await until('everything has left', async () => (await waitingRows(place)) === 0, patience);
  await listener.settled();
  const topics = new Set(listener.messages.filter(({ topic }) => topic.includes('/late/')).map(({ topic }) => topic));
  assert.deepEqual([...topics], ['sightline/v1/late/lobby']);
  assert.ok(alertsIn(listener).length >= waiting);
  await daemon.stop();
});
