import type { ErrorCode } from '../core/errors.ts';

/** `launcher`: that by which the worker is started, as the Docker engine. */
export type WorkerNeed = 'inference' | 'launcher';

/**
 * The life of a worker as one tagged union; times are CLOCK_MONOTONIC milliseconds.
 *
 * - `starting`: launched, not yet introduced on the bridge
 * - `running`: introduced and configured
 * - `draining`: told to finish; SIGTERM and SIGKILL follow if it does not
 * - `waiting`: died; started again at `untilMonoMs`, or as soon after that as what it needs is there
 * - `failed`: died too often, or cannot work as it is set up; tried again at `retryMonoMs`, or when it is asked for if absent
 * - `stopped`: ended as told
 */
export type WorkerState =
  | { readonly state: 'starting'; readonly sinceMonoMs: number }
  | { readonly state: 'running'; readonly sinceMonoMs: number; readonly pid: number }
  | { readonly state: 'draining'; readonly sinceMonoMs: number; readonly reason: string }
  | {
      readonly state: 'waiting';
      readonly sinceMonoMs: number;
      readonly untilMonoMs: number;
      readonly code: ErrorCode;
      readonly reason: string;
      readonly needs?: WorkerNeed;
    }
  | {
      readonly state: 'failed';
      readonly sinceMonoMs: number;
      readonly retryMonoMs?: number;
      readonly code: ErrorCode;
      readonly reason: string;
    }
  | { readonly state: 'stopped'; readonly sinceMonoMs: number; readonly reason: string };

export type WorkerStateName = WorkerState['state'];

export const workerStateNames = ['starting', 'running', 'draining', 'waiting', 'failed', 'stopped'] as const;

const successors: Readonly<Record<WorkerStateName, readonly WorkerStateName[]>> = {
  starting: ['running', 'draining', 'waiting', 'failed'],
  running: ['draining', 'waiting', 'failed'],
  draining: ['stopped'],
  waiting: ['starting', 'stopped'],
  failed: ['starting', 'stopped'],
  stopped: ['starting'],
};

/** Whether a worker may go from one state to another; each begins with `starting`. */
export function mayFollow(from: WorkerState, to: WorkerState): boolean {
  return successors[from.state].includes(to.state);
}

export const needWords: Readonly<Record<WorkerNeed, string>> = { inference: 'Triton', launcher: 'the Docker engine' };

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 100) / 10)} s`;
}

/** A state in words, for logs, health and people. */
export function describeState(state: WorkerState, nowMonoMs: number): string {
  switch (state.state) {
    case 'starting':
      return `starting for ${seconds(nowMonoMs - state.sinceMonoMs)}`;
    case 'running':
      return `running for ${seconds(nowMonoMs - state.sinceMonoMs)} as process ${state.pid}`;
    case 'draining':
      return `stopping: ${state.reason}`;
    case 'waiting':
      if (state.needs !== undefined) return `waiting for ${needWords[state.needs]}: ${state.reason}`;
      return `waiting ${seconds(state.untilMonoMs - nowMonoMs)} before the next start: ${state.reason}`;
    case 'failed':
      return state.retryMonoMs === undefined
        ? `failed until its settings change: ${state.reason}`
        : `failed, tried again in ${seconds(state.retryMonoMs - nowMonoMs)}: ${state.reason}`;
    case 'stopped':
      return `stopped: ${state.reason}`;
  }
}
