import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Load } from './load.ts';

/** The programs of the bridge's benches, each in a process of its own. */

interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What daemon.ts tells of the frames between its two messages. */
export interface Measured {
  readonly frames: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** From the write on the socket, and from the arrival at the worker, until the rules have seen the frame. */
  readonly sentMs: Spread;
  readonly receivedMs: Spread;
  readonly delayMs: Spread;
  readonly taken: number;
  readonly dropped: number;
  readonly tracks: number;
  readonly alerts: number;
  readonly episodes: number;
  readonly rssMb: number;
}

export async function message<T>(child: ChildProcess): Promise<T> {
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the bench ended with ${code}`);
  });
  const [said] = await Promise.race([once(child, 'message'), gone]);
  return said as T;
}

export function startSide(name: 'daemon.ts' | 'worker.ts', load: Load, execArgv: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, name), [JSON.stringify(load)], { execArgv: [...execArgv] });
}

/** For `execArgv`: a CPU profile into this folder. */
export function profiling(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

export async function over(...children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
}
