import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigInput } from '../../src/config/schema.ts';
import { hasMosquitto, type Listener, listen, startBroker } from '../support/broker.ts';
import {
  alertsIn,
  alertWith,
  createWorkplace,
  cutClip,
  patience,
  statesIn,
  type WorkplaceOptions,
  workerOf,
  workersOf,
} from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

/** Ada and dee walk by for ever; ada is listed and her alert is open. Between two walks nobody has left, however late she is seen. */
async function running(options: WorkplaceOptions, leaveAfter = '1m') {
  const broker = await startBroker();
  const listener = await listen(broker.port);
  const place = await createWorkplace({}, options);
  const camera = { source: cutClip(place.directory, 'ada', 17, 55), loop: true, realtime: true };
  const config = {
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: { lobby: camera },
    alerting: { leaveAfter },
  } as const satisfies ConfigInput;
  place.configure(config);
  await place.enrol('watch', 'ada');
  const daemon = await place.start();
  await alertWith(listener, { name: 'ada', state: 'opened' });
  return {
    listener,
    place,
    config,
    camera,
    daemon,
    [Symbol.asyncDispose]: async () => {
      await place[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

/** What is said of a camera, without how late a busy machine is. */
function storyOf(listener: Listener, camera: string): readonly (string | undefined)[] {
  const states = statesIn(listener, camera).map((state) => state?.state);
  return states.filter((state, index) => index === 0 || state !== states[index - 1]);
}

/** A camera that is live since then has been left alone. */
function liveSince(listener: Listener, camera: string): number | undefined {
  const last = statesIn(listener, camera).at(-1);
  return last?.state === 'live' ? last.since : undefined;
}

test('cameras and rules come, change and go by SIGHUP and by the command', { skip }, async () => {
  await using it = await running({ watched: false });
  const { listener, place, config, camera, daemon } = it;
  const lobbyBefore = await until('the lobby is live', () => liveSince(listener, 'lobby'), patience);

  // Another camera, and rules: one for the new camera, one that is new where ada is in view all the time.
  const rules = [{ name: 'anywhere' }, { name: 'at the door', when: { cameras: ['door'] } }];
  const wider = { ...config, cameras: { lobby: camera, door: camera }, alerts: rules };
  place.configure(wider);
  daemon.signal('SIGHUP');
  const atDoor = await alertWith(listener, { name: 'ada', state: 'opened', rule: 'at the door' });
  assert.equal(atDoor.camera, 'door');
  await alertWith(listener, { name: 'ada', state: 'opened', rule: 'anywhere' });
  await daemon.told('configuration reloaded', { trigger: 'signal' });
  await until('the door is live', () => liveSince(listener, 'door'), patience);
  assert.deepEqual(storyOf(listener, 'door'), ['connecting', 'live']);

  // A setting that the camera's worker has to know.
  place.configure({ ...wider, cameras: { lobby: camera, door: { ...camera, masks: [corner] } } });
  const changed = await place.succeed('reload');
  // Nobody was told what SIGHUP took.
  const words =
    /^already taken at \S+ \S+: cameras\.door \(camera\), alerts \(live\)\ncameras\.door\.masks \(camera\)\napplied\n$/;
  assert.match(changed, words);
  await until('the door is opened anew', () => storyOf(listener, 'door').length === 4, patience);
  assert.equal(storyOf(listener, 'door').at(-1), 'live');
  assert.deepEqual(await place.succeed('reload'), 'unchanged\n');

  // And gone again.
  place.configure({ ...config, alerts: [{ name: 'anywhere' }] });
  await place.succeed('reload');
  await until('the camera is taken back', () => statesIn(listener, 'door').at(-1) === undefined, patience);
  const { cameras } = await place.ask('status', {});
  assert.deepEqual(
    cameras.map((item) => item.camera),
    ['lobby'],
  );
  await listener.settled();
  assert.equal(liveSince(listener, 'lobby'), lobbyBefore, 'the camera that did not change was left alone');
  await daemon.stop();
});

const corner: [number, number][] = [
  [0, 0],
  [0.1, 0],
  [0.1, 0.1],
];

test('a bad file changes nothing and is said; what waits for a restart is named; lists and levels change live', {
  skip,
}, async () => {
  await using it = await running({ watched: true }, '4s');
  const { listener, place, config, camera, daemon } = it;
  const before = await until('the lobby is live', () => liveSince(listener, 'lobby'), patience);

  place.configure({ ...config, cameras: { lobby: { ...camera, detect: [{ model: 'fixture_fact' }] } } });
  const refused = await until('the refusal', () => daemon.said('configuration refused, the old one stays'), patience);
  assert.match(
    String(refused['issues']),
    /sightline\.yaml:\d+:\d+ cameras\.lobby\.detect\[0\]\.model: .*fixture_fact.*fixture_face/,
  );
  const status = await place.command('status');
  assert.match(status.stdout, /^last reload: refused at .*\n.*sightline\.yaml:\d+:\d+ cameras\.lobby\.detect\[0\]\.model: /m);
  assert.equal(status.code, 0, 'every part works as before');
  await listener.settled();
  assert.equal(liveSince(listener, 'lobby'), before);

  place.configure({
    ...config,
    mqtt: { ...config.mqtt, clientId: 'other' },
    http: { port: 1, metrics: 'loopback' },
    logLevel: 'debug',
    lists: { watch: { kind: 'ignore' } },
  });
  const waiting = await daemon.told('changed settings wait for a restart of the daemon');
  assert.deepEqual(waiting['settings'], ['mqtt.clientId', 'http.port']);
  await daemon.told('configuration reloaded', { trigger: 'file' });
  // On an ignore list now: her alert ends like that of somebody who left, and no other begins.
  await until('her alert ends', async () => (await place.ask('alerts.list', { open: true })).alerts.length === 0, patience);
  await until('that is told', async () => (await place.ask('status', {})).outbox.waiting === 0, patience);
  await listener.settled();
  const hers = alertsIn(listener).filter(({ entry }) => entry?.name === 'ada');
  const ended = hers.filter(({ state }) => state === 'closed').map(({ id }) => id);
  assert.deepEqual(new Set(ended), new Set(hers.map(({ id }) => id)));
  const known = alertsIn(listener).length;
  await place.enrol('others', 'dee').then(
    () => assert.fail('there is no such list'),
    (error: unknown) => assert.match(String(error), /others/),
  );
  place.configure({ ...config, lists: { watch: { kind: 'ignore' }, others: {} } });
  await until(
    'the list is known',
    () => daemon.lines().filter(({ msg }) => msg === 'configuration reloaded').length === 2,
    patience,
  );
  await place.enrol('others', 'dee');
  await alertWith(listener, { name: 'dee', state: 'opened' });
  assert.deepEqual(
    alertsIn(listener)
      .slice(known)
      .filter(({ entry }) => entry?.name === 'ada'),
    [],
  );
  await daemon.stop();
});

test('a camera moves to another group, is switched off and on again; settings of outputs change live', { skip }, async () => {
  await using it = await running({ watched: false });
  const { listener, place, config, camera, daemon } = it;
  const first = workerOf(place.dataDir, 'main');
  const { track } = await alertWith(listener, { name: 'ada', state: 'opened' });

  place.configure({ ...config, cameras: { lobby: { ...camera, group: 'other' } }, alerts: [{ name: 'after the move' }] });
  assert.match(await place.succeed('reload'), /^cameras\.lobby\.group \(worker\)$/m);
  await until('the worker of the old group has ended', () => workerOf(place.dataDir, 'main') === undefined, patience);
  const moved = await until(
    'she is seen by the other worker',
    async () => {
      const { alerts } = await place.ask('alerts.list', { open: true });
      return alerts.find((alert) => alert.rule === 'after the move');
    },
    patience,
  );
  assert.ok(moved.track.epoch > track.epoch);
  const second = workerOf(place.dataDir, 'other');
  assert.ok(first !== undefined && second !== undefined && first !== second);
  await until('the camera is live', () => liveSince(listener, 'lobby'), patience);

  place.configure({ ...config, cameras: { lobby: { ...camera, enabled: false } } });
  await place.succeed('reload');
  await until('no worker is left', () => workersOf(place.dataDir).length === 0, patience);
  await until('its state is taken back', () => statesIn(listener, 'lobby').at(-1) === undefined, patience);
  const closed = await until(
    'her alert ends',
    () => alertsIn(listener).find((alert) => alert.id === moved.id && alert.state === 'closed'),
    patience,
  );
  assert.equal(closed.steps.at(-1)?.reason, 'source_ended');

  const before = alertsIn(listener).length;
  place.configure({ ...config, mqtt: { ...config.mqtt, snapshot: 'inline', topK: 1 } });
  assert.deepEqual((await place.succeed('reload')).split('\n').toSorted().slice(-4), [
    'applied',
    'cameras.lobby.enabled (camera)',
    'mqtt.snapshot (live)',
    'mqtt.topK (live)',
  ]);
  await until(
    'she is told of again',
    () =>
      alertsIn(listener)
        .slice(before)
        .some(({ state }) => state === 'opened'),
    patience,
  );
  assert.equal(
    alertsIn(listener)
      .slice(before)
      .find(({ state }) => state === 'opened')?.snapshot.mode,
    'inline',
  );
  await daemon.stop();
});
