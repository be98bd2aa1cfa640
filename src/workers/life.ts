import { randomBytes } from 'node:crypto';
import { aborted } from '../core/aborted.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import type { CameraId } from '../core/types.ts';
import type { LaunchedWorker, Launcher, LifeTimings, WorkerExit } from './launcher.ts';
import { type Death, exitCodes, type WorkerCamera, type WorkerSpec } from './plan.ts';

/** One life of a worker process, from launch to death. */

/** The bridge, as far as workers' lives need it; the daemon adapts. */
export interface WorkerLink {
  /** Lets a worker introduce itself by this name and token until the attachment is disposed. */
  register(worker: string, token: string, events: WorkerLinkEvents): WorkerAttachment;
}

export interface WorkerLinkEvents {
  /** The worker has introduced itself. */
  hello(): void;
  /** Its connection ended: by itself, or because it broke the protocol or left three pings unanswered; `reason` in words. Without a hello before: it speaks another protocol. */
  closed(reason: string): void;
  /** It has finished what it had, and exits by itself. */
  drained(): void;
}

export interface WorkerAttachment extends Disposable {
  /** Tells the worker its cameras, all of them; the first time after Hello as its Welcome. */
  configure(cameras: ReadonlyMap<CameraId, WorkerCamera>): void;
  /** Asks the worker to finish; false when it is not connected. */
  drain(): boolean;
}

export interface LifeOptions {
  readonly spec: WorkerSpec;
  readonly capacity: number;
  readonly launcher: Launcher;
  readonly link: WorkerLink;
  readonly timings: LifeTimings;
  /** Fires when the worker has to end. */
  readonly stop: AbortSignal;
  onAttached(attachment: WorkerAttachment): void;
  /** What its launch is at, where that takes its time. */
  onProgress?(words: string): void;
  /** The worker has introduced itself; what it is told now is its Welcome. */
  onHello(process: LaunchedWorker): void;
}

export type LifeEnd = { readonly how: 'stopped' } | { readonly how: 'died'; readonly death: Death };

/** From SIGKILL, or from being told to stop during it: Drain and SIGTERM may have had their time, and the daemon must not stop later. */
const stopKillMs = 1000;

/** The exit if it comes within `ms`, and before `givenUp`. */
async function exitWithin(
  process: LaunchedWorker,
  ms: number,
  clock: Clock,
  givenUp?: AbortSignal,
): Promise<WorkerExit | undefined> {
  using limit = clock.deadline(ms, givenUp);
  return await Promise.race([process.exited, aborted(limit.signal).then(() => undefined)]);
}

/** What an exit code says besides that the worker ended. */
const meanings: ReadonlyMap<number, string> = new Map([
  [0, 'it was told to end, and not by this daemon'],
  [exitCodes.unavailable, 'Triton cannot be used'],
  [exitCodes.wedged, 'it got no further'],
  [exitCodes.otherCameras, 'it was told other cameras than it was started for'],
  [exitCodes.settings, 'its settings cannot work'],
]);

function exitWords({ code, signal, lastWords, cause }: WorkerExit): string {
  if (cause !== undefined) return cause.reason;
  if (signal !== undefined) return `it was ended by ${signal}`;
  const meaning = code === undefined ? undefined : meanings.get(code);
  const words = meaning === undefined ? `it ended with exit code ${code}` : `exit code ${code}: ${meaning}`;
  return lastWords === undefined ? words : `${words}: ${lastWords}`;
}

function died(reason: string, code: Death['code'], exitCode?: number): LifeEnd {
  return { how: 'died', death: { reason, code, exitCode } };
}

function diedOf(exit: WorkerExit): LifeEnd {
  const code = exit.code === exitCodes.unavailable ? 'inference.unavailable' : 'worker.crashed';
  return died(exitWords(exit), exit.cause?.code ?? code, exit.code);
}

/** Runs a worker until it is gone. Never rejects for what a worker does. */
export async function liveWorker(options: LifeOptions, ctx: Context): Promise<LifeEnd> {
  const { spec, launcher, timings, stop } = options;
  const { worker } = spec;
  const { clock, log } = ctx;
  const kept = await launcher.keptToken?.(spec).catch((error: unknown) => {
    // The launch will meet the same and say so.
    log.debug({ worker, reason: errorText(error) }, 'no worker of an earlier run can be looked for');
    return undefined;
  });
  const token = kept ?? randomBytes(32).toString('base64url');
  const hello = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<string>();
  const drained = Promise.withResolvers<void>();
  const stopped = aborted(stop);
  using attachment = options.link.register(worker, token, {
    hello: hello.resolve,
    closed: closed.resolve,
    drained: drained.resolve,
  });
  options.onAttached(attachment);

  async function kill(process: LaunchedWorker): Promise<WorkerExit | undefined> {
    const sinceMs = clock.mono();
    process.signal('SIGKILL');
    const seen = await exitWithin(process, timings.killMs, clock, stop);
    const exit = stop.aborted ? (seen ?? (await exitWithin(process, Math.min(timings.killMs, stopKillMs), clock))) : seen;
    // It may hang in the kernel, or be gone and the engine be slow to say so.
    if (exit === undefined) {
      const withinMs = Math.round(clock.mono() - sinceMs);
      log.warn({ worker, pid: process.pid, withinMs }, 'worker was killed, its end is not seen yet and not waited for');
    }
    return exit;
  }

  /** Ask, tell, force. */
  async function end(process: LaunchedWorker): Promise<void> {
    if (attachment.drain()) {
      const untilMs = clock.mono() + timings.drainMs;
      using limit = clock.deadline(timings.drainMs);
      await Promise.race([process.exited, drained.promise, closed.promise, aborted(limit.signal)]);
      // One that has said its last word has what is left to exit, and its engine to take it down; for the others the time is over.
      const leftMs = Math.max(timings.termMs, untilMs - clock.mono());
      if (!limit.signal.aborted && (await exitWithin(process, leftMs, clock)) !== undefined) return;
    }
    process.signal('SIGTERM');
    if ((await exitWithin(process, timings.termMs, clock)) !== undefined) return;
    log.warn({ worker, pid: process.pid }, 'worker has not stopped in time and is killed');
    await kill(process);
  }

  /** `refused`: it came, and cannot be taken. */
  async function introduction(process: LaunchedWorker): Promise<'hello' | 'exited' | 'stop' | 'refused' | 'late'> {
    using limit = clock.deadline(timings.startTimeoutMs);
    return await Promise.race([
      process.exited.then(() => 'exited' as const),
      stopped.then(() => 'stop' as const),
      hello.promise.then(() => 'hello' as const),
      closed.promise.then(() => 'refused' as const),
      aborted(limit.signal).then(() => 'late' as const),
    ]);
  }

  let process: LaunchedWorker;
  try {
    const onProgress = (words: string) => options.onProgress?.(words);
    process = await launcher.launch(
      {
        spec,
        token,
        capacity: options.capacity,
        signal: stop,
        introduced: hello.promise,
        drained: drained.promise,
        disconnected: closed.promise,
        onProgress,
      },
      ctx,
    );
  } catch (error) {
    return died(errorText(error), isSightlineError(error) ? error.code : 'worker.crashed');
  }
  const begun = await introduction(process);
  if (begun === 'late') {
    const killed = await kill(process);
    if (killed?.cause !== undefined) return diedOf(killed);
    return died(`it did not introduce itself within ${timings.startTimeoutMs / 1000} s`, 'worker.start_timeout');
  }
  if (begun === 'hello') {
    try {
      options.onHello(process);
    } catch (error) {
      log.error({ worker, err: error }, 'worker cannot be told its cameras');
      await kill(process);
      return died(`it cannot be told its cameras: ${errorText(error)}`, 'worker.protocol');
    }
  }

  const ended = await Promise.race([
    process.exited.then((exit) => ({ how: 'exited', exit }) as const),
    stopped.then(() => ({ how: 'stop' }) as const),
    closed.promise.then((reason) => ({ how: 'closed', reason }) as const),
  ]);
  switch (ended.how) {
    case 'stop':
      await end(process);
      return { how: 'stopped' };
    case 'exited':
      return diedOf(ended.exit);
    case 'closed': {
      // A crash closes the connection first; its exit says more.
      const exit = await exitWithin(process, timings.closedGraceMs, clock);
      if (exit !== undefined) return diedOf(exit);
      const killed = await kill(process);
      return killed?.cause === undefined ? died(ended.reason, 'worker.protocol') : diedOf(killed);
    }
  }
}
