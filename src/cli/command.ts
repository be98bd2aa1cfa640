import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { Clock } from '../core/clock.ts';
import type { Control } from '../core/control.ts';
import type { DemoService } from '../core/demo.ts';
import type { Examine } from '../core/doctor.ts';
import { SightlineError } from '../core/errors.ts';
import type { ModelShelf } from '../core/model-shelf.ts';
import type { ProbeProgress, ProbeReport, ProbeRequest } from '../core/probe.ts';
import type { TritonBenchProgress, TritonBenchReport, TritonBenchRequest } from '../core/triton-bench.ts';
import type { TritonTools } from '../core/triton-tools.ts';

/** What a command is, and all it may touch of the process that runs it. */

export interface CommandIo {
  /** One line of result on stdout. */
  out(line: string): void;
  /** One line for people on stderr. */
  say(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's name, for the audit trail. */
  readonly user: string;
  /** IANA name: times are read and shown in it. */
  readonly timeZone: string;
  readonly clock: Clock;
  /** First SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** A new password: typed twice and not shown, or the first line of stdin where that is no terminal. Rejects with `cli.usage` when there is none. */
  newSecret(prompt: string): Promise<string>;
  /** Absent when stdout is no terminal. */
  readonly terminal?: Terminal;
  /** Shows on stderr what is going on, in the place of what it showed before; empty takes it away. Absent when stderr is no terminal. */
  readonly progress?: (text: string) => void;
}

/** A person at both ends. */
export interface Terminal {
  readonly colours: boolean;
  columns(): number;
  /** One line that may hold escape sequences; what comes from elsewhere must be `printable`. */
  write(line: string): void;
  /** Lines that are typed, until the signal fires; absent when stdin is no terminal. */
  readonly lines?: (signal: AbortSignal) => AsyncIterable<string>;
}

export interface CheckSummary {
  /** Lines `file:line:column path: message`. */
  readonly warnings: readonly string[];
  readonly cameras: number;
  readonly lists: number;
  readonly rules: number;
}

export interface RenderedContainer {
  readonly worker: string;
  readonly cameras: readonly string[];
  /** Texts by name. */
  readonly files: ReadonlyMap<string, string>;
}

/** What `composition/services.ts` puts behind the commands; each loads what it needs when it is called. */
export interface CommandServices {
  readonly version: string;
  /** Rejects with `config.invalid`. */
  check(file: string): Promise<CheckSummary>;
  /** Of each DeepStream container that the daemon would start. Rejects with `config.invalid` or `model.invalid`. */
  renderContainers(file: string): Promise<readonly RenderedContainer[]>;
  /** Runs until the signal fires; with `once`, until every camera has come to its end or has failed. Gives those that have failed by then. */
  runDaemon(
    file: string,
    options: { readonly once: boolean },
  ): Promise<readonly { readonly camera: string; readonly reason: string }[]>;
  /** Data directory that a configuration file names. Rejects with `config.invalid`. */
  dataDirOf(file: string): Promise<string>;
  /** The socket of a running daemon. */
  connect(dataDir: string): Promise<Control>;
  /** The store itself, under the daemon's lock, for when no daemon runs. Rejects with `config.invalid`, `daemon.running`. */
  openStore(file: string): Promise<Control & AsyncDisposable>;
  demo(): Promise<DemoService>;
  doctor(): Promise<Examine>;
  /** Watches a camera once. Rejects with `source.*` when there is no video, with `model.*`, `config.invalid` or `cli.usage` for what was asked. */
  probe(request: ProbeRequest, onProgress: (progress: ProbeProgress) => void): Promise<ProbeReport>;
  /**
   * Puts load on a Triton server until all is measured or the process is told to stop; gives what was measured by then. Rejects with
   * `inference.*` when the server does not answer, with `model.*`, `config.invalid` or `cli.usage` for what was asked.
   */
  benchTriton(request: TritonBenchRequest, onProgress: (progress: TritonBenchProgress) => void): Promise<TritonBenchReport>;
  /** Weights of a repository: the one named, else the one of the configuration file, else the program's own. Rejects with `config.invalid`. */
  models(where: { readonly repository?: string; readonly config?: string }): Promise<ModelShelf & Disposable>;
  /** For Triton servers. The repository named, else that of the configuration file, else the program's own. Rejects with `config.invalid`. */
  triton(where: { readonly repository?: string; readonly config?: string }): Promise<TritonTools>;
}

export interface Command {
  readonly help: string;
  /** Returns the exit code; what goes wrong is thrown. */
  run(args: readonly string[], io: CommandIo, services: CommandServices): Promise<number>;
}

export function usage(message: string): SightlineError {
  return new SightlineError('cli.usage', message);
}

/** `parseArgs`, its complaints as `cli.usage`. */
export function parse<const T extends ParseArgsOptionsConfig>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error)) throw error;
    const [message = ''] = error.message.split('. ');
    throw usage(message.charAt(0).toLowerCase() + message.slice(1));
  }
}

export function onlyPositional(positionals: readonly string[], what: string): string {
  const [first, second] = positionals;
  if (first === undefined) throw usage(`${what} is missing`);
  if (second !== undefined) throw usage(`one ${what} is expected, not also ${second}`);
  return first;
}

export function noPositionals(positionals: readonly string[]): void {
  if (positionals[0] !== undefined) throw usage(`unexpected ${positionals[0]}`);
}

export function numberOption(
  text: string | undefined,
  name: string,
  range: { min: number; max: number; whole?: boolean },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= range.min && value <= range.max) || (range.whole === true && !Number.isInteger(value)))
    throw usage(
      `--${name} ${text} is not ${range.whole === true ? 'a whole number' : 'a number'} from ${range.min} to ${range.max}`,
    );
  return value;
}

/** Object without the keys whose value is undefined, as exact optional types ask for. */
export function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as never;
}
