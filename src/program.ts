import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { CommandIo, CommandServices, Terminal } from './cli/command.ts';
import { commands, overview } from './cli/commands.ts';
import { printable } from './cli/printable.ts';
import { systemClock } from './core/clock.ts';
import { errorText, isAbort, isSightlineError, isSystemError, noDescriptors } from './core/errors.ts';
import { createLogStream, flushed } from './core/log-stream.ts';
import { nearest } from './core/nearest.ts';
import { redact } from './core/redact.ts';

/**
 * The program: arguments, environment, signals and exit codes. The only file that knows `process`, with `main.ts` which loads it;
 * everything it needs for a command is loaded when that command is asked for.
 */

const exitFailed = 1;
const exitUsage = 2;
/** EX_CONFIG of sysexits.h. */
const exitConfig = 78;
/** Whoever reads our output has this long to take the rest of it before we end. */
const flushWithinMs = 2000;

function version(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return file !== null && typeof file === 'object' && 'version' in file ? String(file.version) : 'unknown';
}

/** Containers run under users that have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof Error) return `uid ${process.getuid?.() ?? 'unknown'}`;
    throw error;
  }
}

function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** What went wrong, for people: every issue of a configuration on its line, everything else in one. */
function report(error: unknown, command: string): number {
  if (isSightlineError(error, 'config.invalid')) {
    const { issues } = error.details;
    for (const issue of Array.isArray(issues) ? issues : [error.message]) say(redact(String(issue)));
    return exitConfig;
  }
  const text = errorText(error);
  // Whatever was about to be opened: the module loader and the threads say it in words alone.
  if (/\b(EMFILE|ENFILE)\b|too many open files/i.test(text)) {
    say(`sightline ${command}: ${noDescriptors}: ${redact(text)}`);
    return exitFailed;
  }
  if (isSightlineError(error)) {
    say(`sightline ${command}: ${redact(text)}`);
    if (error.code === 'cli.usage') say(`see: sightline ${command} --help`);
    else if (error.code === 'control.unavailable' && !('limit' in error.details || 'folder' in error.details))
      say('is it running? sightline run FILE; another one is named with --config FILE or --data DIR');
    return error.code === 'cli.usage' ? exitUsage : exitFailed;
  }
  if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
    say(`sightline ${command}: a part of what set-up installs is missing: ${error.message}`);
    say('set it up: make setup; where that says that all is there: make clean && make setup');
    return exitFailed;
  }
  if (error instanceof Error && 'code' in error && 'path' in error) {
    say(`sightline ${command}: ${redact(error.message)}`);
    return exitFailed;
  }
  say(`sightline ${command} failed: ${redact(error instanceof Error ? (error.stack ?? error.message) : String(error))}`);
  return exitFailed;
}

/** Whoever read the results has gone, as in `sightline alerts list | head`, or the terminal was closed. */
function isReaderGone(error: Error): boolean {
  return isSystemError(error, 'EPIPE') || isSystemError(error, 'EIO');
}

/** The first error of stdout; the stream itself forgets it with its event. */
let outputError: Error | undefined;

/** Ends the process, whatever keeps it, when its output has been taken; results that were lost, on a full disk, are a failure. */
async function leave(code: number): Promise<never> {
  await flushed(process.stdout, flushWithinMs, systemClock);
  const lost = outputError ?? process.stdout.errored ?? undefined;
  const isLost = lost !== undefined && !isReaderGone(lost);
  if (isLost) say(`sightline: not all of the output could be written: ${lost.message}`);
  await flushed(process.stderr, flushWithinMs, systemClock);
  process.exit(isLost && code === 0 ? exitFailed : code);
}

interface Signals {
  readonly stop: AbortSignal;
  onHangup(callback: () => void): Disposable;
}

/** The first SIGINT or SIGTERM asks, the second ends at once. What nobody caught is reported like everything else, without secrets. */
function listenToProcess(command: string): Signals {
  const stop = new AbortController();
  process.on('uncaughtException', (error) => {
    void leave(report(error, command));
  });
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(128 + number);
      stop.abort(new DOMException(`received ${name}`, 'AbortError'));
    });
  }
  // Results that nobody gets are not worked for; `leave` says what kept them from being written.
  process.stdout.on('error', (error) => {
    outputError ??= error;
    stop.abort(new DOMException('nobody gets the results', 'AbortError'));
  });
  process.stderr.on('error', (error) => {
    if (!isReaderGone(error)) throw error;
  });
  return {
    stop: stop.signal,
    onHangup: (callback) => {
      process.on('SIGHUP', callback);
      return { [Symbol.dispose]: () => void process.off('SIGHUP', callback) };
    },
  };
}

async function services(signals: Signals): Promise<CommandServices> {
  const { createServices } = await import('./composition/services.ts');
  const logTo = process.stderr.isTTY
    ? (await import('pino-pretty')).default({ destination: 2, sync: true })
    : createLogStream(process.stderr, 2);
  return createServices({
    version: version(),
    env: process.env,
    user: userName(),
    uid: process.getuid?.(),
    clock: systemClock,
    stop: signals.stop,
    onHangup: signals.onHangup,
    logTo,
  });
}

/** A person at stdout; colours unless NO_COLOR (no-color.org) or a terminal without them says otherwise. */
function terminal(): Terminal | undefined {
  if (!process.stdout.isTTY) return undefined;
  const { NO_COLOR, TERM } = process.env;
  return {
    colours: (NO_COLOR ?? '') === '' && TERM !== 'dumb',
    columns: () => process.stdout.columns || 80,
    write: (line) => void process.stdout.write(`${line}\n`),
    ...(process.stdin.isTTY ? { lines: typedLines } : {}),
  };
}

async function* typedLines(signal: AbortSignal): AsyncGenerator<string> {
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin });
  const close = () => lines.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (!signal.aborted) yield* lines;
  } finally {
    signal.removeEventListener('abort', close);
    lines.close();
  }
}

/** Arguments are for everybody on this machine to read: a password in a URL among them is taken out of the list of processes. */
function hidePasswords(args: readonly string[]): void {
  const shown = args.map(redact);
  if (shown.some((arg, index) => arg !== args[index])) process.title = ['sightline', ...shown].join(' ');
}

/** What native libraries read from the environment when they are loaded. */
async function settleNativeCode(): Promise<void> {
  const [{ nativeSettings }, { readTextIfThere }] = await Promise.all([
    import('./core/native-settings.ts'),
    import('./core/read-text.ts'),
  ]);
  Object.assign(process.env, nativeSettings(process.env, await readTextIfThere('/proc/cpuinfo', ['ENOENT', 'EACCES'])));
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${overview()}\n`);
    return name === undefined ? exitUsage : 0;
  }
  if (name === '--version' || name === 'version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    const near = nearest(name, Object.keys(commands));
    say(`sightline has no command ${name}; ${near === undefined ? 'see: sightline --help' : `did you mean ${near}?`}`);
    return exitUsage;
  }
  let command: Awaited<ReturnType<typeof entry.load>>;
  try {
    command = await entry.load();
  } catch (error) {
    return report(error, name);
  }
  const end = rest.indexOf('--');
  const options = end < 0 ? rest : rest.slice(0, end);
  if (options.includes('--help') || options.includes('-h')) {
    process.stdout.write(`${command.help}\n`);
    return 0;
  }
  await settleNativeCode();
  const signals = listenToProcess(name);
  const person = terminal();
  const io: CommandIo = {
    out: (line) => void process.stdout.write(`${printable(line)}\n`),
    say,
    env: process.env,
    user: userName(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    clock: systemClock,
    signal: signals.stop,
    newSecret: async (prompt) => {
      const { readNewSecret } = await import('./cli/secret-input.ts');
      return readNewSecret(process.stdin, (text) => void process.stderr.write(text), prompt, signals.stop);
    },
    ...(person === undefined ? {} : { terminal: person }),
    // Back to the begin of the line, and clear it.
    ...(process.stderr.isTTY ? { progress: (text) => void process.stderr.write(`\r\x1b[K${printable(text)}`) } : {}),
  };
  try {
    return await command.run(rest, io, await services(signals));
  } catch (error) {
    if (signals.stop.aborted && isAbort(error)) return exitFailed;
    return report(error, name);
  }
}

hidePasswords(process.argv.slice(2));
process.exitCode = await main(process.argv.slice(2));
// Every command has stopped all it started; what a library, or a failed start, forgot must not keep the process.
await leave(process.exitCode);
