import { isDeepStrictEqual } from 'node:util';
import type { CameraConfig } from '../config/schema.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { CameraId } from '../core/types.ts';
import type { Assignment } from './assignment.ts';
import type { WorkerNeed, WorkerState } from './state.ts';

/** Decides what to do next, from what should be and what is. Pure; the supervisor acts and asks again. */

export type Runtime = CameraConfig['runtime'];

/** The settings of a camera that its worker has to know. */
export type WorkerCamera = Omit<CameraConfig, 'zones' | 'group' | 'runtime' | 'enabled'>;

/** One worker as it should be. */
export interface WorkerSpec {
  /** `runtime-group`, unique. */
  readonly worker: string;
  readonly runtime: Runtime;
  readonly cameras: ReadonlyMap<CameraId, WorkerCamera>;
  /** Of a container: its GPU. */
  readonly gpu?: string;
}

/** One worker as it is. */
export interface ActualWorker {
  /** What it was last told, or will be when it introduces itself. */
  readonly spec: WorkerSpec;
  readonly state: WorkerState;
  /** How many cameras its process was started for. */
  readonly capacity: number;
  /** Somebody asked that what has failed is tried again now: the worker itself, or its cameras. */
  readonly retry?: boolean;
  /** What its state says it needs is not there. */
  readonly held?: boolean;
}

export type Action =
  | { readonly do: 'start'; readonly spec: WorkerSpec; readonly why: 'new' | 'changed' | 'retry' }
  /** `why` retry: the same cameras once more, so that those that have failed are tried again. */
  | { readonly do: 'configure'; readonly spec: WorkerSpec; readonly why: 'changed' | 'retry' }
  | { readonly do: 'drain'; readonly worker: string; readonly reason: string }
  | { readonly do: 'forget'; readonly worker: string };

export interface Plan {
  readonly actions: readonly Action[];
  /** When to look again if nothing happens before. */
  readonly nextMonoMs?: number;
}

/**
 * A process's thread pool cannot grow, and every camera needs threads of it: room is made for the next multiple of this, so that
 * cameras can be added without a restart.
 */
const camerasPerStep = 8;

export function capacityFor(cameras: number): number {
  return camerasPerStep * Math.max(1, Math.ceil(cameras / camerasPerStep));
}

/**
 * The workers that a configuration asks for: one per runtime and group with a camera that is enabled, except that an assignment may
 * spread a group over several containers.
 */
export function desiredWorkers(
  cameras: Readonly<Record<CameraId, CameraConfig>>,
  assignment: Assignment = new Map(),
): readonly WorkerSpec[] {
  const specs = new Map<string, { readonly runtime: Runtime; readonly cameras: Map<CameraId, WorkerCamera> }>();
  const containers = new Map(
    [...assignment].flatMap(([worker, own]) => own.cameras.map((camera) => [camera, worker] as const)),
  );
  for (const [id, { zones: _zones, group, runtime, enabled, ...camera }] of Object.entries(cameras)) {
    if (!enabled) continue;
    const worker = (runtime === 'deepstream' ? containers.get(id) : undefined) ?? `${runtime}-${group}`;
    const spec = specs.get(worker) ?? { runtime, cameras: new Map() };
    spec.cameras.set(id, camera);
    specs.set(worker, spec);
  }
  return [...specs]
    .map(([worker, spec]) => {
      const gpu = assignment.get(worker)?.gpu;
      return { worker, ...spec, ...(gpu === undefined ? {} : { gpu }) };
    })
    .sort((a, b) => (a.worker < b.worker ? -1 : 1));
}

function sameSpec(a: WorkerSpec, b: WorkerSpec): boolean {
  return a.runtime === b.runtime && a.gpu === b.gpu && isDeepStrictEqual(a.cameras, b.cameras);
}

/** When a worker that is down may be tried again; undefined: not by waiting alone. */
function dueMonoMs({ state, held = false }: ActualWorker): number | undefined {
  if (held) return undefined;
  if (state.state === 'waiting') return state.untilMonoMs;
  return state.state === 'failed' ? state.retryMonoMs : undefined;
}

function actionFor(spec: WorkerSpec, actual: ActualWorker | undefined, nowMonoMs: number): Action | undefined {
  if (actual === undefined) return { do: 'start', spec, why: 'new' };
  const { state, retry = false } = actual;
  const same = sameSpec(spec, actual.spec);
  switch (state.state) {
    case 'starting':
    case 'running':
      if (same) return retry && state.state === 'running' ? { do: 'configure', spec, why: 'retry' } : undefined;
      if (spec.runtime !== 'software') {
        return { do: 'drain', worker: spec.worker, reason: 'its cameras changed, and those of a container are fixed' };
      }
      if (spec.cameras.size > actual.capacity) {
        return { do: 'drain', worker: spec.worker, reason: `it was started for ${actual.capacity} cameras at most` };
      }
      return { do: 'configure', spec, why: 'changed' };
    case 'draining':
      return undefined;
    case 'stopped':
      return { do: 'start', spec, why: 'changed' };
    case 'waiting':
    case 'failed': {
      if (!same || retry) return { do: 'start', spec, why: 'changed' };
      const due = dueMonoMs(actual);
      return due !== undefined && due <= nowMonoMs ? { do: 'start', spec, why: 'retry' } : undefined;
    }
  }
}

function actionForUnwanted({ spec: { worker }, state }: ActualWorker): Action | undefined {
  switch (state.state) {
    case 'starting':
    case 'running':
      return { do: 'drain', worker, reason: 'no camera needs it any more' };
    case 'draining':
      return undefined;
    case 'waiting':
    case 'failed':
    case 'stopped':
      return { do: 'forget', worker };
  }
}

/** The next steps only: after each the world is looked at again, so that a step that fails costs nothing but itself. */
export function planWorkers(desired: readonly WorkerSpec[], actual: readonly ActualWorker[], nowMonoMs: number): Plan {
  const byName = new Map(actual.map((worker) => [worker.spec.worker, worker]));
  const wanted = new Set(desired.map(({ worker }) => worker));
  const actions = [
    ...actual.filter(({ spec }) => !wanted.has(spec.worker)).map(actionForUnwanted),
    ...desired.map((spec) => actionFor(spec, byName.get(spec.worker), nowMonoMs)),
  ].filter((action) => action !== undefined);
  const later = actual
    .filter(({ spec }) => wanted.has(spec.worker))
    .map(dueMonoMs)
    .filter((due) => due !== undefined && due > nowMonoMs);
  return later.length === 0 ? { actions } : { actions, nextMonoMs: Math.min(...later.map((due) => due ?? nowMonoMs)) };
}

/** Exit codes of workers that mean more than a crash; those of sysexits.h where it has one. */
export const exitCodes = {
  /** EX_UNAVAILABLE: Triton cannot be reached, is not ready or failed a request. */
  unavailable: 69,
  /** EX_OSERR: no progress, although the process lived. */
  wedged: 71,
  /** EX_TEMPFAIL: it was told other cameras than it was started for. */
  otherCameras: 75,
  /** EX_CONFIG: its settings cannot work. */
  settings: 78,
} as const;

export interface Death {
  readonly reason: string;
  readonly code: ErrorCode;
  readonly exitCode: number | undefined;
}

/** What a worker cannot work with may be mended outside the configuration: files, libraries, devices. */
const settingsPauseMs = 300_000;

/** What has to be there before another start makes sense. A server that hangs is a wedge for those that ask it. */
function needOf(death: Death, inferenceReady: boolean): WorkerNeed | undefined {
  if (death.code === 'inference.unavailable') return 'inference';
  if (death.exitCode === exitCodes.wedged && !inferenceReady) return 'inference';
  return death.code === 'container.engine' ? 'launcher' : undefined;
}

/**
 * What becomes of a worker that died: one that cannot work as it is set up is tried again every five minutes, one that used up
 * its restarts after a long pause, the others after `delayMs`, and not before what they need is there.
 */
export function afterDeath(
  death: Death,
  chances: {
    readonly delayMs: number;
    readonly withinBudget: boolean;
    readonly longPauseMs: number;
    readonly inferenceReady: boolean;
  },
  nowMonoMs: number,
): WorkerState {
  const { reason } = death;
  const settings = death.exitCode === exitCodes.settings;
  if (chances.withinBudget && !settings) {
    const needs = needOf(death, chances.inferenceReady);
    const untilMonoMs = nowMonoMs + (death.exitCode === exitCodes.otherCameras ? 0 : chances.delayMs);
    const waiting = { state: 'waiting', sinceMonoMs: nowMonoMs, untilMonoMs, code: death.code, reason } as const;
    return needs === undefined ? waiting : { ...waiting, needs };
  }
  const code = settings ? 'worker.settings' : death.code;
  const pauseMs = settings ? settingsPauseMs : chances.longPauseMs;
  return { state: 'failed', sinceMonoMs: nowMonoMs, retryMonoMs: nowMonoMs + pauseMs, code, reason };
}
