import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { connectRtsp, depacketise, type RtspClient } from '../support/rtsp-client.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const film = join(root, 'test/fixtures/clips/lobby.mp4');
const program = join(root, 'src/media/camera.ts');

function has(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

interface Camera extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** Exit code. */
  readonly ended: Promise<number | null>;
}

async function startCamera(file: string, ...args: readonly string[]): Promise<Camera> {
  const child = spawn(process.execPath, [program, file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const url = await until('the camera is ready', () => {
    assert.equal(child.exitCode, null, 'the camera ended');
    return /^ready (rtsp:\S+)\n/.exec(said)?.[1];
  });
  return {
    url,
    port: Number(new URL(url).port),
    child,
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

async function playing({ port, url }: Camera): Promise<RtspClient> {
  const client = await connectRtsp(port);
  const setup = await client.request('SETUP', `${url}/trackID=0`, { Transport: 'RTP/AVP/TCP' });
  await client.request('PLAY', url, { Session: setup.headers['session'] ?? '' });
  return client;
}

function isSteady(times: readonly number[], step: number): boolean {
  return times.every((time, index) => index === 0 || time - (times[index - 1] ?? 0) === step);
}

/** FFmpeg's own probing takes seconds of a live stream. */
const briefly = ['-analyzeduration', '200000'];
const noFfmpeg = missingTool(has('ffmpeg', '-version'), 'ffmpeg');
const installed = existsSync(join(root, 'node_modules/node-av'));

describe('camera', { skip: missingTool(installed, 'node-av'), concurrency: 3 }, () => {
  it('is read by FFmpeg', { skip: noFfmpeg }, async () => {
    await using camera = await startCamera(film, '--name', 'entrance');
    assert.match(camera.url, /^rtsp:\/\/127\.0\.0\.1:\d+\/entrance$/);
    const { stdout } = await run('ffprobe', [
      ...[
        '-v',
        'error',
        '-rtsp_transport',
        'tcp',
        '-show_entries',
        'stream=codec_name,width,height',
        '-of',
        'csv=p=0',
        camera.url,
      ],
    ]);
    assert.equal(stdout.trim(), 'h264,640,360');
    const reading = ['-v', 'error', ...briefly, '-rtsp_transport', 'tcp', '-i', camera.url];
    const decoded = await run('ffmpeg', [...reading, '-frames:v', '12', '-f', 'framemd5', '-']);
    assert.equal(decoded.stdout.split('\n').filter((line) => /^0,/.test(line)).length, 12);
    assert.equal(decoded.stderr, '', 'no picture is broken');
  });

  it('is read by FFmpeg that asks for UDP first', { skip: noFfmpeg }, async () => {
    await using camera = await startCamera(film);
    const { stdout } = await run('ffmpeg', [
      '-v',
      'fatal',
      ...briefly,
      '-i',
      camera.url,
      '-frames:v',
      '3',
      '-f',
      'framemd5',
      '-',
    ]);
    assert.equal(stdout.split('\n').filter((line) => /^0,/.test(line)).length, 3);
  });

  it('is read by GStreamer', {
    skip: missingTool(has('gst-inspect-1.0', 'rtspsrc'), 'gstreamer1.0-plugins-good'),
  }, async () => {
    await using camera = await startCamera(film);
    const pipeline = `rtspsrc location=${camera.url} protocols=tcp latency=0 ! rtph264depay ! h264parse ! avdec_h264 ! fakesink num-buffers=12`;
    await run('gst-launch-1.0', ['-q', ...pipeline.split(' ')], { timeout: 60_000 });
  });

  it('plays one round with --once, tells its readers, and ends with 0', { skip: noFfmpeg }, async () => {
    await using directory = await temporaryDirectory();
    const short = join(directory.path, 'short.mp4');
    await run('ffmpeg', ['-v', 'error', '-i', film, '-t', '3', '-c', 'copy', short]);
    await using camera = await startCamera(short, '--once', '--attached');
    using client = await playing(camera);
    // Whoever reads is there before the first picture.
    camera.child.stdin?.write('play\n');
    await until('the end', () => client.closed, 60_000);
    assert.equal(client.packets.at(-1)?.bytes[1], 203, 'BYE');
    assert.equal(await camera.ended, 0);
    const times = [...new Set(depacketise(client.packets).map(({ timestamp }) => timestamp))];
    assert.equal(times.length, 36);
    assert.ok(isSteady(times, 7500), '12 pictures a second');
  });

  it('goes on with growing time stamps when the film begins again, a byte stream without clock too', async () => {
    await using directory = await temporaryDirectory();
    const film = join(directory.path, 'film.h264');
    const units = [0, 1, 2].map((index) => readFileSync(join(root, `test/fixtures/rtp/unit${index}.h264`)));
    await writeFile(film, Buffer.concat(units));
    await using camera = await startCamera(film);
    using client = await playing(camera);
    const nals = await until('four rounds', () => {
      const found = depacketise(client.packets);
      return found.filter(({ nal }) => ((nal[0] ?? 0) & 31) === 1).length >= 4 && found;
    });
    const times = [...new Set(nals.map(({ timestamp }) => timestamp))];
    const [, first = 0, second = 0] = times;
    assert.ok(second > first && isSteady(times, second - first), times.join());
  });

  it('ends with 0 at SIGTERM while somebody reads', async () => {
    await using camera = await startCamera(film);
    using client = await playing(camera);
    await until('pictures', () => client.packets.length > 10);
    camera.child.kill('SIGTERM');
    assert.equal(await camera.ended, 0);
  });

  for (const [what, args, code, words] of [
    ['no file', [], 2, /^usage: /],
    ['a port that is none', [film, '--port', 'x'], 2, /^usage: /],
    ['a file that is not there', ['/nowhere/film.mp4'], 1, /^camera: reading \/nowhere\/film\.mp4 failed/],
    ['a file that is no film', [program], 1, /^camera: reading .* failed/],
  ] as const) {
    it(`ends with ${code} and says why, given ${what}`, async () => {
      const failure = await run(process.execPath, [program, ...args]).then(
        () => undefined,
        (error: { code: number; stderr: string }) => error,
      );
      assert.equal(failure?.code, code);
      assert.match(failure.stderr, words);
    });
  }
});
