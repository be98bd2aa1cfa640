import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { fixtureDirectory, fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { startRtspWire } from '../support/rtsp-wire.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilState,
} from '../support/software-worker.ts';
import { until } from '../support/until.ts';

const reboots = 10;
const silentMs = 30_000;
/** Of the film. */
const [ticksPerFrame, fps, detectFps] = [7500n, 12, 3];

test('a camera that reboots ten times in a row and one that is silent for half a minute come back; the one beside them misses no frame', {
  skip: missingRtspCamera(),
}, async () => {
  const film = join(fixtureDirectory, 'clips/lobby.mp4');
  await using steady = await startRtspCamera(film);
  await using other = await startRtspCamera(film);
  const behind = { port: other.port, path: 'stream1' };
  await using rebooted = await startRtspWire(behind);
  await using silent = await startRtspWire(behind);
  const patient = { openTimeoutMs: 60_000, silenceTimeoutMs: 60_000 };
  const detect = [detectConfig(fixtureModels.face, { fps: detectFps, width: 160 })];
  await using daemon = await startTestDaemon({
    cameras: [
      cameraConfig('steady', steady.url, { ...patient, detect }),
      cameraConfig('rebooted', rebooted.url, { ...patient, detect }),
      cameraConfig('silent', silent.url, { openTimeoutMs: 10_000, silenceTimeoutMs: 10_000, detect }),
    ],
    inference: inferenceConfig(fixtureModelRepository),
  });
  await using worker = startWorkerProcess(daemon.socketPath);
  const wait = (camera: string, state: SourceState, from: number) =>
    Promise.race([untilState(daemon, camera, state, from, 120_000), worker.failed]);
  for (const camera of daemon.configured) await wait(camera, SourceState.LIVE, 0);

  async function reboot(): Promise<void> {
    for (let round = 0; round < reboots; round += 1) {
      const from = daemon.statuses.length;
      await rebooted.leave();
      await wait('rebooted', SourceState.AWAY, from);
      await rebooted.come();
      await wait('rebooted', SourceState.LIVE, from);
    }
  }

  async function fallSilent(): Promise<void> {
    const from = daemon.statuses.length;
    const since = performance.now();
    silent.silent = true;
    const away = await wait('silent', SourceState.AWAY, from);
    assert.equal(away.code, 'source.timeout');
    await until('half a minute to be over', () => performance.now() - since > silentMs, 2 * silentMs);
    silent.silent = false;
    await wait('silent', SourceState.LIVE, from);
  }

  await Promise.all([reboot(), fallSilent()]);
  const frames = daemon.frames.filter(({ camera }) => camera === 'steady');
  assert.deepEqual(new Set(frames.map(({ epoch }) => epoch)), new Set([1]));
  for (const [index, frame] of frames.entries())
    assert.equal(frame.pts - (frames[0]?.pts ?? 0n), BigInt(index) * ticksPerFrame, `frame ${index}`);
  const due = (frames.length / fps) * detectFps;
  const looked = frames.filter(({ predicted }) => !predicted).length;
  assert.ok(Math.abs(looked / due - 1) <= 0.05, `${looked} frames were looked at, not ${due}`);
});
