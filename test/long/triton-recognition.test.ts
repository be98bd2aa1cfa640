import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { makeCertificates } from '../support/certificates.ts';
import { assertVisits, drawnData, listedVisits, playScene, readClip } from '../support/clips.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience, workerOf } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { troublesOf, untilMetric } from '../support/faults.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { installedProgram } from '../support/programs.ts';
import { loadOnly, missingTriton, servedData, startTriton, type TritonServer, withoutWeights } from '../support/triton.ts';
import { until } from '../support/until.ts';

/** `engine: triton` through the whole program, on a real server that comes and goes. */
const skip =
  missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg') || (await missingTriton());

describe('a server that comes and goes', { skip }, () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let descriptions: string;
  const servers: TritonServer[] = [];
  const { face, faceEmbedder } = fixtureModels;
  const start = async (port: number): Promise<TritonServer> => {
    const server = await startTriton({ repository: fixtureModelRepository, port, flags: loadOnly(face, faceEmbedder) });
    servers.push(server);
    return server;
  };
  before(async () => {
    folder = await temporaryDirectory();
    descriptions = await withoutWeights(fixtureModelRepository, join(folder.path, 'models'));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    await folder?.[Symbol.asyncDispose]();
  });

  /** One of the drawn people in front of a camera, again and again. */
  const film = (source: string) => ({ source, loop: true, realtime: true, motion: { enabled: false } });

  test('a daemon starts without one, says so, and works by itself as soon as there is one; the same after kill -9', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using place = await createWorkplace();
    const port = await freePort();
    const name = `triton 127.0.0.1:${port}`;
    place.configure({
      inference: { engine: 'triton', url: `127.0.0.1:${port}`, repository: descriptions },
      mqtt: { url: broker.url, snapshot: 'off' },
      lists: { watch: {} },
      alerting: { leaveAfter: '5s' },
      cameras: { lobby: { ...film(cutClip(place.directory, 'ada', 17, 55)), detect: [{ model: face, fps: 5 }] } },
    });
    await using daemon = await place.start();
    const decoded = 'sightline_camera_frames_decoded{camera="lobby"}';
    await untilMetric(daemon, decoded, (frames) => frames > 10);
    const said = await until(
      'the parts that wait for a server',
      async () => {
        const found = await troublesOf(daemon);
        return found.size >= 3 && found;
      },
      patience,
    );
    assert.match(said.get(name) ?? '', /^it is away: .*ECONNREFUSED/);
    assert.match(said.get('embedder face') ?? '', /127\.0\.0\.1:\d+ is away/);
    assert.match(said.get(`detector ${face}`) ?? '', /127\.0\.0\.1:\d+ is away/);

    const first = await start(port);
    await until('everything is ready', async () => (await troublesOf(daemon)).size === 0, patience);
    await place.enrol('watch', 'ada');
    await alertWith(listener, { name: 'ada', state: 'opened' });

    first.signal('SIGKILL');
    await first.ended;
    await until('the server to be missed', async () => (await troublesOf(daemon)).has(name), patience);
    await alertWith(listener, { name: 'ada', state: 'closed' });
    const frames = await daemon.metric(decoded);
    await untilMetric(daemon, decoded, (count) => count > frames + 20);
    const worker = workerOf(place.dataDir);
    await start(port);
    await until('another alert', () => alertsIn(listener).filter(({ state }) => state === 'opened').length > 1, patience);
    await until('everything is ready again', async () => (await troublesOf(daemon)).size === 0, patience);
    assert.equal(workerOf(place.dataDir), worker, 'the worker went on');
    await daemon.stop();
  });

  test('over TLS with certificates on both sides, for the daemon and its workers', async () => {
    await using certificates = await makeCertificates();
    const { caFile, client } = certificates;
    await using server = await startTriton({
      repository: fixtureModelRepository,
      flags: loadOnly(face, faceEmbedder),
      certificates,
    });
    const clip = readClip('lobby', drawnData);
    const inference = { engine: 'triton', url: `grpcs://localhost:${server.port}`, caFile, ...client } as const;
    const data = { ...servedData(drawnData, server, descriptions), inference };
    const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
    assertVisits(clip, listedVisits(clip), scene.opened);
  });

  test('a film through kill -9, through SIGTERM, each with a new start: every visit alerts as if nothing had been', async () => {
    const clip = readClip('lobby', drawnData);
    const port = await freePort();
    let server = await start(port);
    const runs = async () => {
      const [counts] = await server.client().statistics({ timeoutMs: 10_000 }, faceEmbedder);
      return Number(counts?.inferenceCount ?? 0n);
    };
    const scene = await playScene({
      data: servedData(drawnData, server, descriptions),
      gallery: { watch: clip.watchlist },
      cameras: { clip: clip.path },
      during: async () => {
        for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
          const before = await runs();
          await until('crops to be embedded', async () => (await runs()) > before + 3, patience);
          server.signal(signal);
          await server.ended;
          server = await start(port);
        }
      },
    });
    const names = (list: readonly (string | undefined)[]) => [...list].sort();
    assert.deepEqual(names(scene.opened.map(({ entry }) => entry?.name)), names(listedVisits(clip).map(({ id }) => id)));
  });

  test('embedded as a fallback: alerts go on without a server, and Triton is taken back', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using place = await createWorkplace();
    const port = await freePort();
    const server = await start(port);
    place.configure({
      inference: { engine: 'triton', url: `127.0.0.1:${port}`, fallback: 'embedded' },
      mqtt: { url: broker.url, snapshot: 'off' },
      lists: { watch: {} },
      alerting: { leaveAfter: '5s' },
      cameras: { lobby: { ...film(cutClip(place.directory, 'ada', 17, 55)), detect: [{ model: face, fps: 5 }] } },
    });
    await place.enrol('watch', 'ada');
    await using daemon = await place.start();
    await alertWith(listener, { name: 'ada', state: 'opened' });
    const over = (worker?: string) =>
      daemon
        .lines()
        .filter(({ msg, worker: of }) => msg === 'embedded engine runs a model that no triton server can run' && of === worker);
    assert.deepEqual([...over(), ...over('software-main')], []);

    server.signal('SIGKILL');
    await server.ended;
    await until('both engines to be embedded', () => over().length > 0 && over('software-main').length > 0, patience);
    const sightings = 'sightline_sightings_total{kind="face"}';
    const seen = await daemon.metric(sightings);
    await untilMetric(daemon, sightings, (count) => count > seen + 10);
    assert.equal(await daemon.metric(`sightline_inference_fallbacks_total{model="${faceEmbedder}"}`), 1);
    const missed = await troublesOf(daemon);
    assert.deepEqual([...missed.keys()], [`triton 127.0.0.1:${port}`], 'nothing else is amiss');

    const again = await start(port);
    await until('everything is ready', async () => (await troublesOf(daemon)).size === 0, patience);
    const runs = async () => Number((await again.client().statistics({ timeoutMs: 10_000 }, face))[0]?.inferenceCount ?? 0n);
    await until('the server to be asked again', async () => (await runs()) > 5, patience);
    assert.deepEqual([over().length, over('software-main').length], [1, 1], 'each said once');
    await daemon.stop();
  });
});
