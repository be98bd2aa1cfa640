import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Report } from './test-reporter.ts';

/**
 * Runs test files, each in a process of its own, several at a time; --help says how to call it.
 *
 * Tests of the whole program wait more than they work (films last as long as they last), the others work more than they wait: half of the
 * lanes begin with these and half with those, so that neither processors nor lanes stand idle.
 *
 * Why not `node --test`: its parent does not end a file whose test hangs, and does not say which one it was; `--test-force-exit`
 * would hide handles that a test leaves open. Here a test that takes too long fails under its own name, a file whose process does
 * not end by itself after its last test fails and says what was still open, and so does one that leaves a child process behind.
 * Skipped tests are counted by reason; under SIGHTLINE_REQUIRE_DATA=1 they are failures.
 */

interface Limits {
  /** One test. */
  readonly testMs: number;
  /** One file. */
  readonly fileMs: number;
  /** Silence after the last test until the process counts as kept alive by something. */
  readonly quietMs: number;
  /** What it prints is shown as it comes, not only when it fails: a run of minutes says how far it is. */
  readonly shown?: boolean;
}

const limitsOf: Readonly<Record<string, Limits>> = {
  unit: { testMs: 30_000, fileMs: 120_000, quietMs: 20_000 },
  integration: { testMs: 240_000, fileMs: 600_000, quietMs: 20_000 },
  e2e: { testMs: 420_000, fileMs: 900_000, quietMs: 20_000 },
  long: { testMs: 1_800_000, fileMs: 3_600_000, quietMs: 60_000, shown: true },
};
const suites = Object.keys(limitsOf);

const help = `Runs test files, each in a process of its own.

Usage: node tools/test.ts [${suites.join('|')}|FILE]... [options]

Without arguments: unit, integration and e2e.

      --concurrency N  files at a time (default 3)
      --verbose        names the tests that passed, too
      --test-ms N      limit of one test, instead of that of its suite
      --file-ms N      limit of one file
      --quiet-ms N     silence after the last test until the process counts as kept alive by something
  -h, --help           this text

SIGHTLINE_REQUIRE_DATA=1: a skipped test is a failure.`;

const { values: options, positionals } = read(process.argv.slice(2));
const root = join(import.meta.dirname, '..');
const reporter = join(import.meta.dirname, 'test-reporter.ts');
const strict = process.env['SIGHTLINE_REQUIRE_DATA'] === '1';
const marker = 'SIGHTLINE_TEST_FILE';
const killGraceMs = 5000;

function read(args: readonly string[]) {
  try {
    const found = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        concurrency: { type: 'string', default: '3' },
        verbose: { type: 'boolean', default: false },
        'test-ms': { type: 'string' },
        'file-ms': { type: 'string' },
        'quiet-ms': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (!found.values.help) return found;
    console.log(help);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${help}`);
    process.exit(2);
  }
}

function filesOf(what: string): string[] {
  if (!suites.includes(what)) {
    if (statSync(what, { throwIfNoEntry: false })?.isFile()) return [resolve(what)];
    throw new Error(`no such tests: ${what}; known are ${suites.join(', ')} or the path of a file`);
  }
  const patterns = what === 'unit' ? ['test/*.test.ts', 'test/unit/**/*.test.ts'] : [`test/${what}/**/*.test.ts`];
  return globSync(patterns, { cwd: root })
    .sort()
    .map((file) => join(root, file));
}

function suiteOf(file: string): string {
  return suites.find((name) => file.includes(`/test/${name}/`)) ?? 'unit';
}

/** The C++ that others need: with theirs they would all wait for one build. */
const builds = (file: string) => file.endsWith('/test/integration/deepstream-build.test.ts');

/** In the order in which lanes take them, from the front or from the back. */
function inTurn(files: readonly string[]): string[] {
  const { front = [], back = [] } = Object.groupBy(files, (file) => (suiteOf(file) === 'e2e' ? 'back' : 'front'));
  return [...front.filter(builds), ...front.filter((file) => !builds(file)), ...back.toReversed()];
}

function limitsFor(file: string): Limits {
  const suite = suiteOf(file);
  const limits = limitsOf[suite] as Limits;
  return {
    testMs: Number(options['test-ms'] ?? limits.testMs),
    fileMs: Number(options['file-ms'] ?? limits.fileMs),
    quietMs: Number(options['quiet-ms'] ?? limits.quietMs),
    shown: limits.shown === true,
  };
}

interface Failure {
  readonly name: string;
  readonly because: string;
}

interface Outcome {
  readonly file: string;
  readonly ms: number;
  readonly passed: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly failed: readonly Failure[];
  /** What the file printed. */
  readonly said: string;
}

/** Processes that carry this file's mark in their environment, wherever in the process tree they are now. Linux only. */
function descendants(mark: string): { readonly pid: number; readonly command: string }[] {
  const found: { pid: number; command: string }[] = [];
  let entries: string[];
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return found; // no /proc on this system
  }
  for (const entry of entries) {
    try {
      if (!readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`${marker}=${mark}\0`)) continue;
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command !== '') found.push({ pid: Number(entry), command });
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}

const running = new Set<{ child: ChildProcess; mark: string }>();

async function runFile(file: string, scratch: string): Promise<Outcome> {
  const limits = limitsFor(file);
  const mark = `${process.pid}-${performance.now().toString(36)}`;
  const start = performance.now();
  const passed: string[] = [];
  const skipped: { name: string; why: string }[] = [];
  const failed: Failure[] = [];
  let said = '';
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TMPDIR: scratch,
    [marker]: mark,
    // What one file has compiled, the next ones and their children need not compile again.
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.cache/compile-tests'),
    NODE_OPTIONS: '',
    ORT_DISABLE_TELEMETRY: '1',
  };
  delete env['NODE_TEST_CONTEXT'];
  const child = spawn(process.execPath, [`--test-timeout=${limits.testMs}`, `--test-reporter=${reporter}`, file], {
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const entry = { child, mark };
  running.add(entry);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-20_000);
      if (limits.shown) process.stdout.write(text);
    });
  }

  let lastEvent = performance.now();
  let seen = false;
  let open = 0;
  let alive: readonly string[] | undefined;
  let finished = '';
  const doing: string[] = [];
  const channel = child.stdio[3];
  if (!(channel instanceof Object) || !('read' in channel)) throw new Error('the test process has no report channel');
  const reading = (async () => {
    for await (const line of createInterface({ input: channel })) {
      const event: Report = JSON.parse(line);
      if (event.type !== 'alive') lastEvent = performance.now();
      switch (event.type) {
        case 'alive':
          alive = event.resources;
          break;
        case 'enqueued':
          seen = true;
          if (event.nesting === 0) open += 1;
          break;
        case 'started':
          doing.splice(event.nesting, doing.length, event.name);
          break;
        case 'completed':
          if (event.nesting === 0) open -= 1;
          doing.length = Math.min(doing.length, event.nesting);
          break;
        case 'passed':
          finished = event.name;
          if (event.skip !== undefined) skipped.push({ name: event.name, why: event.skip });
          else if (!event.suite) passed.push(event.name);
          break;
        case 'failed':
          finished = event.name;
          // A suite fails because something in it did; that one has been told.
          if (event.failureType !== 'subtestsFailed') failed.push({ name: event.name, because: event.because });
          break;
      }
    }
  })();

  const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done, broken) => {
    child.once('error', broken);
    child.once('exit', (code, signal) => done({ code, signal }));
  });
  let ended: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  void closed.then((how) => {
    ended = how;
  });
  let stopped: Failure | undefined;
  while (ended === undefined) {
    await Promise.race([closed, wait(100)]);
    if (ended !== undefined) break;
    const now = performance.now();
    const late = now - start > limits.fileMs;
    const quiet = seen && open === 0 && now - lastEvent > limits.quietMs;
    if (!late && !quiet) continue;
    alive = undefined;
    child.kill('SIGUSR2');
    const answerBy = performance.now() + killGraceMs;
    while (alive === undefined && ended === undefined && performance.now() < answerBy) await wait(20);
    if (ended !== undefined) break;
    if (late) {
      const during = doing.length === 0 ? '' : ` during "${doing.join(' > ')}"`;
      const blocked = `; its thread is blocked${finished === '' ? '' : `, a test after "${finished}" is to blame`}`;
      const state = alive === undefined ? blocked : during;
      stopped = { name: 'the file ends in time', because: `still running after ${limits.fileMs} ms${state}` };
    } else {
      const what = alive === undefined ? '' : `: ${[...new Set<string>(alive)].join(', ')}`;
      stopped = { name: 'the process ends by itself after the last test', because: `something keeps it alive${what}` };
    }
    signalGroup(child, 'SIGKILL');
    await closed;
  }
  await Promise.race([reading, wait(killGraceMs, undefined, { ref: false })]);
  if (stopped !== undefined) failed.push(stopped);
  else if (failed.length === 0 && (ended.code !== 0 || !seen)) {
    const how = ended.signal === null ? `exit code ${ended.code}` : `signal ${ended.signal}`;
    failed.push({ name: 'the file runs', because: seen ? `ended with ${how}` : `no test ran, ${how}` });
  }

  const graceEnd = performance.now() + killGraceMs;
  let left = descendants(mark);
  while (left.length > 0 && performance.now() < graceEnd) {
    await wait(100);
    left = descendants(mark);
  }
  if (left.length > 0) {
    const list = left.map(({ pid, command }) => `  ${pid} ${command.slice(0, 300)}`).join('\n');
    // After a kill from here the children had nobody to end them: the first failure is the one to mend.
    if (stopped === undefined) failed.push({ name: 'no process is left behind', because: `still running:\n${list}` });
    for (const { pid } of left) endProcess(pid);
  }
  running.delete(entry);
  return { file: relative(root, file), ms: performance.now() - start, passed, skipped, failed, said };
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}

/** Disks that a file has mounted there which was killed: until they are gone the folder cannot be removed. Linux only. */
function unmountBelow(folder: string): void {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return; // no /proc on this system
  }
  const places = mounts.split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const place of places.filter((place) => place.startsWith(`${folder}/`)).toReversed())
    spawnSync('umount', ['--lazy', place]);
}

function removeScratch(folder: string): void {
  unmountBelow(folder);
  rmSync(folder, { recursive: true, force: true });
}

const indent = (text: string) => text.replaceAll(/^/gm, '      ');

function tell(outcome: Outcome): void {
  const { file, ms, passed, skipped, failed, said } = outcome;
  const counts = [`${passed.length} passed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  if (failed.length > 0) counts.push(`${failed.length} FAILED`);
  console.log(`${failed.length > 0 ? 'FAIL' : 'ok  '} ${file}  ${counts.join(', ')}  ${(ms / 1000).toFixed(1)} s`);
  if (options.verbose) for (const name of passed) console.log(`      ${name}`);
  for (const { name, because } of failed) console.log(`   x  ${name}\n${indent(because)}`);
  if (failed.length > 0 && said.trim() !== '') console.log(`   what ${file} printed:\n${indent(said.trimEnd())}`);
}

/** Returns whether everything is well. */
function summarise(outcomes: readonly Outcome[], ms: number): boolean {
  const passed = outcomes.reduce((sum, { passed }) => sum + passed.length, 0);
  const failures = outcomes.flatMap(({ file, failed }) => failed.map(({ name }) => `${file}: ${name}`));
  const reasons = new Map<string, number>();
  for (const { why } of outcomes.flatMap(({ skipped }) => skipped)) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  const skipped = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  const slowest = outcomes.toSorted((a, b) => b.ms - a.ms).slice(0, 5);

  console.log('');
  if (ms > 60_000) {
    console.log('slowest files:');
    for (const { file, ms } of slowest) console.log(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${file}`);
  }
  if (failures.length > 0) {
    console.log('failed:');
    for (const line of failures) console.log(`  ${line}`);
  }
  for (const [why, count] of [...reasons].sort(([a], [b]) => a.localeCompare(b))) console.log(`${count} skipped: ${why}`);
  console.log(
    `${passed} passed, ${failures.length} failed, ${skipped} skipped in ${outcomes.length} files, ${(ms / 1000).toFixed(1)} s`,
  );
  if (strict && skipped > 0) console.log(`${skipped} skipped tests are failures under SIGHTLINE_REQUIRE_DATA=1`);
  return failures.length === 0 && !(strict && skipped > 0);
}

const files = (positionals.length === 0 ? ['unit', 'integration', 'e2e'] : positionals).flatMap(filesOf);
if (files.length === 0) throw new Error('no test files found');
const scratch = mkdtempSync(join(tmpdir(), 'sl-test-'));
// Tests start programs as other users, who have folders in it.
chmodSync(scratch, 0o711);
const start = performance.now();
const outcomes: Outcome[] = [];
const waiting = inTurn(files);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const { child, mark } of running) {
      signalGroup(child, 'SIGKILL');
      for (const { pid } of descendants(mark)) endProcess(pid);
    }
    removeScratch(scratch);
    process.exit(1);
  });
}

async function lane(_: unknown, index: number): Promise<void> {
  const next = () => (index % 2 === 0 ? waiting.shift() : waiting.pop());
  for (let file = next(); file !== undefined; file = next()) {
    const outcome = await runFile(file, scratch);
    outcomes.push(outcome);
    tell(outcome);
  }
}
try {
  await Promise.all(Array.from({ length: Math.max(1, Number(options.concurrency)) }, lane));
} finally {
  removeScratch(scratch);
}
process.exitCode = summarise(outcomes, performance.now() - start) ? 0 : 1;
