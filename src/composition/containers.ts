import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { type Assignment, assignCameras } from '../workers/assignment.ts';
import { createAttachedLauncher } from '../workers/attached.ts';
import { createContainerLauncher } from '../workers/container.ts';
import { ContainerFiles } from '../workers/container-files.ts';
import type { Launcher } from '../workers/launcher.ts';
import { desiredWorkers, type WorkerSpec } from '../workers/plan.ts';

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
    readonly render: (spec: WorkerSpec) => Promise<ReadonlyMap<string, string>>;
    /** Whether a Triton server is ready. */
    readonly inferenceReady: () => boolean;
  },
  ctx: Context,
): Promise<Containers> {
  const { dataDir, deepstream: settings } = options.config;
  const { render, inferenceReady, version } = options;
  const files = new ContainerFiles(dataDir);
  // Of the daemon before this one, whose containers may still run.
  let assignment: Assignment = await files.assignment();
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
