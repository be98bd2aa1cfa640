import assert from 'node:assert/strict';
import { rm, stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { bridgeSocket } from '../../src/core/run-folder.ts';
import { inspect } from '../support/container-world.ts';
import { patience, type RunningDaemon } from '../support/daemon.ts';
import { missingSite, moreFrames, type Site, withImageAndCamera } from '../support/deepstream-site.ts';
import { docker, testLabel } from '../support/docker.ts';
import { logFloods, metricsOf } from '../support/faults.ts';
import { pause, until } from '../support/until.ts';

/** What becomes of containers and of their daemon: the real program on the stand-in, under the real daemon, with a live camera. */
const frames = 'sightline_bridge_frames_total{camera="lobby"}';
const decoded = 'sightline_camera_frames_decoded{camera="lobby"}';
const restarts = 'sightline_worker_restarts_total{worker="deepstream-main"}';
const troubles = (code: string) => `sightline_camera_troubles_total{camera="lobby",code="${code}"}`;

describe('a DeepStream container', { skip: missingSite() }, () => {
  const shared = withImageAndCamera();

  const { site } = shared;

  /** Started again once, alone, and the camera is live. */
  async function healed(house: Site, daemon: RunningDaemon, before: string, code: string): Promise<void> {
    await house.container(before);
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    assert.equal(Object.keys(await house.containers()).length, 1);
    const samples = await metricsOf(daemon);
    assert.equal(samples.get(restarts), 1);
    assert.equal(samples.get(troubles(code)), 1);
    assert.deepEqual(logFloods(daemon.lines()), []);
  }

  it('that somebody kills, stops or removes is said and started again', async () => {
    const ways = [
      { ask: ['kill', '--signal', 'KILL'], words: /^its worker is started again: it was ended by SIGKILL$/ },
      {
        ask: ['stop', '--time', '10'],
        words: /^its worker is started again: exit code 0: it was told to end, and not by this daemon$/,
      },
      { ask: ['rm', '--force'], words: /^its worker is started again: (its container was removed|it was ended by SIGKILL)$/ },
    ] as const;
    for (const { ask, words } of ways) {
      await using house = await site();
      const daemon = await house.start();
      await house.says('lobby', 'live');
      const id = await house.container();
      const told = docker(...ask, id);
      const away = await house.says('lobby', 'away', words);
      assert.equal(away.state === 'away' && away.code, 'worker.crashed');
      await told;
      await healed(house, daemon, id, 'worker.crashed');
      await daemon.stop();
    }
  });

  it('that leaks is ended at its limit, which is said, and started again', async () => {
    await using house = await site({ deepstream: { memoryMegabytes: 400 } });
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    await house.cause({ mux: { leakBytesPerBatch: 20_000_000 } });
    const words = /^its worker is started again: it took more than its 400 MB of memory .*deepstream\.memoryMegabytes/;
    const away = await house.says('lobby', 'away', words);
    assert.equal(away.state === 'away' && away.code, 'container.memory');
    await house.cause({});
    await healed(house, daemon, id, 'container.memory');
    await daemon.stop();
  });

  it('keeps its connection, and later ones find the door, when somebody removes the socket', async () => {
    await using house = await site();
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    const socket = bridgeSocket(house.place.dataDir);
    await rm(socket);
    await until(
      'the socket to be there again',
      () =>
        stat(socket).then(
          () => true,
          () => false,
        ),
      patience,
    );
    await moreFrames(daemon, 'lobby');
    assert.equal(await house.container(), id);
    assert.notEqual(daemon.said('socket was gone and is open again', { socket }), undefined);
    await docker('kill', '--signal', 'KILL', id);
    await healed(house, daemon, id, 'worker.crashed');
    await daemon.stop();
  });

  it('goes on while the daemon stands still, drops nothing, and what came meanwhile is taken', async () => {
    await using house = await site();
    const daemon = await house.start();
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    const before = await metricsOf(daemon);
    const id = await house.container();
    daemon.signal('SIGSTOP');
    // Longer than three pings go without an answer.
    await pause(10_000);
    daemon.signal('SIGCONT');
    const missing = (now: ReadonlyMap<string, number>) => {
      const grown = (name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0);
      return { decoded: grown(decoded), missing: grown(decoded) - grown(frames) };
    };
    await until(
      'what came meanwhile is taken',
      async () => {
        const now = missing(await metricsOf(daemon));
        // The one figure is up to a second older than the other: whether all came is said by what was dropped, below.
        return now.decoded > 100 && now.missing < 12 && now;
      },
      patience,
    );
    assert.equal(await house.container(), id);
    const samples = await metricsOf(daemon);
    assert.deepEqual([samples.get(restarts) ?? 0, samples.get('sightline_camera_batches_dropped{camera="lobby"}')], [0, 0]);
    assert.equal((await house.state('lobby')).state, 'live');
    await daemon.stop();
  });

  it('is adopted when its daemon was killed, with the frames that waited; those of others are left alone', async () => {
    await using house = await site();
    const daemon = await house.start();
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    const id = await house.container();
    const began = await inspect(id, '{{.State.StartedAt}}');
    const theirs = ['--label', 'io.sightline.owner=somebody-else', '--label', 'io.sightline.worker=deepstream-main'];
    const asleep = [
      '--detach',
      ...testLabel,
      ...theirs,
      '--network',
      'none',
      '--entrypoint',
      'sleep',
      shared.image.name,
      'infinity',
    ];
    const foreign = await docker('run', ...asleep);
    try {
      const taken = (await metricsOf(daemon)).get(frames) ?? 0;
      daemon.signal('SIGKILL');
      await daemon.finished;
      await pause(5000);
      const next = await house.start();
      await house.says('lobby', 'live');
      assert.equal(await house.container(), id);
      assert.equal(await inspect(id, '{{.State.StartedAt}}'), began);
      assert.notEqual(next.said('container of an earlier run was adopted'), undefined);
      await until('the container has told its figures', async () => ((await metricsOf(next)).get(decoded) ?? 0) > 0, patience);
      const lost = await until(
        'what waited is taken',
        async () => {
          const samples = await metricsOf(next);
          const missing = (samples.get(decoded) ?? 0) - (samples.get(frames) ?? 0) - taken;
          return missing <= 12 && { missing, samples };
        },
        patience,
      );
      assert.equal(lost.samples.get(restarts) ?? 0, 0);
      assert.equal(await inspect(foreign, '{{.State.Running}}'), 'true');
      await next.stop();
      assert.deepEqual(await house.containers(), {});
      assert.equal(await inspect(foreign, '{{.State.Running}}'), 'true');
    } finally {
      await await docker('rm', '--force', foreign);
    }
  });
});
