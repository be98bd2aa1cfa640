import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildWorkerImage, containerSettings, startContainerWorld } from '../support/container-world.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingEngine } from '../support/docker.ts';
import { privateEngine } from '../support/private-engine.ts';
import { until } from '../support/until.ts';

/** An engine that is started anew under its containers; one of the test's own, since that of the machine belongs to others too. */
const noEngine = missingEngine() || missingTool(process.getuid?.() === 0, 'root, to start a Docker engine');
const patience = 120_000;

describe('containers of an engine that is started anew', { skip: noEngine }, () => {
  for (const way of ['stop', 'kill'] as const) {
    it(`come back after a ${way}, and that is said meanwhile`, async () => {
      await using image = await buildWorkerImage();
      await using engine = await privateEngine();
      await engine.load(image.name);
      await using directory = await temporaryDirectory();
      const settings = containerSettings(image.name, { socket: engine.socket });
      await using world = await startContainerWorld({ dataDir: directory.path, settings });
      await world.running();
      const ids = async () => (await engine.docker('ps', '--all', '--quiet', '--no-trunc')).split('\n').filter(Boolean);
      const before = await ids();
      assert.equal(before.length, 1);

      await engine[way]();
      if (way === 'stop') {
        const waiting = await until('it waits', () => [world.state()].find((state) => state?.state === 'waiting'), patience);
        assert.equal(waiting?.state === 'waiting' && waiting.code, 'container.engine');
      }
      await engine.start();
      await until(
        'another container runs, alone',
        async () => {
          const now = await ids();
          return now.length === 1 && now[0] !== before[0] && world.state()?.state === 'running';
        },
        patience,
      );
      assert.equal(world.said('supervision of a worker broke').length, 0);
    });
  }
});
