import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { nativeSettings } from '../src/core/native-settings.ts';
import { missingData } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { missingRtspCamera, startRtspCamera } from '../test/support/rtsp-camera.ts';
import { missingStandin } from '../test/support/standin.ts';
import { cameraName, type Load, token, workerName } from './bridge/load.ts';
import { type Measured, message, over, startSide } from './bridge/side.ts';
import { startContainer } from './deepstream/container.ts';
import { buildRelease } from './deepstream/release.ts';
import { film720 } from './support/media.ts';
import { cpuSeconds } from './support/processes.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/deepstream-path.ts [--cameras 4] [--seconds 25]

From the decoded frame to the decision: cameras of 1280 x 720 with 25 frames a second, over RTSP in real time, in one program of a
DeepStream container (built for release, on the stand-in: decoding, scaling and encoding of crops are the processor's), whose detectors
find three persons and two faces by a script on every frame they look at, five a second; bridge, tracks, alerts and their store in a
process of their own, put together as src/daemon.ts does, nothing embedded. What lies between the decoder and the probe is mostly the
multiplexer, which waits up to 40 ms for a frame of each camera. Prints a table, writes bench/results/deepstream-path.json. A minute, and
another one for the film the first time.`;

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '25' },
    help: { type: 'boolean' },
  },
});

const scene = 'clips/synth_crowd_a.mp4';
const filmSeconds = 60;
/** Before the part that is measured, and behind it. */
const besideSeconds = 5;
const fps = 25;

/** Three people who walk on the spot, two of them seen from the front. */
function recordingOf(frames: number) {
  const person = (at: number, i: number) => [60 + 400 * at + (i % 100), 80 + 30 * at, 150, 430] as const;
  const face = (at: number, i: number) => [100 + 400 * at + (i % 100), 95 + 30 * at, 70, 90] as const;
  return {
    frames: Array.from({ length: frames }, (_, i) => ({
      i,
      persons: [0, 1, 2].map((at) => ({ box: person(at, i) })),
      faces: [0, 1].map((at) => ({ box: face(at, i) })),
    })),
  };
}

async function measure(cameras: number, seconds: number) {
  const film = await film720('crowd', filmSeconds);
  const release = buildRelease()('.');
  await using directory = await temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  const settings = join(directory.path, 'container');
  for (const folder of [dataDir, settings]) await mkdir(folder, { mode: 0o700 });
  const names = Array.from({ length: cameras }, (_, index) => cameraName(index));
  await using stack = new AsyncDisposableStack();
  const urls: string[] = [];
  for (const _ of names) urls.push(stack.use(await startRtspCamera(film)).url);
  const load: Load = {
    ...{ socketPath: join(dataDir, 'bridge.sock'), dataDir, cameras, workers: 1, fps, detectEvery: 5, objects: 5 },
    ...{ seconds: seconds + besideSeconds, listed: 0, models: ['persons', 'faces'] },
    sources: urls,
  };
  const daemon = startSide('daemon.ts', load);
  await message(daemon);
  const recording = recordingOf(10 * filmSeconds * fps);
  const opened = {
    directory: settings,
    release,
    bridge: load.socketPath,
    worker: workerName(0),
    token,
    cameras: names,
    recording,
  };
  await using container = await startContainer(opened);
  await container.live;
  const before = cpuSeconds(container.pid);
  const began = performance.now();
  daemon.send('begun');
  await wait(load.seconds * 1000);
  const containerCores = ((cpuSeconds(container.pid) - before) * 1000) / (performance.now() - began);
  daemon.send('over');
  const measured = await message<Measured>(daemon);
  await over(daemon);
  return { ...measured, containerCores };
}

const missing = missingStandin() || missingRtspCamera() || missingData(scene);
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  Object.assign(process.env, nativeSettings(process.env, readFileSync('/proc/cpuinfo', 'utf8')));
  const cameras = Number(values.cameras);
  const measured = await measure(cameras, Number(values.seconds));
  const { receivedMs, sentMs, frames, seconds, cpuSeconds: daemonCpu } = measured;
  const said = ({ p50, p99, max }: Measured['sentMs']) => `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(0)}`;
  publish({
    name: 'deepstream-path',
    title: 'From the decoded frame to the decision, the real program on the stand-in',
    columns: [
      'cameras',
      'frames/s',
      'decoded to decision p50 / p99 / max ms',
      'socket to decision',
      "daemon's cores",
      "program's cores",
    ],
    rows: [
      [
        `${cameras}`,
        (frames / seconds).toFixed(0),
        said(receivedMs),
        said(sentMs),
        (daemonCpu / seconds).toFixed(3),
        measured.containerCores.toFixed(2),
      ],
    ],
    figures: measured,
  });
}
