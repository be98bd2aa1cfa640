import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** A worker's process that a test has started: what it says, and how it ends. Disposing kills it. */
export interface WorkerProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Everything on stdout and stderr so far. */
  readonly output: string;
  /** Exit code, or the signal that ended it; by then all that it said is in `output`. */
  readonly exit: Promise<number | string>;
  /** Rejects when it ends: a wait that races with this does not outlive the worker. */
  readonly failed: Promise<never>;
}

/** `env` beside that of the test; SIGHTLINE_TEST_LOG=1 shows what it says. */
export function startWorker(command: string, args: readonly string[], env: Readonly<Record<string, string>>): WorkerProcess {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (process.env['SIGHTLINE_TEST_LOG'] === '1') process.stderr.write(text);
    });
  }
  const exit = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const failed = exit.then((code) => Promise.reject(new Error(`the worker ended with ${code}: ${output}`)));
  failed.catch(() => {});
  return {
    child,
    failed,
    get output() {
      return output;
    },
    exit,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exit;
    },
  };
}
