import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { quantile } from '../support/quantile.ts';

/** Load on a fixed schedule: what is late because something before it took long counts its waiting. */

export interface Load {
  readonly perSecond: number;
  readonly count: number;
}

export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** CPU time of this process per message, milliseconds; all of its threads. */
  readonly cpuMs: number;
}

/** When message `n` was due, and when it was answered: `performance.now()`. */
export interface Stopwatch {
  begin(n: number, dueMs: number): void;
  end(n: number): void;
  readonly answered: number;
  /** Resolves with the next answer. */
  next(): Promise<void>;
  times(cpuMs: number): Times;
}

export function createStopwatch(): Stopwatch {
  const due = new Map<number, number>();
  const took: number[] = [];
  let waiting: (() => void) | undefined;
  return {
    begin: (n, dueMs) => void due.set(n, dueMs),
    end: (n) => {
      const began = due.get(n);
      if (began === undefined) return;
      due.delete(n);
      took.push(performance.now() - began);
      waiting?.();
    },
    get answered() {
      return took.length;
    },
    next: () =>
      new Promise<void>((resolve) => {
        waiting = resolve;
      }),
    times: (cpuMs) => ({
      count: took.length,
      p50: quantile(took, 0.5),
      p90: quantile(took, 0.9),
      p99: quantile(took, 0.99),
      max: quantile(took, 1),
      cpuMs: cpuMs / took.length,
    }),
  };
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What the threads of this process have waited for a processor that others had, milliseconds; NaN where the system does not say. */
export function waitedMs(): number {
  const tasks = '/proc/self/task';
  if (!existsSync(`${tasks}/${process.pid}/schedstat`)) return Number.NaN;
  const waited = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[1]));
  return waited.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}

/** Calls `send` for every message when it is due, those that are overdue at once; never waits for an answer. */
export async function openLoop({ perSecond, count }: Load, send: (n: number, dueMs: number) => void): Promise<void> {
  const begin = performance.now();
  for (let n = 0; n < count; ) {
    const now = performance.now();
    for (let dueMs = begin + (n * 1000) / perSecond; n < count && dueMs <= now; dueMs = begin + (n * 1000) / perSecond) {
      send(n, dueMs);
      n += 1;
    }
    if (n < count) await wait(1);
  }
}
