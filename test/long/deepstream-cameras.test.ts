import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AlertMessage } from '../../src/outputs/topics.ts';
import { listen, startBroker } from '../support/broker.ts';
import { type Card, missingCard, startCard } from '../support/card.ts';
import { assertSeen, type ClipTruth, enrolGallery, listedVisits, readClip, tellsOf } from '../support/clips.ts';
import { containersByWorker, removeContainersOf } from '../support/container-world.ts';
import { alertsIn, createWorkplace, type RunningDaemon, statesIn } from '../support/daemon.ts';
import { docker } from '../support/docker.ts';
import { until } from '../support/until.ts';

const skip = await missingCard();

/** Nobody is on two of them: one person seen by two cameras at once would be one alert. */
const clipOf: Readonly<Record<string, string>> = {
  a1: 'real_tilt_m',
  a2: 'neg_carpark',
  a3: 'real_classroom',
  a4: 'real_worker',
  b1: 'synth_crowd_a',
  b2: 'neg_carpark',
  b3: 'real_classroom',
  b4: 'real_worker',
  c1: 'synth_shots_a',
  c2: 'neg_carpark',
  c3: 'real_classroom',
  c4: 'real_worker',
};
const cameras = Object.keys(clipOf);
const patience = 900_000;

describe('twelve cameras in three containers at once', { skip }, () => {
  let card: Card;
  before(async () => {
    card = await startCard();
  });
  after(() => card?.[Symbol.asyncDispose]());

  test('all are read, the right people are told of on the right cameras, and what was not looked at is counted', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port, 'sightline/v1/#');
    const source = (camera: string) => readClip(clipOf[camera] ?? '').path;
    await using place = await createWorkplace({
      inference: { engine: 'triton', url: card.server.url, repository: card.descriptions },
      models: { face: 'face_embed', appearance: 'person_embed', enrolment: 'centerface', enrolmentBody: 'yolox_nano' },
      deepstream: { image: card.image.name, gpuAccess: 'none', camerasPerContainer: 4, memoryMegabytes: 1024 },
      mqtt: { url: broker.url, snapshot: 'off' },
      lists: { watch: { kind: 'watch' }, others: { kind: 'ignore' } },
      cameras: Object.fromEntries(
        cameras.map((camera) => [
          camera,
          { source: source(camera), runtime: 'deepstream', detect: [{ model: 'centerface', fps: 5 }] },
        ]),
      ),
    });
    await using _left = { [Symbol.asyncDispose]: () => removeContainersOf(place.dataDir) };
    const watch = [...new Set(Object.values(clipOf).flatMap((name) => readClip(name).watchlist))];
    mkdirSync(join(place.directory, 'photos'));
    await enrolGallery(place.configFile, join(place.directory, 'photos'), { watch });
    const daemon = await place.start();

    const state = (camera: string) => statesIn(listener, camera).at(-1)?.state;
    const seen = (camera: string, wanted: string) => statesIn(listener, camera).some((said) => said?.state === wanted);
    await until('all cameras are live', () => cameras.every((camera) => seen(camera, 'live')), patience);
    const containers = await containersByWorker(place.dataDir);
    assert.deepEqual(Object.keys(containers).toSorted(), ['deepstream-main', 'deepstream-main.2', 'deepstream-main.3']);
    console.log(
      await docker('stats', '--no-stream', '--format', '{{.Name}} {{.CPUPerc}} {{.MemUsage}}', ...Object.values(containers)),
    );
    await until('all films have ended', () => cameras.every((camera) => state(camera) === 'ended'), patience);

    for (const camera of cameras) {
      const { frames } = readClip(clipOf[camera] ?? '');
      assert.deepEqual(
        {
          camera,
          decoded: await figure(daemon, 'frames_decoded', camera, frames),
          dropped: await figure(daemon, 'frames_dropped', camera, 0),
          unsent: await figure(daemon, 'batches_dropped', camera, 0),
        },
        { camera, decoded: frames, dropped: 0, unsent: 0 },
      );
    }
    for (const camera of cameras) {
      assertTold(
        readClip(clipOf[camera] ?? ''),
        alertsIn(listener).filter((alert) => alert.state === 'opened' && alert.camera === camera),
      );
    }
    console.log(await docker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}', ...Object.values(containers)));
    await daemon.stop();
  });
});

/**
 * Each listed visit once, and nobody else. A container that got no further, as it may where Triton takes minutes, is started again and plays its
 * films from their beginning: then each visit once at most in each playing, and in one of them at least.
 */
function assertTold(clip: ClipTruth, opened: readonly AlertMessage[]): void {
  const playings = [...Map.groupBy(opened, ({ track }) => track.epoch).values()];
  const visits = listedVisits(clip);
  const told = (alerts: readonly AlertMessage[]) =>
    visits.filter((visit) => alerts.some((alert) => tellsOf(alert, visit, clip)));
  for (const playing of playings) assertSeen(clip, told(playing), playing);
  assert.deepEqual(told(opened), visits, clip.name);
}

/** The last that a worker said of a camera; it says it every second. */
async function figure(daemon: RunningDaemon, name: string, camera: string, wanted: number): Promise<number> {
  const read = () => daemon.metric(`sightline_camera_${name}{camera="${camera}"}`);
  return await until(
    `${name} of ${camera}`,
    async () => ((await read()) === wanted ? { found: wanted } : undefined),
    10_000,
  ).then(({ found }) => found, read);
}
