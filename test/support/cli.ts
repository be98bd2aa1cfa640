import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { CommandIo, CommandServices } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { createControlClient } from '../../src/cli/control-client.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { ControlHandlers } from '../../src/core/control.ts';
import { SightlineError } from '../../src/core/errors.ts';
import { startControlServer } from '../../src/http/control.ts';
import { testContext } from './context.ts';
import { temporaryDirectory } from './directory.ts';

export const mainFile = resolve(import.meta.dirname, '../../src/main.ts');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Disposing asks it to stop and waits. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly finished: Promise<Finished>;
  kill(signal: NodeJS.Signals): void;
}

/** The real program; SIGHTLINE_TEST_LOG=1 shows what it says. */
export function startProgram(
  args: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Running {
  const child = spawn(process.execPath, [mainFile, ...args], {
    cwd: options.cwd,
    env: { ...process.env, TZ: 'UTC', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    if (process.env['SIGHTLINE_TEST_LOG'] === '1') process.stderr.write(text);
  });
  const finished = new Promise<Finished>((done, reject) => {
    child.on('error', reject);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    finished,
    kill: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await finished;
    },
  };
}

export function runProgram(args: readonly string[], options: Parameters<typeof startProgram>[1] = {}): Promise<Finished> {
  return startProgram(args, options).finished;
}

/** A control socket with some handlers, and commands that find their daemon there. */
export async function scriptedDaemon(some: Partial<ControlHandlers>) {
  const directory = await temporaryDirectory();
  const ctx = testContext();
  const socketPath = join(directory.path, 'control.sock');
  const missing = () => {
    throw new SightlineError('control.failed', 'not part of this test');
  };
  const handlers = new Proxy(some as ControlHandlers, { get: (target, name) => Reflect.get(target, name) ?? missing });
  const server = await startControlServer({ socketPath, handlers }, ctx);
  return {
    path: directory.path,
    run: (...args: string[]) => runCommand(args, { connect: async () => createControlClient(socketPath) }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

export interface CommandResult {
  readonly code: number | undefined;
  readonly error: unknown;
  readonly out: readonly string[];
  readonly said: readonly string[];
}

/** A command in this process, with what `program.ts` gives it. */
export async function runCommand(
  [name = '', ...args]: readonly string[],
  some: Partial<CommandServices>,
  io: Partial<CommandIo> = {},
): Promise<CommandResult> {
  const out: string[] = [];
  const said: string[] = [];
  const unexpected = () => Promise.reject(new Error('not part of this test'));
  const services: CommandServices = {
    version: '0.0.0',
    check: unexpected,
    renderContainers: unexpected,
    runDaemon: unexpected,
    dataDirOf: async () => '/nowhere',
    connect: unexpected,
    openStore: unexpected,
    models: unexpected,
    demo: unexpected,
    doctor: unexpected,
    probe: unexpected,
    triton: unexpected,
    benchTriton: unexpected,
    ...some,
  };
  const entry = commands[name];
  if (entry === undefined) throw new Error(`no command ${name}`);
  const command = await entry.load();
  try {
    const code = await command.run(
      args,
      {
        out: (line) => out.push(line),
        say: (line) => said.push(line),
        env: {},
        user: 'operator',
        timeZone: 'UTC',
        clock: systemClock,
        signal: new AbortController().signal,
        newSecret: unexpected,
        ...io,
      },
      services,
    );
    return { code, error: undefined, out, said };
  } catch (error) {
    return { code: undefined, error, out, said };
  }
}
