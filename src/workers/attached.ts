import type { DeepStreamConfig } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import { AttachedFiles } from './attached-files.ts';
import { exitFor, type LaunchedWorker, type Launcher, type LaunchRequest, type WorkerExit } from './launcher.ts';
import type { WorkerSpec } from './plan.ts';
import { chooseSettings, type SettingsChoice, type SettingsChoices, usableSettings } from './settings-choice.ts';

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
  /** Triton servers under which a worker said Drained unasked when it last ran. */
  const failedAt = new Map<string, string>();

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
   * any that is ready; of one that is not, or that failed it, its next life would begin in vain.
   */
  async function keptFor(worker: string, choices: SettingsChoices): Promise<(SettingsChoice & { token: string }) | undefined> {
    const token = await files.token(worker);
    if (token === undefined) return undefined;
    for (const choice of usableSettings(choices, failedAt.get(worker)))
      if (await files.holds(worker, choice.files)) return { ...choice, token };
    return undefined;
  }

  async function launch(request: LaunchRequest): Promise<LaunchedWorker> {
    const { spec, token, signal, introduced, drained, disconnected } = request;
    const { worker } = spec;
    await requireInference(signal);
    const choices = await render(spec);
    const kept = await keptFor(worker, choices);
    const chosen = kept?.token === token ? kept : chooseSettings(choices, failedAt.get(worker));
    if (chosen !== kept) await files.write(worker, chosen.files, token);
    signal.throwIfAborted();
    await files.offer(worker);
    log.info({ worker, folder: files.folder(worker), server: chosen.server }, 'container may begin');
    const gone = Promise.withResolvers<WorkerExit>();
    let isKnown = false;
    let hasDrained = false;

    function withdraw(): void {
      try {
        files.withdraw(worker);
      } catch (error) {
        log.warn({ worker, reason: errorText(error) }, 'settings of a container were not withdrawn');
      }
    }

    // Before its Welcome, with which it may end at once: its next life must not begin with settings that are about to change.
    void introduced.then(() => {
      isKnown = true;
      withdraw();
    });
    void drained.then(() => {
      hasDrained = true;
    });
    void disconnected.then((reason) => {
      // Why it ended is not known: it may be its server (69), its settings (75, 78) or a SIGTERM; for these another server is no worse.
      // One that only lost its connection comes again with the settings that it has.
      if (hasDrained && !signal.aborted) failedAt.set(worker, chosen.server);
      else failedAt.delete(worker);
      gone.resolve(exitFor('worker.crashed', `its connection ended: ${reason}`));
    });
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
    keptToken: async (spec) => (await keptFor(spec.worker, await render(spec)))?.token,
    cleanUp: (wanted) => files.cleanUp(wanted),
    forget: (worker) => void failedAt.delete(worker),
    launch,
  };
}

function notThere(folder: string, withinMs: number): WorkerExit {
  const reason = `no container introduced itself within ${withinMs / 1000} s with the settings in ${folder}; is there one that has this folder, and what does its own log say?`;
  return exitFor('worker.start_timeout', reason);
}
