import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { toPts90k } from '../../src/core/media-time.ts';
import { type Frame, SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { inkOf } from '../../src/software-worker/draw.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath, lobbyClip } from '../support/fixtures.ts';
import { type DoorUnit, startTestDoor } from '../support/media-door.ts';
import { installedProgram } from '../support/programs.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilState,
} from '../support/software-worker.ts';
import { until } from '../support/until.ts';

const skip = missingTool(installedProgram('ffmpeg'), 'ffmpeg');
const program = join(import.meta.dirname, '../../src/media/camera.ts');
const film = fixturePath(lobbyClip);
const width = 640;
const height = 360;

const ptsOf = ({ pts, timeBaseNum, timeBaseDen }: Frame) => toPts90k(pts, { numerator: timeBaseNum, denominator: timeBaseDen });
const instant = (epoch: number, pts: bigint) => `${epoch}/${pts}`;

/** Pictures of Annex B units, packed I420. */
function decode(units: readonly { readonly data: Buffer }[], size = { width, height }): readonly Buffer[] {
  const input = Buffer.concat(units.map(({ data }) => data));
  const args = [
    '-v',
    'error',
    '-f',
    'h264',
    '-i',
    '-',
    '-fps_mode',
    'passthrough',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'yuv420p',
    '-',
  ];
  const raw = execFileSync('ffmpeg', args, { input, maxBuffer: 1 << 30 });
  const bytes = (size.width * size.height * 3) / 2;
  return Array.from({ length: raw.length / bytes }, (_, index) => raw.subarray(index * bytes, (index + 1) * bytes));
}

function pixel(picture: Buffer, x: number, y: number): readonly [number, number, number] {
  const chroma = width * height + (y >> 1) * (width / 2) + (x >> 1);
  return [picture[y * width + x] ?? 0, picture[chroma] ?? 0, picture[chroma + (width * height) / 4] ?? 0];
}

/** As MP4 has it: each start code becomes a length. Our sources use the long start code before every unit. */
function lengthPrefixed(data: Buffer): Buffer {
  const code = Buffer.from([0, 0, 0, 1]);
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const next = data.indexOf(code, at + 4);
    const end = next < 0 ? data.length : next;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(end - at - 4);
    parts.push(length, data.subarray(at + 4, end));
    at = end;
  }
  return Buffer.concat(parts);
}

interface ProbedPacket {
  readonly pts: number;
  readonly dts: number;
  readonly flags: string;
  readonly data_hash: string;
}

test('every unit of a file at its own pace reaches the door in order, byte for byte, at the times of its metadata', {
  skip,
}, async () => {
  await using folder = await temporaryDirectory();
  const make = (name: string, ...encoding: readonly string[]) => {
    const path = join(folder.path, name);
    execFileSync('ffmpeg', ['-v', 'error', '-t', '3', '-i', film, '-an', ...encoding, path]);
    return path;
  };
  const files = {
    plain: make('plain.mp4', '-c:v', 'copy'),
    reordered: make('reordered.mp4', '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-b_strategy', '0', '-g', '12'),
    h265: make('h265.mp4', '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=12'),
    jpeg: make('jpeg.avi', '-c:v', 'mjpeg'),
  };
  await using door = await startTestDoor();
  const cameras = [
    ...Object.entries(files).map(([camera, path]) => cameraConfig(camera, path, { realtime: true, detect: [] })),
    cameraConfig('fast', files.plain, { detect: [] }),
  ];
  await using daemon = await startTestDaemon({ cameras, inference: inferenceConfig(fixtureModelRepository) });
  await using worker = startWorkerProcess(daemon.socketPath, { SIGHTLINE_MEDIA: door.socketPath });
  for (const { camera } of cameras) await Promise.race([untilState(daemon, camera, SourceState.ENDED), worker.failed]);
  for (const camera of ['plain', 'reordered', 'h265'] as const) {
    const probe = [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-show_packets',
      '-show_data_hash',
      'md5',
      '-of',
      'json',
      files[camera],
    ];
    const packets: readonly ProbedPacket[] = JSON.parse(execFileSync('ffprobe', probe, { encoding: 'utf8' })).packets;
    const units = await until(`all of ${camera}`, () => {
      const got = door.units(camera, 'clean');
      return got.length >= packets.length && got;
    });
    const [first] = daemon.frames.filter((frame) => frame.camera === camera);
    assert.ok(first);
    const timeBase = { numerator: first.timeBaseNum, denominator: first.timeBaseDen };
    assert.deepEqual(
      units.map(({ pts, dts, key, data }) => ({
        pts,
        dts,
        key,
        hash: createHash('md5').update(lengthPrefixed(data)).digest('hex'),
      })),
      packets.map(({ pts, dts, flags, data_hash }) => ({
        pts: toPts90k(BigInt(pts), timeBase),
        dts: toPts90k(BigInt(dts), timeBase),
        key: flags.startsWith('K'),
        hash: data_hash.replace('MD5:', ''),
      })),
      camera,
    );
    const [format, ...more] = door.formats(camera, 'clean');
    assert.deepEqual(
      [format?.codec, format?.width, format?.height, format?.epoch, more.length],
      [camera === 'h265' ? 'h265' : 'h264', width, height, 1, 0],
    );
    // Whoever decodes gets the parameter sets aside, and the picture.
    assert.ok(units[0] !== undefined && format !== undefined);
    const shown = execFileSync(
      'ffprobe',
      [
        ...['-v', 'error', '-f', camera === 'h265' ? 'hevc' : 'h264', '-count_frames'],
        '-show_entries',
        'stream=nb_read_frames',
        '-of',
        'csv=p=0',
        '-',
      ],
      { input: Buffer.concat([format.parameterSets, ...units.map(({ data }) => data)]), encoding: 'utf8' },
    );
    assert.equal(Number(shown), packets.length, `${camera} can be decoded`);
    const frames = new Map(daemon.frames.filter((frame) => frame.camera === camera).map((frame) => [ptsOf(frame), frame]));
    for (const { pts, captureTimeUs } of units) {
      const away = captureTimeUs - (frames.get(pts)?.cameraTimeUs ?? 0n);
      assert.ok(away >= -1n && away <= 1n, `capture time of ${pts} is off by ${away} us`);
    }
    assert.equal(frames.size, units.length);
  }
  assert.equal(door.units('jpeg', 'clean').length + door.units('fast', 'clean').length, 0);
  const reasons = daemon.logs
    .filter(({ message }) => message === 'camera video is not passed on')
    .map(({ fieldsJson }) => JSON.parse(fieldsJson));
  assert.deepEqual(
    new Map(reasons.map(({ camera, reason }) => [camera, reason])),
    new Map([
      ['jpeg', 'it is neither H.264 nor H.265; annotated video is shown'],
      ['fast', 'it is a file at full speed'],
    ]),
  );
});

interface FilmCamera extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startFilmCamera(port = 0): Promise<FilmCamera> {
  const child = spawn(process.execPath, [program, film, '--name', 'yard', '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const url = await until('the camera is ready', () => /^ready (rtsp:\S+)\n/.exec(said)?.[1]);
  return {
    url,
    child,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** A box that must be drawn in its own colour on one picture. */
interface AnnotatedBox {
  /** Of the unit. */
  readonly index: number;
  readonly pts: bigint;
  /** Its upright edges, and a line that meets them. */
  readonly edges: readonly [number, number];
  readonly middle: number;
  /** Where the same box begins on the next picture, and nothing is yet on this one. */
  readonly later: number | undefined;
}

function annotatedBoxes(units: readonly DoorUnit[], frames: readonly Frame[]): readonly AnnotatedBox[] {
  const byInstant = new Map(frames.map((frame) => [instant(frame.epoch, ptsOf(frame)), frame]));
  const frameOf = (unit: DoorUnit | undefined) => unit && byInstant.get(instant(unit.epoch, unit.pts));
  return units.flatMap((unit, index) =>
    // The first frames of a track are drawn before anybody has said its name.
    (index < 12 ? [] : (frameOf(unit)?.objects ?? [])).flatMap(({ box, trackId }) => {
      if (box === undefined || box.left < 2 || box.left + box.width > width - 2) return [];
      const of = (frame: Frame | undefined) => frame?.objects.find((object) => object.trackId === trackId);
      if (of(frameOf(units[index - 6])) === undefined) return [];
      const edges = [2 * Math.floor(box.left / 2), 2 * Math.ceil((box.left + box.width) / 2) - 1] as const;
      const next = of(frameOf(units[index + 1]))?.box?.left;
      // Where frames were left out the next one is far, and the place may be an edge of this one's boxes.
      const isEdge = (frameOf(unit)?.objects ?? []).some(({ box: own }) =>
        [own?.left ?? 0, (own?.left ?? 0) + (own?.width ?? 0)].some((x) => Math.abs(x - (next ?? 0)) < 8),
      );
      const later = next === undefined || Math.abs(next - box.left) < 8 || isEdge ? undefined : 2 * Math.floor(next / 2);
      return [{ index, pts: unit.pts, edges, middle: Math.round(box.top + box.height / 2), later }];
    }),
  );
}

test('annotated video shows the boxes of each frame on that frame, only while it is wanted, and says when there is no signal', {
  skip,
}, async () => {
  await using door = await startTestDoor();
  await using cleanUp = new AsyncDisposableStack();
  let camera = cleanUp.use(await startFilmCamera());
  const port = Number(new URL(camera.url).port);
  // Nobody's face, and no name, comes down there.
  const corner = [0, 0.9, 0.1, 0.9, 0.1, 1, 0, 1];
  await using daemon = await startTestDaemon({
    cameras: [
      cameraConfig('yard', camera.url, {
        detect: [detectConfig(fixtureModels.face, { fps: 6 })],
        masks: [{ points: corner }],
        openTimeoutMs: 60_000,
        silenceTimeoutMs: 60_000,
      }),
      cameraConfig('nowhere', 'rtsp://127.0.0.1:1/none', { detect: [] }),
    ],
    inference: inferenceConfig(fixtureModelRepository),
  });
  await using worker = startWorkerProcess(daemon.socketPath, { SIGHTLINE_MEDIA: door.socketPath });
  const annotated = () => door.units('yard', 'annotated');
  const clean = () => door.units('yard', 'clean');
  const want = (of: string, on: boolean) => daemon.send({ $case: 'wantVideo', value: { camera: of, annotated: on } });
  const told = async <T>(what: string, check: () => T | undefined | false, timeoutMs?: number) =>
    await Promise.race([until(what, check, timeoutMs), worker.failed]);

  await told('clean units', () => clean().length > 4);
  assert.equal(
    door.said.some(({ message }) => 'unit' in message && message.unit.variant === 2),
    false,
    'nobody wanted it',
  );
  want('yard', true);
  want('nowhere', true);
  await told('annotated units', () => annotated().length > 2);
  const labelled = new Set<number>();
  // Nothing in the film has it.
  const colour = '#e000e0';
  const named = () => {
    for (const { epoch, objects } of daemon.frames) {
      for (const { trackId } of objects) {
        if (labelled.has(trackId)) continue;
        labelled.add(trackId);
        const label = { trackId, decided: true, text: 'Ada', colour, score: 0.71 };
        daemon.send({ $case: 'labels', value: { camera: 'yard', epoch, labels: [label] } });
      }
    }
    return annotatedBoxes(annotated(), daemon.frames);
  };
  await told(
    'boxes with a name, some of which move',
    () => {
      const found = named();
      return found.length >= 12 && found.filter(({ later }) => later !== undefined).length >= 3;
    },
    150_000,
  );
  want('yard', false);
  let [drawn, from] = [annotated().length, clean().length];
  await told('the camera to go on, and nothing is drawn any more', () => {
    if (annotated().length > drawn) [drawn, from] = [annotated().length, clean().length];
    return clean().length > from + 12;
  });
  const stopped = annotated();

  const byInstant = new Map(daemon.frames.map((frame) => [instant(frame.epoch, ptsOf(frame)), frame]));
  const pictures = decode(stopped);
  assert.equal(pictures.length, stopped.length);
  const ink = inkOf(colour, { matrix: 'bt601', fullRange: false });
  const isInk = ([y, u, v]: readonly [number, number, number]) =>
    Math.abs(y - ink.y) < 30 && Math.abs(u - ink.u) < 24 && Math.abs(v - ink.v) < 24;
  for (const [index, unit] of stopped.entries()) {
    const frame = byInstant.get(instant(unit.epoch, unit.pts));
    assert.ok(frame, `unit ${unit.pts} has metadata`);
    assert.equal(unit.captureTimeUs, frame.cameraTimeUs);
    const [luma] = pixel(pictures[index] ?? assert.fail(), 20, 350);
    assert.ok(luma < 24, `masks are black, not ${luma}: picture ${index} of ${stopped.length}`);
  }
  for (const { index, pts, edges, middle, later } of annotatedBoxes(stopped, daemon.frames)) {
    const picture = pictures[index];
    assert.ok(picture);
    for (const x of edges) assert.ok(isInk(pixel(picture, x, middle)), `frame ${pts}: an edge at ${x}, ${middle}`);
    if (later !== undefined) assert.equal(isInk(pixel(picture, later, middle)), false, `frame ${pts}: no box of another frame`);
  }

  // The door restarts while it is watched.
  want('yard', true);
  await told('annotated units again', () => annotated().length > stopped.length + 3);
  await door.leave();
  await door.listen();
  const since = (units: readonly DoorUnit[]) => units.filter(({ connection }) => connection === door.hellos.length - 1);
  for (const units of [clean, annotated]) {
    const [first] = await told(
      'units on the new connection',
      () => door.hellos.length > 1 && since(units()).length > 2 && since(units()),
    );
    assert.ok(first?.key && first.format !== undefined, 'begins with a format and a key frame');
  }

  // The camera loses its power.
  const liveEpoch = daemon.epochs.get('yard');
  await camera[Symbol.asyncDispose]();
  await untilState(daemon, 'yard', SourceState.AWAY);
  const metadata = () => new Set(daemon.frames.map((frame) => instant(frame.epoch, ptsOf(frame))));
  const grey = await told('pictures without a signal', () => {
    const known = metadata();
    const found = annotated().filter(({ epoch, pts }) => epoch === liveEpoch && !known.has(instant(epoch, pts)));
    return found.length > 2 && found;
  });
  const last = annotated().findLast(({ epoch, pts }) => epoch === liveEpoch && metadata().has(instant(epoch, pts)));
  assert.ok(
    grey.every(({ pts }) => pts > (last?.pts ?? 0n)),
    'time goes on',
  );
  const [shown] = decode(since(annotated())).slice(-1);
  assert.ok(shown);
  assert.ok(Math.abs(pixel(shown, 4, 4)[0] - 48) < 6 && Math.abs(pixel(shown, 600, 300)[0] - 48) < 6, 'a grey picture');
  assert.ok(
    shown.subarray(0, width * height).some((luma) => luma > 180),
    'with words',
  );
  const [nowhere] = await told(
    'a camera that never was there',
    () => door.units('nowhere', 'annotated').length > 1 && door.units('nowhere', 'annotated'),
  );
  assert.deepEqual([nowhere?.format?.width, nowhere?.format?.height, nowhere?.key], [1280, 720, true]);
  camera = cleanUp.use(await startFilmCamera(port));
  const back = await told('pictures of the next epoch', () => {
    const found = annotated().filter(({ epoch }) => epoch > (liveEpoch ?? 0));
    return found.length > 4 && found;
  });
  assert.equal(back[0]?.key, true);
  assert.equal(decode(back).length, back.length);
  const sent = clean();
  await told('metadata of every clean unit', () => {
    const known = metadata();
    return sent.every(({ epoch, pts }) => known.has(instant(epoch, pts)));
  });
});
