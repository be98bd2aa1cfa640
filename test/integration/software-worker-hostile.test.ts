import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { missingRtspPatterns, startRtspPatterns } from '../support/rtsp-patterns.ts';
import { startRtspWire } from '../support/rtsp-wire.ts';
import { sendWithoutEnd, startScriptedRtsp } from '../support/scripted-rtsp.ts';
import { cameraConfig, inferenceConfig, startTestDaemon, startWorkerProcess, untilState } from '../support/software-worker.ts';
import { until } from '../support/until.ts';

const inference = inferenceConfig('model_repository');

/** Most memory a process has had resident, in MiB. */
async function peakMiB(pid: number | undefined): Promise<number> {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

describe('a software worker reading a server that means it harm', () => {
  test('an answer of two gigabytes ends at a bound, names its camera and leaves the one that is silent alone', async () => {
    await using greedy = await startScriptedRtsp(({ method, socket }) => {
      if (method !== 'DESCRIBE') return '200 OK\r\n\r\n';
      setImmediate(() => void sendWithoutEnd(socket));
      return '200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n';
    });
    let silentAsked = 0;
    await using silent = await startScriptedRtsp(({ method }) => {
      if (method !== 'DESCRIBE') return '200 OK\r\n\r\n';
      silentAsked += 1;
      return undefined;
    });
    const patient = { openTimeoutMs: 60_000, detect: [] };
    await using daemon = await startTestDaemon({
      cameras: [cameraConfig('silent', silent.url, patient), cameraConfig('greedy', greedy.url, patient)],
      inference,
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    await Promise.race([until('the silent one to be asked', () => silentAsked > 0, 60_000), worker.failed]);
    const away = await Promise.race([untilState(daemon, 'greedy', SourceState.AWAY), worker.failed]);
    assert.deepEqual([away.code, away.reason], ['source.format', `${greedy.url} sends one answer of more than 128 MiB`]);
    await until('its second attempt', () => greedy.connections > 1, 60_000);
    const peak = await peakMiB(worker.child.pid);
    assert.ok(peak < 700, `the worker had ${peak} MiB`);
    assert.deepEqual(
      daemon.statuses.filter(({ camera, state }) => camera === 'silent' && state !== SourceState.CONNECTING),
      [],
    );
  });

  test('redirects are followed five times at most, and to RTSP only; the next attempts ask before they follow', async () => {
    /** Paths that were asked for: `x` is the address of the camera. */
    const asked: string[] = [];
    await using loop = await startScriptedRtsp(({ text }, port) => {
      asked.push(/^\w+ rtsp:\/\/[^/]+\/(\w+) /.exec(text)?.[1] ?? text);
      return `302 Moved\r\nLocation: rtsp://127.0.0.1:${port}/again\r\n\r\n`;
    });
    await using web = await startScriptedRtsp((_, port) => `301 Moved\r\nLocation: http://127.0.0.1:${port}/secret\r\n\r\n`);
    const patient = { openTimeoutMs: 60_000, detect: [] };
    await using daemon = await startTestDaemon({
      cameras: [cameraConfig('loop', loop.url, patient), cameraConfig('web', web.url, patient)],
      inference,
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const wait = <T>(promise: Promise<T>) => Promise.race([promise, worker.failed]);
    const away = await wait(untilState(daemon, 'loop', SourceState.AWAY));
    assert.deepEqual(
      [away.code, away.reason],
      ['source.unreachable', `opening ${loop.url} failed: it redirects more than 5 times`],
    );
    await wait(untilState(daemon, 'loop', SourceState.AWAY, daemon.statuses.indexOf(away) + 1));
    // FFmpeg follows them all in the first attempt, until that is looked at; the next one only looks.
    const [, , next] = asked.join(' ').split(/ (?=x)/);
    assert.equal(next, 'x again again again again again');
    const { code, reason } = await wait(untilState(daemon, 'web', SourceState.AWAY));
    assert.deepEqual(
      [code, reason],
      ['source.unreachable', `opening ${web.url} failed: it redirects to http:, and only rtsp: and rtsps: are followed`],
    );
  });

  test('time stamps from anywhere cost two epochs, then arrival counts and the state says so', {
    skip: missingRtspPatterns(),
  }, async () => {
    await using patterns = await startRtspPatterns();
    await using wire = await startRtspWire({ port: patterns.port, path: 'small' });
    wire.jumping = true;
    await using daemon = await startTestDaemon({
      cameras: [cameraConfig('jumping', wire.url, { openTimeoutMs: 60_000, silenceTimeoutMs: 60_000, detect: [] })],
      inference,
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const words = 'its time stamps jump; the time of arrival is used';
    const said = await Promise.race([
      until('the words', () => daemon.statuses.find(({ reason }) => reason === words), 60_000),
      worker.failed,
    ]);
    assert.deepEqual([said.state, said.code, daemon.epochs.get('jumping')], [SourceState.LIVE, 'camera.clock', 3]);
    const before = daemon.frames.length;
    await Promise.race([until('more frames', () => daemon.frames.length > before + 60, 60_000), worker.failed]);
    const epochs = new Set(daemon.frames.slice(before).map(({ epoch }) => epoch));
    assert.deepEqual([...epochs], [3]);
    assert.equal(daemon.statuses.at(-1), said);
  });
});
