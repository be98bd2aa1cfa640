import type { Context } from '../core/context.ts';

/** What the supervisor needs of a kind of worker: how to bring one to life, and how to end what an earlier daemon left. */
export interface Launcher {
  /** Rejects when there is nothing to run; whether the worker works is said by its Hello. */
  launch(request: LaunchRequest, ctx: Context): Promise<LaunchedWorker>;
  /** Ends workers that a daemon before this one left running. */
  cleanUp(ctx: Context): Promise<void>;
}

export interface LaunchRequest {
  readonly worker: string;
  /** Secret by which the worker introduces itself; never in an argument, a file or a log. */
  readonly token: string;
  /** Number of cameras to make room for. */
  readonly capacity: number;
}

export interface WorkerExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
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
