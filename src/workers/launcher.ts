import type { Context } from '../core/context.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { WorkerSpec } from './plan.ts';

/** What the supervisor needs of a kind of worker: how to bring one to life, and how to end what an earlier daemon left. */
export interface Launcher {
  /**
   * Rejects when there is nothing to run; whether the worker works is said by its Hello. May adopt a worker that an earlier daemon
   * left running, if it is what would be started and knows the token.
   */
  launch(request: LaunchRequest, ctx: Context): Promise<LaunchedWorker>;
  /** Ends workers that a daemon before this one left running, except those that are `wanted` and that `launch` may adopt. */
  cleanUp(wanted: ReadonlySet<string>, ctx: Context): Promise<void>;
  /** Nobody wants this worker any more; one of its name that comes later is another. Called between its lives. */
  forget?(worker: string): void;
  /** The token of a worker of an earlier daemon that `launch` would adopt; without it a new one is made. Rejects for what `launch` will meet. */
  keptToken?(spec: WorkerSpec): Promise<string | undefined>;
  /** Whether that by which it starts workers answers; asked while a worker waits for it. Never rejects. */
  ready?(): Promise<boolean>;
  /** Where its workers take longer than others. */
  readonly timings?: Partial<LifeTimings>;
}

export interface LifeTimings {
  /** From launch to Hello. */
  readonly startTimeoutMs: number;
  /** From Drain to SIGTERM. */
  readonly drainMs: number;
  /** From SIGTERM to SIGKILL; the least that one has to exit which has drained. */
  readonly termMs: number;
  /** A worker whose connection ended is given this long to exit and say why. */
  readonly closedGraceMs: number;
  /** One whose end is not seen so long after SIGKILL is given up. */
  readonly killMs: number;
}

export interface LaunchRequest {
  readonly spec: WorkerSpec;
  /** Secret by which the worker introduces itself; never in an argument or a log. */
  readonly token: string;
  /** Number of cameras to make room for. */
  readonly capacity: number;
  /** Fires when the worker is not wanted any more before it has begun. */
  readonly signal: AbortSignal;
  /** Resolves when it has introduced itself; what follows from that at once is done before its Welcome. */
  readonly introduced: Promise<void>;
  /** Resolves when it has said that nothing more comes of it, asked to or not. */
  readonly drained: Promise<void>;
  /** Resolves when its connection has ended, with why in words. */
  readonly disconnected: Promise<string>;
  /** What the launch is at, where it takes its time. */
  onProgress(words: string): void;
}

export interface WorkerExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The last thing that it called an error. */
  readonly lastWords?: string;
  /** Where more is known than code and signal say. */
  readonly cause?: { readonly code: ErrorCode; readonly reason: string };
}

/** Where the cause is all that is known. */
export function exitFor(code: ErrorCode, reason: string): WorkerExit {
  return { code: undefined, signal: undefined, cause: { code, reason } };
}

export interface LaunchedWorker {
  readonly pid: number;
  /** Resolves when the worker and everything it started are gone. */
  readonly exited: Promise<WorkerExit>;
  /** To the worker and everything it started; nothing happens when it is gone. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  /** Resident memory, where the system tells. */
  rssBytes(): Promise<number | undefined>;
}
