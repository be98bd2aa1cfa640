import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import type { InferenceEngine } from '../core/inference.ts';
import { parseTritonUrl, type TritonUrl, tritonAuthority } from '../core/triton-url.ts';
import { type Assignment, assignCameras } from '../workers/assignment.ts';
import { createAttachedLauncher } from '../workers/attached.ts';
import { createContainerLauncher } from '../workers/container.ts';
import { ContainerFiles } from '../workers/container-files.ts';
import type { Launcher } from '../workers/launcher.ts';
import { desiredWorkers, type WorkerSpec } from '../workers/plan.ts';
import type { SettingsChoices } from '../workers/settings-choice.ts';
import { containerSettings } from './container-settings.ts';

/** Containers of DeepStream cameras: which there should be, and what starts them. */
export interface Containers {
  readonly launcher: Launcher;
  /** All workers that the cameras need; those in containers stay in the ones they are in, as far as that goes. */
  desired(cameras: Config['cameras']): Promise<readonly WorkerSpec[]>;
}

export async function createContainers(
  options: {
    readonly config: Config;
    readonly version: string;
    readonly engine: Pick<InferenceEngine, 'describe' | 'isReadyAt'>;
    /** Whether a Triton server is ready. */
    readonly inferenceReady: () => boolean;
  },
  ctx: Context,
): Promise<Containers> {
  const { config, engine, inferenceReady, version } = options;
  const { dataDir, deepstream: settings } = config;
  const [first, ...others] = config.inference.url.map(parseTritonUrl);
  const files = new ContainerFiles(dataDir);
  // Of the daemon before this one, whose containers may still run.
  let assignment: Assignment = await files.assignment();

  async function render(spec: WorkerSpec): Promise<SettingsChoices> {
    if (first === undefined) throw new SightlineError('config.invalid', 'inference.url names no Triton server');
    const filesFor = await containerSettings(spec, config, (model) => engine.describe(model));
    const choiceOf = (server: TritonUrl) => ({
      server: tritonAuthority(server),
      isReady: engine.isReadyAt?.(server) ?? true,
      files: filesFor(server),
    });
    return [choiceOf(first), ...others.map(choiceOf)];
  }

  return {
    launcher:
      settings.start === 'attached'
        ? createAttachedLauncher({ dataDir, settings, render, inferenceReady }, ctx)
        : createContainerLauncher({ dataDir, version, settings, render }, ctx),
    desired: async (cameras) => {
      const before = assignment;
      assignment = assignCameras(cameras, settings, before);
      if (!same(before, assignment))
        await files.keepAssignment(assignment).catch((error: unknown) => {
          ctx.log.warn(
            { reason: errorText(error) },
            'assignment of cameras to containers was not stored; the next start may mix them',
          );
        });
      return desiredWorkers(cameras, assignment);
    },
  };
}

function same(a: Assignment, b: Assignment): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b]);
}
