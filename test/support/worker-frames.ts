import { configureMessage } from '../../src/composition/camera-message.ts';
import { containerSettings } from '../../src/composition/container-settings.ts';
import { type Config, type ConfigInput, configSchema } from '../../src/config/schema.ts';
import { bridgeSocket, makeRunFolder } from '../../src/core/run-folder.ts';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import type { Frame } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { createContainerLauncher } from '../../src/workers/container.ts';
import { desiredWorkers, type WorkerSpec } from '../../src/workers/plan.ts';
import type { SettingsChoices } from '../../src/workers/settings-choice.ts';
import type { Card } from './card.ts';
import { containerPlace } from './container-world.ts';
import { testContext } from './context.ts';
import { startTestDaemon, startWorkerProcess, type TestDaemon, untilEnded } from './software-worker.ts';
import { until } from './until.ts';

/** What both kinds of workers say of the same film over the bridge, frame by frame. */

export interface Watched {
  readonly config: Config;
  readonly spec: WorkerSpec;
}

/** One camera `clip` of either runtime, with the same settings. */
export function watched(
  card: Pick<Card, 'server' | 'descriptions' | 'image'>,
  runtime: 'software' | 'deepstream',
  camera: NonNullable<ConfigInput['cameras']>[string],
  deepstream: ConfigInput['deepstream'] = {},
): Watched {
  const config = configSchema.parse({
    inference: { engine: 'triton', url: card.server.url, repository: card.descriptions },
    deepstream: { image: card.image.name, gpuAccess: 'none', ...deepstream },
    media: { enabled: false },
    cameras: { clip: { ...camera, runtime } },
  });
  const [spec] = desiredWorkers(config.cameras);
  if (spec === undefined) throw new Error('a camera has a worker');
  return { config, spec };
}

/** On a machine that has much to do besides. */
const patienceMs = 600_000;

/** All of a film; its end may be said before its last frames. */
async function wholeFilm(daemon: TestDaemon, count: number): Promise<readonly Frame[]> {
  await untilEnded(daemon, 'clip', patienceMs);
  await until(`${count} frames`, () => daemon.frames.length >= count);
  return daemon.frames;
}

/** By the software worker; `count` frames are in the film. */
export async function softwareFrames({ config, spec }: Watched, count: number): Promise<readonly Frame[]> {
  await using daemon = await startTestDaemon(configureMessage(spec.cameras, config.inference));
  await using worker = startWorkerProcess(daemon.socketPath);
  return await Promise.race([wholeFilm(daemon, count), worker.failed]);
}

/** By the program in a container, as the daemon starts it. */
export async function containerFrames({ config, spec }: Watched, count: number): Promise<readonly Frame[]> {
  using ctx = testContext();
  await using place = await containerPlace();
  const { dataDir } = place;
  await makeRunFolder(dataDir);
  const socketPath = bridgeSocket(dataDir);
  await using daemon = await startTestDaemon(configureMessage(spec.cameras, config.inference), { socketPath });
  const { repository, engine } = config.inference;
  const [url = ''] = config.inference.url;
  const describe = (model: string) => describeModel(repository, model, engine);
  const render = async (one: WorkerSpec): Promise<SettingsChoices> => {
    const filesFor = await containerSettings(one, config, describe);
    return [{ server: url, isReady: true, files: filesFor(parseTritonUrl(url)) }];
  };
  const launcher = createContainerLauncher({ dataDir, version: 'test', settings: config.deepstream, render }, ctx);
  const stop = new AbortController();
  const worker = await launcher.launch(
    {
      spec,
      token: 'a token of the test',
      capacity: 1,
      signal: stop.signal,
      introduced: Promise.resolve(),
      drained: new Promise(() => {}),
      disconnected: new Promise(() => {}),
      onProgress: () => {},
    },
    ctx,
  );
  const failed = worker.exited.then((exit) => Promise.reject(new Error(`the container ended: ${JSON.stringify(exit)}`)));
  failed.catch(() => {});
  try {
    return await Promise.race([wholeFilm(daemon, count), failed]);
  } finally {
    worker.signal('SIGKILL');
    await worker.exited;
  }
}
