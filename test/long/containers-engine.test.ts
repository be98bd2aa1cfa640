import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildWorkerImage, type ContainerWorld, containerSettings, startContainerWorld } from '../support/container-world.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingEngine } from '../support/docker.ts';
import { type ImageRegistry, startImageRegistry } from '../support/image-registry.ts';
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

describe('an image that is pulled', { skip: noEngine }, () => {
  /** A world that has begun to pull, from an engine without the layers: one that has them does not fetch them. */
  async function pulling(run: (world: ContainerWorld, registry: ImageRegistry) => Promise<void>): Promise<void> {
    await using image = await buildWorkerImage();
    await using registry = await startImageRegistry(image.name);
    await using engine = await privateEngine();
    await using directory = await temporaryDirectory();
    const settings = containerSettings(registry.name, { pull: 'missing', socket: engine.socket });
    await using world = await startContainerWorld({ dataDir: directory.path, settings });
    await until('it says how far it is', () => world.progress.find((words) => / \d\.\d of \d\.\d MB$/.test(words)), patience);
    assert.equal(world.state()?.state, 'starting');
    await run(world, registry);
  }

  it('says how far it is, and its container begins', async () => {
    await pulling(async (world, registry) => {
      registry.hurry();
      await world.running();
    });
  });

  it('is not waited for by a daemon that stops', async () => {
    await pulling(async (world) => {
      await world[Symbol.asyncDispose]();
      assert.equal(world.state()?.state, 'stopped');
    });
  });
});
