import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunningDaemon } from '../support/daemon.ts';
import { missingSite, moreFrames, withImageAndCamera } from '../support/deepstream-site.ts';
import { logFloods, metricsOf, untilMetric } from '../support/faults.ts';
import { fixturePath } from '../support/fixtures.ts';
import { startRtspWire } from '../support/rtsp-wire.ts';

/** Cameras of one container that come, go and hang, while those beside them go on. */
const film = fixturePath('clips/lobby.mp4');
const restarts = 'sightline_worker_restarts_total{worker="deepstream-main"}';

describe('cameras of a DeepStream container', { skip: missingSite() }, () => {
  const shared = withImageAndCamera();

  const { site } = shared;
  const behind = () => ({ port: shared.camera.port, path: 'stream1' });
  /** How often it was said to be away, and why. */
  const troublesOf = (daemon: RunningDaemon, name: string) =>
    daemon.lines().filter(({ msg, camera: of, state }) => msg === 'camera state' && of === name && state === 'away');

  it('that leave, fall silent or are never got back are away, and the one beside them misses nothing', async () => {
    await using left = await startRtspWire(behind());
    await using lost = await startRtspWire(behind());
    await using silent = await startRtspWire(behind());
    await using house = await site({
      cameras: { left: left.url, lost: lost.url, silent: silent.url, steady: shared.camera.url },
    });
    const daemon = await house.start();
    const names = ['left', 'lost', 'silent', 'steady'];
    for (const name of names) await house.says(name, 'live');
    // Source ids are by the order of names.
    await house.cause({ sources: { 1: { ignoreReset: true } } });
    await Promise.all([left.leave(), lost.leave()]);
    silent.silent = true;
    for (const name of ['left', 'lost']) {
      const cut = await house.says(name, 'away', /^Could not (read|open resource)/);
      assert.match((cut.state === 'away' && cut.code) || '', /^source\.(unreachable|failed)$/);
    }
    const gone = await house.says('silent', 'away', /^no picture for 3 s$/);
    assert.equal(gone.state === 'away' && gone.code, 'source.timeout');
    await moreFrames(daemon, 'steady', 60);
    await Promise.all([left.come(), lost.come()]);
    silent.silent = false;
    await house.says('left', 'live');
    await house.says('silent', 'live');
    for (const name of ['left', 'silent']) await moreFrames(daemon, name);
    await house.cause({});
    await house.says('lost', 'live');
    assert.deepEqual(troublesOf(daemon, 'steady'), []);
    assert.equal((await metricsOf(daemon)).get(restarts) ?? 0, 0);
    assert.deepEqual(logFloods(daemon.lines()), []);
    await daemon.stop();
  });

  it('that nobody serves, or that take the connection and say nothing, are away; the one beside them misses nothing', async () => {
    await using wire = await startRtspWire(behind());
    const hush = async () => {
      wire.silent = true;
    };
    const ways = [
      {
        before: () => wire.leave(),
        words: /^Could not open resource for reading and writing: Failed to connect/,
        code: 'source.unreachable',
      },
      { before: hush, words: /^no picture within 5 s$/, code: 'source.timeout' },
    ];
    for (const { before, words, code } of ways) {
      await before();
      await using house = await site({ cameras: { gone: wire.url, steady: shared.camera.url } });
      const daemon = await house.start();
      await house.says('steady', 'live');
      const away = await house.says('gone', 'away', words);
      assert.equal(away.state === 'away' && away.code, code);
      await moreFrames(daemon, 'steady', 60);
      if (code === 'source.unreachable') await wire.come();
      else wire.silent = false;
      await house.says('gone', 'live');
      await moreFrames(daemon, 'gone');
      assert.deepEqual(troublesOf(daemon, 'steady'), []);
      assert.deepEqual(logFloods(daemon.lines()), []);
      await daemon.stop();
    }
  });

  it('that are files end, which is said, and the others go on', async () => {
    await using house = await site({ cameras: { file: { source: film, realtime: true }, steady: shared.camera.url } });
    const daemon = await house.start();
    await house.says('file', 'ended', /^the file was played to its end$/);
    await moreFrames(daemon, 'steady', 60);
    assert.deepEqual(troublesOf(daemon, 'steady'), []);
    // All of it was played, whatever the detectors had no time for.
    await untilMetric(daemon, 'sightline_camera_frames_decoded{camera="file"}', (count) => count === 192);
    await daemon.stop();
  });
});
