import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { CameraTimeSource, type Frame, SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { parsePipeline } from '../../src/software-worker/pipeline-template.ts';
import { dataPath, missingTool } from '../support/data.ts';
import { freePort } from '../support/port.ts';
import { missingModels, realRepository } from '../support/repository.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { missingRtspPatterns, patternStep, startRtspPatterns } from '../support/rtsp-patterns.ts';
import {
  cameraConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  type TestDaemon,
  untilState,
} from '../support/software-worker.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const clip = 'clips/real_tilt_m.mp4';
const noModels = missingModels('centerface', clip, 'clips/real_worker.mp4');
const noCamera = noModels || missingRtspCamera();
/** For cameras that nothing happens to: a machine that gives their processes no turn for seconds does not take them away. */
const patient = { openTimeoutMs: 60_000, silenceTimeoutMs: 60_000 };

function framesOf(daemon: TestDaemon, camera: string): readonly Frame[] {
  return daemon.frames.filter((frame) => frame.camera === camera);
}

/** Whether a frame of its own brought a crop; predictions bring none. */
function sawFace(daemon: TestDaemon, camera: string): boolean {
  return framesOf(daemon, camera).some(
    ({ predicted, objects }) => !predicted && objects.some(({ crop }) => crop !== undefined),
  );
}

/** Everything the worker said to anybody, and what anybody can read of its process and its children. */
function everythingSaid(daemon: TestDaemon, worker: WorkerProcess): string {
  const processes = spawnSync('ps', ['-eo', 'args']).stdout?.toString() ?? '';
  const heard = JSON.stringify([daemon.statuses, daemon.logs], (_, value) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
  return `${worker.output}${heard}${processes}`;
}

function withUser(url: string, credentials: string): string {
  return url.replace('rtsp://', `rtsp://${credentials}@`);
}

describe('a software worker reading RTSP', { skip: noCamera }, () => {
  test('over TCP and UDP, with passwords of all characters, through silence, death and return of the camera', async () => {
    await using repository = await realRepository();
    const login = { user: 'us er', password: 'p@ss:w/d' };
    await using camera = await startRtspCamera(dataPath(clip), login);
    await using open = await startRtspCamera(dataPath(clip), { ntp: false });
    const short = { openTimeoutMs: 30_000, silenceTimeoutMs: 4000 };
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('tcp', withUser(camera.url, 'us er:p@ss:w/d'), short),
        cameraConfig('udp', withUser(camera.url, 'us%20er:p%40ss%3Aw%2Fd'), { transport: 'udp', ...short }),
        cameraConfig('steady', open.url, patient),
        cameraConfig('paired', open.url, { detectSource: open.url, ...patient }),
        cameraConfig('wrong', withUser(camera.url, 'us er:swordfish'), patient),
        cameraConfig('refused', 'rtsp://u:swordfish@127.0.0.1:1/x', patient),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const wait = <T>(what: string, check: () => T | undefined | false) =>
      Promise.race([until(what, check, 120_000), worker.failed]);

    for (const name of ['tcp', 'udp', 'paired']) await wait(`a face of ${name}`, () => sawFace(daemon, name));
    await wait('camera time by sender reports', () =>
      ['tcp', 'udp'].every(
        (name) => framesOf(daemon, name).filter((frame) => frame.cameraTimeSource === CameraTimeSource.RTCP).length > 12,
      ),
    );
    for (const name of ['tcp', 'udp']) {
      const frames = framesOf(daemon, name);
      for (const [index, frame] of frames.entries()) {
        const before = frames[index - 1];
        assert.equal(Number(frame.sequence), index);
        if (before === undefined) continue;
        assert.equal(frame.pts - before.pts, 7500n, 'the camera films 12 frames a second on a 90 kHz clock');
        assert.ok(frame.cameraTimeUs > before.cameraTimeUs);
        assert.ok(frame.receivedMonoUs >= before.receivedMonoUs);
      }
      const reported = frames.filter((frame) => frame.cameraTimeSource === CameraTimeSource.RTCP).slice(6);
      for (const [index, frame] of reported.entries()) {
        const before = reported[index - 1];
        const step = before === undefined ? 83_333 : Number(frame.cameraTimeUs - before.cameraTimeUs);
        assert.ok(Math.abs(step - 83_333) < 5000, `sender reports give the camera's own pace, not ${step} us`);
      }
    }
    assert.ok(framesOf(daemon, 'steady').every(({ cameraTimeSource }) => cameraTimeSource === CameraTimeSource.ARRIVAL));
    const substream = daemon.logs.filter(({ fieldsJson }) => fieldsJson.includes('"paired"')).map(({ message }) => message);
    assert.ok(substream.includes('substream live') && !substream.some((message) => message.startsWith('substream away')));
    const refused = await untilState(daemon, 'refused', SourceState.AWAY);
    assert.deepEqual(
      [refused.code, refused.reason],
      ['source.unreachable', 'opening rtsp://127.0.0.1:1/x failed: connection refused'],
    );
    const wrong = await untilState(daemon, 'wrong', SourceState.AWAY);
    assert.equal(wrong.code, 'source.auth');
    assert.ok(wrong.retryInMs >= 30_000, 'a wrong password is not hammered');

    const steadyBefore = framesOf(daemon, 'steady').length;
    camera.freeze();
    for (const name of ['tcp', 'udp']) assert.equal((await untilState(daemon, name, SourceState.AWAY)).code, 'source.timeout');
    await camera.kill();
    const since = daemon.statuses.length;
    await using back = await startRtspCamera(dataPath(clip), { ...login, port: camera.port });
    assert.equal(back.port, camera.port);
    for (const name of ['tcp', 'udp']) {
      await untilState(daemon, name, SourceState.LIVE, since);
      await wait('frames of the new epoch', () =>
        framesOf(daemon, name).some(({ epoch, sequence }) => epoch === 2 && sequence > 4n),
      );
    }
    await wait('the other camera to have gone on meanwhile', () => framesOf(daemon, 'steady').length > steadyBefore + 12);
    assert.deepEqual(new Set(framesOf(daemon, 'steady').map(({ epoch }) => epoch)), new Set([1]));
    const said = everythingSaid(daemon, worker);
    for (const secret of ['p@ss', 'p%40ss', 'swordfish']) assert.ok(!said.includes(secret), `${secret} was said`);

    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await worker.exit, 0);
    await daemon.untilDrained();
  });

  test('until the camera ends the stream: away with its reason, every frame reported', async () => {
    await using repository = await realRepository();
    await using camera = await startRtspCamera(dataPath('clips/real_worker.mp4'), { once: true });
    await using daemon = await startTestDaemon({
      cameras: [cameraConfig('once', camera.url)],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const away = await Promise.race([untilState(daemon, 'once', SourceState.AWAY), worker.failed]);
    assert.equal(away.code, 'source.ended');
    assert.equal(framesOf(daemon, 'once').length, 71);
  });
});

test('a software worker reads H.265, several slices a picture, B-frames, JPEG and video with audio over RTSP', {
  skip: noModels || missingRtspPatterns(),
}, async () => {
  await using repository = await realRepository();
  await using server = await startRtspPatterns();
  const kinds = { h265: 'hevc', slices: 'h264', bframes: 'h264', jpeg: 'mjpeg', audio: 'h264' } as const;
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  await using daemon = await startTestDaemon({
    cameras: names.map((kind) => cameraConfig(kind, server.url(kind), { detect: [], ...patient })),
    inference: inferenceConfig(repository.directory),
  });
  await using worker = startWorkerProcess(daemon.socketPath);
  for (const kind of names) {
    // Two key pictures after the first.
    await Promise.race([until(`frames of ${kind}`, () => framesOf(daemon, kind).length > 64, 60_000), worker.failed]);
    const [live] = daemon.statuses.filter(({ camera, state }) => camera === kind && state === SourceState.LIVE);
    assert.deepEqual([live?.codec, live?.width, live?.height], [kinds[kind], 640, 360]);
    const frames = framesOf(daemon, kind);
    for (const [index, frame] of frames.entries()) {
      assert.equal(frame.pts - (frames[0]?.pts ?? 0n), BigInt(index) * patternStep, `${kind}, frame ${index}`);
    }
    assert.deepEqual(new Set(frames.map(({ epoch }) => epoch)), new Set([1]));
  }
});

test('a software worker plays a file over HTTP to its end', { skip: noModels }, async () => {
  await using repository = await realRepository();
  const bytes = await readFile(dataPath(clip));
  const server = createServer((request, response) => {
    const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    const end = to === '' ? bytes.length - 1 : Number(to);
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'content-length': end - Number(from) + 1,
      'content-range': `bytes ${from}-${end}/${bytes.length}`,
      'accept-ranges': 'bytes',
    });
    response.end(bytes.subarray(Number(from), end + 1));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  await using daemon = await startTestDaemon({
    cameras: [
      cameraConfig('http', `http://127.0.0.1:${port}/a.mp4`, { detect: [] }),
      cameraConfig('gone', `http://127.0.0.1:1/a.mp4`, patient),
    ],
    inference: inferenceConfig(repository.directory),
  });
  await using worker = startWorkerProcess(daemon.socketPath);
  await Promise.race([untilState(daemon, 'http', SourceState.ENDED), worker.failed]);
  assert.equal(framesOf(daemon, 'http').length, 111);
  assert.equal((await untilState(daemon, 'gone', SourceState.AWAY)).code, 'source.unreachable');
  server.close();
  server.closeAllConnections();
});

const pipelineFolder = resolve(import.meta.dirname, '../../pipelines');

function element(name: string): boolean {
  return spawnSync('gst-inspect-1.0', ['--exists', name]).status === 0;
}

function addonLoads(): boolean {
  return (
    spawnSync(process.execPath, ['-e', 'require("gstreamer-superficial")'], { cwd: resolve(import.meta.dirname, '../..') })
      .status === 0
  );
}

const noGstreamer =
  noModels || missingTool(addonLoads(), 'gstreamer-superficial') || missingTool(element('gdppay'), 'gstreamer1.0-plugins-bad');

/** Sends the clip again and again: a sender that nobody listens to yet gives up. */
function sendOverSrt(port: number): AsyncDisposable {
  const stopping = new AbortController();
  const file = ['filesrc', `location=${dataPath(clip)}`, '!', 'qtdemux', '!', 'h264parse', 'config-interval=-1'];
  const sink = ['!', 'identity', 'sync=true', '!', 'mpegtsmux', '!', 'srtsink', `uri=srt://127.0.0.1:${port}?mode=caller`];
  const sending = (async () => {
    while (!stopping.signal.aborted) {
      const sender = spawn('gst-launch-1.0', ['-q', ...file, ...sink], { stdio: 'ignore' });
      const kill = () => void sender.kill('SIGKILL');
      stopping.signal.addEventListener('abort', kill, { once: true });
      await once(sender, 'exit');
      stopping.signal.removeEventListener('abort', kill);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await sending;
    },
  };
}

describe('custom sources', { skip: noGstreamer }, () => {
  test('every shipped pipeline runs as far as this machine can take it', async () => {
    await using repository = await realRepository();
    await using camera = await startRtspCamera(dataPath(clip), { user: 'us er', password: 'p@ss "w\\d' });
    const srtPort = await freePort();
    const properties: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      'test-pattern': { WIDTH: '320', HEIGHT: '180', FPS: '10' },
      rtsp: { LOCATION: camera.url, USER: 'us er', PASSWORD: 'p@ss "w\\d' },
      srt: { URI: `srt://127.0.0.1:${srtPort}?mode=listener` },
      'usb-camera': { DEVICE: '/dev/video-that-is-not-there' },
    };
    const shipped = (await readdir(pipelineFolder)).map((file) => file.replace(/\.gst$/, ''));
    assert.deepEqual(shipped.toSorted(), Object.keys(properties).toSorted(), 'a pipeline without a test');
    for (const name of shipped) {
      const template = parsePipeline(name, await readFile(join(pipelineFolder, `${name}.gst`), 'utf8'));
      assert.match(template.render(properties[name] ?? {}), /! gdppay ! fdsink fd=3 sync=false$/);
    }
    await using daemon = await startTestDaemon({
      cameras: [
        ...shipped.map((name) => cameraConfig(name, `gst:${name}`, { properties: { ...properties[name] }, ...patient })),
        cameraConfig('wrong', 'gst:rtsp', {
          properties: { LOCATION: camera.url, USER: 'us er', PASSWORD: 'swordfish' },
          ...patient,
        }),
        cameraConfig('unfinished', 'gst:srt'),
        cameraConfig('unknown', 'gst:nothing'),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    await using _sender = sendOverSrt(srtPort);
    const wait = (what: string, check: () => boolean) => Promise.race([until(what, check, 120_000), worker.failed]);
    for (const name of ['test-pattern', 'rtsp', 'srt'])
      await wait(`frames of ${name}`, () => framesOf(daemon, name).length > 20);
    for (const name of ['rtsp', 'srt']) await wait(`a face of ${name}`, () => sawFace(daemon, name));
    const live = new Map(
      daemon.statuses.filter(({ state }) => state === SourceState.LIVE).map((status) => [status.camera, status]),
    );
    assert.deepEqual([live.get('test-pattern')?.codec, live.get('test-pattern')?.width], ['rawvideo', 320]);
    assert.deepEqual([live.get('rtsp')?.codec, live.get('rtsp')?.width], ['h264', 480]);
    assert.deepEqual([live.get('srt')?.codec, live.get('srt')?.width], ['h264', 480]);
    const pattern = framesOf(daemon, 'test-pattern');
    // Its queue is leaky: a busy machine loses pictures of a live source, and those that come keep their time.
    for (const [index, frame] of pattern.entries()) {
      const step = frame.pts - (pattern[index - 1]?.pts ?? frame.pts - 100_000_000n);
      assert.deepEqual([frame.timeBaseNum, frame.timeBaseDen, step % 100_000_000n], [1, 1_000_000_000, 0n]);
      assert.ok(step > 0n, `${frame.pts} after ${pattern[index - 1]?.pts}`);
    }
    const usb = await untilState(daemon, 'usb-camera', SourceState.AWAY);
    assert.deepEqual(
      [usb.code, usb.reason],
      ['source.unreachable', "pipeline usb-camera: Cannot identify device '/dev/video-that-is-not-there'"],
    );
    assert.equal((await untilState(daemon, 'wrong', SourceState.AWAY)).code, 'source.auth');
    assert.equal(
      (await untilState(daemon, 'unfinished', SourceState.FAILED)).reason,
      'pipeline srt: properties lack URI; it has URI, LATENCY_MS, PASSPHRASE',
    );
    assert.equal((await untilState(daemon, 'unknown', SourceState.FAILED)).reason, 'there is no pipelines/nothing.gst');
    const said = everythingSaid(daemon, worker);
    for (const secret of ['p@ss', 'swordfish']) assert.ok(!said.includes(secret), `${secret} was said`);
    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await worker.exit, 0);
  });

  test('a pipeline process that dies costs its own camera a moment, and dies with the worker', async () => {
    await using repository = await realRepository();
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('pattern', 'gst:test-pattern', patient),
        cameraConfig('other', 'gst:test-pattern', { properties: { FPS: '20' }, ...patient }),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const children = () =>
      spawnSync('ps', ['-o', 'pid=', '--ppid', String(worker.child.pid)])
        .stdout.toString()
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(Number);
    // One that nobody waits for stays as a zombie where process 1 does not look after orphans.
    const alive = (pid: number) =>
      /^[^Z]/.test(
        spawnSync('ps', ['-o', 'stat=', '-p', String(pid)])
          .stdout.toString()
          .trim(),
      );
    await Promise.race([
      until('both', () => ['pattern', 'other'].every((name) => framesOf(daemon, name).length > 5), 60_000),
      worker.failed,
    ]);
    const [first = 0, second = 0] = children();
    process.kill(first, 'SIGKILL');
    const firstAway = () => daemon.statuses.find(({ state }) => state === SourceState.AWAY);
    const away = await Promise.race([until('a camera to be away', firstAway, 60_000), worker.failed]);
    assert.deepEqual([away.code, /its process ended with SIGKILL/.test(away.reason)], ['source.failed', true]);
    await Promise.race([
      until('it to return', () => framesOf(daemon, away.camera).some(({ epoch }) => epoch === 2), 60_000),
      worker.failed,
    ]);
    assert.equal(daemon.statuses.filter(({ state }) => state === SourceState.AWAY).length, 1);
    worker.child.kill('SIGKILL');
    await until('the pipelines to follow', () => !alive(second));
  });
});
