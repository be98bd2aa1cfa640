import type { Config, DetectConfig } from '../config/schema.ts';
import type { ModelDescription } from '../core/inference.ts';
import type { TritonUrl } from '../core/triton-url.ts';
import { planDetector } from '../models/detector-plan.ts';
import { readContainerTemplates } from '../workers/container-templates.ts';
import type { WorkerSpec } from '../workers/plan.ts';
import { type ContainerDetector, renderContainer } from '../workers/render.ts';

/**
 * The files of settings of a container, by name, as one has them that asks this Triton server: from its cameras, from the models as the
 * repository describes them and from the configuration. Rejects with `model.invalid` for a detector that DeepStream cannot run.
 */
export async function containerSettings(
  spec: Pick<WorkerSpec, 'worker' | 'cameras'>,
  config: Pick<Config, 'deepstream' | 'media' | 'logLevel'>,
  describe: (model: string) => Promise<ModelDescription>,
): Promise<(triton: TritonUrl) => ReadonlyMap<string, string>> {
  const { width, height, tracker, encoder, cudaBufferSharing, startTimeout } = config.deepstream;
  const frame = { width, height };
  const cameras = [...spec.cameras.keys()].sort();
  const asked = new Map<string, DetectConfig[]>();
  for (const detect of [...spec.cameras.values()].flatMap((camera) => camera.detect))
    asked.set(detect.model, [...(asked.get(detect.model) ?? []), detect]);
  const detectors = await Promise.all(
    [...asked.keys()].sort().map(async (model) => {
      const wishes = asked.get(model) ?? [];
      return detectorFor(await describe(model), wishes, frame);
    }),
  );
  const common = {
    worker: spec.worker,
    logLevel: config.logLevel,
    media: config.media.enabled,
    // Each container is given one, which is its first.
    gpu: 0,
    frame,
    detectors,
    tracker,
    encoder,
    cudaBufferSharing,
    startMs: startTimeout,
    cameras,
  };
  const templates = readContainerTemplates();
  return (triton) => renderContainer({ ...common, triton }, templates);
}

/** One for all cameras of a container: what any of them asks for. Each camera's own choice is made by the program inside. */
function detectorFor(
  model: ModelDescription,
  wishes: readonly DetectConfig[],
  frame: { readonly width: number; readonly height: number },
): ContainerDetector {
  const widths = wishes.flatMap(({ width }) => (width === undefined ? [] : [width]));
  const plan = planDetector(model, frame, widths.length === 0 ? undefined : Math.max(...widths));
  return {
    ...plan,
    minScore: Math.min(...wishes.map(({ minScore }) => minScore ?? plan.minScore)),
    fps: Math.max(...wishes.map(({ fps }) => fps)),
  };
}
