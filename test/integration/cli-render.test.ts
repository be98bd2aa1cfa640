import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

const configuration = `dataDir: data
inference: { engine: triton, url: triton:8001 }
mqtt: { url: 'mqtt://broker', username: sightline, password: broker-secret }
deepstream: { tracker: nvsort, network: cameras, width: 1280, height: 720 }
cameras:
  lobby:
    source: rtsp://viewer:\${CAM_PASSWORD}@10.0.0.21/stream1
    runtime: deepstream
    detect: [{ model: centerface, fps: 4 }]
  yard:
    source: rtsp://viewer:\${CAM_PASSWORD}@10.0.0.22/stream1
    runtime: deepstream
    detect: [{ model: centerface, minScore: 0.3, fps: 8, width: 960 }, { model: yolox_nano }]
    recognise: [face, appearance]
  gate:
    source: rtsp://viewer:\${CAM_PASSWORD}@10.0.0.23/stream1
    runtime: deepstream
    group: gates
  desk: { source: 'rtsp://viewer:camera-secret@10.0.0.24/stream1' }
`;

test('render prints the files of containers, of all or of a camera’s, without any secret', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.yaml');
  await writeFile(file, configuration);
  const render = (...args: readonly string[]) => runProgram(['render', ...args], { env: { CAM_PASSWORD: 'camera-secret' } });

  const all = await render(file);
  assert.equal(all.code, 0, all.stderr);
  assert.deepEqual(
    [...all.stdout.matchAll(/^==> (.*) <==$/gm)].map(([, name]) => name),
    [
      ...['container.json', 'infer-centerface.txt', 'labels-centerface.txt', 'tracker.yml'].map((n) => `deepstream-gates/${n}`),
      'deepstream-main/container.json',
      ...['infer-centerface.txt', 'labels-centerface.txt'].map((name) => `deepstream-main/${name}`),
      ...['infer-yolox_nano.txt', 'labels-yolox_nano.txt', 'tracker.yml'].map((name) => `deepstream-main/${name}`),
    ],
  );
  assert.doesNotMatch(all.stdout + all.stderr, /secret|viewer|rtsp:|10\.0\.0|desk/);

  const one = await render(file, '--camera', 'lobby');
  assert.equal(one.code, 0, one.stderr);
  const container = JSON.parse(/container\.json <==\n([\s\S]*?)\n\n==>/.exec(one.stdout)?.[1] ?? '');
  assert.deepEqual(container.cameras, [
    { camera: 'lobby', sourceId: 0 },
    { camera: 'yard', sourceId: 1 },
  ]);
  assert.deepEqual(container.mux, { width: 1280, height: 720, batchedPushTimeoutUs: 40_000, bufferPoolSize: 8 });
  // What any camera of it asks for: the highest rate and width, the lowest score.
  assert.equal(container.detectors[0].fps, 8);
  assert.match(one.stdout, /dims: \[3, 544, 960\]/);
  assert.match(one.stdout, /confidence_threshold: 0\.3 /);
  assert.match(one.stdout, /url: "triton:8001"/);
  assert.doesNotMatch(one.stdout, /deepstream-gates/);

  const other = await render(file, '--camera', 'desk');
  assert.deepEqual([other.code, other.stdout], [2, '']);
  assert.match(other.stderr, /no container has a camera desk; there are gate, lobby, yard/);
});

test('render and check refuse a model that DeepStream cannot run, at its place in the file', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.yaml');
  await writeFile(file, configuration.replace('model: centerface, fps: 4', 'model: yunet, fps: 4'));
  for (const command of ['render', 'check']) {
    const { code, stdout, stderr } = await runProgram([command, file], { env: { CAM_PASSWORD: 'x' } });
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(
      stderr,
      /sightline\.yaml:9:\d+ cameras\.lobby\.detect\[0\]\.model: yunet\/config\.pbtxt: not for runtime: deepstream/,
    );
  }
});

test('config/deepstream.yaml is fine as it is shipped, with its secrets from the environment alone', async () => {
  const file = join(import.meta.dirname, '../../config/deepstream.yaml');
  const env = { CAM_USER: 'viewer', CAM_PASSWORD: 'camera-secret', MQTT_PASSWORD: 'broker-secret' };
  const checked = await runProgram(['check', file], { env });
  assert.deepEqual([checked.code, checked.stderr], [0, ''], checked.stderr);
  assert.match(checked.stdout, /is fine: 2 cameras/);
  const rendered = await runProgram(['render', file], { env });
  assert.equal(rendered.code, 0, rendered.stderr);
  assert.doesNotMatch(rendered.stdout, /secret|viewer/);
  const container = JSON.parse(/container\.json <==\n([\s\S]*?)\n\n==>/.exec(rendered.stdout)?.[1] ?? '');
  assert.deepEqual(
    container.detectors.map(({ model, kind }: { model: string; kind: string }) => [model, kind]),
    [
      ['centerface', 'centerface'],
      ['yolox_nano', 'yolo-end2end'],
    ],
  );
  for (const name of Object.keys(env)) {
    const others = Object.fromEntries(Object.entries(env).filter(([other]) => other !== name));
    const { code, stderr } = await runProgram(['check', file], { env: others });
    assert.equal(code, 78);
    assert.match(stderr, new RegExp(`environment variable ${name} is not set`));
  }
});
