import type { RenderedContainer } from '../cli/command.ts';
import { parseTritonUrl } from '../core/triton-url.ts';
import { describeModel } from '../inference/repository.ts';
import { assignCameras } from '../workers/assignment.ts';
import { ContainerFiles } from '../workers/container-files.ts';
import { desiredWorkers } from '../workers/plan.ts';
import { loadCheckedConfig } from './checked-config.ts';
import { containerSettings } from './container-settings.ts';

/** What `sightline render` prints: the containers that a daemon of this configuration would have. Rejects with `config.invalid` or `model.invalid`. */
export async function renderContainers(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly RenderedContainer[]> {
  const { config } = await loadCheckedConfig(file, env);
  const { repository, engine, url } = config.inference;
  // Of several the first: which is ready is for the daemon to know.
  const triton = parseTritonUrl(url[0] ?? '');
  // Cameras stay in the containers that they are in.
  const before = await new ContainerFiles(config.dataDir).assignment();
  const workers = desiredWorkers(config.cameras, assignCameras(config.cameras, config.deepstream, before));
  return await Promise.all(
    workers
      .filter(({ runtime }) => runtime === 'deepstream')
      .map(async (spec) => {
        const filesFor = await containerSettings(spec, config, (model) => describeModel(repository, model, engine));
        return { worker: spec.worker, cameras: [...spec.cameras.keys()].sort(), files: filesFor(triton) };
      }),
  );
}
