import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DeliveryStep, deliverySteps } from '../../src/core/checkpoints.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, createWorkplace, cutClip, kill, patience, workerOf } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { passedIn, stoppingAt } from '../support/stop-at.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

/**
 * Ada, and later Dee, are in view all the time while the daemon is killed at one step after the other, each time on the same data. So
 * each step finds what the kill before has left, and there is one alert of each to be told of, whatever happens.
 */
test('killed at every step between decision and PUBACK, the daemon loses no alert, invents none and gives none a second id', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using proxy = await startTcpProxy(broker.port);
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const journal = join(place.directory, 'journal');
  const source = cutClip(place.directory, 'ada', 17, 55);
  place.configure({
    mqtt: { url: `mqtt://localhost:${proxy.port}`, snapshot: 'off' },
    lists: { watch: {} },
    // While all are live, of one camera one is told after the other: none is removed together with the next.
    alerting: { leaveAfter: '5m', liveFor: '1h' },
    cameras: { lobby: { source, loop: true, realtime: true } },
  });
  const told = () => alertsIn(listener).map(({ dedupe }) => dedupe);
  const tried: DeliveryStep[] = [];

  async function killAt(step: DeliveryStep): Promise<void> {
    await using daemon = place.startToEnd({ env: stoppingAt(journal, step) });
    const late = AbortSignal.timeout(patience);
    late.addEventListener('abort', () => daemon.signal('SIGKILL'), { once: true });
    const { code, stderr } = await daemon.finished;
    assert.ok(!late.aborted, `never came to "${step}": ${stderr}`);
    assert.equal(code, null, stderr);
    assert.equal(daemon.said('stopping'), undefined);
    const worker = workerOf(place.dataDir);
    if (worker !== undefined) kill(worker);
    tried.push(step);
  }

  await place.enrol('watch', 'ada');
  proxy.refuse = true;
  for (const step of ['decided', 'transaction begun', 'transaction written'] as const) await killAt(step);
  const forgotten = passedIn(journal, 'decided');
  assert.equal(new Set(forgotten).size, 3, 'what was not committed was decided anew');
  await killAt('transaction committed');
  await place.enrol('watch', 'dee');
  await killAt('stored');
  const committed = () => [...new Set(passedIn(journal, 'transaction committed'))];
  const [first = ''] = committed();
  const ids = committed().map((dedupe) => dedupe.replace('/1', ''));
  assert.equal(ids.length, 2, 'what was committed goes on under its id');

  // The broker is there from now on; what is sent is what was left.
  await killAt('row read');
  assert.deepEqual(told(), []);
  proxy.refuse = false;
  await killAt('row taken');
  assert.deepEqual(told(), []);
  // The broker says the last will once it has read all that was sent.
  const lastWills = () => listener.messages.filter(({ text }) => text.includes('"connection_lost"')).length;
  const known = lastWills();
  await killAt('publish handed to the socket');
  await until('its last will', () => lastWills() > known, patience);
  const before = told().length;
  assert.ok(before <= 1, 'whether it left is a matter of luck');
  {
    proxy.deafAfter = '/v1/alerts/';
    await using daemon = place.startToEnd({ env: stoppingAt(journal) });
    await until('the broker has it', () => told().length > before, patience);
    daemon.signal('SIGKILL');
    await daemon.finished;
    proxy.cut();
    proxy.deafAfter = undefined;
  }
  assert.deepEqual(passedIn(journal, 'puback received'), []);
  const rest = ['puback received', 'removal begun', 'removal written', 'removal committed', 'row removed'] as const;
  for (const step of rest) await killAt(step);
  assert.deepEqual(tried.toSorted(), deliverySteps.toSorted(), 'every step there is');

  await using daemon = await place.start({ env: stoppingAt(journal) });
  assert.deepEqual(daemon.said('open episodes go on')?.['episodes'], 2);
  await until(
    'they are seen again',
    async () => (await daemon.metric('sightline_sightings_total{kind="face"}')) >= 6,
    patience,
  );
  for (const alert of ids) await place.succeed('alerts', 'ack', alert);
  await daemon.stop();
  await listener.settled();

  assert.deepEqual(committed().length, 4, 'opened and acknowledged, each');
  assert.deepEqual([...new Set(alertsIn(listener).map(({ id }) => id))].toSorted(), ids.toSorted(), 'one presence, one id');
  assert.deepEqual(
    [...new Set(told())].toSorted(),
    committed().toSorted(),
    'all that was committed was told, and nothing else',
  );
  for (const dedupe of committed()) {
    const repeats = alertsIn(listener).filter((alert) => alert.dedupe === dedupe);
    const what = repeats.map(({ id, revision, state, steps, sightings }) => ({ id, revision, state, steps, sightings }));
    for (const repeat of what) assert.deepEqual(repeat, what[0], 'a repeat says the same');
  }
  // Once before its PUBACK was lost, and once before each kill while its row was there.
  const repeats = told().filter((dedupe) => dedupe === first).length - before;
  assert.equal(repeats, 5);
  const { stdout } = await place.command('alerts', 'list', '--json');
  const history = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).id]));
  assert.deepEqual(history.toSorted(), ids.toSorted());
});
