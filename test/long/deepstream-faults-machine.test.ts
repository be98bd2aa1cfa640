import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { missingSite, moreFrames, withImageAndCamera } from '../support/deepstream-site.ts';
import { docker } from '../support/docker.ts';
import { logFloods } from '../support/faults.ts';
import { privateEngine } from '../support/private-engine.ts';
import { until } from '../support/until.ts';

/** A machine that fails under DeepStream containers: its Docker engine, its disk. */
const noRoot = missingTool(process.getuid?.() === 0, 'root, to start a Docker engine and to mount a disk');

describe('a DeepStream container on a machine that fails', { skip: missingSite() || noRoot }, () => {
  const shared = withImageAndCamera();

  const { site } = shared;

  it('is started again once its Docker engine is', async () => {
    await using engine = await privateEngine();
    await engine.load(shared.image.name);
    await using house = await site({ deepstream: { socket: engine.socket } });
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const ids = async () => (await engine.docker('ps', '--all', '--quiet', '--no-trunc')).split('\n').filter(Boolean);
    const before = await ids();
    await engine.stop();
    const away = await house.says('lobby', 'away', /^its worker is started again once the Docker engine is there: ./);
    assert.equal(away.state === 'away' && away.code, 'container.engine');
    await engine.start();
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    const now = await ids();
    assert.equal(now.length, 1);
    assert.notDeepEqual(now, before);
    assert.deepEqual(logFloods(daemon.lines()), []);
    await daemon.stop();
  });

  it('goes on while the disk of the data directory is full; one that has no settings yet begins once there is room', async () => {
    await using house = await site({ diskBytes: 64 * 1024 * 1024 });
    const { disk, place } = house;
    assert.ok(disk !== undefined);
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    disk.fill();
    await moreFrames(daemon, 'lobby');
    assert.equal(await house.container(), id);
    // Its settings take the room of those before.
    await docker('kill', '--signal', 'KILL', id);
    const next = await house.container(id);
    await house.says('lobby', 'live');
    await rm(join(place.dataDir, 'deepstream/deepstream-main'), { recursive: true });
    disk.fill();
    await docker('kill', '--signal', 'KILL', next);
    const words =
      /^its worker(?: is started again)?: the disk of .*data is full: the settings of its container cannot be written/;
    await until(
      'it says why',
      async () => {
        const state = await house.state('lobby');
        return 'reason' in state && words.test(state.reason ?? '');
      },
      patience,
    );
    disk.clear();
    await place.command('reload');
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    assert.deepEqual(logFloods(daemon.lines()), []);
    await daemon.stop();
  });
});
