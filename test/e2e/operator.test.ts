import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import type { AlertEventView } from '../../src/core/control.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { startProgram } from '../support/cli.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('alerts are followed live and answered, and every consumer hears who did what and why', { skip }, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: { severity: 'high' } },
    cameras: { lobby: { source, loop: true, realtime: true } },
  });
  await using daemon = await place.start();
  const tail = startProgram(['alerts', 'tail', '--json'], { cwd: place.directory });
  const words = startProgram(['alerts', 'tail', '--camera', 'lobby'], { cwd: place.directory });
  const events = () => jsonLines(tail.stdout()) as unknown as readonly AlertEventView[];
  try {
    await until(
      'both listen',
      async () => {
        const metrics = await (await fetch(daemon.url('/metrics'))).text();
        return /^sightline_feed_listeners 2$/m.test(metrics);
      },
      patience,
    );
    await place.enrol('watch', 'ada', 'dee');
    const ada = await alertWith(listener, { name: 'ada', state: 'opened' });
    const dee = await alertWith(listener, { name: 'dee', state: 'opened' });
    const { username } = userInfo();

    assert.equal(await place.succeed('alerts', 'ack', ada.id, '--reason', 'guard sent'), `${ada.id} is acknowledged\n`);
    assert.equal(
      await place.succeed('alerts', 'resolve', ada.id, '--reason', 'she left with the guard'),
      `${ada.id} is resolved\n`,
    );
    const rejected = JSON.parse(await place.succeed('alerts', 'reject', dee.id, '--json'));
    assert.deepEqual([rejected.id, rejected.state], [dee.id, 'rejected']);
    for (const [id, state, reason] of [
      [ada.id, 'acknowledged', 'guard sent'],
      [ada.id, 'resolved', 'she left with the guard'],
      [dee.id, 'rejected', undefined],
    ] as const) {
      const message = await until(
        `${state} over MQTT`,
        () => alertsIn(listener).find((alert) => alert.id === id && alert.state === state),
        patience,
      );
      const { at: _at, ...step } = message.steps.at(-1) ?? assert.fail('a step');
      assert.deepEqual(step, { state, actor: username, ...(reason === undefined ? {} : { reason }) });
      await until(
        `${state} in the tail`,
        () => events().some(({ alert, step }) => alert.id === id && step.state === state),
        patience,
      );
    }
    await listener.settled();
    const revisions = alertsIn(listener)
      .filter(({ id }) => id === ada.id)
      .map(({ revision }) => revision);
    assert.deepEqual(
      revisions,
      revisions.map((_, index) => index + 1),
      'in order and without a gap',
    );
    const again = await place.command('alerts', 'ack', ada.id);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /resolved/);
    const unknown = await place.command('alerts', 'resolve', 'nothing');
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /there is no alert nothing/);
    const typo = await place.command('why', '--camera', 'lobbi', '--at', '00:00');
    assert.deepEqual([typo.code, typo.stdout], [1, '']);
    assert.match(typo.stderr, /there is no camera lobbi; the configuration has lobby/);

    const shown = await place.succeed('alerts', 'show', ada.id);
    assert.match(shown, new RegExp(`^\\S+ \\S+ +acknowledged +${username} +guard sent$`, 'm'));
    const list = await place.succeed('alerts', 'list', '--camera', 'lobby');
    assert.match(
      list,
      new RegExp(`^\\S+ \\S+ +resolved +high +lobby +ada \\(watch\\) +face \\d\\.\\d\\d +default +${ada.id}$`, 'm'),
    );
    assert.deepEqual(
      jsonLines(await place.succeed('alerts', 'list', '--json'))
        .map(({ id }) => id)
        .toSorted(),
      [ada.id, dee.id].toSorted(),
    );
    assert.equal(await place.succeed('alerts', 'list', '--open'), '', 'both are settled');
    const table = await place.succeed('status');
    assert.match(table, /^sightline \S+, process \d+, running since .* with .*sightline\.yaml$/m);
    for (const part of ['store', 'watchlist', 'output mqtt']) assert.match(table, new RegExp(`^${part} +ready$`, 'm'));
    assert.match(table, /^camera lobby +live +640 x 360 h264, decoded by \S+, since /m);
    assert.match(table, /^watchlist: 2 entries, 4 pictures$/m);
    const status = await until(
      'nothing waits for the broker',
      async () => {
        const found = JSON.parse(await place.succeed('status', '--json'));
        return found.outbox.waiting === 0 && found;
      },
      patience,
    );
    assert.deepEqual([status.pid, status.cameras[0].state.state, status.outbox.dead], [daemon.pid, 'live', 0]);
    await until('the other tail has it too', () => / acknowledged by /.test(words.stdout()), patience);
  } finally {
    tail.kill('SIGINT');
    words.kill('SIGINT');
  }
  const followed = await tail.finished;
  await words.finished;
  await until(
    'nobody listens any more',
    async () => /^sightline_feed_listeners 0$/m.test(await (await fetch(daemon.url('/metrics'))).text()),
    patience,
  );
  assert.equal(followed.code, 0, 'Ctrl-C ends it well');
  assert.deepEqual(Object.keys(events()[0] ?? {}).toSorted(), ['alert', 'revision', 'step'], 'without the picture');
  const told = (await words.finished).stdout;
  assert.match(told, /^\d\d:\d\d:\d\d opened: high lobby ada \(watch\) face similarity \d\.\d\d \[default\] \S+$/m);
  assert.match(
    told,
    new RegExp(`^\\d\\d:\\d\\d:\\d\\d acknowledged by ${userInfo().username} \\(guard sent\\): high lobby ada`, 'm'),
  );
  await daemon.stop();
});

test('why explains the stranger, the look-alike, the ignored and the face that is too small', { skip }, async () => {
  await using place = await createWorkplace();
  const early = cutClip(place.directory, 'ada-and-dee', 12, 76);
  const late = cutClip(place.directory, 'ben-and-cyd', 76, 162);
  place.configure({
    lists: { watch: {}, staff: { kind: 'ignore' } },
    cameras: { lobby: { source: early }, hall: { source: late }, far: { source: early, crops: { minFaceHeight: 500 } } },
  });
  await place.enrol('watch', 'ada');
  await place.enrol('staff', 'ben');
  const question = ['--at', new Date().toISOString(), '--within', '2m'];
  await place.succeed('run', '--once', place.configFile);

  const lobby = await place.succeed('why', '--camera', 'lobby', ...question);
  assert.match(lobby, /^lobby around .*: 1 alert, 1 track that told nobody$/m);
  assert.match(
    lobby,
    /^alert \S+: ada, face similarity (0\.9\d|1\.00), rule default, in view .* to .*, closed \(source_ended\)$/m,
  );
  assert.match(lobby, /^track \d+, face, .*: compared \d+ times, nearest (ada|ben) \(-?0\.0\d\), which needs 0\.80$/m, 'dee');
  const hall = await place.succeed('why', '--camera', 'hall', ...question);
  assert.match(hall, /^hall around .*: 0 alerts, 2 tracks that told nobody$/m);
  assert.match(hall, /^track \d+, face, .*: ben \((0\.9\d|1\.00)\) is on the ignore list staff$/m);
  assert.match(hall, /^track \d+, face, .*: compared \d+ times, nearest ada \(0\.5\d\), which needs 0\.80$/m, 'cyd');
  const far = await place.succeed('why', '--camera', 'far', ...question);
  assert.match(far, /^far around .*: 0 alerts, 2 tracks that told nobody$/m);
  assert.match(far, /^track \d+, face, .*: \d+ px high at best: too small to compare, 500 px are needed$/m);

  const parsed = JSON.parse(await place.succeed('why', '--camera', 'far', '--json', ...question));
  assert.deepEqual(parsed.lines, far.trimEnd().split('\n'));
  const nothing = await place.succeed('why', '--camera', 'nowhere', ...question);
  assert.match(nothing, /no track was seen/);
});
