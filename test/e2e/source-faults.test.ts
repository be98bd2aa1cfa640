import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigInput } from '../../src/config/schema.ts';
import { hasMosquitto, type Listener, listen, startBroker } from '../support/broker.ts';
import { createWorkplace, cutClip, patience, statesIn } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { logFloods, metricsOf, untilMetric } from '../support/faults.ts';
import { installedProgram } from '../support/programs.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { missingRtspPatterns, startRtspPatterns } from '../support/rtsp-patterns.ts';
import { type RtspWire, startRtspWire } from '../support/rtsp-wire.ts';
import { until } from '../support/until.ts';

const skip =
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  missingRtspCamera() ||
  missingRtspPatterns();

type Cameras = NonNullable<ConfigInput['cameras']>;

/** Of the pattern camera. */
const patternFps = 15;
const detectFps = 2;
/** Once it has been live for less than ten seconds a camera is waited for longer each time: so many take a quarter of a minute. */
const reboots = 5;

/** A web page at first, then the film. */
async function startWebServer(film: string) {
  let page = true;
  const server = createServer((_request, response) => {
    const body = page ? Buffer.from('<html><title>camera 7</title></html>') : readFileSync(film);
    response.writeHead(200, { 'content-type': page ? 'text/html' : 'video/mp4', 'content-length': body.length });
    response.end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}/film`,
    showFilm: () => {
      page = false;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Waits until a camera has said this of itself, `from` so many earlier states. */
async function told(listener: Listener, camera: string, state: string, words: RegExp, from = 0): Promise<void> {
  await until(
    `${camera} to be ${state}: ${words}; it was ${JSON.stringify(statesIn(listener, camera))}`,
    () =>
      statesIn(listener, camera)
        .slice(from)
        .some((said) => said?.state === state && words.test(said.reason ?? '')),
    patience,
  );
}

/** Plug pulled and put back, again and again; each time it is waited for. */
async function reboot(wire: RtspWire, listener: Listener, camera: string): Promise<void> {
  for (let round = 0; round < reboots; round += 1) {
    const before = statesIn(listener, camera).length;
    wire.away = true;
    wire.cut();
    await told(listener, camera, 'away', /./, before);
    wire.away = false;
    await told(listener, camera, 'live', /^/, before);
  }
}

test('every fault of a source is said in words, counted and logged once a second at most; it heals, and costs no other camera a frame', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const at = (name: string) => join(place.directory, name);
  const film = cutClip(place.directory, 'ada', 12, 58);
  const bytes = readFileSync(film);
  writeFileSync(at('truncated.mp4'), bytes.subarray(0, bytes.length * 0.6));
  writeFileSync(at('text.mp4'), 'to be done: record a video\n');

  await using patterns = await startRtspPatterns();
  await using web = await startWebServer(film);
  await using locked = await startRtspCamera(film, { user: 'operator', password: 'right' });
  await using open = await startRtspCamera(film);
  const plain = { port: patterns.port, path: 'h264' };
  await using unreachable = await startRtspWire(plain);
  await using mute = await startRtspWire(plain);
  await using silent = await startRtspWire(plain);
  await using cut = await startRtspWire({ port: open.port, path: 'stream1' });
  await using codec = await startRtspWire(plain);
  await using clock = await startRtspWire(plain);
  await using unreported = await startRtspWire(plain);
  await using rebooted = await startRtspWire(plain);
  unreachable.away = true;
  mute.silent = true;
  unreported.reports = 'none';

  /** A machine that is busy takes no camera away. */
  const patient = { openTimeout: '60s', silenceTimeout: '60s', motion: { enabled: false } } as const;
  const loginAs = (password: string) => locked.url.replace('rtsp://', `rtsp://operator:${password}@`);
  const cameras: Cameras = {
    steady: { source: patterns.url('h264'), ...patient },
    password: { source: loginAs('wrong'), ...patient },
    unreachable: { source: unreachable.url, ...patient },
    mute: { source: mute.url, ...patient, openTimeout: '2s' },
    page: { source: web.url, ...patient, loop: true },
    text: { source: at('text.mp4'), ...patient, loop: true, realtime: true },
    truncated: { source: at('truncated.mp4'), ...patient, loop: true, realtime: true },
    silent: { source: silent.url, ...patient, silenceTimeout: '3s' },
    cut: { source: cut.url, ...patient },
    codec: { source: codec.url, ...patient },
    clock: { source: clock.url, ...patient },
    unreported: { source: unreported.url, ...patient },
    rebooted: { source: rebooted.url, ...patient },
    resized: { source: patterns.url('resized'), ...patient },
    slices: { source: patterns.url('slices'), ...patient },
    bframes: { source: patterns.url('bframes'), ...patient },
    uhd: { source: patterns.url('uhd'), ...patient },
  };
  const face = 'fixture_face';
  const configure = (more: Cameras = {}) =>
    place.configure({
      mqtt: { url: broker.url, snapshot: 'off' },
      cameras: Object.fromEntries(
        Object.entries({ ...cameras, ...more }).map(([name, camera]) => [
          name,
          { detect: [{ model: face, fps: detectFps }], ...camera },
        ]),
      ),
    });
  configure();
  await using daemon = await place.start();

  for (const camera of ['steady', 'silent', 'cut', 'codec', 'clock', 'unreported', 'rebooted', 'slices', 'bframes', 'uhd']) {
    await told(listener, camera, 'live', /^/);
  }
  const before = await untilMetric(daemon, 'sightline_camera_media_seconds{camera="steady"}', (value) => value > 2);
  const rebooting = reboot(rebooted, listener, 'rebooted');
  silent.silent = true;
  clock.reports = { aheadSeconds: 3 * 3600 };
  await cut.cutInSlice();
  codec.camera = { port: patterns.port, path: 'h265' };
  codec.cut();
  const troubles: readonly (readonly [string, string, RegExp, string])[] = [
    ['password', 'away', /^opening rtsp:\/\/127\.0\.0\.1:\d+\/stream1 failed: server returned 401 unauthorized/i, 'source.auth'],
    ['unreachable', 'away', /failed: connection re/, 'source.unreachable'],
    ['mute', 'away', /^opening .* took longer than 2000 ms$/, 'source.timeout'],
    ['page', 'away', /failed: invalid data found/i, 'source.format'],
    ['text', 'away', /failed: invalid data found/i, 'source.format'],
    ['truncated', 'away', /./, 'source.format'],
    ['silent', 'away', /^no frame for 3000 ms$/, 'source.timeout'],
    ['cut', 'away', /./, 'source.ended'],
    ['codec', 'away', /./, 'source.ended'],
  ];
  for (const [camera, state, words] of troubles) await told(listener, camera, state, words);
  await told(listener, 'clock', 'live', /^its clock is 3 h ahead, the time of arrival is used$/);
  console.error(await place.command('status'));
  await new Promise((r) => setTimeout(r, 8000));
  console.error(await place.command('status'));
  for (const [c] of troubles) console.error(c, JSON.stringify(statesIn(listener, c)));
  for (const l of daemon.lines()) console.error(JSON.stringify(l));
  console.error([...(await metricsOf(daemon))].filter(([k]) => k.startsWith('sightline_camera')));
  await rebooting;
});
