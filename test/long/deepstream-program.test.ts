import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { dataPath, missingData } from '../support/data.ts';
import { changeControl, startRenderedApp } from '../support/deepstream-app.ts';
import { assertNoGrowth, type Held, heldBy, returning, startAndStop } from '../support/deepstream-cycles.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { cameraConfig, detectConfig, startTestDaemon } from '../support/software-worker.ts';
import { buildStandin, missingStandin, sanitizer } from '../support/standin.ts';
import { until } from '../support/until.ts';

/** What the program of a DeepStream container outlives: cameras that stay away, viewers that come and go, many lives. */

const clip = 'real_visits_a';
const skip =
  missingStandin() ||
  missingRtspCamera() ||
  missingData('clips/real_tilt_m.mp4', `clips/${clip}.mp4`, `clips/${clip}.gt.json`, 'clips/real_classroom.gt.json');
const detect = [detectConfig('persons'), detectConfig('faces')];

describe('the program in a DeepStream container, on the stand-in, for long', { skip }, () => {
  before(() => buildStandin(), { timeout: 1_800_000 });

  it('makes the source of a camera anew that nvurisrcbin does not get back, while the others go on', async () => {
    const file = dataPath('clips/real_tilt_m.mp4');
    await using staying = await startRtspCamera(file);
    let leaving = await startRtspCamera(file);
    try {
      const wire = (camera: string, url: string) => ({ ...cameraConfig(camera, url, { detect }), silenceTimeoutMs: 2000 });
      const cameras = [wire('gate', leaving.url), wire('yard', staying.url)];
      await using daemon = await startTestDaemon({ cameras, inference: undefined });
      await using started = await startRenderedApp({ bridge: daemon.socketPath, cameras: ['gate', 'yard'], script: {} });
      const of = (camera: string) => daemon.frames.filter((frame) => frame.camera === camera);
      const both = () => of('gate').length > 10 && of('yard').length > 10;
      await Promise.race([until('frames of both', both, 60_000), started.app.failed]);
      await changeControl(started.directory, { sources: { 0: { ignoreReset: true } } });
      await leaving.kill();
      leaving = await startRtspCamera(file, { port: leaving.port });
      await Promise.race([
        until('frames of another epoch', () => of('gate').some(({ epoch }) => epoch === 2), 90_000),
        started.app.failed,
      ]);
      assert.match(started.app.output, /source is made anew/);
      assert.ok(of('yard').every(({ epoch }) => epoch === 1));
      const states = daemon.statuses.filter(({ camera }) => camera === 'yard').map(({ state }) => state);
      assert.ok(!states.includes(SourceState.AWAY), 'the other camera stays');
      await until('frames of both go on', () => of('gate').filter(({ epoch }) => epoch === 2).length > 20, 20_000);
      daemon.send({ $case: 'drain', value: {} });
      assert.equal(await started.app.exit, 0);
    } finally {
      await leaving.kill();
    }
  });

  it('leaves nothing behind when a viewer comes and goes 200 times', { timeout: 900_000 }, async () => {
    const source = dataPath(`clips/${clip}.mp4`);
    const cameras = [cameraConfig('lobby', source, { detect, realtime: true, loop: true })];
    await using daemon = await startTestDaemon({ cameras, inference: undefined });
    const options = { bridge: daemon.socketPath, cameras: ['lobby'], script: { lobby: clip }, env: returning };
    // Nobody is at the media door: what is drawn and encoded is dropped there.
    await using started = await startRenderedApp({ ...options, media: `${daemon.socketPath}.nobody` });
    const annotated = () => daemon.stats.at(-1)?.cameras[0]?.annotatedDropped ?? 0n;
    await Promise.race([until('frames', () => daemon.frames.length > 10, 60_000), started.app.failed]);
    const held: Held[] = [];
    for (let time = 0; time < 200; time += 1) {
      daemon.send({ $case: 'wantVideo', value: { camera: 'lobby', annotated: true } });
      const frames = daemon.frames.length;
      await Promise.race([until('frames', () => daemon.frames.length > frames + 3, 60_000), started.app.failed]);
      daemon.send({ $case: 'wantVideo', value: { camera: 'lobby', annotated: false } });
      const after = daemon.frames.length;
      await Promise.race([until('frames', () => daemon.frames.length > after + 1, 60_000), started.app.failed]);
      held.push(await heldBy(started.app.child.pid ?? 0));
    }
    await until('encoded frames', () => annotated() > 0n, 20_000);
    if (sanitizer === '') assertNoGrowth(held, 64, 'viewers');
    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await started.app.exit, 0);
  });

  it('leaves nothing behind when a camera goes and comes back 20 times', { timeout: 900_000 }, async () => {
    const file = dataPath('clips/real_tilt_m.mp4');
    let camera = await startRtspCamera(file);
    try {
      const cameras = [{ ...cameraConfig('gate', camera.url, { detect }), silenceTimeoutMs: 2000 }];
      await using daemon = await startTestDaemon({ cameras, inference: undefined });
      await using started = await startRenderedApp({
        ...{ bridge: daemon.socketPath, cameras: ['gate'], script: {}, env: returning },
      });
      const held: Held[] = [];
      for (let time = 1; time <= 20; time += 1) {
        const frames = () => daemon.frames.filter(({ epoch }) => epoch === time).length;
        await Promise.race([until(`frames, time ${time}`, () => frames() > 5, 60_000), started.app.failed]);
        held.push(await heldBy(started.app.child.pid ?? 0));
        await camera.kill();
        const states = () => daemon.statuses.filter(({ state }) => state === SourceState.AWAY).length;
        await Promise.race([until(`away, time ${time}`, () => states() >= time, 60_000), started.app.failed]);
        camera = await startRtspCamera(file, { port: camera.port });
      }
      if (sanitizer === '') assertNoGrowth(held, 1024, 'resets of a camera');
      daemon.send({ $case: 'drain', value: {} });
      assert.equal(await started.app.exit, 0);
    } finally {
      await camera.kill();
    }
  });

  it('leaves nothing behind in 200 starts and stops', { timeout: 900_000 }, async () => {
    const held = await startAndStop(200);
    if (sanitizer === '') assertNoGrowth(held, 64, 'starts and stops');
  });
});
