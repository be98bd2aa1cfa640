import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import {
  alertsIn,
  alertWith,
  createWorkplace,
  cutClip,
  kill,
  type LogLine,
  patience,
  statesIn,
  workerOf,
} from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { logFloods, metricsOf, troublesOf, untilMetric } from '../support/faults.ts';
import { fixtureModelRepository, fixtureModels, fixturePath } from '../support/fixtures.ts';
import { endThread } from '../support/inspector.ts';
import { installedProgram } from '../support/programs.ts';
import { changeableRepository } from '../support/repository.ts';
import { missingRtspPatterns, startRtspPatterns } from '../support/rtsp-patterns.ts';
import { until } from '../support/until.ts';

const skip =
  missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg') || missingRtspPatterns();

/** Of the steady camera: 15 pictures a second, five of them looked at. */
const lookedAtShare = 5 / 15;
const tolerated = 0.05;
/** By then a camera that is looked at less often than asked has said so. */
const watchedSeconds = 12;
/** Of the cameras with a detector that does not work. */
const detectFps = 2;
const lateWords = /(\d+\.\d+) of (\d+\.\d+) frames a second are looked at/;

/** Where Node's debugger says that it listens. */
function addressIn(line: string | undefined): string | undefined {
  return /listening on (ws:\/\/127[^\s"]+)/.exec(line ?? '')?.[1];
}

/** The same of a worker. */
function debuggerOf(pid: number, lines: readonly LogLine[]): string | undefined {
  const printed = lines.filter((line) => line['pid'] === pid && line.msg === 'worker printed');
  return printed.map((line) => addressIn(String(line['line']))).find((address) => address !== undefined);
}

test('every fault of a model is said in words, counted and logged once a second at most; nobody alerts by it, and it heals', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using patterns = await startRtspPatterns();
  await using repository = await changeableRepository();
  const { face, faceEmbedder } = fixtureModels;
  const weightsOf = (model: string) => join(repository.directory, model, '1', 'model.onnx');
  const good = (model: string) => join(fixtureModelRepository, model, '1', 'model.onnx');
  const bytes = readFileSync(good(face));
  for (const model of ['missing', 'truncated', 'signature', 'nonsense']) {
    cpSync(join(fixtureModelRepository, face), join(repository.directory, model), { recursive: true });
    const file = join(repository.directory, model, 'config.pbtxt');
    const config = readFileSync(file, 'utf8').replace(`name: "${face}"`, `name: "${model}"`);
    writeFileSync(file, model === 'signature' ? config.replace('dims: [ 10, -1, -1 ]', 'dims: [ 10, -1, 7 ]') : config);
  }
  rmSync(weightsOf('missing'));
  writeFileSync(weightsOf('truncated'), bytes.subarray(0, bytes.length / 2));
  copyFileSync(fixturePath('networks/nan_face.onnx'), weightsOf('nonsense'));

  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 17, 55);
  const film = { source, loop: true, realtime: true, motion: { enabled: false } };
  const broken = ['missing', 'truncated', 'signature', 'nonsense'];
  place.configure({
    inference: { repository: repository.directory },
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: {
      steady: { source: patterns.url('h264'), motion: { enabled: false }, detect: [{ model: face, fps: 5, width: 160 }] },
      // In a worker of its own: what it sees is large, and takes a busy machine's time from the steady one.
      lobby: { ...film, group: 'lobby', detect: [{ model: face, fps: 2 }] },
      ...Object.fromEntries(broken.map((model) => [model, { ...film, detect: [{ model, fps: detectFps, width: 160 }] }])),
      half: { ...film, detect: ['nonsense', face].map((model) => ({ model, fps: detectFps, width: 160 })) },
    },
  });
  await place.enrol('watch', 'ada');
  copyFileSync(fixturePath('networks/nan_embed.onnx'), weightsOf(faceEmbedder));
  await using daemon = await place.start({ env: { NODE_OPTIONS: '--inspect-port=0' } });

  const troubles = () => troublesOf(daemon);
  const steady = (metric: string) => `sightline_camera_${metric}{camera="steady"}`;
  const before = await untilMetric(daemon, steady('media_seconds'), (seconds) => seconds > 2);
  const expected = new Map([
    ['detector missing', /^missing has no weights at \S+; get them with "sightline models fetch missing"/],
    ['detector truncated', /^onnx runtime cannot load \S+truncated\/1\/model\.onnx: /],
    [
      'detector signature',
      /^signature: config\.pbtxt and \S+ do not agree: output "540" has shape \[\?, 10, \?, \?\] in the network/,
    ],
    ['detector nonsense', /^nonsense: an output holds a value that is not finite$/],
    ['embedder face', /^fixture_embed: a vector is zero or not finite$/],
  ]);
  await until(
    'all five to be named',
    async () => {
      const found = await troubles();
      return [...expected].every(([name, words]) => words.test(found.get(name) ?? '')) && found.size === expected.size;
    },
    patience,
  );
  const { code, stdout } = await place.command('status');
  assert.equal(code, 1);
  for (const [name, words] of expected) {
    const line = stdout.split('\n').find((text) => text.startsWith(`${name} `)) ?? '';
    assert.match(line.replace(/^.* not ready +/, ''), words);
  }
  await until(
    'the state on the broker to name them',
    () => {
      const said = listener.messages.filter(({ topic }) => topic === 'sightline/v1/status');
      const { problems = [] } = statusMessage.parse(JSON.parse(said.at(-1)?.text ?? '{"v":1,"state":"offline","at":0}'));
      return problems.length === expected.size;
    },
    patience,
  );
  const failures = (model: string) => `sightline_detector_failures{worker="software-main",model="${model}"}`;
  for (const model of broken) await untilMetric(daemon, failures(model), (count) => count > 3);
  await untilMetric(daemon, 'sightline_crop_failures_total{reason="embed"}', (count) => count > 3);
  const samples = await untilMetric(daemon, 'sightline_embed_failures_total{kind="face"}', (count) => count > 3);
  assert.equal(samples.get(failures(face)), 0);
  assert.deepEqual(alertsIn(listener), [], 'what is no number is like nobody');

  const start = before.get(steady('media_seconds')) ?? 0;
  const after = await untilMetric(daemon, steady('media_seconds'), (seconds) => seconds > start + watchedSeconds);
  const gained = (metric: string) => (after.get(steady(metric)) ?? 0) - (before.get(steady(metric)) ?? 0);
  const share = gained('frames_detected') / gained('frames_decoded');
  assert.ok(Math.abs(share / lookedAtShare - 1) <= tolerated, `the other camera: ${share} looked at, not ${lookedAtShare}`);

  const reasonOf = (camera: string) => statesIn(listener, camera).at(-1)?.reason ?? '';
  const codes = {
    missing: 'model.missing',
    truncated: 'model.invalid',
    signature: 'model.invalid',
    nonsense: 'inference.failed',
  };
  for (const [model, errorCode] of Object.entries(codes)) {
    const words = `its detector ${model} does not work`;
    await until(`camera ${model} says it`, () => reasonOf(model) === words, patience);
    await untilMetric(daemon, `sightline_camera_troubles_total{camera="${model}",code="${errorCode}"}`, (count) => count > 0);
    const dropped = `sightline_camera_frames_dropped{camera="${model}"}`;
    assert.equal(after.get(dropped), samples.get(dropped), `${model}: what does not work loses no turn`);
  }
  const half = await until(
    'camera half says it',
    () => /^its detector nonsense does not work(;.*)?$/.exec(reasonOf('half'))?.[0],
    patience,
  );
  assert.ok(Number(lateWords.exec(half)?.[2] ?? 0) < detectFps + 0.5, `the one that works is asked for less: ${half}`);

  writeFileSync(
    join(repository.directory, 'signature', 'config.pbtxt'),
    readFileSync(join(repository.directory, face, 'config.pbtxt'), 'utf8').replace(`name: "${face}"`, 'name: "signature"'),
  );
  for (const model of ['missing', 'truncated', 'nonsense', faceEmbedder]) {
    copyFileSync(good(model === faceEmbedder ? faceEmbedder : face), `${weightsOf(model)}.new`);
    renameSync(`${weightsOf(model)}.new`, weightsOf(model));
  }
  await alertWith(listener, { name: 'ada', state: 'opened' });
  await until('everything is ready', async () => (await troubles()).size === 0, patience);
  await until('the cameras say so', () => [...broken, 'half'].every((camera) => !/detector/.test(reasonOf(camera))), patience);

  kill(daemon.pid, 'SIGUSR1');
  const own = await until(
    "the daemon's debugger",
    () =>
      addressIn(
        daemon
          .stderr()
          .split('\n')
          .find((line) => !line.startsWith('{') && addressIn(line) !== undefined),
      ),
    patience,
  );
  await until(
    'the embedder to say that its thread is gone, to somebody who looks at the right moment',
    async () => {
      await endThread(own, /inference/);
      const end = performance.now() + 2000;
      while (performance.now() < end) {
        const reason = (await troubles()).get('embedder face');
        if (reason === 'the inference thread is being restarted') return true;
      }
      return false;
    },
    patience,
  );
  const deaths = 'sightline_worker_inference_deaths{worker="software-lobby"}';
  const died = await until(
    'the worker to tell that its thread died; ended in the midst of a run it takes the whole worker with it',
    async () => {
      const pid = await until('the worker', () => workerOf(place.dataDir, 'lobby'), patience);
      kill(pid, 'SIGUSR1');
      const its = await until("the worker's debugger", () => debuggerOf(pid, daemon.lines()), patience);
      await endThread(its, /inference/);
      const end = performance.now() + 5000;
      while (performance.now() < end) {
        const samples = await metricsOf(daemon);
        if ((samples.get(deaths) ?? 0) > 0) return samples;
      }
      return undefined;
    },
    patience,
  );
  assert.ok((died.get('sightline_inference_thread_deaths_total') ?? 0) > 0);
  for (const name of ['sightline_sightings_total{kind="face"', 'sightline_camera_frames_detected{camera="lobby"']) {
    const [sample = '', count = 0] = [...died].find(([known]) => known.startsWith(name)) ?? [];
    await untilMetric(daemon, sample, (later) => later > count);
  }
  await until('everything is ready again', async () => (await troubles()).size === 0, patience);
  for (const worker of [undefined, 'software-lobby']) await daemon.told('inference thread died', { worker });
  // What the debugger prints is none of the program's.
  const lines = daemon.lines().filter(({ msg }) => msg !== 'worker printed');
  assert.deepEqual(logFloods(lines), []);
  await daemon.stop();
});
