import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const program = resolve(import.meta.dirname, '../../src/main.ts');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the real program to its end. */
export async function sightline(...args: readonly string[]): Promise<Finished> {
  const running = startSightline(...args);
  return await running.finished;
}

export interface RunningSightline extends AsyncDisposable {
  readonly pid: number;
  /** What it has said so far. */
  readonly stderr: string;
  readonly stdout: string;
  readonly finished: Promise<Finished>;
  signal(name: NodeJS.Signals): void;
}

/** Starts a command of the real program; disposal asks it to stop and waits. */
export function startSightline(...args: readonly string[]): RunningSightline {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (process.env['SIGHTLINE_TEST_LOG'] === '1') process.stderr.write(text);
  });
  const finished = new Promise<Finished>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
  return {
    pid: child.pid ?? 0,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    finished,
    signal: (name) => void child.kill(name),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await finished;
    },
  };
}
