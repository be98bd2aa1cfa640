import type { DeepStreamConfig } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import { AttachedFiles } from './attached-files.ts';
import { exitFor, type LaunchedWorker, type Launcher, type LaunchRequest, type WorkerExit } from './launcher.ts';
import type { WorkerSpec } from './plan.ts';
import { chooseSettings, type SettingsChoices } from './settings-choice.ts';

/**
 * DeepStream workers in containers that somebody else starts, and starts again whenever they end: the kubelet, in a pod. The daemon writes
 * their settings and says that they may begin (`start`); what it knows of them is their connection, whose end is theirs.
 */

export interface AttachedLauncherOptions {
  readonly dataDir: string;
  readonly settings: Pick<DeepStreamConfig, 'startTimeout'>;
  /** The settings of a worker; nothing secret is in them. */
  readonly render: (spec: WorkerSpec) => Promise<SettingsChoices>;
  /** Whether a Triton server is ready. */
  readonly inferenceReady: () => boolean;
}

/** A daemon that has just begun has not heard of its servers yet. */
const inferenceWithinMs = 5000;
const inferenceEveryMs = 100;

export function createAttachedLauncher(options: AttachedLauncherOptions, ctx: Context): Launcher {
  const { render, inferenceReady, settings } = options;
  const { clock, log } = ctx;
  const files = new AttachedFiles(options.dataDir);

  /** The program would end without it, and be started again ever more slowly: the kubelet does not know what it waits for. */
  async function requireInference(signal: AbortSignal): Promise<void> {
    const untilMs = clock.mono() + inferenceWithinMs;
    while (!inferenceReady()) {
      if (clock.mono() >= untilMs) throw new SightlineError('inference.unavailable', 'no Triton server is ready');
      await clock.sleep(inferenceEveryMs, signal);
    }
  }

  /**
   * Of a container that runs with what it would be given now, be it from an earlier daemon: it may connect again. Its Triton server may be
   * any that is ready; of one that is not, its next life would begin in vain.
   */
  async function tokenFor(worker: string, choices: SettingsChoices): Promise<string | undefined> {
    const token = await files.token(worker);
    if (token === undefined) return undefined;
    const noneReady = !choices.some(({ isReady }) => isReady);
    for (const choice of choices) if ((noneReady || choice.isReady) && (await files.holds(worker, choice.files))) return token;
    return undefined;
  }

  async function launch({ spec, token, signal, introduced, disconnected }: LaunchRequest): Promise<LaunchedWorker> {
    const { worker } = spec;
    await requireInference(signal);
    const choices = await render(spec);
    if ((await tokenFor(worker, choices)) !== token) await files.write(worker, chooseSettings(choices).files, token);
    signal.throwIfAborted();
    await files.offer(worker);
    log.info({ worker, folder: files.folder(worker) }, 'container may begin');
    const gone = Promise.withResolvers<WorkerExit>();
    let isKnown = false;

    function withdraw(): void {
      files.withdraw(worker).catch((error: unknown) => {
        log.warn({ worker, reason: errorText(error) }, 'settings of a container were not withdrawn');
      });
    }

    void introduced.then(() => {
      isKnown = true;
      withdraw();
    });
    void disconnected.then((reason) => gone.resolve(exitFor('worker.crashed', `its connection ended: ${reason}`)));
    return {
      pid: 0,
      exited: gone.promise,
      // There is nobody to be told: it is let go, and does not know the next one's token if that has other settings.
      signal: () => {
        withdraw();
        const absent = () => notThere(files.folder(worker), settings.startTimeout);
        gone.resolve(isKnown ? exitFor('worker.crashed', 'it was let go') : absent());
      },
      rssBytes: () => Promise.resolve(undefined),
    };
  }

  return {
    timings: { startTimeoutMs: settings.startTimeout },
    keptToken: async (spec) => tokenFor(spec.worker, await render(spec)),
    cleanUp: (wanted) => files.cleanUp(wanted),
    launch,
  };
}

function notThere(folder: string, withinMs: number): WorkerExit {
  const reason = `no container introduced itself within ${withinMs / 1000} s with the settings in ${folder}; is there one that has this folder, and what does its own log say?`;
  return exitFor('worker.start_timeout', reason);
}
