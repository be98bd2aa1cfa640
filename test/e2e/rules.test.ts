import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { Alert } from '../../src/core/alerts.ts';
import type { AlertMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, createWorkplace, cutClip } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

type Rules = NonNullable<ConfigInput['alerts']>;

/** Time of day in a zone, some hours from now, as a schedule says it. */
function clock(hours: number, timeZone: string): string {
  const at = Date.now() + hours * 3_600_000;
  return new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
}

/** Where somebody stands, as a fraction of the picture's width. */
function footX({ box }: AlertMessage): number {
  return box.fractions.left + box.fractions.width / 2;
}

test('zones, dwell, schedules, scores, unknown faces and cooldowns decide who is told, and why says why not', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  // Ada from left to right, dee further away from right to left; and the same a second time.
  const once = cutClip(place.directory, 'once', 10, 76);
  const twice = cutClip(place.directory, 'twice', 10, 76, 'loop=loop=1:size=66:start=0,setpts=N/12/TB');
  const zones = {
    right: [
      [0.55, 0],
      [1, 0],
      [1, 1],
      [0.55, 1],
    ],
    edge: [
      [0.95, 0.9],
      [1, 0.9],
      [1, 1],
    ],
  } satisfies Record<string, [number, number][]>;
  const inLobby = { cameras: ['lobby'] };
  const rules: Rules = [
    { name: 'everybody', when: inLobby },
    { name: 'right', when: { ...inLobby, zones: ['right'] }, severity: 'critical' },
    { name: 'right for a second', when: { ...inLobby, zones: ['right'], dwell: '1s' } },
    { name: 'right for a minute', when: { ...inLobby, zones: ['right'], dwell: '1m' } },
    { name: 'at the edge', when: { ...inLobby, zones: ['edge'] } },
    {
      name: 'now',
      when: { ...inLobby, schedule: [{ from: clock(-1, 'Asia/Tokyo'), to: clock(1, 'Asia/Tokyo'), timeZone: 'Asia/Tokyo' }] },
    },
    {
      name: 'the same hours elsewhere',
      when: {
        ...inLobby,
        schedule: [{ from: clock(-1, 'Asia/Tokyo'), to: clock(1, 'Asia/Tokyo'), timeZone: 'America/New_York' }],
      },
    },
    { name: 'exactly her', when: { ...inLobby, minScore: 1 } },
    { name: 'other list', when: { ...inLobby, lists: ['others'] } },
    { name: 'by name', when: { ...inLobby, entries: ['ada'] } },
    { name: 'stranger', when: { unknown: '1s', cameras: ['lobby', 'far'] } },
    { name: 'every visit', when: { cameras: ['twice'] } },
    { name: 'once an hour', when: { cameras: ['twice'] }, cooldown: '1h' },
  ];
  // The pause between her visits is short, so what is known is looked at often.
  const quick = { crops: { refresh: '500ms' }, motion: { enabled: false } };
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: { severity: 'low' }, others: {} },
    cameras: {
      lobby: { source: once, zones, ...quick },
      // Dee's face is 53 px high here, ada's from 62 on.
      far: { source: once, ...quick, crops: { ...quick.crops, minFaceHeight: 58 } },
      twice: { source: twice, ...quick },
    },
    alerting: { leaveAfter: '2s' },
    alerts: rules,
  });
  await place.enrol('watch', 'ada');
  const began = new Date();
  await place.succeed('run', '--once', place.configFile);
  await listener.settled();
  const opened = alertsIn(listener).filter(({ state }) => state === 'opened');
  const told = opened.map(
    ({ rule, camera, entry, severity }) => `${rule}: ${entry?.name ?? 'unknown'} on ${camera}, ${severity}`,
  );
  assert.deepEqual(told.toSorted(), [
    'by name: ada on lobby, low',
    'every visit: ada on twice, low',
    'every visit: ada on twice, low',
    'everybody: ada on lobby, low',
    'now: ada on lobby, low',
    'once an hour: ada on twice, low',
    'right for a second: ada on lobby, low',
    'right: ada on lobby, critical',
    'stranger: unknown on lobby, medium',
  ]);
  const by = (rule: string) => opened.find((alert) => alert.rule === rule) ?? assert.fail(rule);
  // She is looked at twice a second; in between the zone is followed by her box.
  const lookMs = 600;
  const insideAt = by('right').times.event;
  assert.ok(
    footX(by('everybody')) < 0.4 && footX(by('right')) > 0.4,
    'the alert shows her at the zone, not where she came from',
  );
  assert.ok(by('right for a second').times.event - insideAt > 1000 - lookMs);
  const stranger = by('stranger');
  assert.deepEqual([stranger.kind, stranger.entry, stranger.quality.heightPx < 58], ['unknown', undefined, true], 'dee');

  const question = ['--at', began.toISOString(), '--within', '2m'];
  const lobby = await place.succeed('why', '--camera', 'lobby', ...question);
  assert.match(lobby, /: an unknown face, rule stranger, in view /);
  assert.doesNotMatch(lobby, /ada \(-?0\.0/, 'the stranger is never explained as somebody');
  const far = await place.succeed('why', '--camera', 'far', ...question);
  assert.match(far, /^track \d+, face, .*: 53 px high at best: too small to compare, 58 px are needed$/m);
});

test('an alert that is told nobody because of its rule says so: outside the hours, outside the zone, within the cooldown', {
  skip,
}, async () => {
  await using place = await createWorkplace();
  const twice = cutClip(place.directory, 'twice', 10, 70, 'loop=loop=1:size=60:start=0,setpts=N/12/TB');
  const quick = { source: twice, crops: { refresh: '500ms' }, motion: { enabled: false } };
  place.configure({
    lists: { watch: {} },
    cameras: {
      night: quick,
      corner: {
        ...quick,
        zones: {
          edge: [
            [0.95, 0.9],
            [1, 0.9],
            [1, 1],
          ],
        },
      },
      hourly: quick,
    },
    alerting: { leaveAfter: '1s' },
    alerts: [
      { name: 'night', when: { cameras: ['night'], schedule: [{ from: clock(2, 'UTC'), to: clock(3, 'UTC') }] } },
      { name: 'corner', when: { cameras: ['corner'], zones: ['edge'] } },
      { name: 'hourly', when: { cameras: ['hourly'] }, cooldown: '1h' },
    ],
  });
  await place.enrol('watch', 'ada');
  const question = ['--at', new Date().toISOString(), '--within', '2m'];
  await place.succeed('run', '--once', place.configFile);
  const alerts = await place.succeed('alerts', 'list', '--json');
  assert.deepEqual(
    alerts
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ rule, entry }: Alert) => `${rule}: ${entry?.name}`),
    ['hourly: ada'],
  );
  const why = async (camera: string) => await place.succeed('why', '--camera', camera, ...question);
  assert.match(await why('night'), /^track \d+, face, .*: ada \((0\.9\d|1\.00)\): outside the rule's schedule$/m);
  assert.match(await why('corner'), /^track \d+, face, .*: ada \((0\.9\d|1\.00)\): outside the rule's zones$/m);
  assert.match(
    await why('hourly'),
    /^track \d+, face, .*: ada \((0\.9\d|1\.00)\): an alert was sent at .* and the rule's cooldown had not passed$/m,
  );
});
