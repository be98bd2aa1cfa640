import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { makeCertificates } from '../support/certificates.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience, statesIn, workerOf } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { logFloods, metricsOf, troublesOf, untilMetric } from '../support/faults.ts';
import { fixtureModelRepository, fixtureModels, fixturePath } from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';
import { loadOnly, missingTriton, pythonModel, startTriton, withoutWeights } from '../support/triton.ts';
import { oddFace, tensorsOf } from '../support/triton-odd.ts';
import { until } from '../support/until.ts';

/** What becomes of cameras, tracks and alerts when Triton serves nonsense, hangs, has no embedder or cannot be trusted. */
const skip =
  missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg') || (await missingTriton());

const { face, faceEmbedder } = fixtureModels;
const soon = { timeoutMs: 60_000 };
/** Again and again. */
const film = (source: string) => ({ source, loop: true, realtime: true, motion: { enabled: false } });

/** A face embedder that answers one number too few, and all the same. */
const oddEmbedder = `
return pb_utils.InferenceResponse([pb_utils.Tensor("output0", np.ones((len(inputs["input0"]), 63), np.float32))])
`;

test('networks that answer NaN or another shape are said in words and counted, nobody alerts by them, and they heal', {
  skip,
}, async () => {
  await using served = await temporaryDirectory();
  for (const model of [face, faceEmbedder])
    cpSync(join(fixtureModelRepository, model), join(served.path, model), { recursive: true });
  cpSync(join(served.path, face), join(served.path, 'nan_face'), { recursive: true });
  const config = join(served.path, 'nan_face', 'config.pbtxt');
  writeFileSync(config, readFileSync(config, 'utf8').replace(`name: "${face}"`, 'name: "nan_face"'));
  copyFileSync(fixturePath('networks/nan_face.onnx'), join(served.path, 'nan_face/1/model.onnx'));
  await pythonModel(served.path, 'odd_face', tensorsOf(face), oddFace);
  await using here = await temporaryDirectory();
  const descriptions = await withoutWeights(served.path, join(here.path, 'models'));
  await using server = await startTriton({
    repository: served.path,
    flags: loadOnly(face, faceEmbedder, 'nan_face', 'odd_face'),
  });
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  const broken = ['nan_face', 'odd_face'];
  place.configure({
    inference: { engine: 'triton', url: server.url, repository: descriptions },
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: {
      lobby: { ...film(source), detect: [{ model: face, fps: 5 }] },
      ...Object.fromEntries(broken.map((model) => [model, { ...film(source), detect: [{ model, fps: 2 }] }])),
    },
  });
  await place.enrol('watch', 'ada');
  const client = server.client();
  const weights = join(served.path, faceEmbedder, '1/model.onnx');
  copyFileSync(fixturePath('networks/nan_embed.onnx'), weights);
  await client.loadModel(faceEmbedder, soon);

  await using daemon = await place.start();
  const named = async (expected: ReadonlyMap<string, RegExp>) =>
    await until(
      `these to be named: ${[...expected.keys()]}`,
      async () => {
        const found = await troublesOf(daemon);
        return [...expected].every(([name, words]) => words.test(found.get(name) ?? ''));
      },
      patience,
    );
  const detectors = new Map([
    ['detector nan_face', /^nan_face: an output holds a value that is not finite$/],
    ['detector odd_face', /^odd_face: output "537" has shape \[1,1,\d+,\d+\], not \[1,1,\d+,\d+\]$/],
  ]);
  await named(new Map([...detectors, ['embedder face', /^fixture_embed: a vector is zero or not finite$/]]));
  for (const model of broken) {
    const failures = `sightline_detector_failures{worker="software-main",model="${model}"}`;
    await untilMetric(daemon, failures, (count) => count > 3);
    const words = `its detector ${model} does not work`;
    await until(`camera ${model} says it`, () => statesIn(listener, model).at(-1)?.reason === words, patience);
  }
  await untilMetric(daemon, 'sightline_crop_failures_total{reason="embed"}', (count) => count > 3);
  const failedRuns = 'sightline_embed_failures_total{kind="face"}';
  const nonsense = await untilMetric(daemon, failedRuns, (count) => count > 3);

  rmSync(join(served.path, faceEmbedder), { recursive: true });
  await pythonModel(served.path, faceEmbedder, tensorsOf(faceEmbedder), oddEmbedder);
  await client.loadModel(faceEmbedder, soon);
  const oddWords = /its answer is not as described: output "output0" has shape \[\d+, 63\], not \[\d+, 64\]$/;
  await named(new Map([...detectors, ['embedder face', oddWords]]));
  const before = nonsense.get(failedRuns) ?? 0;
  await untilMetric(daemon, failedRuns, (count) => count > before + 3);
  assert.deepEqual(alertsIn(listener), [], 'what is no vector is like nobody');

  rmSync(join(served.path, faceEmbedder), { recursive: true });
  cpSync(join(fixtureModelRepository, faceEmbedder), join(served.path, faceEmbedder), { recursive: true });
  await client.loadModel(faceEmbedder, soon);
  await alertWith(listener, { name: 'ada', state: 'opened', camera: 'lobby' });
  await until('the embedder to be well', async () => !(await troublesOf(daemon)).has('embedder face'), patience);
  assert.deepEqual([...(await troublesOf(daemon)).keys()].sort(), [...detectors.keys()], 'the detectors are as they were');
  assert.ok(alertsIn(listener).every(({ camera }) => camera === 'lobby'));
  assert.deepEqual(logFloods(daemon.lines()), []);
  await daemon.stop();
});

test('without an embedder tracks go on and their best crops wait; a server that hangs is said; both go on by themselves', {
  skip,
}, async () => {
  await using here = await temporaryDirectory();
  const descriptions = await withoutWeights(fixtureModelRepository, join(here.path, 'models'));
  await using server = await startTriton({ repository: fixtureModelRepository, flags: loadOnly(face, faceEmbedder) });
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  place.configure({
    inference: { engine: 'triton', url: server.url, repository: descriptions },
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    alerting: { leaveAfter: '5s' },
    cameras: { lobby: { ...film(cutClip(place.directory, 'ada', 17, 55)), detect: [{ model: face, fps: 5 }] } },
  });
  await place.enrol('watch', 'ada');
  const client = server.client();
  await client.unloadModel(faceEmbedder, soon);
  await using daemon = await place.start();
  const opened = () => alertsIn(listener).filter(({ state }) => state === 'opened');
  const looks = 'sightline_camera_frames_detected{camera="lobby"}';
  const waiting = await untilMetric(daemon, 'sightline_candidates_waiting', (count) => count > 0);
  await untilMetric(daemon, looks, (count) => count > (waiting.get(looks) ?? 0) + 20);
  const said = await until('it to be named', async () => (await troublesOf(daemon)).get('embedder face'), patience);
  assert.match(said, new RegExp(`^${server.url.replaceAll('.', '\\.')}: .*${faceEmbedder}`));
  assert.ok(!(await troublesOf(daemon)).has(`triton ${server.url}`), 'the server itself is well');
  assert.deepEqual(opened(), []);
  await client.loadModel(faceEmbedder, soon);
  await alertWith(listener, { name: 'ada', state: 'opened' });
  await until('everything is ready', async () => (await troublesOf(daemon)).size === 0, patience);

  const worker = workerOf(place.dataDir);
  const before = opened().length;
  server.signal('SIGSTOP');
  const name = `triton ${server.url}`;
  const hangs = await until('the server that hangs to be named', async () => (await troublesOf(daemon)).get(name), patience);
  assert.match(hangs, /^it is away: .*[Dd]eadline/);
  const decoded = 'sightline_camera_frames_decoded{camera="lobby"}';
  const frames = (await metricsOf(daemon)).get(decoded) ?? 0;
  await untilMetric(daemon, decoded, (count) => count > frames + 20);
  await alertWith(listener, { name: 'ada', state: 'closed' });
  server.signal('SIGCONT');
  await until('another alert', () => opened().length > before, patience);
  await until('everything is ready again', async () => (await troublesOf(daemon)).size === 0, patience);
  assert.equal(workerOf(place.dataDir), worker, 'the worker went on');
  assert.deepEqual(logFloods(daemon.lines()), []);
  await daemon.stop();
});

test('a server whose certificate nobody vouches for is named with what to do, and cameras decode all the same', {
  skip,
}, async () => {
  await using certificates = await makeCertificates();
  await using others = await makeCertificates();
  await using server = await startTriton({
    repository: fixtureModelRepository,
    flags: loadOnly(face, faceEmbedder),
    certificates,
    mutual: false,
  });
  await using place = await createWorkplace();
  place.configure({
    inference: { engine: 'triton', url: `grpcs://localhost:${server.port}`, caFile: others.caFile },
    cameras: { lobby: { ...film(cutClip(place.directory, 'ada', 17, 55)), detect: [{ model: face, fps: 5 }] } },
  });
  await using daemon = await place.start();
  const name = `triton 127.0.0.1:${server.port}`;
  const words =
    /TLS failed: no known authority has signed the server's certificate; inference\.caFile must hold the one that did$/;
  const said = await until('it to be named', async () => (await troublesOf(daemon)).get(name), patience);
  assert.match(said, words);
  await untilMetric(daemon, 'sightline_camera_frames_decoded{camera="lobby"}', (count) => count > 20);
  await until(
    `the camera's detector to be named`,
    async () => words.test(((await troublesOf(daemon)).get(`detector ${face}`) ?? '').replace(/\)$/, '')),
    patience,
  );
  const { code, stdout } = await place.command('status');
  assert.equal(code, 1);
  assert.match(stdout.split('\n').find((line) => line.startsWith(name)) ?? '', words);
  assert.equal(daemon.lines().filter((line) => line.msg === 'triton server is away' && line['worker'] === undefined).length, 1);
  await daemon.stop();
});
