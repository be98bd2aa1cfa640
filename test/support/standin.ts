import { execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { missingTool } from './data.ts';
import { installedProgram } from './programs.ts';
import { until } from './until.ts';

/** The stand-in of DeepStream (deepstream/standin): its build, and pipelines of its elements run by its test program `drive`. */

const source = resolve(import.meta.dirname, '../../deepstream');

/** Sanitizers that a whole test file runs under, as test/long/deepstream-sanitize.test.ts sets them; empty without. */
export const sanitizer = process.env['SIGHTLINE_SANITIZE'] ?? '';

export const standinBuild = join(source, sanitizer === '' ? 'build' : `build-${sanitizer}`);
export const parserLibrary = parserLibraryOf(standinBuild);
export const trackerLibrary = trackerLibraryOf(standinBuild);

export function parserLibraryOf(build: string): string {
  return join(build, 'parsers/libbridge_infer.so');
}

export function trackerLibraryOf(build: string): string {
  return join(build, 'standin/tracking/libnvds_nvmultiobjecttracker.so');
}

const tools = ['meson', 'ninja', 'g++', 'protoc', 'grpc_cpp_plugin', 'flock'];

/** `false` when it can be built, else the reason to skip. */
export function missingStandin(): string | false {
  const missing = tools.filter((tool) => !installedProgram(tool));
  return missingTool(missing.length === 0, `${missing.join(', ')} to build deepstream/`);
}

/** Neither the jobs of an outer make nor somebody's own elements. */
function withoutOuter(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MAKE|MFLAGS|GST_)/.test(name)));
}

/**
 * What a sanitized program is told: it ends with this code at its end if not before, where one of ours never does. What is not ours is
 * left out by the lists of deepstream/testing, each with its reason.
 */
const sanitizedExit = 99;
function sanitizerEnv(): Readonly<Record<string, string>> {
  const list = (name: string) => `suppressions=${join(source, 'testing', name)}`;
  switch (sanitizer) {
    case 'address':
      return {
        ASAN_OPTIONS: `exitcode=${sanitizedExit}:fast_unwind_on_malloc=0:detect_stack_use_after_return=1`,
        LSAN_OPTIONS: `exitcode=${sanitizedExit}:${list('leaks.supp')}:print_suppressions=0`,
        UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:exitcode=${sanitizedExit}`,
      };
    case 'thread':
      return {
        TSAN_OPTIONS: `exitcode=${sanitizedExit}:${list('races.supp')}:ignore_noninstrumented_modules=1:second_deadlock_stack=1`,
      };
    default:
      return {};
  }
}

/** GStreamer's, of the builds that this process has run programs of. */
const registries = new Set<string>();

export interface StandinEnv {
  readonly build?: string;
  /** The stand-in's control file. */
  readonly control?: string;
}

/** What tells GStreamer where the stand-in is, and that where its control file is. What GStreamer keeps is gone with this process. */
export function standinEnv({ build = standinBuild, control }: StandinEnv = {}): Readonly<Record<string, string>> {
  const registry = join(build, `registry-${process.pid}.bin`);
  if (registries.size === 0)
    process.once('exit', () => {
      for (const path of registries) rmSync(path, { force: true });
    });
  registries.add(registry);
  return {
    GST_PLUGIN_PATH: join(build, 'standin/elements'),
    GST_REGISTRY: registry,
    GST_REGISTRY_FORK: 'no',
    ...(control === undefined ? {} : { SIGHTLINE_STANDIN: control }),
    ...sanitizerEnv(),
  };
}

/** Builds what is out of date, with `tests` also the stand-in's own and `drive`. Test files that do so at once wait for each other. */
export async function buildStandin(options: { readonly tests?: boolean } = {}): Promise<void> {
  await promisify(execFile)(
    'make',
    [
      ...['-C', resolve(source, '..'), 'deepstream-build'],
      ...(options.tests === true ? ['STANDIN_TESTS=true'] : []),
      ...(sanitizer === '' ? [] : [`SANITIZE=${sanitizer}`]),
    ],
    {
      env: withoutOuter(),
      maxBuffer: 64 << 20,
    },
  );
}

/** Runs the tests of the C++; rejects with what they said when one fails. */
export async function testStandin(options: { readonly tests?: boolean } = {}): Promise<void> {
  await buildStandin(options);
  const run = promisify(execFile)('meson', ['test', '-C', standinBuild, '--no-rebuild', '--print-errorlogs'], {
    env: { ...withoutOuter(), ...sanitizerEnv() },
    maxBuffer: 64 << 20,
  });
  const { stdout } = await run.catch((error: { readonly stdout?: string; readonly stderr?: string }) => {
    throw new Error(`tests of deepstream/ failed:\n${(error.stdout ?? '').slice(-10_000)}${(error.stderr ?? '').slice(-2000)}`);
  });
  if (!/^Ok:\s+[1-9]/m.test(stdout)) throw new Error(`no test of deepstream/ ran:\n${stdout.slice(-5000)}`);
}

export type Box = readonly [number, number, number, number];

export interface DrivenObject {
  readonly class: number;
  readonly component: number;
  readonly id: number | null;
  readonly confidence: number;
  readonly label: string;
  readonly text: string | null;
  readonly box: Box;
  readonly detector: Box;
}

export interface DrivenFrame {
  readonly source: number;
  readonly number: number;
  readonly inferred: boolean;
  readonly objects: readonly DrivenObject[];
  readonly tensors: readonly {
    readonly uniqueId: number;
    readonly network: readonly number[];
    readonly layers: readonly { readonly name: string; readonly type: number; readonly dims: readonly number[] }[];
  }[];
}

interface Line {
  readonly started?: boolean;
  readonly entered?: number;
  readonly batch?: readonly DrivenFrame[];
  readonly error?: string;
  readonly warning?: string;
  readonly eos?: true;
}

export interface Driven extends AsyncDisposable {
  /** As long as it has come so far. */
  readonly batches: readonly (readonly DrivenFrame[])[];
  readonly errors: readonly string[];
  /** Batches that have gone into nvinferserver. */
  readonly entered: () => number;
  readonly started: () => boolean | undefined;
  readonly eos: () => boolean;
  /** What it wrote for people. */
  readonly said: () => string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

export interface DriveOptions extends Pick<StandinEnv, 'control'> {
  /** What `drive` is told beside the pipeline. */
  readonly args?: readonly string[];
}

/** Starts a pipeline in which `infer` and `probe` are names of elements, as deepstream/standin/tests/drive.cpp says. */
export function drive(pipeline: string, options: DriveOptions = {}): Driven {
  const child = spawn(join(standinBuild, 'standin/tests/drive'), [pipeline, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...standinEnv(options) },
  });
  const batches: (readonly DrivenFrame[])[] = [];
  const errors: string[] = [];
  let entered = 0;
  let started: boolean | undefined;
  let eos = false;
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-100_000)));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    if (line.batch !== undefined) batches.push(line.batch);
    if (line.error !== undefined) errors.push(line.error);
    if (line.eos !== undefined) eos = true;
    entered = line.entered ?? entered;
    started = line.started ?? started;
  });
  const ended = new Promise<number | string>((done) => child.once('close', (code, signal) => done(code ?? signal ?? 0)));
  return {
    batches,
    errors,
    entered: () => entered,
    started: () => started,
    eos: () => eos,
    said: () => said,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Waits for batches; says what was told instead when the program ends or nothing comes. */
export async function untilBatches(driven: Driven, count: number, timeoutMs = 60_000): Promise<void> {
  await until(`${count} batches; said:\n${driven.said().slice(-3000)}`, () => driven.batches.length >= count, timeoutMs);
}
