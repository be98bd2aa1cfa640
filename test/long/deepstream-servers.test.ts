import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { containersByWorker, removeContainersOf } from '../support/container-world.ts';
import { createWorkplace, patience } from '../support/daemon.ts';
import { withImageAndCamera } from '../support/deepstream-site.ts';
import { missingEngine } from '../support/docker.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { missingRtspCamera } from '../support/rtsp-camera.ts';
import { missingStandin } from '../support/standin.ts';
import { loadOnly, missingTriton, startTriton } from '../support/triton.ts';
import { until } from '../support/until.ts';

const skip = missingEngine() || missingStandin() || missingRtspCamera() || (await missingTriton());

const repository = fixtureModelRepository;
const flags = loadOnly(fixtureModels.face, fixtureModels.faceEmbedder);

/** The daemon, the program on the stand-in in a container, and real Triton servers. */
describe('a DeepStream container and several Triton servers', { skip }, () => {
  const shared = withImageAndCamera();

  it('asks one that is ready, stays with it when others come, and goes over when it is gone', async () => {
    const firstPort = await freePort();
    await using second = await startTriton({ repository, flags });
    await using place = await createWorkplace({
      lists: { watch: {} },
      inference: { engine: 'triton', url: [`127.0.0.1:${firstPort}`, second.url] },
      deepstream: {
        image: shared.image.name,
        gpuAccess: 'none',
        width: 640,
        height: 360,
        memoryMegabytes: 1024,
        encoder: { kind: 'none' },
      },
      cameras: {
        lobby: { source: shared.camera.url, runtime: 'deepstream', detect: [{ model: fixtureModels.face }] },
      },
    });
    const container = async () => (await containersByWorker(place.dataDir))['deepstream-main'];
    const asked = async () => {
      const file = join(place.dataDir, `deepstream/deepstream-main/infer-${fixtureModels.face}.txt`);
      return /url: "(.*)"/.exec(await readFile(file, 'utf8'))?.[1];
    };
    await using daemon = await place.start();
    try {
      const live = async () => {
        const { cameras } = await place.ask('status', {}).catch(() => ({ cameras: [] }));
        return cameras[0]?.state.state === 'live';
      };
      await until('the camera is live', live, patience);
      assert.equal(await asked(), second.url);
      const before = await container();

      await using first = await startTriton({ repository, flags, port: firstPort });
      await until(
        'the daemon knows of it',
        () => daemon.lines().filter(({ msg }) => msg === 'triton server is ready').length === 2,
      );
      assert.equal(await container(), before);

      second.signal('SIGKILL');
      await until('the container ended', () => daemon.said('worker died'), patience);
      assert.match(
        daemon.lines().find(({ msg }) => msg === 'worker died')?.['words'] as string,
        /exit code 69: Triton cannot be used/,
      );
      await until('another container', async () => ![before, undefined].includes(await container()), patience);
      await until('the camera is live again', live, patience);
      assert.equal(await asked(), first.url);
    } finally {
      await daemon.stop();
      await removeContainersOf(place.dataDir);
    }
  });
});
