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

test('annotated video shows the boxes of each frame on that frame, only while it is wanted, and says when there is no signal', {
  skip,
}, async () => {
  await using door = await startTestDoor();
  await using cleanUp = new AsyncDisposableStack();
  let camera = cleanUp.use(await startFilmCamera());
  const port = Number(new URL(camera.url).port);
  const corner = [0, 0, 0.1, 0, 0.1, 0.1, 0, 0.1];
  await using daemon = await startTestDaemon({
    cameras: [
      cameraConfig('yard', camera.url, {
        detect: [detectConfig(fixtureModels.face, { fps: 6 })],
        masks: [{ points: corner }],
        // That its camera is gone is seen by its connection; a busy machine does not take it away.
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
  const told = async <T>(what: string, check: () => T | undefined | false) =>
    await Promise.race([until(what, check, 90_000), worker.failed]);

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
  let firstLabel = Number.POSITIVE_INFINITY;
  // Nothing in the film has it.
  const colour = '#e000e0';
  await told('thirty frames with a name', () => {
    for (const { epoch, objects } of daemon.frames) {
      for (const { trackId } of objects) {
        if (labelled.has(trackId)) continue;
        labelled.add(trackId);
        firstLabel = Math.min(firstLabel, annotated().length);
        const label = { trackId, decided: true, text: 'Ada', colour, score: 0.71 };
        daemon.send({ $case: 'labels', value: { camera: 'yard', epoch, labels: [label] } });
      }
    }
    const frames = daemon.frames.filter(({ camera: of, objects }) => of === 'yard' && objects.length > 0);
    return frames.length > 30 && annotated().length > firstLabel + 50;
  });
  want('yard', false);
  let mark = { annotated: annotated().length, clean: clean().length };
  await told('nothing is drawn any more, and the camera goes on', () => {
    const now = { annotated: annotated().length, clean: clean().length };
    if (now.annotated > mark.annotated) mark = now;
    return now.clean > mark.clean + 14;
  });
  const stopped = annotated();

  // Metadata come another way than units.
  const byInstant = await told('metadata of every annotated unit', () => {
    const known = new Map(daemon.frames.map((frame) => [instant(frame.epoch, ptsOf(frame)), frame]));
    return stopped.every(({ epoch, pts }) => known.has(instant(epoch, pts))) && known;
  });
  const pictures = decode(stopped);
  assert.equal(pictures.length, stopped.length);
  const ink = inkOf(colour, { matrix: 'bt601', fullRange: false });
  const isInk = ([y, u, v]: readonly [number, number, number]) =>
    Math.abs(y - ink.y) < 30 && Math.abs(u - ink.u) < 24 && Math.abs(v - ink.v) < 24;
  let boxes = 0;
  let elsewhere = 0;
  /** Tracks that have been drawn with their names: from then on they are. */
  const drawn = new Set<string>();
  for (const [index, unit] of stopped.entries()) {
    const frame = byInstant.get(instant(unit.epoch, unit.pts));
    assert.ok(frame, `unit ${unit.pts} has metadata`);
    assert.equal(unit.captureTimeUs, frame.cameraTimeUs);
    const picture = pictures[index];
    assert.ok(picture);
    assert.ok(pixel(picture, 20, 10)[0] < 24, 'masks are black');
    const next = byInstant.get(instant(unit.epoch, stopped[index + 1]?.pts ?? 0n));
    for (const { box, trackId } of frame.objects) {
      if (box === undefined || box.left < 2 || box.left + box.width > width - 2) continue;
      const middle = Math.round(box.top + box.height / 2);
      const edges = [2 * Math.floor(box.left / 2), 2 * Math.ceil((box.left + box.width) / 2) - 1] as const;
      // The first frames of a track are drawn before anybody has said its name, how many is the machine's.
      const track = `${unit.epoch}/${trackId}`;
      if (!drawn.has(track) && !edges.every((x) => isInk(pixel(picture, x, middle)))) continue;
      drawn.add(track);
      boxes += 1;
      for (const x of edges) assert.ok(isInk(pixel(picture, x, middle)), `frame ${unit.pts}: an edge at ${x}, ${middle}`);
      // Where the same box will be in the next frame there is nothing yet.
      const later = next?.objects.find((object) => object.trackId === trackId)?.box;
      if (later === undefined || Math.abs(later.left - box.left) < 8) continue;
      // Where frames were left out the next one is far, and the place may be an edge of this one's boxes.
      const isEdge = frame.objects.some(({ box: own }) =>
        [own?.left ?? 0, (own?.left ?? 0) + (own?.width ?? 0)].some((x) => Math.abs(x - later.left) < 8),
      );
      if (isEdge) continue;
      elsewhere += 1;
      assert.equal(
        isInk(pixel(picture, 2 * Math.floor(later.left / 2), middle)),
        false,
        `frame ${unit.pts}: no box of another frame`,
      );
    }
  }
  assert.ok(boxes >= 10 && elsewhere >= 3, `${boxes} boxes, ${elsewhere} of them moved`);

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
