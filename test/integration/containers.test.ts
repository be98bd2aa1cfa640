import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  buildWorkerImage,
  type ContainerPlace,
  containerPlace,
  containerSettings,
  inspect,
  startContainerWorld,
} from '../support/containers.ts';
import { docker, type Image, missingEngine } from '../support/docker.ts';
import { until } from '../support/until.ts';

/** Containers as the daemon keeps them, on a real engine; the worker inside is a program of the test that speaks the bridge. */

let image: Image;
const noEngine = missingEngine();

async function only(place: ContainerPlace): Promise<string> {
  const [id, ...more] = await place.containers();
  assert.ok(id !== undefined && more.length === 0, 'one container');
  return id;
}

describe('a container of a worker', { skip: noEngine }, () => {
  before(async () => {
    image = await buildWorkerImage();
  });
  after(() => image?.[Symbol.asyncDispose]());

  it('runs without rights, tells nothing secret to whoever asks the engine, and is gone with the daemon', async () => {
    await using place = await containerPlace();
    {
      await using world = await startContainerWorld({ dataDir: place.dataDir, settings: containerSettings(image.name) });
      await world.running();
      const { uid, caps, noNewPrivileges, writable } = await world.facts();
      assert.deepEqual(
        { uid, caps, noNewPrivileges, writable },
        { uid: 10_001, caps: '0000000000000000', noNewPrivileges: '1', writable: ' /tmp /var/cache/cuda' },
      );
      const id = await only(place);
      const told = await docker('inspect', id);
      assert.doesNotMatch(told, /secret-of-camera|token":|10\.0\.0\.1/);
      assert.equal(await inspect(id, '{{.Name}}'), `/sightline-${(await place.owner()).slice(0, 8)}-deepstream-main`);
      const limits = '{{.HostConfig.Memory}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}} {{.HostConfig.NetworkMode}}';
      assert.equal(await inspect(id, limits), `${256 * 1024 * 1024} true true none`);
      assert.equal(world.said('welcome').length, 1);
    }
    assert.deepEqual(await place.containers(), []);
  });
});
