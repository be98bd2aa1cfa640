import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type Frame, SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { iou } from '../../src/software-worker/geometry.ts';
import { dataPath, missingTool, readDataJson } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels, realRepository } from '../support/repository.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilEnded,
  untilState,
} from '../support/software-worker.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const clip = 'clips/real_tilt_m.mp4';
const skip =
  missingModels('centerface', clip) || missingTool(installedProgram('ffmpeg') && installedProgram('ffprobe'), 'ffmpeg');

async function encode(path: string, ...options: readonly string[]): Promise<string> {
  await run('ffmpeg', ['-v', 'error', '-y', '-i', dataPath(clip), '-an', ...options, path]);
  return path;
}

/** Time stamps of a file's frames in the order of presentation, by an independent reader. */
async function stampsOf(path: string): Promise<readonly number[]> {
  const { stdout } = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-show_entries', 'frame=best_effort_timestamp', '-of', 'csv=p=0', path],
  ]);
  return stdout
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
    .filter((stamp) => !Number.isNaN(stamp));
}

interface Truth {
  readonly frames: readonly { readonly faces?: readonly { readonly box: readonly [number, number, number, number] }[] }[];
}

function faces(frames: readonly Frame[]): number {
  return frames.filter(({ objects }) => objects.some(({ label, crop }) => label === 'face' && crop !== undefined)).length;
}

describe('a software worker reading files', { skip }, () => {
  test('of all shapes: variable frame rate, B-frames, H.265, 4K, 10 bit, no time stamps, time stamps that begin anew, a size that changes', async () => {
    await using folder = await temporaryDirectory();
    const at = (name: string) => join(folder.path, name);
    const fast = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '12'];
    const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none'];
    const short = ['-frames:v', '24'];
    await Promise.all([
      encode(
        at('vfr.mp4'),
        '-vf',
        "setpts='(N+0.6*mod(N,3)+40*gte(N,12))/12/TB'",
        '-fps_mode',
        'vfr',
        ...short,
        '-c:v',
        'libx264',
        '-bf',
        '2',
      ),
      encode(at('b.mkv'), ...short, '-c:v', 'libx264', '-bf', '3', '-b_strategy', '0'),
      encode(at('hevc.mp4'), ...short, '-vf', 'format=yuv420p10le', ...x265),
      encode(at('4k.mp4'), '-frames:v', '6', '-vf', 'scale=3840:2160', ...x265),
      encode(at('slow.mp4'), '-vf', 'setpts=N/TB', '-r', '1', '-frames:v', '12', ...fast),
      encode(at('raw.h264'), ...short, ...fast, '-bf', '0'),
      encode(at('a.ts'), ...short, ...fast),
      encode(at('b.ts'), ...short, '-vf', 'scale=640:480', '-output_ts_offset', '2', ...fast),
    ]);
    const [first, second] = await Promise.all([readFile(at('a.ts')), readFile(at('b.ts'))]);
    await writeFile(at('resized.ts'), Buffer.concat([first, second]));
    await writeFile(at('anew.ts'), Buffer.concat([first, first]));
    const names = ['vfr.mp4', 'b.mkv', 'hevc.mp4', '4k.mp4', 'slow.mp4', 'raw.h264', 'resized.ts', 'anew.ts'];

    await using repository = await realRepository();
    await using daemon = await startTestDaemon({
      cameras: names.map((name) =>
        cameraConfig(name, at(name), {
          decode: 'auto',
          detect: [detectConfig('centerface', { fps: 2 })],
          // They are for networks: a file is opened once, however slow the machine is.
          openTimeoutMs: 1,
          silenceTimeoutMs: 1,
        }),
      ),
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const ended = await Promise.race([
      Promise.all(names.map(async (name) => [name, await untilEnded(daemon, name)] as const)),
      worker.failed,
    ]);
    const frames = new Map(ended);
    assert.deepEqual(
      daemon.statuses.filter(({ state }) => state === SourceState.AWAY),
      [],
    );
    assert.deepEqual(
      daemon.statuses
        .flatMap(({ camera, state, reason }) => (state === SourceState.ENDED ? [`${camera}: ${reason}`] : []))
        .sort(),
      names.map((name) => `${name}: the file was played to its end`).sort(),
    );
    const live = (name: string) =>
      daemon.statuses.filter((status) => status.camera === name && status.state === SourceState.LIVE);
    for (const name of ['vfr.mp4', 'b.mkv', 'hevc.mp4', '4k.mp4']) {
      const seen = frames.get(name) ?? [];
      assert.deepEqual(
        seen.map(({ pts }) => Number(pts)),
        await stampsOf(at(name)),
        `${name}: time stamps`,
      );
      assert.ok(faces(seen) > 0, `${name}: a face with its crop`);
      assert.deepEqual(new Set(seen.map(({ epoch }) => epoch)), new Set([1]));
    }
    // The gate of a pause: by media time, not by the number of frames.
    const looked = (frames.get('vfr.mp4') ?? [])
      .filter(({ predicted }) => !predicted)
      .map((frame) => (Number(frame.pts) * frame.timeBaseNum) / frame.timeBaseDen);
    assert.ok(
      looked.every((seconds, index) => index === 0 || seconds - (looked[index - 1] ?? 0) > 0.3),
      looked.join(' '),
    );
    assert.deepEqual(
      ['hevc.mp4', '4k.mp4'].map((name) => [
        live(name)[0]?.codec,
        live(name)[0]?.width,
        live(name)[0]?.height,
        live(name)[0]?.decode,
      ]),
      [
        ['hevc', 480, 360, 'software'],
        ['hevc', 3840, 2160, 'software'],
      ],
    );
    const large = frames
      .get('4k.mp4')
      ?.flatMap(({ objects }) => objects)
      .find(({ crop }) => crop !== undefined);
    assert.ok((large?.box?.height ?? 0) > 700, 'boxes are in pixels of the source');
    assert.equal(Math.max(large?.crop?.width ?? 0, large?.crop?.height ?? 0), 512);
    assert.ok((large?.crop?.rect?.height ?? 0) > 700, 'and so is what was cut');

    const raw = frames.get('raw.h264') ?? [];
    assert.equal(raw.length, 24);
    assert.ok(
      raw.every(({ pts }, index) => index === 0 || pts > (raw[index - 1]?.pts ?? 0n)),
      'time stamps where the file has none',
    );

    const resized = frames.get('resized.ts') ?? [];
    assert.deepEqual(
      live('resized.ts').map(({ epoch, width, height }) => [epoch, width, height]),
      [
        [1, 480, 360],
        [2, 640, 480],
      ],
    );
    for (const [epoch, width] of [
      [1, 480],
      [2, 640],
    ]) {
      const part = resized.filter((frame) => frame.epoch === epoch);
      assert.equal(part.length, 24);
      assert.ok(part.every((frame) => frame.width === width));
      assert.deepEqual(
        part.map(({ sequence }) => Number(sequence)),
        [...part.keys()],
      );
      assert.ok(faces(part) > 0);
    }
    const anew = frames.get('anew.ts') ?? [];
    assert.deepEqual(
      [1, 2].map((epoch) => anew.filter((frame) => frame.epoch === epoch).length),
      [24, 24],
    );
  });

  test('a file without a frame that can be decoded is away with that reason, also when it shall loop', async () => {
    await using folder = await temporaryDirectory();
    const broken = join(folder.path, 'broken.mp4');
    const bytes = await readFile(dataPath(clip));
    const data = bytes.indexOf('mdat') + 4;
    assert.ok(data > 4);
    const header = bytes.indexOf('moov', data);
    bytes.fill(0, data, header < 0 ? bytes.length : header - 4);
    await writeFile(broken, bytes);
    await using repository = await realRepository();
    await using daemon = await startTestDaemon({
      cameras: [cameraConfig('once', broken), cameraConfig('again', broken, { loop: true })],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    for (const camera of daemon.configured) {
      const away = await Promise.race([untilState(daemon, camera, SourceState.AWAY), worker.failed]);
      assert.deepEqual([away.code, away.reason], ['source.format', 'the file holds no frame that can be decoded']);
    }
    assert.equal(daemon.epochs.size, 0);
  });

  test('detects on the substream and cuts from the main stream, frame for frame', async () => {
    const truth = readDataJson('clips/real_tilt_m.gt.json') as Truth;
    await using folder = await temporaryDirectory();
    const main = join(folder.path, 'main.mp4');
    const sub = join(folder.path, 'sub.mp4');
    const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-frames:v', '36'];
    await Promise.all([
      encode(main, '-vf', 'scale=1920:1440', ...x264),
      // Every third frame, and those a tenth of a second late in the file: nearest to no frame of the main stream but one.
      encode(sub, '-vf', "select='not(mod(n-1,3))',scale=240:180", '-fps_mode', 'passthrough', ...x264),
    ]);
    await using repository = await realRepository();
    const detect = [detectConfig('centerface', { fps: 2 })];
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('pair', main, { detectSource: sub, detect }),
        cameraConfig('alone', main, { detectSource: join(folder.path, 'nothing.mp4'), detect }),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const [pair = [], alone = []] = await Promise.race([
      Promise.all(daemon.configured.map((camera) => untilEnded(daemon, camera))),
      worker.failed,
    ]);
    for (const frames of [pair, alone]) {
      assert.deepEqual(
        frames.map(({ sequence }) => Number(sequence)),
        [...Array(36).keys()],
      );
      assert.ok(frames.every(({ width, height }) => width === 1920 && height === 1440));
      for (const frame of frames.filter(({ predicted }) => !predicted)) {
        const [left, top, width, height] = truth.frames[Number(frame.sequence)]?.faces?.[0]?.box ?? [0, 0, 0, 0];
        const real = { left: left * 4, top: top * 4, width: width * 4, height: height * 4 };
        const [object] = frame.objects;
        assert.ok(object?.box !== undefined && iou(object.box, real) > 0.6, `frame ${frame.sequence}`);
        assert.ok((object.crop?.rect?.height ?? 0) > 700 && object.crop?.quality?.heightPx === object.box.height);
      }
    }
    const looked = (frames: readonly Frame[]) =>
      frames.filter(({ predicted }) => !predicted).map(({ sequence }) => Number(sequence));
    assert.deepEqual(looked(alone), [0, 6, 12, 18, 24, 30], 'without the substream detection goes on');
    assert.ok(looked(pair).length >= 5 && looked(pair).every((sequence) => sequence % 3 === 1), `looked at ${looked(pair)}`);
    assert.ok(daemon.logs.some(({ message }) => message === 'substream away, detecting on the main stream'));
  });

  test('a decode path that this machine lacks fails its own camera with what would be possible', async () => {
    await using repository = await realRepository();
    const paths = ['vaapi', 'qsv', 'nvdec'] as const;
    await using daemon = await startTestDaemon({
      cameras: [...paths, 'auto'].map((decode) => cameraConfig(decode, dataPath(clip), { decode })),
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const auto = await Promise.race([untilState(daemon, 'auto', SourceState.LIVE), worker.failed]);
    const present = new Set(daemon.hello?.capabilities ?? []);
    if (paths.every((path) => !present.has(path))) assert.equal(auto.decode, 'software');
    for (const path of paths.filter((name) => !present.has(name))) {
      const failed = await untilState(daemon, path, SourceState.FAILED);
      assert.equal(failed.code, 'source.unsupported');
      assert.equal(failed.reason, `decode: ${path} is not available on this machine for this codec; auto or software would be`);
    }
  });

  test('a camera that has failed says when it is tried again, and is at once when the daemon asks; it heals', async () => {
    await using repository = await realRepository();
    const model = join(repository.directory, 'centerface', 'config.pbtxt');
    const good = await readFile(model, 'utf8');
    await writeFile(model, good.replace('input', 'inputs'));
    const configure = {
      cameras: [cameraConfig('lobby', dataPath(clip), { realtime: true, loop: true })],
      inference: inferenceConfig(repository.directory),
    };
    await using daemon = await startTestDaemon(configure);
    await using worker = startWorkerProcess(daemon.socketPath);
    const wait = <T>(what: string, check: () => T | undefined | false) =>
      Promise.race([until(what, check, 90_000), worker.failed]);
    const failures = () => daemon.statuses.filter(({ state }) => state === SourceState.FAILED);
    await wait('the failure', () => failures().length === 1);
    assert.deepEqual(
      failures().map(({ code, retryInMs }) => [code, retryInMs]),
      [['model.invalid', 300_000]],
    );
    daemon.send({ $case: 'configure', value: configure });
    await wait('the failure once more', () => failures().length === 2);
    await writeFile(model, good);
    daemon.send({ $case: 'configure', value: configure });
    await wait('the camera to heal', () => daemon.statuses.some(({ state }) => state === SourceState.LIVE));
    assert.deepEqual(
      daemon.statuses.map(({ state }) => state),
      [SourceState.CONNECTING, SourceState.FAILED, SourceState.FAILED, SourceState.LIVE],
      'it stays failed until it works',
    );
    assert.equal(daemon.logs.filter(({ message }) => message === 'camera failed').length, 1, 'one reason, one line');
  });
});
