import { aborted } from '../core/aborted.ts';
import { Backoff, RestartBudget } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { descriptorsText, errorText, isAbort } from '../core/errors.ts';
import type { CameraId } from '../core/types.ts';
import type { LaunchedWorker, Launcher, LifeTimings } from './launcher.ts';
import { liveWorker, type WorkerAttachment, type WorkerLink } from './life.ts';
import { type Action, afterDeath, capacityFor, planWorkers, type Runtime, type WorkerSpec } from './plan.ts';
import { describeState, mayFollow, type WorkerNeed, type WorkerState, workerStateNames } from './state.ts';

/**
 * Keeps the workers that run equal to those that should. `plan.ts` decides the next steps, `life.ts` is the loop of one process. A
 * worker that dies takes only its own cameras with it, and only until it is started again.
 */

export interface SupervisorTimings extends LifeTimings {
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  readonly restartsPerMinute: number;
  /** Pause of a worker that has used up its restarts. */
  readonly longPauseMs: number;
  /** A worker that ran this long counts as well again. */
  readonly wellAfterMs: number;
}

/** Drain, SIGTERM and SIGKILL together fit into the 8 s in which the daemon stops. */
export const defaultTimings: SupervisorTimings = {
  startTimeoutMs: 30_000,
  drainMs: 5500,
  termMs: 1000,
  closedGraceMs: 500,
  killMs: 1000,
  firstDelayMs: 500,
  longestDelayMs: 30_000,
  restartsPerMinute: 5,
  longPauseMs: 120_000,
  wellAfterMs: 60_000,
};

export interface SupervisorOptions {
  readonly desired: readonly WorkerSpec[];
  readonly link: WorkerLink;
  /** Workers of a runtime without a launcher are `failed`, with that reason. */
  readonly launchers: Partial<Readonly<Record<Runtime, Launcher>>>;
  readonly timings?: Partial<SupervisorTimings>;
  /** Whether the networks of workers that ask a server can run; asked while one waits for that. */
  inferenceReady?(): boolean;
  /** What the launch of a worker is at, where that takes its time; returns at once. */
  onProgress?(worker: string, words: string, cameras: readonly CameraId[]): void;
  /** At every change of a worker's state; returns at once. */
  onState?(worker: string, state: WorkerState, cameras: readonly CameraId[]): void;
}

/** Disposal drains all workers at once and resolves when none is left. */
export interface Supervisor extends AsyncDisposable {
  /** The workers that should run from now on. */
  apply(desired: readonly WorkerSpec[]): void;
  /** Tries what has failed again now: workers, and through their workers cameras. */
  retryFailed(): void;
  states(): ReadonlyMap<string, WorkerState>;
}

interface Managed {
  readonly backoff: Backoff;
  budget: RestartBudget;
  spec: WorkerSpec;
  state: WorkerState;
  capacity: number;
  /** Out of restarts: each death means the long pause until it has been well for a while. */
  exhausted: boolean;
  retry: boolean;
  /** What it waits for is not there, as far as is known. */
  held: boolean;
  /** Why it failed, until it has been well again: a retry that ends the same way is not worth a line of log. */
  failure: string | undefined;
  attachment: WorkerAttachment | undefined;
  process: LaunchedWorker | undefined;
  stop: AbortController;
  life: Promise<void>;
}

const rssEveryMs = 5000;
const needsEveryMs = 500;
const idleMs = 3_600_000;

/** Ends what an earlier daemon left, then starts the desired workers; resolves without waiting until they run. */
export async function startSupervisor(options: SupervisorOptions, ctx: Context): Promise<Supervisor> {
  const timings: SupervisorTimings = { ...defaultTimings, ...options.timings };
  const { clock, log, metrics } = ctx;
  const workers = new Map<string, Managed>();
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  let desired = options.desired;
  let changed = Promise.withResolvers<void>();

  const restarts = metrics.counter('sightline_worker_restarts_total', 'Starts of a worker after its first', ['worker']);
  const stateGauge = metrics.gauge('sightline_worker_state', '1 for the state a worker is in', ['worker', 'state']);
  const rssGauge = metrics.gauge('sightline_worker_rss_bytes', 'Resident memory of a worker process', ['worker']);

  const newBudget = () => new RestartBudget(timings.restartsPerMinute, 60_000);

  /** The only door to a worker's state. */
  function setState(managed: Managed, next: WorkerState): void {
    const name = managed.spec.worker;
    if (!mayFollow(managed.state, next))
      throw new Error(`worker ${name} cannot go from ${managed.state.state} to ${next.state}`);
    managed.state = next;
    announce(managed);
  }

  function announce(managed: Managed): void {
    const { spec, state, failure } = managed;
    const name = spec.worker;
    for (const known of workerStateNames) stateGauge.set({ worker: name, state: known }, known === state.state ? 1 : 0);
    const fields = { worker: name, state: state.state, words: describeState(state, clock.mono()) };
    if (state.state === 'failed') {
      if (state.reason !== failure) log.error({ ...fields, code: state.code }, 'worker failed');
      managed.failure = state.reason;
    } else if (failure !== undefined && (state.state === 'starting' || state.state === 'running'))
      log.debug(fields, 'worker is tried again');
    else if (state.state === 'waiting') log.warn(fields, 'worker died');
    else log.info(fields, 'worker changed its state');
    options.onState?.(name, state, [...spec.cameras.keys()]);
    changed.resolve();
  }

  function begin(spec: WorkerSpec): Managed {
    const managed: Managed = {
      backoff: new Backoff({ firstMs: timings.firstDelayMs, maxMs: timings.longestDelayMs }),
      budget: newBudget(),
      spec,
      state: { state: 'starting', sinceMonoMs: clock.mono() },
      capacity: 0,
      exhausted: false,
      retry: false,
      held: false,
      failure: undefined,
      attachment: undefined,
      process: undefined,
      stop: new AbortController(),
      life: Promise.resolve(),
    };
    workers.set(spec.worker, managed);
    announce(managed);
    return managed;
  }

  function start({ spec, why }: Extract<Action, { do: 'start' }>): void {
    const known = workers.get(spec.worker);
    const managed = known ?? begin(spec);
    managed.spec = spec;
    managed.retry = false;
    if (known !== undefined) {
      restarts.inc({ worker: spec.worker });
      setState(managed, { state: 'starting', sinceMonoMs: clock.mono() });
    }
    if (why === 'changed') {
      managed.backoff.reset();
      managed.budget = newBudget();
      managed.exhausted = false;
      managed.failure = undefined;
    }
    managed.capacity = capacityFor(spec.cameras.size);
    managed.stop = new AbortController();
    managed.life = live(managed).catch((error: unknown) => {
      log.error({ worker: spec.worker, err: error }, 'supervision of a worker broke');
    });
  }

  async function live(managed: Managed): Promise<void> {
    const name = managed.spec.worker;
    let runningSinceMs: number | undefined;
    const launcher = options.launchers[managed.spec.runtime];
    if (launcher === undefined) {
      const reason = `this program cannot start workers of runtime ${managed.spec.runtime}`;
      setState(managed, { state: 'failed', sinceMonoMs: clock.mono(), code: 'worker.settings', reason });
      return;
    }
    const end = await liveWorker(
      {
        spec: managed.spec,
        capacity: managed.capacity,
        launcher,
        link: options.link,
        timings: { ...timings, ...launcher.timings, ...options.timings },
        onProgress: (words) => {
          log.info({ worker: name, words }, 'worker is being started');
          options.onProgress?.(name, words, [...managed.spec.cameras.keys()]);
        },
        stop: managed.stop.signal,
        onAttached: (attachment) => {
          managed.attachment = attachment;
        },
        onHello: (process) => {
          managed.process = process;
          managed.attachment?.configure(managed.spec.cameras);
          runningSinceMs = clock.mono();
          setState(managed, { state: 'running', sinceMonoMs: runningSinceMs, pid: process.pid });
        },
      },
      ctx,
    );
    managed.attachment = undefined;
    managed.process = undefined;
    rssGauge.remove({ worker: name });
    const now = clock.mono();
    if (managed.state.state === 'draining') {
      setState(managed, { state: 'stopped', sinceMonoMs: now, reason: managed.state.reason });
      return;
    }
    if (end.how === 'stopped') throw new Error(`worker ${name} stopped though nobody told it to`);
    if (runningSinceMs !== undefined && now - runningSinceMs >= timings.wellAfterMs) {
      managed.backoff.reset();
      managed.exhausted = false;
      managed.failure = undefined;
    }
    const withinBudget = !managed.exhausted && managed.budget.spend(now);
    managed.exhausted = !withinBudget;
    const delayMs = managed.backoff.next();
    const inferenceReady = options.inferenceReady?.() ?? true;
    const chances = { delayMs, withinBudget, longPauseMs: timings.longPauseMs, inferenceReady };
    const next = afterDeath(end.death, chances, now);
    managed.held = next.state === 'waiting' && next.needs !== undefined;
    setState(managed, next);
  }

  async function isThere(need: WorkerNeed, launcher: Launcher | undefined): Promise<boolean> {
    if (need === 'inference') return options.inferenceReady?.() ?? true;
    return (await launcher?.ready?.()) ?? true;
  }

  /** Workers that wait for something are let go once it is there. That it was gone was no fault of theirs. */
  async function lookForNeeds(): Promise<void> {
    for (const managed of workers.values()) {
      const { state } = managed;
      if (!managed.held || state.state !== 'waiting' || state.needs === undefined) continue;
      const there = await isThere(state.needs, options.launchers[managed.spec.runtime]);
      if (managed.state !== state) continue;
      if (there) {
        managed.held = false;
        changed.resolve();
      } else {
        managed.backoff.reset();
        managed.budget = newBudget();
      }
    }
  }

  function drain(managed: Managed, reason: string): void {
    setState(managed, { state: 'draining', sinceMonoMs: clock.mono(), reason });
    managed.stop.abort();
  }

  function forget(name: string): void {
    const runtime = workers.get(name)?.spec.runtime;
    workers.delete(name);
    if (runtime !== undefined) options.launchers[runtime]?.forget?.(name);
    for (const state of workerStateNames) stateGauge.remove({ worker: name, state });
  }

  function act(action: Action): void {
    if (action.do === 'start') {
      start(action);
      return;
    }
    const managed = workers.get(action.do === 'configure' ? action.spec.worker : action.worker);
    if (managed === undefined) return;
    if (action.do === 'drain') drain(managed, action.reason);
    else if (action.do === 'forget') forget(action.worker);
    else {
      managed.spec = action.spec;
      managed.retry = false;
      // One that is still starting is told when it introduces itself.
      if (managed.state.state === 'running') managed.attachment?.configure(action.spec.cameras);
      if (action.why === 'changed')
        log.info({ worker: action.spec.worker, cameras: [...action.spec.cameras.keys()] }, 'worker has new cameras');
    }
  }

  async function reconcile(): Promise<void> {
    while (!signal.aborted) {
      changed = Promise.withResolvers();
      const plan = planWorkers(desired, [...workers.values()], clock.mono());
      for (const action of plan.actions) {
        try {
          act(action);
        } catch (error) {
          log.error({ action: action.do, err: error }, 'supervision of a worker broke');
        }
      }
      using pause = clock.deadline(
        plan.nextMonoMs === undefined ? idleMs : Math.max(0, plan.nextMonoMs - clock.mono()),
        signal,
      );
      const over = aborted(pause.signal);
      if (!pause.signal.aborted) await Promise.race([changed.promise, over]);
    }
  }

  for (const [runtime, launcher] of Object.entries(options.launchers)) {
    try {
      const wanted = desired.filter((spec) => spec.runtime === runtime).map(({ worker }) => worker);
      await launcher.cleanUp(new Set(wanted), ctx);
    } catch (error) {
      if (isAbort(error)) throw error;
      log.error({ runtime, err: error }, 'workers of an earlier run were not ended');
    }
  }
  const reconciling = reconcile();
  const rssTimer = clock.every(rssEveryMs, async () => {
    try {
      for (const [worker, { process }] of workers) {
        const bytes = await process?.rssBytes();
        if (bytes !== undefined && workers.get(worker)?.process === process) rssGauge.set({ worker }, bytes);
      }
    } catch (error) {
      // A measurement must not end the daemon.
      log.warn({ reason: descriptorsText(error) ?? errorText(error) }, 'memory of the workers cannot be read');
    }
  });

  const needsTimer = clock.every(needsEveryMs, lookForNeeds);

  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    closing.abort();
    await reconciling;
    rssTimer[Symbol.dispose]();
    needsTimer[Symbol.dispose]();
    for (const managed of workers.values()) {
      if (managed.state.state === 'starting' || managed.state.state === 'running') drain(managed, 'the daemon stops');
    }
    await Promise.all([...workers.values()].map(({ life }) => life));
  }

  return {
    apply: (specs) => {
      desired = specs;
      changed.resolve();
    },
    retryFailed: () => {
      for (const managed of workers.values())
        managed.retry = managed.state.state === 'failed' || managed.state.state === 'running';
      changed.resolve();
    },
    states: () => new Map([...workers].map(([name, { state }]) => [name, state])),
    [Symbol.asyncDispose]: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
