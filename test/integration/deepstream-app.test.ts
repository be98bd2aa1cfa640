import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { MessageSplitter } from '../../src/core/framing.ts';
import { type Frame, SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { MediaMessage, type Unit, Variant } from '../../src/gen/sightline/media/v1/media.ts';
import { dataPath, missingData, readDataJson } from '../support/data.ts';
import { type AppOptions, changeControl, onStandin, renderApp, startApp, startRenderedApp } from '../support/deepstream-app.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { closedPort, freePort } from '../support/port.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { cameraConfig, detectConfig, startTestDaemon, type TestDaemon } from '../support/software-worker.ts';
import { buildStandin, missingStandin } from '../support/standin.ts';
import { missingTriton, startTriton, tritonRepository } from '../support/triton.ts';
import { until } from '../support/until.ts';

/** Six seconds with four people and their faces, and 72 seconds with one. */
const clip = 'real_classroom';
const longClip = 'real_visits_a';
const clips = [clip, longClip].flatMap((name) => [`clips/${name}.mp4`, `clips/${name}.gt.json`]);
const skip = missingStandin() || missingData(...clips);
const noTriton = await missingTriton();
const noCamera = missingRtspCamera();
const detect = [detectConfig('persons'), detectConfig('faces')];

interface Recorded {
  readonly width: number;
  readonly height: number;
  readonly frame_count: number;
  readonly frames: readonly {
    readonly i: number;
    readonly faces: readonly {
      readonly box: readonly [number, number, number, number];
      readonly kps?: readonly (readonly [number, number])[];
    }[];
    readonly persons: readonly { readonly box: readonly [number, number, number, number] }[];
  }[];
}

function overlap(a: readonly [number, number, number, number], b: readonly [number, number, number, number]): number {
  const width = Math.max(0, Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]));
  const both = width * height;
  return both / (a[2] * a[3] + b[2] * b[3] - both);
}

function settle(frames: readonly Frame[], camera: string): readonly Frame[] {
  return frames.filter((frame) => frame.camera === camera);
}

/** Takes what is sent to the media door. */
async function startDoor(path: string) {
  const units: Unit[] = [];
  const formats: { variant: Variant; codec: string; epoch: number; parameterSets: number }[] = [];
  const sockets = new Set<Socket>();
  let token = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    const splitter = new MessageSplitter();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      for (const bytes of splitter.push(chunk)) {
        const { message } = MediaMessage.decode(bytes);
        if (message?.$case === 'hello') token = message.value.token;
        if (message?.$case === 'unit') units.push(message.value);
        if (message?.$case === 'format') {
          const { variant, codec, epoch, parameterSets } = message.value;
          formats.push({ variant, codec, epoch, parameterSets: parameterSets.length });
        }
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    units,
    formats,
    token: () => token,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What is used of a rendered container.json. */
interface Rendered {
  readonly detectors: readonly { readonly model: string }[];
}

describe('the program in a DeepStream container, on the stand-in', { skip }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  const config = (camera: string) => cameraConfig(camera, dataPath(`clips/${clip}.mp4`), { detect });
  /** A file at its own pace, as a camera is. */
  const paced = (camera: string) => cameraConfig(camera, dataPath(`clips/${longClip}.mp4`), { detect, realtime: true });

  const start = (daemon: Pick<TestDaemon, 'socketPath'>, options: Partial<AppOptions> = {}) =>
    startRenderedApp({ bridge: daemon.socketPath, cameras: ['lobby'], script: { lobby: clip }, ...options });

  it('sends every frame of a file with boxes in source pixels, tracks, joined faces and crops', async () => {
    const recorded = (await readDataJson(`clips/${clip}.gt.json`)) as Recorded;
    await using daemon = await startTestDaemon({ cameras: [config('lobby')], inference: undefined });
    await using started = await start(daemon, { fps: 25 });
    const ended = () => daemon.statuses.some(({ state }) => state === SourceState.ENDED);
    await Promise.race([until('the file has ended', ended, 120_000), started.app.failed]);
    await Promise.race([
      until(`all frames, ${daemon.frames.length} are there`, () => daemon.frames.length >= recorded.frame_count),
      started.app.failed,
    ]);
    assert.equal(daemon.hello?.runtime, 'deepstream');
    assert.ok(daemon.hello?.capabilities.some((one) => /^deepstream-\d+\.\d+$/.test(one)));
    const states = daemon.statuses.map(({ state }) => state);
    assert.deepEqual([...new Set(states)], [SourceState.CONNECTING, SourceState.LIVE, SourceState.ENDED]);
    const live = daemon.statuses.find(({ state }) => state === SourceState.LIVE);
    assert.deepEqual([live?.width, live?.height, live?.codec], [recorded.width, recorded.height, 'h264']);

    const frames = settle(daemon.frames, 'lobby');
    assert.equal(frames.length, recorded.frame_count);
    assert.deepEqual(
      frames.map(({ sequence }) => Number(sequence)),
      frames.map((_, i) => i),
    );
    assert.ok(frames.every(({ epoch }) => epoch === 1));
    assert.ok(frames.every((frame, i) => i === 0 || frame.pts > (frames[i - 1]?.pts ?? 0n)));
    const looked = frames.filter(({ predicted }) => !predicted);
    assert.ok(looked.length >= frames.length / 2, `${looked.length} of ${frames.length} frames were looked at`);
    let boxes = 0;
    for (const frame of looked) {
      const truth = recorded.frames[Number(frame.sequence)];
      for (const { box, label } of frame.objects) {
        if (box === undefined) continue;
        const all = (label === 'face' ? truth?.faces : truth?.persons) ?? [];
        const best = Math.max(0, ...all.map((one) => overlap([box.left, box.top, box.width, box.height], one.box)));
        assert.ok(best > 0.9, `frame ${frame.sequence}: a ${label} at ${JSON.stringify(box)} is where nobody is (${best})`);
        boxes += 1;
      }
    }
    assert.ok(boxes > 100, `${boxes} boxes`);
    const objects = looked.flatMap((frame) => frame.objects);
    const persons = new Set(objects.filter(({ label }) => label === 'person').map(({ trackId }) => trackId));
    const joined = objects.filter(({ label, personTrackId }) => label === 'face' && persons.has(personTrackId));
    assert.ok(joined.length > 0, 'no face was joined to its person');
    const crops = objects.flatMap(({ crop }) => crop ?? []);
    assert.ok(crops.length > 20, `${crops.length} crops`);
    for (const { jpeg, width, height, quality } of crops.slice(0, 20)) {
      const picture = await sharp(jpeg).metadata();
      assert.deepEqual([picture.width, picture.height], [width, height]);
      assert.ok((quality?.overall ?? -1) >= 0 && (quality?.sharpness ?? 0) > 0);
    }

    started.app.child.kill('SIGTERM');
    assert.equal(await started.app.exit, 0);
    await daemon.untilDrained();
  });

  it('plays a film that loops again and again, each round in an epoch of its own', async () => {
    const cameras = [{ ...config('lobby'), loop: true }];
    await using daemon = await startTestDaemon({ cameras, inference: undefined });
    await using started = await start(daemon);
    const rounds = () => daemon.frames.some(({ epoch }) => epoch === 3);
    await Promise.race([until('frames of a third round', rounds, 120_000), started.app.failed]);
    const states = new Set(daemon.statuses.map(({ state }) => state));
    assert.deepEqual([...states], [SourceState.CONNECTING, SourceState.LIVE]);
    const sequences = daemon.frames.filter(({ epoch }) => epoch === 2).map(({ sequence }) => Number(sequence));
    assert.deepEqual(
      sequences,
      sequences.map((_, i) => i),
    );
    const first = daemon.frames.filter(({ epoch }) => epoch === 1);
    assert.equal(sequences.length, first.length, 'each round has all frames');
    started.app.child.kill('SIGTERM');
    assert.equal(await started.app.exit, 0);
  });

  it('goes on while the daemon is away, and asks new epochs for what waited', async () => {
    const cameras = [paced('lobby')];
    await using daemon = await startTestDaemon({ cameras, inference: undefined });
    await using started = await start(daemon, { script: { lobby: longClip } });
    await Promise.race([until('frames', () => daemon.frames.length > 10, 60_000), started.app.failed]);
    const before = daemon.frames.length;
    daemon.vanish();
    await Promise.race([
      until('frames of another epoch', () => daemon.frames.slice(before).some(({ epoch }) => epoch === 2), 30_000),
      started.app.failed,
    ]);
    const sequences = daemon.frames.map(({ sequence }) => Number(sequence));
    assert.ok(
      sequences.slice(1).every((sequence, i) => sequence > (sequences[i] ?? 0)),
      'frames come in their order',
    );
    await until('it says what it did meanwhile', () => started.app.output.includes('frames wait for the daemon'));
    daemon.send({ $case: 'configure', value: { cameras: [config('other')], inference: undefined } });
    assert.equal(await started.app.exit, 75);
  });

  it('says what cannot work, and ends with 78', async () => {
    await using daemon = await startTestDaemon({ cameras: [config('lobby')], inference: undefined });
    await using started = await start(daemon, { mux: { width: 1, height: 720 } });
    assert.equal(await started.app.exit, 78);
    assert.match(started.app.output, /mux\.width is 1; allowed: a whole number from 64 to 8192/);
    const lines = started.app.output.trim().split('\n');
    assert.doesNotThrow(() => JSON.parse(lines.at(-1) ?? ''));
  });

  it('ends with 78 under a daemon of another protocol, and names both versions', async () => {
    await using daemon = await startTestDaemon({ cameras: [config('lobby')], inference: undefined }, { protocolVersion: 2 });
    await using started = await start(daemon);
    assert.equal(await started.app.exit, 78);
    assert.match(
      started.app.output,
      /the daemon speaks protocol 2, this program speaks 1: its image is not of the daemon's version/,
    );
  });

  it('ends with 69 when no Triton server answers, with the reason in its last line', async () => {
    await using daemon = await startTestDaemon({ cameras: [config('lobby')], inference: undefined });
    const directory = await temporaryDirectory();
    await using _ = directory;
    await using nobody = await closedPort();
    const container = await renderApp({
      directory: directory.path,
      bridge: daemon.socketPath,
      cameras: ['lobby'],
      triton: `127.0.0.1:${nobody.port}`,
    });
    await using app = startApp(container, directory.path);
    assert.equal(await app.exit, 69);
    const last = JSON.parse(app.output.trim().split('\n').at(-1) ?? '{}') as { level?: string; msg?: string };
    assert.equal(last.level, 'error');
    assert.match(last.msg ?? '', /InferTrtIsContext|start failed/);
    // By which a daemon that sees no exit code knows that it ended by itself.
    assert.ok(daemon.drained);
  });

  it('names of two detectors of one kind the one that fails, and counts its failures alone', async () => {
    await using daemon = await startTestDaemon({ cameras: [paced('lobby')], inference: undefined });
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const rendered = { directory: path, bridge: daemon.socketPath, cameras: ['lobby'], script: { lobby: longClip } };
    const container = await renderApp(rendered);
    const frames = Array.from({ length: 2000 }, (_, i) => ({ i, faces: [{ box: [null, 60, 120, 240] }] }));
    await writeFile(join(path, 'nowhere.json'), JSON.stringify({ frames }));
    const script = JSON.parse(await readFile(join(path, 'script.json'), 'utf8'));
    script[2].clips[0] = join(path, 'nowhere.json');
    await writeFile(join(path, 'script.json'), JSON.stringify(script));
    await using _ = startApp(container, path);
    const failed = await until('its failures', () => {
      const models = daemon.stats.at(-1)?.models ?? [];
      const faces = models.find(({ model }) => model === 'faces');
      return faces !== undefined && faces.failures > 0n
        ? { faces, persons: models.find(({ model }) => model === 'persons') }
        : undefined;
    });
    assert.match(failed.faces.failing, /^an output holds a value that is not finite/);
    assert.ok(failed.persons !== undefined && failed.persons.requests > 0n);
    assert.deepEqual([failed.persons.failures, failed.persons.failing], [0n, '']);
  });

  it('passes the clean units on, and draws and encodes only while somebody watches', async () => {
    await using directory = await temporaryDirectory();
    const media = join(directory.path, 'media.sock');
    await using door = await startDoor(media);
    await using daemon = await startTestDaemon({ cameras: [paced('lobby')], inference: undefined });
    await using started = await start(daemon, { media, script: { lobby: longClip } });
    const of = (variant: Variant) => door.units.filter((unit) => unit.variant === variant);
    await Promise.race([until('clean units', () => of(Variant.CLEAN).length > 20, 60_000), started.app.failed]);
    assert.equal(door.token(), 'a token of the test');
    assert.equal(of(Variant.ANNOTATED).length, 0);
    daemon.send({ $case: 'wantVideo', value: { camera: 'lobby', annotated: true } });
    const names = daemon.frames.flatMap(({ objects }) => objects.map(({ trackId }) => trackId));
    const label = (trackId: number) => ({ trackId, decided: true, text: 'Zoë', colour: '#00ff7f', score: 0.75 });
    daemon.send({ $case: 'labels', value: { camera: 'lobby', epoch: 1, labels: [...new Set(names)].map(label) } });
    await Promise.race([until('annotated units', () => of(Variant.ANNOTATED).length > 20, 60_000), started.app.failed]);
    daemon.send({ $case: 'wantVideo', value: { camera: 'lobby', annotated: false } });
    for (const variant of [Variant.CLEAN, Variant.ANNOTATED]) {
      const units = of(variant);
      assert.equal(units[0]?.key, true, 'a stream begins with a key frame');
      assert.ok(units.every(({ dts }, i) => i === 0 || dts > (units[i - 1]?.dts ?? 0n)));
      assert.ok(units.every(({ epoch }) => epoch === 1));
    }
    // Frames come another way than units.
    const stamps = () => new Set(daemon.frames.map(({ pts }) => (pts * 9n + 50_000n) / 100_000n));
    const [drawn, passed] = [of(Variant.ANNOTATED), of(Variant.CLEAN)];
    const isKnown = () => {
      const known = stamps();
      return drawn.every(({ pts }) => known.has(pts)) && passed.filter(({ pts }) => known.has(pts)).length > 10;
    };
    await Promise.race([until('units have the time stamps of their frames', isKnown, 60_000), started.app.failed]);
    // Ten frames a second, five looks.
    const looks = () => daemon.frames.slice(-20).filter(({ predicted }) => !predicted).length;
    await until('every second frame is looked at', () => looks() >= 9 && looks() <= 11, 30_000);
    let mark = { annotated: of(Variant.ANNOTATED).length, clean: of(Variant.CLEAN).length };
    const isQuiet = () => {
      const now = { annotated: of(Variant.ANNOTATED).length, clean: of(Variant.CLEAN).length };
      if (now.annotated > mark.annotated) mark = now;
      return now.clean > mark.clean + 20;
    };
    await Promise.race([until('nothing is encoded when nobody watches', isQuiet, 60_000), started.app.failed]);
    // It ends with somebody watching, too.
    daemon.send({ $case: 'wantVideo', value: { camera: 'lobby', annotated: true } });
    const later = of(Variant.ANNOTATED).length;
    await Promise.race([until('annotated units', () => of(Variant.ANNOTATED).length > later + 5, 60_000), started.app.failed]);
    started.app.child.kill('SIGTERM');
    assert.equal(await started.app.exit, 0);
  });

  it('shows a camera that asks for a password, comes back to it, and never tells the password', {
    skip: noCamera,
  }, async () => {
    const password = 'pa:ss@w%rd';
    const port = await freePort();
    const options = { user: 'operator', password, port };
    const file = dataPath('clips/real_tilt_m.mp4');
    let camera = await startRtspCamera(file, options);
    try {
      const source = camera.url.replace('rtsp://', `rtsp://operator:${encodeURIComponent(password)}@`);
      const wire = { ...cameraConfig('gate', source, { detect }), silenceTimeoutMs: 2000 };
      await using daemon = await startTestDaemon({ cameras: [wire], inference: undefined });
      await using started = await start(daemon, { cameras: ['gate'], script: {} });
      await Promise.race([until('frames', () => daemon.frames.length > 10, 60_000), started.app.failed]);
      assert.ok(daemon.frames.every(({ live }) => live));
      const commandLine = await readFile(`/proc/${started.app.child.pid}/cmdline`, 'utf8');
      await camera.kill();
      const away = () => daemon.statuses.find(({ state }) => state === SourceState.AWAY);
      await Promise.race([until('the camera is away', () => away() !== undefined, 60_000), started.app.failed]);
      assert.ok((away()?.retryInMs ?? 0) > 0);
      camera = await startRtspCamera(file, options);
      await Promise.race([
        until('frames of another epoch', () => daemon.frames.some(({ epoch }) => epoch > 1), 60_000),
        started.app.failed,
      ]);
      await until('the camera is live again', () => daemon.statuses.at(-1)?.state === SourceState.LIVE, 60_000);
      daemon.send({ $case: 'drain', value: {} });
      assert.equal(await started.app.exit, 0);
      await daemon.untilDrained();
      const told = started.app.output + commandLine + JSON.stringify([daemon.statuses, daemon.logs]);
      for (const secret of [password, encodeURIComponent(password), 'operator:'])
        assert.ok(!told.includes(secret), `${secret} was told`);
    } finally {
      await camera.kill();
    }
  });

  it('says that a camera refuses the password, and asks it again half a minute later', { skip: noCamera }, async () => {
    await using camera = await startRtspCamera(dataPath(`clips/${clip}.mp4`), { user: 'operator', password: 'right' });
    const source = camera.url.replace('rtsp://', 'rtsp://operator:wrong@');
    await using daemon = await startTestDaemon({ cameras: [cameraConfig('gate', source, { detect })], inference: undefined });
    await using started = await start(daemon, { cameras: ['gate'], script: {} });
    const away = () => daemon.statuses.find(({ state }) => state === SourceState.AWAY);
    await Promise.race([until('the camera is away', () => away() !== undefined, 60_000), started.app.failed]);
    assert.deepEqual([away()?.code, away()?.reason, away()?.retryInMs], ['source.auth', 'Unauthorized (401)', 30_000]);
  });

  it('shows all of several cameras that are opened at once', { skip: noCamera }, async () => {
    const names = ['gate', 'lobby', 'yard'];
    await using cameras = new AsyncDisposableStack();
    const sources: ReturnType<typeof cameraConfig>[] = [];
    for (const name of names) {
      const camera = cameras.use(await startRtspCamera(dataPath(`clips/${clip}.mp4`)));
      sources.push(cameraConfig(name, camera.url, { detect }));
    }
    await using daemon = await startTestDaemon({ cameras: sources, inference: undefined });
    const script = Object.fromEntries(names.map((name) => [name, clip]));
    await using started = await start(daemon, { cameras: names, script });
    const shown = () => names.every((name) => settle(daemon.frames, name).length > 5);
    await Promise.race([until('frames of all cameras', shown, 60_000), started.app.failed]);
    const measured = () => {
      const streams = daemon.stats.at(-1)?.cameras.map(({ stream }) => stream) ?? [];
      return streams.length === names.length && streams.every((stream) => stream?.live === true && stream.mediaMs > 0);
    };
    await until('what has arrived of all of them', measured, 30_000);
    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await started.app.exit, 0);
  });

  it('ends with 71 when the multiplexer is stuck while sources deliver', async () => {
    await using daemon = await startTestDaemon({ cameras: [paced('lobby')], inference: undefined });
    await using started = await start(daemon, { script: { lobby: longClip }, limits: { batchMs: 2000 } });
    await Promise.race([until('frames', () => daemon.frames.length > 5, 60_000), started.app.failed]);
    await changeControl(started.directory, { mux: { stuckPad: 0 } });
    assert.equal(await started.app.exit, 71);
    assert.match(started.app.output, /pipeline is stuck: no batch for \d+ s while sources deliver/);
  });

  it('waits longer for the first batch with a camera than others took', { skip: noCamera }, async () => {
    const port = await freePort();
    const address = `rtsp://127.0.0.1:${port}/stream1`;
    const gate = cameraConfig('gate', address, { detect });
    await using daemon = await startTestDaemon({ cameras: [config('lobby'), gate], inference: undefined });
    await using started = await start(daemon, { cameras: ['lobby', 'gate'], limits: { batchMs: 2000 } });
    const ended = () => daemon.statuses.some(({ camera, state }) => camera === 'lobby' && state === SourceState.ENDED);
    await Promise.race([until('the file has ended', ended, 120_000), started.app.failed]);
    const script = join(started.directory, 'script.json');
    // Of each of the two detectors.
    await changeControl(started.directory, { inference: { script, requestMs: 2500 } });
    await using camera = await startRtspCamera(dataPath(`clips/${clip}.mp4`), { port });
    assert.equal(camera.url, address);
    const shown = () => settle(daemon.frames, 'gate').some(({ predicted }) => !predicted);
    await Promise.race([until('frames of the camera that came later', shown, 60_000), started.app.failed]);
  });

  it('ends within its time on SIGTERM although the pipeline cannot be taken down', async () => {
    await using daemon = await startTestDaemon({ cameras: [paced('lobby')], inference: undefined });
    await using started = await start(daemon, { script: { lobby: longClip }, limits: { stopMs: 2000 } });
    await Promise.race([until('frames', () => daemon.frames.length > 5, 60_000), started.app.failed]);
    await changeControl(started.directory, { mux: { stuckPad: 0 } });
    // It takes no frame of a film that goes on: the source is held up.
    const told = daemon.stats.length;
    const isHeldUp = () => daemon.stats.slice(told).some(({ cameras: [camera] }) => camera?.fps === 0);
    await Promise.race([until('the source to be held up', isHeldUp, 60_000), started.app.failed]);
    started.app.child.kill('SIGTERM');
    assert.equal(await started.app.exit, 0);
    await daemon.untilDrained();
  });

  it('joins the landmarks of CenterFace to their faces', { skip: noTriton }, async () => {
    const headpose = 'real_headpose_m';
    const recorded = (await readDataJson(`clips/${headpose}.gt.json`)) as Recorded;
    await using repository = await temporaryDirectory();
    await tritonRepository(repository.path, ['centerface']);
    await using triton = await startTriton({ repository: repository.path });
    const camera = cameraConfig('lobby', dataPath(`clips/${headpose}.mp4`), { detect: [detectConfig('centerface')] });
    await using daemon = await startTestDaemon({ cameras: [camera], inference: undefined });
    const directory = await temporaryDirectory();
    await using _ = directory;
    const container = await renderApp({ directory: directory.path, bridge: daemon.socketPath, cameras: ['lobby'] });
    const settings = JSON.parse(await readFile(container, 'utf8')) as { detectors: unknown };
    const rendered = resolve(import.meta.dirname, '../fixtures/deepstream/faces-and-people');
    const infer = join(directory.path, 'infer-centerface.txt');
    const text = await readFile(join(rendered, 'infer-centerface.txt'), 'utf8');
    await writeFile(infer, onStandin(text.replace('localhost:8001', triton.url), rendered));
    const { detectors } = JSON.parse(await readFile(join(rendered, 'container.json'), 'utf8')) as Rendered;
    settings.detectors = detectors
      .filter(({ model }) => model === 'centerface')
      .map((detector) => ({ ...detector, config: infer }));
    await writeFile(container, JSON.stringify(settings));
    await using app = startApp(container, directory.path);
    const found = () => daemon.frames.filter(({ objects }) => objects.some(({ landmarks }) => landmarks.length === 10));
    await Promise.race([until('faces with landmarks', () => found().length >= 5, 90_000), app.failed]);
    for (const frame of found()) {
      const [truth] = recorded.frames[Number(frame.sequence)]?.faces ?? [];
      const [face] = frame.objects;
      assert.ok(truth?.kps !== undefined && face !== undefined, `a face in frame ${frame.sequence}`);
      const eyes = Math.hypot(
        (truth.kps[0]?.[0] ?? 0) - (truth.kps[1]?.[0] ?? 0),
        (truth.kps[0]?.[1] ?? 0) - (truth.kps[1]?.[1] ?? 0),
      );
      for (const [i, [x, y]] of truth.kps.entries()) {
        const off = Math.hypot((face.landmarks[2 * i] ?? 0) - x, (face.landmarks[2 * i + 1] ?? 0) - y);
        assert.ok(off < 0.25 * eyes, `frame ${frame.sequence}, point ${i}: ${off} px off, eyes are ${eyes} px apart`);
      }
    }
  });
});
