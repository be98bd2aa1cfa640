import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { buildWorkerImage, containersByWorker, containersOf, removeContainersOf } from '../support/container-world.ts';
import { createWorkplace, patience, type RunningDaemon } from '../support/daemon.ts';
import { docker, missingEngine } from '../support/docker.ts';
import { fixtureModels } from '../support/fixtures.ts';
import { until } from '../support/until.ts';

/** The daemon itself with cameras in containers; the worker inside is a program of the test that speaks the bridge. */
describe('sightline run with runtime: deepstream', { skip: missingEngine() }, () => {
  it('spreads cameras over containers, finds them again after a kill, and changes only the one that it must', async () => {
    await using image = await buildWorkerImage();
    const camera = (name: string) => ({
      source: `rtsp://operator:secret-of-camera@127.0.0.1:1/${name}`,
      runtime: 'deepstream' as const,
      detect: [{ model: fixtureModels.face }],
    });
    const names = ['dock', 'gate', 'lobby'];
    const config = (cameras: readonly string[]) => ({
      // Nobody there: containers of the test ask nothing of it.
      inference: { engine: 'triton' as const, url: '127.0.0.1:1' },
      deepstream: { image: image.name, gpuAccess: 'none' as const, camerasPerContainer: 2, memoryMegabytes: 256 },
      lists: { watch: {} },
      cameras: Object.fromEntries(cameras.map((name) => [name, camera(name)])),
    });
    await using place = await createWorkplace(config(names));
    const workers = () => containersByWorker(place.dataDir);
    const daemons: RunningDaemon[] = [];
    const start = async () => {
      const daemon = await place.start();
      daemons.push(daemon);
      return daemon;
    };
    try {
      const first = await start();
      const welcomed = (daemon: RunningDaemon, count: number) =>
        until('the workers are welcome', () => daemon.lines().filter(({ msg }) => msg === 'welcome').length >= count, patience);
      await welcomed(first, 2);
      const before = await workers();
      assert.deepEqual(Object.keys(before).toSorted(), ['deepstream-main', 'deepstream-main.2']);
      const settings = await readFile(join(place.dataDir, 'deepstream/deepstream-main/container.json'), 'utf8');
      assert.deepEqual(JSON.parse(settings).cameras, [
        { camera: 'dock', sourceId: 0 },
        { camera: 'gate', sourceId: 1 },
      ]);
      const everything = await docker('inspect', ...(await containersOf(place.dataDir)));
      const token = await readFile(join(place.dataDir, 'deepstream/deepstream-main/token'), 'utf8');
      for (const secret of ['secret-of-camera', token]) {
        assert.ok(!everything.includes(secret) && !settings.includes(secret) && !first.stderr().includes(secret));
      }

      first.signal('SIGKILL');
      await first.finished;
      const second = await start();
      await welcomed(second, 2);
      assert.deepEqual(await workers(), before, 'the same containers, never started anew');

      place.configure(config(['dock', 'gate', 'lobby', 'yard']));
      const changed = await until(
        'the second container is another',
        async () => {
          const now = await workers();
          return now['deepstream-main.2'] !== undefined && now['deepstream-main.2'] !== before['deepstream-main.2'] && now;
        },
        patience,
      );
      assert.equal(changed['deepstream-main'], before['deepstream-main']);
      await second.stop();
      assert.deepEqual(await containersOf(place.dataDir), []);
    } finally {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      await removeContainersOf(place.dataDir);
    }
  });
});
