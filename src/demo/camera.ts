import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { noDebugger } from '../core/node-flags.ts';

/** The film as RTSP cameras: one child process (`media/camera.ts`) that serves them all and never outlives this one. */
export interface DemoCameras extends AsyncDisposable {
  /** By name, in the order asked for. */
  readonly urls: ReadonlyMap<string, string>;
  readonly port: number;
  /** Begins the film. */
  play(): void;
  /** Resolves when the process has ended; the reason when it was not to be expected. */
  readonly ended: Promise<string | undefined>;
}

export interface DemoCamerasOptions {
  readonly film: string;
  readonly names: readonly string[];
  /** 0 takes a free one. */
  readonly port: number;
  /** Absent: for ever, each camera at another place of the film. */
  readonly loops?: number;
}

const program = fileURLToPath(new URL('../media/camera.ts', import.meta.url));
const startWithinMs = 60_000;
const stopWithinMs = 2000;
const keptWords = 2000;

/** Rejects with `demo.failed` when the film cannot be served, and why. */
export async function startDemoCameras(options: DemoCamerasOptions, ctx: Context): Promise<DemoCameras> {
  ctx.signal.throwIfAborted();
  const child = spawn(
    process.execPath,
    [
      noDebugger,
      program,
      options.film,
      ...options.names.flatMap((name) => ['--name', name]),
      ...['--port', String(options.port), '--attached'],
      ...(options.loops === undefined ? ['--stagger'] : ['--rounds', String(options.loops)]),
    ],
    // A group of its own: Ctrl-C at the terminal is for the demo, which ends its parts in order.
    { stdio: ['pipe', 'pipe', 'pipe'], detached: true },
  );
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-keptWords);
  });
  let asked = false;
  const ended = Promise.withResolvers<string | undefined>();
  child.once('error', (error) => ended.resolve(error.message));
  child.once('close', (code, signal) => {
    ended.resolve(asked || code === 0 ? undefined : words.trim().replace(/^camera: /, '') || `it ended with ${signal ?? code}`);
  });
  child.stdin.on('error', () => {}); // gone already: `ended` tells

  async function stop(): Promise<void> {
    asked = true;
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    using limit = ctx.clock.deadline(stopWithinMs);
    limit.signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
    await ended.promise;
  }

  const urls = new Map<string, string>();
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^ready (\S+)$/.exec(line)?.[1];
      const name = url?.slice(url.lastIndexOf('/') + 1);
      if (url !== undefined && name !== undefined) urls.set(name, url);
      if (urls.size === options.names.length) resolve();
    });
  });
  using limit = ctx.clock.deadline(startWithinMs, ctx.signal);
  const overdue = aborted(limit.signal).then(() => 'overdue' as const);
  const outcome = await Promise.race([ready, overdue, ended.promise.then((reason) => ({ reason }))]);
  if (outcome !== undefined) {
    await stop();
    ctx.signal.throwIfAborted();
    const reason = outcome === 'overdue' ? 'it did not start in time' : (outcome.reason ?? 'it ended at once');
    throw new SightlineError('demo.failed', `the demo's camera cannot be started: ${reason}`);
  }
  const [first] = urls.values();
  return {
    urls,
    port: Number(new URL(first ?? 'rtsp://none:0').port),
    play: () => void child.stdin.write('play\n'),
    ended: ended.promise,
    [Symbol.asyncDispose]: stop,
  };
}
