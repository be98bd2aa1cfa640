import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { openFile } from '../../src/media/file-demuxer.ts';
import type { DemuxedUnit } from '../../src/media/file-stream.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream, type StreamReader, type VideoStream } from '../../src/media/video-stream.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { connectRtsp, type RtspClient } from '../support/rtsp-client.ts';
import { house, play } from '../support/rtsp-house.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const clip = join(import.meta.dirname, '../fixtures/clips/lobby.mp4');
const descriptors = () => readdirSync('/proc/self/fd').length;

describe('rtsp server, at length', () => {
  it('gives a hundred readers every picture', async () => {
    await using home = await house();
    const clients: RtspClient[] = [];
    for (let index = 0; index < 100; index++) {
      const client = await connectRtsp(home.server.port);
      await play(client, home.url);
      clients.push(client);
    }
    const ends = (client: RtspClient) =>
      client.packets.filter(({ channel, bytes }) => channel === 0 && (bytes[1] ?? 0) > 127).length;
    const frames = 250;
    for (let count = 0; count < frames; count++) {
      home.frame(count % 25 === 0, 10_000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await until('all have all', () => clients.every((client) => ends(client) === frames), 60_000);
    assert.equal(home.stream.lost, 0);
    for (const client of clients) client[Symbol.dispose]();
    await until('all are gone', () => home.server.clients === 0);
  });

  it('holds no descriptor after a thousand clients that came and went in every way', async () => {
    await using home = await house();
    home.frame(true);
    const before = descriptors();
    for (let cycle = 0; cycle < 1000; cycle++) {
      using client = await connectRtsp(home.server.port);
      const transport = cycle % 3 === 0 ? { Transport: 'RTP/AVP;unicast;client_port=50000-50001' } : undefined;
      if (cycle % 5 !== 0) {
        const session = await play(client, home.url, transport);
        home.frame(cycle % 10 === 1);
        if (cycle % 2 === 0) await client.request('TEARDOWN', home.url, session);
      }
      if (cycle % 7 === 0) client.socket.resetAndDestroy();
    }
    await until('all are gone', () => home.server.clients === 0 && descriptors() <= before);
    assert.equal(home.stream.readers, 0);
  });
});

/** Key frames ten seconds apart: a new reader is given up to ten seconds of pictures at once. */
const keySeconds = 10;
const rate = 12;
/** The uuid of the SEI. */
const marker = 'sightline-captur';

/** Access units of a film with key frames that far apart; the film is made in `folder`. */
async function rareKeyFrames(folder: string): Promise<readonly DemuxedUnit[]> {
  const film = join(folder, 'film.mp4');
  const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-g', `${keySeconds * rate}`, '-sc_threshold', '0'];
  const input = ['-v', 'error', '-stream_loop', '-1', '-i', clip, '-t', `${2 * keySeconds}`, '-an'];
  await run('ffmpeg', [...input, '-r', `${rate}`, ...encode, film]);
  await using opened = await openFile(film);
  const units: DemuxedUnit[] = [];
  for (let unit = await opened.read(); unit !== undefined; unit = await opened.read()) {
    units.push(unit.key ? { ...unit, nals: [...opened.format.parameterSets, ...unit.nals] } : unit);
  }
  return units;
}

/** SEI of the kind `user_data_unregistered` whose text is the moment of the capture, behind what a search finds. */
function captureSei(ms: number): Buffer {
  const text = Buffer.from(`${marker}${ms.toString(16).padStart(16, '0')}`);
  return Buffer.concat([Buffer.of(6, 5, text.length), text, Buffer.of(0x80)]);
}

/** Plays the units for ever, each with the moment it was sent. The last key frame's moment is told. */
function playUnits(stream: VideoStream, units: readonly DemuxedUnit[]): { keyMs(): number } & Disposable {
  const began = Date.now();
  let index = 0;
  let keyMs = 0;
  const timer = setInterval(() => {
    for (; Date.now() - began >= (index * 1000) / rate; index++) {
      const unit = units[index % units.length];
      if (unit === undefined) return;
      const now = Date.now();
      if (unit.key) keyMs = now;
      const slice = unit.nals.findIndex((nal) => [1, 5].includes((nal[0] ?? 0) & 31));
      const nals = [...unit.nals.slice(0, slice), captureSei(now), ...unit.nals.slice(slice)];
      stream.push({ nals, pts90k: BigInt(index) * BigInt(90_000 / rate), captureTimeMs: now, key: unit.key });
    }
  }, 4);
  return { keyMs: () => keyMs, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Delay of each picture that a reader has shown or written, in order. */
function delaysOf(child: ChildProcess): readonly number[] {
  const delays: number[] = [];
  let rest = '';
  child.stdout?.setEncoding('latin1').on('data', (text: string) => {
    rest += text;
    for (let at = rest.indexOf(marker); at >= 0 && rest.length >= at + 32; at = rest.indexOf(marker)) {
      delays.push(Date.now() - Number.parseInt(rest.slice(at + 16, at + 32), 16));
      rest = rest.slice(at + 32);
    }
    rest = rest.slice(-64);
  });
  return delays;
}

describe('a reader that was given the pictures before it', () => {
  /** `shown`: the reader holds each picture until its time has come, as a player does. */
  const readers = {
    FFmpeg: (url: string) => [
      'ffmpeg',
      '-v',
      'error',
      '-rtsp_transport',
      'tcp',
      '-i',
      url,
      '-c',
      'copy',
      '-f',
      'h264',
      'pipe:1',
    ],
    GStreamer: (url: string) =>
      `gst-launch-1.0 -q rtspsrc location=${url} protocols=tcp latency=200 ! rtph264depay ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! identity sync=true ! fdsink fd=1`.split(
        ' ',
      ),
  };

  for (const [name, command] of Object.entries(readers)) {
    it(`is where one that began at a key frame is, after a while: ${name}`, async () => {
      await using directory = await temporaryDirectory();
      const units = await rareKeyFrames(directory.path);
      using ctx = testContext();
      const stream = createVideoStream({ name: 'lobby' }, ctx);
      await using server = await startRtspServer({ host: '127.0.0.1', port: 0, find: () => stream }, ctx);
      using playing = playUnits(stream, units);
      const readAt = async (ageMs: number) => {
        await until(`the key frame is ${ageMs} ms old`, () => {
          const age = Date.now() - playing.keyMs();
          return playing.keyMs() > 0 && age >= ageMs && age < ageMs + 200;
        });
        const [program = '', ...args] = command(server.url('lobby'));
        const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        return { child, delays: delaysOf(child) };
      };
      // The worst ages for GStreamer's jitter buffer, which follows a jump of more than a second at once and a smaller one slowly.
      const started = [await readAt(0), await readAt(2800), await readAt(5800), await readAt(9000)];
      const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
      await until(
        'all are at the same place',
        () => {
          const [reference = Number.NaN, ...others] = started.map(({ delays }) => median(delays.slice(-2 * rate)));
          return others.every((delay) => Math.abs(delay - reference) < 100);
        },
        90_000,
      );
      const first = started.map(({ delays }) => delays[0] ?? 0);
      assert.ok((first[3] ?? 0) > 8000, `it was given old pictures: ${first.join()}`);
      for (const { child } of started) child.kill('SIGKILL');
    });
  }

  it('is where the camera is from its first picture on: mpv, which keeps the pace that it began with', async () => {
    await using directory = await temporaryDirectory();
    const units = await rareKeyFrames(directory.path);
    using ctx = testContext();
    const stream = createVideoStream({ name: 'lobby' }, ctx);
    /** RTP time of the first picture that the reader is given, where it is given them with their own times. */
    let keptPts = 0n;
    let newestPts = 0n;
    const attach = (reader: StreamReader) => {
      keptPts = stream.kept()[0]?.pts90k ?? 0n;
      newestPts = stream.kept().at(-1)?.pts90k ?? 0n;
      return stream.attach(reader);
    };
    const served: VideoStream = Object.create(stream, { attach: { value: attach } });
    await using server = await startRtspServer({ host: '127.0.0.1', port: 0, find: () => served }, ctx);
    using playing = playUnits(stream, units);
    const delayOf = async (replay: 'original' | 'hurried') => {
      await until('the key frame is old', () => {
        const age = Date.now() - playing.keyMs();
        return playing.keyMs() > 0 && age >= 6000 && age < 6200;
      });
      const options = ['--no-config', '--vo=null', '--no-input-terminal', '--term-status-msg=at ${=time-pos};'];
      const child = spawn('mpv', [...options, `${server.url('lobby')}${replay === 'original' ? '?replay=original' : ''}`], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let position = 0;
      const read = (text: string) => {
        position = Number(/at ([\d.]+);(?!.*at )/s.exec(text)?.[1] ?? position);
      };
      child.stdout.setEncoding('latin1').on('data', read);
      child.stderr.setEncoding('latin1').on('data', read);
      await until('it has played for a while', () => position > 3);
      const begun = replay === 'original' ? keptPts : newestPts;
      const delayMs = Number((stream.time()?.pts90k ?? 0n) - begun) / 90 - position * 1000;
      child.kill('SIGKILL');
      return delayMs;
    };
    const [hurried, original] = [await delayOf('hurried'), await delayOf('original')];
    assert.ok(hurried < 2000, `hurried: ${hurried} ms behind`);
    assert.ok(original > 6000, `with the original times it would be ${original} ms behind`);
  });
});
