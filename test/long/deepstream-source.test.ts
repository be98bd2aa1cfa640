import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, it } from 'node:test';
import { dataPath, missingData } from '../support/data.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { buildStandin, missingStandin, standinBuild, standinEnv } from '../support/standin.ts';
import { until } from '../support/until.ts';

/** The stand-in's source bin and multiplexer with live cameras, which come and go. */

const clip = 'clips/real_tilt_m.mp4';
const skip = missingStandin() || missingRtspCamera() || missingData(clip);

interface Seen {
  readonly frame?: number;
  readonly source?: number;
  readonly pts?: number;
  readonly ntp?: number;
  readonly event?: number;
  readonly warning?: true;
  readonly error?: true;
}

const streamReset = 404;
const streamEos = 402;

interface Running extends AsyncDisposable {
  readonly seen: readonly Seen[];
  frames(source: number): readonly Seen[];
  count(event: number): number;
  end(): Promise<number | null>;
}

/** deepstream/standin/tests/batches.cpp: one line for each frame, event and message. */
function watchCameras(urls: readonly string[], properties: string): Running {
  const sources = urls.map((url, index) => ` nvurisrcbin uri=${url} source-id=${index} ${properties} ! mux.sink_${index}`);
  const mux = `nvstreammux name=mux batch-size=${urls.length} width=320 height=240 live-source=1 batched-push-timeout=40000 attach-sys-ts=0`;
  const child = spawn(join(standinBuild, 'standin/tests/batches'), [`${mux} ! fakesink sync=0 async=0${sources.join('')}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...standinEnv() },
  });
  const seen: Seen[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => seen.push(JSON.parse(text) as Seen));
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return {
    seen,
    frames: (source) => seen.filter((one) => one.source === source && one.frame !== undefined),
    count: (event) => seen.filter((one) => one.event === event).length,
    end() {
      child.kill('SIGTERM');
      return ended;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const watched = 'select-rtp-protocol=4 rtsp-reconnect-interval=2 init-rtsp-reconnect-interval=2';

describe("the stand-in's cameras", { skip }, () => {
  before(() => buildStandin({ tests: true }), { timeout: 600_000 });

  it('deliver frames with the time of their sender reports', async () => {
    await using camera = await startRtspCamera(dataPath(clip));
    await using running = watchCameras([camera.url], watched);
    const frame = await until('a frame with a time', () => running.frames(0).find((one) => (one.ntp ?? 0) > 0));
    const apart = Math.abs((frame.ntp ?? 0) / 1e6 - Date.now());
    assert.ok(apart < 60_000, `the camera's clock is this machine's, and ${apart} ms away`);
    assert.equal(await running.end(), 0);
  });

  it('have no time of their own without them', async () => {
    await using camera = await startRtspCamera(dataPath(clip), { ntp: false });
    await using running = watchCameras([camera.url], watched);
    await until('frames', () => running.frames(0).length > 20);
    assert.deepEqual(
      running.frames(0).filter((one) => one.ntp !== 0),
      [],
    );
  });

  it('go and come back, while the others go on', async () => {
    await using staying = await startRtspCamera(dataPath(clip));
    const leaving = await startRtspCamera(dataPath(clip));
    await using running = watchCameras([staying.url, leaving.url], watched);
    await until('frames of both', () => running.frames(0).length > 5 && running.frames(1).length > 5);
    await leaving.kill();
    await until('a warning', () => running.seen.some((one) => one.warning));
    const had = running.frames(0).length;
    await until('more of the other', () => running.frames(0).length > had + 25);
    const gone = running.frames(1).length;
    await using back = await startRtspCamera(dataPath(clip), { port: leaving.port });
    await until('frames again', () => running.frames(1).length > gone + 5);
    assert.equal(back.port, leaving.port);
    assert.ok(running.count(streamReset) > 0);
    assert.equal(running.count(streamEos), 0);
    const pts = running.frames(1).map((one) => one.pts ?? 0);
    assert.deepEqual(
      pts,
      pts.toSorted((a, b) => a - b),
    );
    assert.equal(await running.end(), 0);
  });

  it('that are gone are an error without an interval', async () => {
    const camera = await startRtspCamera(dataPath(clip));
    await using running = watchCameras([camera.url], 'select-rtp-protocol=4');
    await until('frames', () => running.frames(0).length > 5);
    await camera.kill();
    await until('an end', () => running.seen.some((one) => one.error) || running.count(streamEos) > 0);
    assert.equal(running.count(streamReset), 0);
  });
});
