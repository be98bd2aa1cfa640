import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
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
import { fixtureModels } from '../support/fixtures.ts';
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

/** Of the pattern cameras. */
const patternFps = 15;
const detectFps = 2;
/** How far the frame rate of a camera may be from what it should be, counted by the time stamps of its own pictures. */
const tolerated = 0.05;
/** Media time of the steady camera beside the faults, at least. */
const watchedSeconds = 20;
/** Once it has been live for less than ten seconds a camera is waited for longer each time: so many take a quarter of a minute. */
const reboots = 5;

/** A web page at first, then the film. */
async function startWebServer(film: string) {
  let page = true;
  const server = createServer((request, response) => {
    const body = page ? Buffer.from('<html><title>camera 7</title></html>') : readFileSync(film);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      'content-type': page ? 'text/html' : 'video/mp4',
      'content-length': body.length - from,
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
      'accept-ranges': 'bytes',
    });
    response.end(body.subarray(from));
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

/** Waits until a camera has said this of itself since it had said so much: what is over in a moment is seen all the same. */
async function untilSince(listener: Listener, camera: string, count: number, state: string, words: RegExp): Promise<void> {
  const since = () => statesIn(listener, camera).slice(count);
  const wanted = () => since().some((said) => said?.state === state && words.test(said?.reason ?? ''));
  try {
    await until(`${camera} to be ${state}`, wanted, patience);
  } catch (cause) {
    throw new Error(`${camera} was not ${state}, ${words}, but ${JSON.stringify(since())}`, { cause });
  }
}

/** Waits until the latest that a camera has said of itself is this. */
async function untilNow(listener: Listener, camera: string, state: string, words: RegExp): Promise<void> {
  const latest = () => statesIn(listener, camera).at(-1);
  try {
    await until(`${camera} to be ${state}`, () => latest()?.state === state && words.test(latest()?.reason ?? ''), patience);
  } catch (cause) {
    throw new Error(`${camera} is not ${state}, ${words}, but ${JSON.stringify(latest())}`, { cause });
  }
}

const anyWords = /./;
/** A machine that is busy makes the encoders of these cameras late. */
const noWords = /^(its clock is \d+ s behind, or its pictures come that late; .*)?$/;

/** Plug pulled and put back, again and again; each time it is waited for. */
async function reboot(wire: RtspWire, times: number, listener: Listener, camera: string): Promise<void> {
  for (let round = 0; round < times; round += 1) {
    await untilNow(listener, camera, 'live', noWords);
    await wire.leave();
    await untilNow(listener, camera, 'away', anyWords);
    await wire.come();
  }
  await untilNow(listener, camera, 'live', noWords);
}

test('every fault of a source is said in words, counted and logged once a second at most; it heals, and costs no other camera a frame', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const at = (name: string) => join(place.directory, name);
  const film = cutClip(place.directory, 'ada', 12, 58);
  const streamable = at('streamable.mp4');
  execFileSync('ffmpeg', ['-v', 'error', '-i', film, '-c', 'copy', '-movflags', '+faststart', streamable]);
  for (const [name, whole] of [
    ['headless', film],
    ['broken-off', streamable],
  ] as const) {
    const bytes = readFileSync(whole);
    writeFileSync(at(`${name}.mp4`), bytes.subarray(0, bytes.length * 0.6));
  }
  writeFileSync(at('text.mp4'), 'to be done: record a video\n');

  await using patterns = await startRtspPatterns();
  await using web = await startWebServer(film);
  await using locked = await startRtspCamera(film, { user: 'operator', password: 'right' });
  await using open = await startRtspCamera(film);
  const own = (name: string) => ({ port: patterns.port, path: `small?${name}` });
  await using unreachable = await startRtspWire(own('unreachable'));
  await using mute = await startRtspWire(own('mute'));
  await using silent = await startRtspWire(own('silent'));
  await using cut = await startRtspWire({ port: open.port, path: 'stream1' });
  await using codec = await startRtspWire(own('codec'));
  await using clock = await startRtspWire(own('clock'));
  await using unreported = await startRtspWire(own('unreported'));
  await using rebooted = await startRtspWire(own('rebooted'));
  await unreachable.leave();
  mute.silent = true;
  unreported.reports = 'none';

  /** A machine that is busy takes no camera away. */
  const seldom = [{ model: fixtureModels.face, fps: 0.2, width: 160 }];
  const patient = { openTimeout: '60s', silenceTimeout: '60s', motion: { enabled: false }, detect: seldom };
  const detect = [{ model: fixtureModels.face, fps: detectFps, width: 160 }];
  const file = { ...patient, loop: true, realtime: true };
  const loginAs = (password: string) => locked.url.replace('rtsp://', `rtsp://operator:${password}@`);
  const cameras: Cameras = {
    steady: { source: patterns.url('h264'), ...patient, detect },
    password: { source: loginAs('wrong'), ...patient },
    unreachable: { source: unreachable.url, ...patient },
    mute: { source: mute.url, ...patient, openTimeout: '2s' },
    page: { source: web.url, ...file },
    text: { source: at('text.mp4'), ...file },
    headless: { source: at('headless.mp4'), ...file },
    'broken-off': { source: at('broken-off.mp4'), ...file },
    silent: { source: silent.url, ...patient, silenceTimeout: '3s' },
    cut: { source: cut.url, ...patient, detect },
    codec: { source: codec.url, ...patient },
    clock: { source: clock.url, ...patient },
    unreported: { source: unreported.url, ...patient },
    rebooted: { source: rebooted.url, ...patient },
    resized: { source: patterns.url('resized'), ...patient },
    slices: { source: patterns.url('slices'), ...patient },
    bframes: { source: patterns.url('bframes'), ...patient },
    uhd: { source: patterns.url('uhd'), ...patient },
  };
  const configure = (more: Cameras = {}) =>
    place.configure({ mqtt: { url: broker.url, snapshot: 'off' }, cameras: { ...cameras, ...more } });
  configure();
  await using daemon = await place.start();

  const steady = (metric: string) => `sightline_camera_${metric}{camera="steady"}`;
  const before = await untilMetric(daemon, steady('media_seconds'), (seconds) => seconds > 2);

  /** What is broken from the start: state, words, error code, and what mends it. */
  const broken = {
    password: [/^opening rtsp:\/\/127\.0\.0\.1:\d+\/stream1 failed: server returned 401 Unauthorized/, 'source.auth'],
    unreachable: [/^opening rtsp:\S+ failed: connection refused$/, 'source.unreachable'],
    mute: [/^opening rtsp:\S+ took longer than 2000 ms$/, 'source.timeout'],
    page: [/^opening http:\S+ failed: invalid data found when processing input$/, 'source.format'],
    text: [/^opening \S+text\.mp4 failed: invalid data found when processing input$/, 'source.format'],
    headless: [/^opening \S+headless\.mp4 failed: invalid data found when processing input$/, 'source.format'],
    'broken-off': [/^the file breaks off after 2\.\d of 3\.8 s(;|$)/, 'source.format'],
  } as const;
  const stateOf = (camera: string) => (camera === 'broken-off' ? 'live' : 'away');
  for (const [camera, [words]] of Object.entries(broken)) await untilNow(listener, camera, stateOf(camera), words);
  const { code, stdout } = await place.command('status');
  assert.equal(code, 1);
  const ready = await fetch(daemon.url('/readyz'));
  const { parts } = (await ready.json()) as { readonly parts: readonly { readonly name: string; readonly reason?: string }[] };
  for (const [camera, [words]] of Object.entries(broken)) {
    const line = stdout.split('\n').find((text) => text.startsWith(`camera ${camera} `)) ?? '';
    const said =
      stateOf(camera) === 'live' ? line.replace(/^.*; /, '') : line.replace(/^camera \S+ +away +(.*), since .*$/, '$1');
    assert.match(said, words);
    const reason = parts.find(({ name }) => name === `camera ${camera}`)?.reason;
    if (stateOf(camera) === 'away') assert.match(reason?.replace(/^away: /, '') ?? '', words);
  }

  const whileBroken = await metricsOf(daemon);
  for (const [camera, [, errorCode]] of Object.entries(broken)) {
    const isAway = stateOf(camera) === 'away';
    assert.equal(whileBroken.get(`sightline_camera_live{camera="${camera}"}`), isAway ? 0 : 1);
    const logged = await (isAway
      ? daemon.told('camera away', { camera, code: errorCode })
      : daemon.told('file breaks off', { camera }));
    assert.match(String(logged['reason']), broken[camera as keyof typeof broken][0]);
  }

  configure({ password: { source: loginAs('right'), ...patient } });
  await unreachable.come();
  mute.silent = false;
  web.showFilm();
  for (const name of ['text', 'headless', 'broken-off']) copyFileSync(film, at(`${name}.mp4`));

  async function fallSilent(): Promise<void> {
    await untilNow(listener, 'silent', 'live', noWords);
    silent.silent = true;
    await untilNow(listener, 'silent', 'away', /^no frame for 3000 ms$/);
    silent.silent = false;
    await untilNow(listener, 'silent', 'live', noWords);
  }

  async function cutInSlice(): Promise<void> {
    await untilNow(listener, 'cut', 'live', noWords);
    const count = statesIn(listener, 'cut').length;
    await cut.cutInSlice('in packet');
    const words = /^reading rtsp:\S+ failed: input\/output error$|^the source ended the stream$/;
    await untilSince(listener, 'cut', count, 'away', words);
    await untilNow(listener, 'cut', 'live', noWords);
  }

  async function changeCodec(): Promise<void> {
    await untilNow(listener, 'codec', 'live', noWords);
    codec.camera = { port: patterns.port, path: 'h265' };
    codec.cut();
    await until('another codec', () => statesIn(listener, 'codec').some((state) => state?.codec === 'hevc'), patience);
  }

  async function setClock(): Promise<void> {
    await untilNow(listener, 'clock', 'live', noWords);
    clock.reports = { aheadSeconds: 3 * 3600 };
    await untilNow(listener, 'clock', 'live', /^its clock is 3 h ahead; the time of arrival is used(;|$)/);
    await untilMetric(daemon, 'sightline_camera_clock_ahead_seconds{camera="clock"}', (ahead) => Math.abs(ahead - 10_800) < 60);
    assert.match((await place.command('status')).stdout, /^camera clock +live .*its clock is 3 h ahead/m);
    await daemon.told('camera clock is off, arrival is used instead', { camera: 'clock' });
    clock.reports = 'true';
    await untilNow(listener, 'clock', 'live', noWords);
    await untilMetric(daemon, 'sightline_camera_clock_ahead_seconds{camera="clock"}', (ahead) => Math.abs(ahead) < 60);
  }

  const sizes = () =>
    new Set(statesIn(listener, 'resized').flatMap((state) => (state?.width === undefined ? [] : [state.width])));
  await Promise.all([
    fallSilent(),
    cutInSlice(),
    changeCodec(),
    setClock(),
    reboot(rebooted, reboots, listener, 'rebooted'),
    until('both sizes', () => sizes().size === 2, patience),
  ]);
  for (const camera of Object.keys(cameras)) await untilNow(listener, camera, 'live', noWords);
  const liveAs = (camera: string) => statesIn(listener, camera).find((state) => state?.state === 'live');
  assert.deepEqual([liveAs('uhd')?.codec, liveAs('uhd')?.width, liveAs('uhd')?.height], ['hevc', 3840, 2160]);

  const start = before.get(steady('media_seconds')) ?? 0;
  const after = await untilMetric(daemon, steady('media_seconds'), (seconds) => seconds > start + watchedSeconds);
  const gained = (metric: string) => (after.get(steady(metric)) ?? 0) - (before.get(steady(metric)) ?? 0);
  const seconds = gained('media_seconds');
  assert.equal(
    daemon.lines().filter(({ msg, camera }) => String(msg).startsWith('camera live') && camera === 'steady').length,
    1,
  );
  const near = (found: number, wanted: number, what: string) =>
    assert.ok(Math.abs(found / wanted - 1) <= tolerated, `${what}: ${found} in ${seconds} s, not ${wanted}`);
  near(gained('frames_decoded'), seconds * patternFps, 'decoded');
  near(gained('frames_detected'), seconds * detectFps, 'looked at');
  for (const [camera, fps] of Object.entries({ slices: 15, bframes: 15, uhd: 2, unreported: 15 })) {
    const decoded = after.get(`sightline_camera_frames_decoded{camera="${camera}"}`) ?? 0;
    const shown = after.get(`sightline_camera_media_seconds{camera="${camera}"}`) ?? 0;
    assert.ok(Math.abs(decoded - 1 - shown * fps) <= Math.max(2, decoded * tolerated), `${camera}: ${decoded} in ${shown} s`);
  }
  assert.ok(!after.has('sightline_camera_clock_ahead_seconds{camera="unreported"}'), 'nobody knows its clock');

  const troubles = (camera: string, errorCode: string) =>
    after.get(`sightline_camera_troubles_total{camera="${camera}",code="${errorCode}"}`) ?? 0;
  for (const [camera, [, errorCode]] of Object.entries(broken)) assert.ok(troubles(camera, errorCode) > 0, camera);
  assert.ok(troubles('silent', 'source.timeout') > 0);
  assert.ok(troubles('clock', 'camera.clock') > 0);
  for (const camera of Object.keys(cameras)) assert.equal(after.get(`sightline_camera_live{camera="${camera}"}`), 1, camera);
  for (const [camera, times] of Object.entries({ cut: 1, codec: 1, rebooted: reboots }))
    assert.ok(troubles(camera, 'source.ended') + troubles(camera, 'source.unreachable') >= times, camera);
  assert.deepEqual(logFloods(daemon.lines()), []);
  await daemon.stop();
});
