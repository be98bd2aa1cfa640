import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { probeCamera } from '../../src/composition/probe.ts';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import type { ProbeProgress, ProbeReport, ProbeRequest } from '../../src/core/probe.ts';
import { openFile } from '../../src/media/file-demuxer.ts';
import { playFilm } from '../../src/media/file-stream.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream } from '../../src/media/video-stream.ts';
import { type Finished, runCommand, runProgram, startProgram } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { dataPath, missingData } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { startFileServer } from '../support/file-server.ts';
import { fixtureModelRepository, fixtureModels, fixturePath, lobbyClip, readLobbyTruth } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { changeableRepository, missingModels, realRepository, shippedRepository } from '../support/repository.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { missingRtspPatterns, startRtspPatterns } from '../support/rtsp-patterns.ts';

const drawn = { repository: fixtureModelRepository, detector: fixtureModels.face } as const;
const drawnOptions = ['--repository', drawn.repository, '--detector', drawn.detector] as const;
const blind = { repository: shippedRepository } as const;

/** What is behind the command, in this process; the worker is a process of its own. */
async function probe(
  source: string,
  more: Partial<ProbeRequest> = {},
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly stop?: AbortSignal;
    readonly onProgress?: (progress: ProbeProgress) => void;
  } = {},
): Promise<ProbeReport> {
  return await probeCamera(
    { source, seconds: 2, transport: 'tcp', fps: 5, ...more },
    {
      env: options.env ?? {},
      clock: systemClock,
      stop: options.stop ?? new AbortController().signal,
      onProgress: options.onProgress ?? (() => {}),
    },
  );
}

/** The lobby as a camera of our own RTSP core, whose clock may be off. */
async function startLobby(clockAheadMs = 0): Promise<{ readonly url: string } & AsyncDisposable> {
  const ctx = testContext();
  const stream = createVideoStream({ name: 'lobby', keptBytes: 0 }, ctx);
  const server = await startRtspServer({ host: '127.0.0.1', port: 0, find: () => stream }, ctx);
  const shifted: typeof stream = {
    ...stream,
    push: (unit) => stream.push({ ...unit, captureTimeMs: unit.captureTimeMs + clockAheadMs }),
  };
  const playing = playFilm({ stream: shifted, open: () => openFile(fixturePath(lobbyClip)) }, ctx);
  return {
    url: server.url('lobby'),
    [Symbol.asyncDispose]: async () => {
      ctx[Symbol.dispose]();
      await playing;
      await server[Symbol.asyncDispose]();
    },
  };
}

function codes({ verdict }: ProbeReport): readonly string[] {
  return verdict.findings.map(({ code }) => code);
}

/** The program with its temporary files in a folder of the test's own. */
async function program(...args: readonly string[]): Promise<Finished & { readonly leftovers: readonly string[] }> {
  await using directory = await temporaryDirectory();
  const finished = await runProgram(['camera', 'probe', ...args], { env: { TMPDIR: directory.path } });
  return { ...finished, leftovers: readdirSync(directory.path) };
}

describe('camera probe - files', { concurrency: 2 }, () => {
  it('plays a file at full speed and says what its faces are worth', async () => {
    const report = await probe(fixturePath(lobbyClip), { ...drawn, seconds: 60 });
    const truth = readLobbyTruth();
    const { stream, faces, detector } = report;
    assert.deepEqual(
      [stream.live, stream.transport, stream.codec, stream.width, stream.height],
      [false, 'file', 'h264', 640, 360],
    );
    assert.deepEqual([stream.frames, stream.lostFrames], [truth.frame_count, 0]);
    assert.equal(Math.round(stream.fps ?? 0), truth.fps);
    assert.equal(stream.declaredFps, truth.fps);
    assert.equal(stream.clock, undefined);
    assert.equal(detector?.missed, 0);
    const heights = truth.frames
      .flatMap((frame) => frame.faces.filter(({ visible }) => visible > 0.9).map(({ box }) => box[3]))
      .toSorted((a, b) => a - b);
    const median = heights[Math.floor(heights.length / 2)] ?? 0;
    assert.ok(
      Math.abs((faces?.heightPx?.median ?? 0) - median) < 0.2 * median,
      `${faces?.heightPx?.median} px, ${median} in truth`,
    );
    assert.ok((faces?.usableLooks ?? 0) > 0.8 * (faces?.looks ?? 0));
    assert.equal(report.verdict.faces, 'good');
    const bytes = readFileSync(fixturePath(lobbyClip)).length;
    assert.ok(Math.abs((stream.kbitPerSecond ?? 0) - (bytes * 8) / stream.mediaMs) < 0.15 * ((bytes * 8) / stream.mediaMs));
  });

  it('plays no more than it was asked for', async () => {
    const { stream, stopped } = await probe(fixturePath(lobbyClip), { ...drawn, seconds: 2 });
    assert.deepEqual([stream.frames, Math.round(stream.mediaMs), stopped], [25, 2000, false]);
  });

  it('is one JSON object for machines, and its YAML a camera of the configuration', async () => {
    const { code, stdout, stderr, leftovers } = await program(
      fixturePath(lobbyClip),
      '--seconds',
      '1',
      '--json',
      ...drawnOptions,
    );
    assert.deepEqual([code, stderr, leftovers], [0, '', []]);
    const report: ProbeReport = JSON.parse(stdout);
    const text = `${report.yaml}\n`;
    const { config } = loadConfig(text, {
      file: '/etc/s.yaml',
      env: {},
      readFile: () => {
        throw new Error('no file is read');
      },
    });
    assert.equal(config.cameras['lobby']?.source, fixturePath(lobbyClip));
    assert.equal(config.cameras['lobby']?.detect[0]?.model, fixtureModels.face);
  });

  it('probes without a face detector too and says how to get one; a model of another purpose does not stand in', async () => {
    // Its own detector of drawn faces has weights.
    await using repository = await changeableRepository();
    const { code, stdout } = await program(fixturePath(lobbyClip), '--seconds', '1', '--repository', repository.directory);
    assert.equal(code, 0);
    assert.match(stdout, /video {7}h264 640x360/);
    assert.match(stdout, /no face detector is here: centerface has no weights.*sightline models fetch centerface/);
    assert.match(stdout, /model: centerface/);
  });

  it("does not take the demo's detector by itself: it knows drawn faces only", async () => {
    const { detector } = await probe(fixturePath(lobbyClip), { ...blind, seconds: 1 });
    assert.ok(detector === undefined || !detector.model.startsWith('demo'), detector?.model);
  });

  it('refuses what is no face detector, before anything is opened', async () => {
    const wrong = await program(fixturePath(lobbyClip), '--repository', drawn.repository, '--detector', fixtureModels.person);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /fixture_person finds no faces with five points/);
    const unknown = await program(fixturePath(lobbyClip), '--repository', drawn.repository, '--detector', 'nobody');
    assert.match(unknown.stderr, /no model "nobody".*it has fixture_clip/);
  });

  it('takes the repository and the detector of a configuration', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 's.yaml');
    const inference = { repository: drawn.repository };
    // What other cameras of the file need is not asked for.
    const cameras = { other: { source: 'rtsp://${NOT_SET}@10.0.0.1/x' } };
    writeFileSync(file, JSON.stringify({ inference, models: { enrolment: fixtureModels.face }, cameras }));
    const { detector } = await probe(fixturePath(lobbyClip), { seconds: 1, config: file });
    assert.equal(detector?.model, fixtureModels.face);
  });
});

describe('camera probe - cameras', { concurrency: 2 }, () => {
  it('watches a camera of our own RTSP core: stream, clock, faces', async () => {
    await using lobby = await startLobby();
    const stop = new AbortController();
    const { stream, detector, faces, yaml } = await probe(
      lobby.url,
      { ...drawn, seconds: 120 },
      {
        stop: stop.signal,
        onProgress: ({ seconds, faces: looks }) => {
          if (seconds > 3 && looks > 0) stop.abort(new DOMException('enough', 'AbortError'));
        },
      },
    );
    assert.deepEqual([stream.live, stream.transport, stream.codec], [true, 'tcp', 'h264']);
    assert.ok(stream.mediaMs >= 1000, `${stream.mediaMs} ms`);
    assert.equal(Math.round(stream.fps ?? 0), 12);
    assert.equal(Math.round(stream.keyFrames.meanIntervalMs ?? 0), 1000);
    assert.equal(stream.bFrames.depth, 0);
    assert.ok(stream.clock?.senderReports && Math.abs(stream.clock.aheadMs) < 1000, JSON.stringify(stream.clock));
    assert.ok(stream.arrival !== undefined && stream.arrival.longestGapMs > 0);
    assert.ok((detector?.looks ?? 0) > 0);
    assert.ok(faces !== undefined);
    assert.match(yaml, /source: rtsp:\/\/127\.0\.0\.1:\d+\/lobby\n/);
  });

  it('says when the clock of a camera is off', async () => {
    await using lobby = await startLobby(3200);
    const report = await probe(lobby.url, blind);
    const { clock } = report.stream;
    assert.ok(clock?.senderReports && Math.abs(clock.aheadMs - 3200) < 1000, JSON.stringify(clock));
    assert.match(
      report.verdict.findings.map(({ text }) => text).join('\n'),
      /clock off by \d\.\d s: arrival time will be used/,
    );
  });

  it('is ended early by the first Ctrl-C and reports what was seen', async () => {
    await using lobby = await startLobby();
    const stop = new AbortController();
    const report = await probe(
      lobby.url,
      { ...blind, seconds: 600 },
      {
        stop: stop.signal,
        onProgress: ({ state, seconds, frames }) => {
          if (state === 'watching' && seconds > 2 && frames > 10) stop.abort(new DOMException('received SIGINT', 'AbortError'));
        },
      },
    );
    assert.equal(report.stopped, true);
    assert.ok(report.stream.frames > 10);
  });

  it('leaves no process and no file behind when it is interrupted while it opens', async () => {
    await using directory = await temporaryDirectory();
    // Accepts and says nothing.
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const connected = once(silent, 'connection');
    const address = silent.address();
    assert.ok(address !== null && typeof address === 'object');
    const running = startProgram(['camera', 'probe', `rtsp://127.0.0.1:${address.port}/x`], {
      env: { TMPDIR: directory.path },
    });
    const [socket] = await connected;
    const [folder = ''] = readdirSync(directory.path);
    const [pidFile = ''] = readdirSync(join(directory.path, folder, 'workers'));
    const { pid } = JSON.parse(readFileSync(join(directory.path, folder, 'workers', pidFile), 'utf8')) as { pid: number };
    process.kill(pid, 0);
    running.kill('SIGINT');
    const { code, stdout } = await running.finished;
    assert.deepEqual([code, stdout], [1, '']);
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.deepEqual(readdirSync(directory.path), []);
    socket.destroy();
    silent.close();
  });

  it('sees B-frames and H.265', { skip: missingRtspPatterns() }, async () => {
    await using patterns = await startRtspPatterns();
    const reordered = await probe(patterns.url('bframes'), blind);
    assert.ok(reordered.stream.bFrames.depth > 0);
    assert.ok(codes(reordered).includes('b_frames'));
    const h265 = await probe(patterns.url('h265'), { ...blind, seconds: 3 });
    assert.deepEqual([h265.stream.codec, h265.stream.bFrames.depth], ['hevc', 0]);
    assert.equal(Math.round(h265.stream.keyFrames.longestIntervalMs / 1000), 2);
  });

  const realClip = 'clips/synth_crowd_a.mp4';
  it("watches somebody else's RTSP server with real faces, by credentials that it never shows", {
    skip: missingRtspCamera() || missingData(realClip) || missingModels('centerface'),
  }, async () => {
    await using repository = await realRepository();
    await using camera = await startRtspCamera(dataPath(realClip), { user: 'viewer', password: 's3cr:t@x/', ntp: false });
    const source = camera.url.replace('://', '://${CAM_USER}:${CAM_PASSWORD}@');
    const env = { CAM_USER: 'viewer', CAM_PASSWORD: 's3cr:t@x/' };
    const stop = new AbortController();
    const report = await probe(
      source,
      { repository: repository.directory, seconds: 120 },
      {
        env,
        stop: stop.signal,
        onProgress: ({ faces }) => {
          if (faces >= 20) stop.abort(new DOMException('enough', 'AbortError'));
        },
      },
    );
    assert.equal(report.detector?.model, 'centerface');
    assert.ok((report.faces?.usableLooks ?? 0) > 5, JSON.stringify(report.faces));
    assert.deepEqual(report.stream.clock, { senderReports: false });
    assert.ok(codes(report).includes('no_sender_reports'));
    assert.doesNotMatch(JSON.stringify(report), /s3cr|viewer/);
    assert.match(report.yaml, /source: rtsp:\/\/\$\{CAM_USER\}:\$\{CAM_PASSWORD\}@127/);

    await assert.rejects(probe(source, blind, { env: { ...env, CAM_PASSWORD: 'hunter2!' } }), (error) => {
      assert.ok(isSightlineError(error, 'source.auth'));
      assert.match(error.message, /mend user and password/);
      assert.doesNotMatch(error.message, /hunter2|viewer/);
      return true;
    });
  });
});

describe('camera probe - what is no camera', { concurrency: 2 }, () => {
  it('exits with 1 and says what to do when the password is refused, without showing it', async () => {
    const refusing = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (request) => {
        const sequence = /CSeq: (\d+)/.exec(request.toString())?.[1] ?? '0';
        socket.write(`RTSP/1.0 401 Unauthorized\r\nCSeq: ${sequence}\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n`);
      });
    }).listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const address = refusing.address();
    assert.ok(address !== null && typeof address === 'object');
    const { code, stdout, stderr, leftovers } = await program(`rtsp://viewer:hunter2@127.0.0.1:${address.port}/x`);
    refusing.close();
    assert.deepEqual([code, stdout, leftovers], [1, '', []]);
    assert.match(stderr, /401.*; mend user and password.*\$\{CAM_USER\}/);
    assert.doesNotMatch(stderr, /hunter2|viewer/);
  });

  it('exits with 1 when nobody is there', async () => {
    const { code, stderr } = await program(`rtsp://127.0.0.1:${await freePort()}/x`);
    assert.equal(code, 1);
    assert.match(stderr, /connection refused; check address and port/);
    const missing = await program('/no/such/film.mp4');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /no such file or directory; check the path/);
  });

  it('exits with 1 for what is no video', async () => {
    await using server = await startFileServer();
    server.files.set('/', { body: Buffer.from('<html><body>camera login</body></html>') });
    const page = await program(`${server.url}/`);
    assert.equal(page.code, 1);
    assert.match(page.stderr, /web page/);
    const text = await program(fixturePath('README.md'));
    assert.equal(text.code, 1);
    assert.match(text.stderr, /README\.md failed: .*; this is no video that FFmpeg can read/);
  });

  it('exits with 2 for wrong usage and for variables that are not set', async () => {
    const wrong: readonly [readonly string[], RegExp][] = [
      [[], /what to do is missing: probe/],
      [['prob', 'x'], /unexpected prob; there is probe/],
      [['probe'], /URL is missing/],
      [['probe', 'a', 'b'], /one URL is expected, not also b/],
      [['probe', 'a', '--seconds', '0'], /--seconds 0 is not a number from 1 to 600/],
      [['probe', 'a', '--transport', 'sctp'], /--transport sctp is not one of tcp, udp/],
      [['probe', 'a', '--name', 'Front Door'], /--name Front Door is not a name/],
    ];
    for (const [args, expected] of wrong) {
      const { error } = await runCommand(['camera', ...args], {});
      assert.ok(isSightlineError(error, 'cli.usage'));
      assert.match(error.message, expected);
    }
    const { code, stderr } = await program('rtsp://${CAM_NOBODY}@127.0.0.1/x');
    assert.equal(code, 2);
    assert.match(stderr, /the environment variable CAM_NOBODY is not set/);
  });

  it('ends with a film that breaks off; what was written out is to be put into variables, whatever these hold now', async () => {
    await using server = await startFileServer();
    const film = readFileSync(fixturePath(lobbyClip));
    const broken = Promise.withResolvers<void>();
    // Nobody has the film any more when it is asked for again.
    server.script.push((_request, response) => {
      response.writeHead(200, { 'content-length': film.length }).write(film.subarray(0, film.length / 2));
      void broken.promise.then(() => response.destroy());
    });
    const source = server.url.replace('://', '://viewer:hunter2@');
    const report = await probe(
      `${source}/film.mp4`,
      { ...blind, seconds: 600 },
      {
        env: { CAM_USER: 'somebody', CAM_PASSWORD: 'else' },
        onProgress: ({ frames }) => {
          if (frames > 0) broken.resolve();
        },
      },
    );
    assert.deepEqual([report.stopped, report.stream.interruptions], [false, 1]);
    assert.deepEqual([report.writtenOut, report.variables], [true, ['CAM_USER', 'CAM_PASSWORD']]);
    assert.doesNotMatch(JSON.stringify(report), /hunter2|viewer/);
  });

  it('ends by itself where nothing can be opened: a pipe without a writer, a folder too long for a socket', async () => {
    await using directory = await temporaryDirectory();
    const pipe = join(directory.path, 'film.mp4');
    execFileSync('mkfifo', [pipe]);
    const { code, stderr, leftovers } = await program(pipe);
    assert.deepEqual([code, leftovers], [1, []]);
    assert.match(stderr, /film\.mp4 is a pipe: what comes out of it once cannot be probed$/m);
    const long = join(directory.path, 'x'.repeat(100));
    mkdirSync(long);
    const { code: ended, stderr: said } = await runProgram(['camera', 'probe', fixturePath(lobbyClip)], {
      env: { TMPDIR: long },
    });
    assert.equal(ended, 1);
    assert.match(said, /is longer than the 107 bytes a socket may have; choose a shorter dataDir, or TMPDIR/);
    assert.deepEqual(readdirSync(long), []);
  });

  it('refuses addresses that no camera can have', async () => {
    await assert.rejects(probe('ftp://10.0.0.1/x', blind), /scheme ftp:\/\/ is not supported; use rtsp/);
    await assert.rejects(probe('gst:nothing-like-it', blind), /there is no pipelines\/nothing-like-it\.gst/);
  });
});

it('the progress of a probe is shown where there is a terminal, and taken away at the end', async () => {
  const shown: string[] = [];
  const progress = { state: 'watching', seconds: 12.4, frames: 300, faces: 7 } as const;
  const { error } = await runCommand(
    ['camera', 'probe', 'rtsp://10.0.0.1/x'],
    {
      probe: async (_request, onProgress) => {
        onProgress({ ...progress, state: 'opening' });
        onProgress(progress);
        throw new Error('enough');
      },
    },
    { progress: (text) => shown.push(text) },
  );
  assert.match(String(error), /enough/);
  assert.deepEqual(shown, ['opening the camera', '12 of 60 s, 300 frames, 7 looks at faces', '']);
});
