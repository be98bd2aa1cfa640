import assert from 'node:assert/strict';
import { cpSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertWith, createWorkplace, cutClip, patience, photosOf, type RunningDaemon } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { fixtureModels } from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';
import { changeableRepository } from '../support/repository.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

interface Readiness {
  readonly ready: boolean;
  readonly parts: readonly { readonly name: string; readonly ready: boolean; readonly reason?: string }[];
}

async function get(daemon: RunningDaemon, path: string) {
  const response = await fetch(daemon.url(path));
  return { status: response.status, text: await response.text() };
}

/** The parts that are not ready, with their reasons; none when all is well. */
async function lacking(daemon: RunningDaemon): Promise<readonly string[]> {
  const { status, text } = await get(daemon, '/readyz');
  const { ready, parts }: Readiness = JSON.parse(text);
  assert.deepEqual([status, ready], parts.every((part) => part.ready) ? [200, true] : [503, false]);
  return parts.flatMap((part) => (part.ready ? [] : [`${part.name}: ${part.reason}`]));
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('readiness names the part that is missing: broker, camera, weights; each heals by itself', { skip }, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using repository = await changeableRepository();
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  const away = join(place.directory, 'later.mp4');
  place.configure({
    inference: { repository: repository.directory },
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: {
      lobby: { source, loop: true, realtime: true },
      yard: { source: away, loop: true, realtime: true, crops: { minFaceHeight: 500 } },
    },
  });
  await place.enrol('watch', 'ada');
  const weights = [fixtureModels.face, fixtureModels.faceEmbedder].map((model) =>
    join(repository.directory, model, '1', 'model.onnx'),
  );
  for (const file of weights) renameSync(file, `${file}.away`);
  await broker.kill();
  await using daemon = await place.start();
  assert.deepEqual(await get(daemon, '/healthz'), { status: 200, text: '{"status":"alive"}' });
  const missing = [
    /^embedder face: .*fixture_embed/,
    /^detector fixture_face: fixture_face has no weights at /,
    /^output mqtt: no broker listens at 127\.0\.0\.1:\d+/,
    /^camera yard: away: .*later\.mp4/,
  ];
  let named: readonly string[] = [];
  await until(
    'all that is missing is named',
    async () => {
      named = await lacking(daemon);
      return named.length === missing.length && missing.every((words, index) => words.test(named[index] ?? ''));
    },
    patience,
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${named.join('; ')}`));

  await broker.start();
  await until('the broker is back', async () => (await lacking(daemon)).every((part) => !part.startsWith('output')), patience);
  const told = await until(
    'the state says what is wrong',
    () =>
      listener.messages
        .filter(({ topic }) => topic === 'sightline/v1/status')
        .map(({ text }) => statusMessage.parse(JSON.parse(text)))
        // Those of before, when less was known to be missing, come first.
        .findLast(({ state, health, problems = [] }) => state === 'online' && health === 'degraded' && problems.length === 3),
    patience,
  );
  assert.deepEqual(told.problems?.map((problem) => problem.split(':')[0]).toSorted(), [
    'camera yard',
    'detector fixture_face',
    'embedder face',
  ]);

  for (const file of weights) renameSync(`${file}.away`, file);
  await alertWith(listener, { name: 'ada', state: 'opened' });
  cpSync(source, away);
  await until('everything is ready', async () => (await lacking(daemon)).length === 0, patience);
  await daemon.stop();
});

test('metrics carry help and no person, path or address; the HTTP server is for this machine alone', { skip }, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: { lobby: { source, loop: true, realtime: true } },
  });
  await using daemon = await place.start();
  const person = 'Zebulon Quatermass';
  await place.succeed('enroll', '--name', person, '--list', 'watch', ...photosOf('ada'));
  await alertWith(listener, { name: person, state: 'opened' });
  const measured = async (name: string) => {
    const { text } = await get(daemon, '/metrics');
    return text.split('\n').some((line) => line.startsWith(name) && Number(line.split(' ').at(-1)) > 0);
  };
  for (const name of [
    'sightline_camera_frames_decoded{camera="lobby"}',
    'sightline_alert_events_total{',
    'sightline_sightings_total{',
  ])
    await until(`${name} is counted`, () => measured(name), patience);

  const { status, text } = await get(daemon, '/metrics');
  assert.equal(status, 200);
  const lines = text.split('\n').filter((line) => line !== '');
  const helped = new Map(
    lines.flatMap((line) => {
      const [, name, help] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, help ?? ''] as const];
    }),
  );
  const samples = lines.filter((line) => !line.startsWith('#'));
  assert.ok(samples.length > 50);
  for (const sample of samples) {
    const name = /^\w+/.exec(sample)?.[0] ?? '';
    const family = helped.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    assert.ok((helped.get(family) ?? '').length > 10, `${name} has no help`);
    assert.match(name, /^(sightline|process|nodejs)_/, sample);
    assert.ok(!sample.includes('NaN'), sample);
  }
  const labels = samples.flatMap((sample) =>
    [...sample.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => `${name}=${value}`),
  );
  const { entry } = await place.ask('watchlist.show', { entry: person });
  for (const label of labels) {
    assert.ok(![person, 'Zebulon', entry.id].some((secret) => label.includes(secret)), label);
    assert.doesNotMatch(label, /[/@]|:\/\//, label);
  }

  const port = Number(new URL(daemon.url('/')).port);
  const outside = Object.values(networkInterfaces())
    .flat()
    .filter((address) => address !== undefined && !address.internal && address.family === 'IPv4');
  assert.equal(new URL(daemon.url('/')).hostname, '127.0.0.1');
  assert.ok(await connects('127.0.0.1', port));
  for (const address of outside) assert.equal(await connects(address?.address ?? '', port), false, address?.address);
  await daemon.stop();
});
