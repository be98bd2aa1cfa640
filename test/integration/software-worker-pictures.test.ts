import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { CodecParameters } from 'node-av/lib';
import type { Clock } from '../../src/core/clock.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import { createHardware } from '../../src/software-worker/decoder.ts';
import { openDemuxer, silenceFfmpeg, type UnitSource } from '../../src/software-worker/demux.ts';
import { openPictures, type Picture } from '../../src/software-worker/pictures.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureDirectory } from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { startRtspGate } from '../support/rtsp-gate.ts';
import { missingRtspPatterns, patternStep, startRtspPatterns } from '../support/rtsp-patterns.ts';
import { startRtspWire } from '../support/rtsp-wire.ts';

silenceFfmpeg();

/** Pixels of the white ball on its black ground. */
function ballPixels({ frame, width, height }: Picture): number {
  const luma = frame.data?.[0];
  const pitch = frame.linesize[0];
  assert.ok(luma !== undefined && pitch !== undefined);
  let white = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) if ((luma[y * pitch + x] ?? 0) > 128) white += 1;
  }
  return white;
}

describe('pictures of a camera that sends several slices, each of a key picture with parameter sets', {
  skip: missingRtspPatterns(),
}, () => {
  for (const transport of ['tcp', 'udp'] as const) {
    test(`are whole, and one for each time stamp, over ${transport}`, async () => {
      using ctx = testContext();
      using hardware = createHardware();
      await using server = await startRtspPatterns();
      const url = server.url('slices');
      const units = await openDemuxer({ address: { kind: 'rtsp', url, shown: url }, transport, openTimeoutMs: 30_000 }, ctx);
      assert.deepEqual([units.parameters.width, units.parameters.height], [640, 360], 'known before the first picture');
      const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 30_000 } as const;
      await using pictures = await openPictures(units, options, ctx);
      for (let index = 0; index < 64; index += 1) {
        const picture = await pictures.next();
        assert.ok(picture !== undefined);
        assert.equal(picture.pts, BigInt(index) * patternStep, `picture ${index}`);
        const white = ballPixels(picture);
        assert.ok(white > 1050 && white < 1210, `picture ${index} has ${white} pixels of the ball`);
        picture.frame.free();
      }
    });
  }
});

describe('a picture comes out before the next one is sent', { skip: missingRtspPatterns(), concurrency: 4 }, () => {
  for (const [kind, what] of [
    ['h264', 'H.264 with one slice'],
    ['slices', 'H.264 with four slices'],
    ['h265', 'H.265 with one slice'],
    ['h265slices', 'H.265 with four slices'],
  ] as const) {
    test(what, async () => {
      using ctx = testContext();
      using hardware = createHardware();
      await using server = await startRtspPatterns();
      const learning = 16;
      await using gate = await startRtspGate(server.url(kind), learning);
      const address = { kind: 'rtsp', url: gate.url, shown: gate.url } as const;
      const units = await openDemuxer({ address, transport: 'tcp', openTimeoutMs: 30_000 }, ctx);
      const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 30_000 } as const;
      await using pictures = await openPictures(units, options, ctx);
      // A key picture, every 30, is among those that must not wait.
      for (let index = 0; index < 36; index += 1) {
        if (index >= learning) gate.next();
        const picture = await pictures.next();
        assert.equal(picture?.pts, BigInt(index) * patternStep);
        picture?.frame.free();
      }
      assert.equal(pictures.undecodable, 0);
    });
  }
});

test('a picture in whose midst the camera is gone is counted, and seen by nobody', { skip: missingRtspCamera() }, async () => {
  using ctx = testContext();
  using hardware = createHardware();
  await using camera = await startRtspCamera(join(fixtureDirectory, 'clips/lobby.mp4'));
  for (const where of ['after packet', 'in packet'] as const) {
    await using wire = await startRtspWire({ port: camera.port, path: 'stream1' });
    const address = { kind: 'rtsp', url: wire.url, shown: wire.url } as const;
    const units = await openDemuxer({ address, transport: 'tcp', openTimeoutMs: 30_000 }, ctx);
    const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 30_000 } as const;
    await using pictures = await openPictures(units, options, ctx);
    (await pictures.next())?.frame.free();
    const cut = wire.cutInSlice(where);
    const whole: boolean[] = [];
    try {
      for (let picture = await pictures.next(); picture !== undefined; picture = await pictures.next()) {
        whole.push(picture.frame.decodeErrorFlags === 0);
        picture.frame.free();
      }
    } catch (error) {
      assert.deepEqual([where, isSightlineError(error, 'source.unreachable')], ['in packet', true]);
    }
    await cut;
    assert.ok(whole.every((it) => it));
    assert.equal(pictures.undecodable, where === 'after packet' ? 1 : 0, where);
  }
});

test('a file may take its time: it is read to its end, once', {
  skip: missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  const clip = join(fixtureDirectory, 'clips/lobby.mp4');
  const encoding = ['-c:v', 'copy', '-f', 'mpegts', '-muxdelay', '0', 'pipe:1'];
  const bytes = execFileSync('ffmpeg', ['-v', 'error', '-i', clip, '-an', ...encoding], { maxBuffer: 8 * 1024 * 1024 });
  await using folder = await temporaryDirectory();
  // A disk of which every read may take an hour.
  const path = join(folder.path, 'clip.ts');
  execFileSync('mkfifo', [path]);
  const clock = new ManualClock();
  using ctx = testContext(clock);
  using hardware = createHardware();
  const address = { kind: 'file', path, shown: path } as const;
  const seen: bigint[] = [];
  async function play(): Promise<void> {
    const units = await openDemuxer({ address, transport: 'tcp', openTimeoutMs: 5000 }, ctx);
    const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: undefined } as const;
    await using pictures = await openPictures(units, options, ctx);
    for (let picture = await pictures.next(); picture !== undefined; picture = await pictures.next()) {
      seen.push(picture.pts);
      picture.frame.free();
    }
  }
  const writer = createWriteStream(path);
  // A reader that went away says itself why.
  writer.on('error', () => {});
  const slow = (async () => {
    for (let from = 0; from < bytes.length; from += 20_000) {
      await new Promise((written) => writer.write(bytes.subarray(from, from + 20_000), written));
      await clock.advance(3_600_000);
    }
    writer.end();
  })();
  await Promise.all([play(), slow]);
  const total = execFileSync('ffprobe', [
    ...[
      '-v',
      'error',
      '-count_frames',
      '-select_streams',
      'v',
      '-show_entries',
      'stream=nb_read_frames',
      '-of',
      'csv=p=0',
      clip,
    ],
  ]);
  assert.equal(seen.length, Number(String(total).trim()));
  assert.ok(seen.every((pts, index) => index === 0 || pts > (seen[index - 1] ?? 0n)));
});

test('a live source is silent after the time it was waited for, in which turns that came late do not count', async () => {
  let nowMs = 0;
  let tick = () => {};
  const clock: Clock = Object.assign(new ManualClock(), {
    mono: () => nowMs,
    every: (_ms: number, task: () => void) => {
      tick = task;
      return { [Symbol.dispose]: () => {} };
    },
  });
  const parameters = new CodecParameters();
  parameters.alloc();
  parameters.codecId = AV_CODEC_ID_H264;
  const interrupted = Promise.withResolvers<undefined>();
  const source: UnitSource = {
    kind: 'live',
    broken: 0,
    parameters,
    timeBase: { num: 1, den: 90_000 },
    frameRate: undefined,
    read: () => interrupted.promise,
    interrupt: () => interrupted.resolve(undefined),
    [Symbol.asyncDispose]: async () => parameters.free(),
  };
  using ctx = testContext(clock);
  using hardware = createHardware();
  const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 4000 } as const;
  await using pictures = await openPictures(source, options, ctx);
  const next = assert.rejects(pictures.next(), { code: 'source.timeout' });
  const late = async (ms: number) => {
    nowMs += ms;
    tick();
    return await Promise.race([interrupted.promise.then(() => 'silent'), new Promise((done) => setImmediate(done, 'waiting'))]);
  };
  assert.equal(await late(3_600_000), 'waiting', 'the machine slept');
  for (let ticks = 0; ticks < 5; ticks += 1) assert.equal(await late(500), 'waiting');
  assert.equal(await late(500), 'silent', 'a second for the sleep, three of ticks in time');
  await next;
});
