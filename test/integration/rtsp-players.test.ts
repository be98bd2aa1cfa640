import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { StreamUser } from '../../src/core/media-door.ts';
import { streamHa1 } from '../../src/core/stream-login.ts';
import { openFile } from '../../src/media/file-demuxer.ts';
import { playFilm } from '../../src/media/file-stream.ts';
import { type RtspServer, startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream, type VideoStream } from '../../src/media/video-stream.ts';
import { makeCertificates } from '../support/certificates.ts';
import { testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** The server as people's players find it: two films, H.264 and H.265, behind a login, over TCP, UDP and TLS. */

const run = promisify(execFile);
const film = join(import.meta.dirname, '../fixtures/clips/lobby.mp4');
const has = (command: string) => spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
const missing =
  missingTool(has('ffmpeg') && has('ffprobe'), 'ffmpeg') ||
  missingTool(has('gst-launch-1.0'), 'gstreamer1.0-tools') ||
  missingTool(has('mpv'), 'mpv');
const login = 'guard:s3cret';
const guard: StreamUser = {
  principal: { user: 'guard', role: 'viewer', cameras: 'all', pictures: false, via: 'rtsp' },
  ha1: streamHa1('guard', 's3cret'),
};

describe('players', { skip: missing, concurrency: 2 }, () => {
  const cleanup = new AsyncDisposableStack();
  const ctx = testContext();
  let server: RtspServer;
  let streams: readonly VideoStream[] = [];

  before(async () => {
    const directory = cleanup.use(await temporaryDirectory());
    const certificates = cleanup.use(await makeCertificates());
    const h265 = join(directory.path, 'film.mp4');
    const encode = [
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-x265-params',
      'log-level=error:bframes=0:keyint=24',
      '-tag:v',
      'hvc1',
    ];
    await run('ffmpeg', ['-v', 'error', '-i', film, '-t', '6', '-vf', 'scale=320:-2', '-an', ...encode, h265]);
    streams = ['h264', 'h265', 'killed'].map((name) => createVideoStream({ name }, ctx));
    server = cleanup.use(
      await startRtspServer(
        {
          host: '127.0.0.1',
          port: 0,
          find: (path) => streams.find(({ name }) => name === path),
          access: { user: (name) => (name === 'guard' ? guard : undefined), authorise: () => 'ok' },
          tls: { port: 0, ...certificates.server },
        },
        ctx,
      ),
    );
    const playing = streams.map((stream) =>
      playFilm({ stream, open: () => openFile(stream.name === 'h265' ? h265 : film) }, ctx),
    );
    cleanup.defer(async () => {
      ctx[Symbol.dispose]();
      await Promise.all(playing);
    });
    await until('pictures', () => streams.every((stream) => stream.kept().length > 0));
  });
  after(() => cleanup.disposeAsync());

  const address = (path: string, credentials = `${login}@`) => server.url(path).replace('rtsp://', `rtsp://${credentials}`);
  const secure = (path: string) => `rtsps://${login}@127.0.0.1:${server.tlsPort}/${path}`;

  async function ffmpegReads(url: string, ...input: readonly string[]): Promise<void> {
    const reading = ['-v', 'error', '-analyzeduration', '300000', ...input, '-i', url, '-frames:v', '10'];
    const { stdout, stderr } = await run('ffmpeg', [...reading, '-f', 'framemd5', '-'], { timeout: 60_000 });
    assert.equal(stdout.split('\n').filter((line) => /^0,/.test(line)).length, 10);
    assert.equal(stderr, '', 'no picture is broken');
  }

  for (const codec of ['h264', 'h265']) {
    for (const transport of ['tcp', 'udp']) {
      it(`FFmpeg reads ${codec} over ${transport}`, () => ffmpegReads(address(codec), '-rtsp_transport', transport));

      it(`GStreamer reads ${codec} over ${transport}`, async () => {
        const source = `rtspsrc location=${server.url(codec)} protocols=${transport} latency=100 user-id=guard user-pw=s3cret`;
        const decoding = `rtp${codec}depay ! ${codec}parse ! avdec_${codec} max-threads=1 ! fakesink num-buffers=10`;
        await run('gst-launch-1.0', ['-q', ...`${source} ! ${decoding}`.split(' ')], { timeout: 60_000 });
      });

      it(`mpv plays ${codec} over ${transport}`, async () => {
        const options = ['--no-config', '--vo=null', '--frames=10', `--rtsp-transport=${transport}`, '--msg-level=all=error'];
        const { stdout } = await run('mpv', [...options, address(codec)], { timeout: 60_000 });
        assert.equal(stdout, '');
      });
    }
  }

  it('FFmpeg and GStreamer read over TLS', async () => {
    await ffmpegReads(secure('h264'), '-rtsp_transport', 'tcp');
    const source = `rtspsrc location=rtsps://127.0.0.1:${server.tlsPort}/h265 tls-validation-flags=0 user-id=guard user-pw=s3cret`;
    await run('gst-launch-1.0', ['-q', ...`${source} ! rtph265depay ! fakesink num-buffers=20`.split(' ')], {
      timeout: 60_000,
    });
  });

  it('a wrong password is refused in words that FFmpeg passes on', async () => {
    const refused = run('ffprobe', ['-v', 'error', address('h264', 'guard:wrong@')], { timeout: 60_000 });
    await assert.rejects(refused, /401 Unauthorized/);
  });

  it('a player that is killed in the middle leaves nothing behind', async () => {
    const stream = streams.find(({ name }) => name === 'killed');
    for (const transport of ['tcp', 'udp']) {
      const child = spawn('ffmpeg', ['-v', 'quiet', '-rtsp_transport', transport, '-i', address('killed'), '-f', 'null', '-'], {
        stdio: 'ignore',
      });
      await until('it plays', () => stream?.readers === 1);
      child.kill('SIGKILL');
      await until('it is gone', () => stream?.readers === 0);
    }
  });
});
