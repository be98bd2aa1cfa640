import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/**
 * The rules of the house that a reader relies on and a compiler does not check. Each names file and line of a breach. Changing a
 * table here is changing the architecture: say so in docs/architecture.md.
 */

const source = resolve(import.meta.dirname, '../src');

/** Folders under src/, and the folders whose files each may import besides its own. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gen: [],
  config: ['core'],
  bridge: ['core', 'gen'],
  workers: ['core', 'gen'],
  inference: ['core', 'gen'],
  models: ['core'],
  'software-worker': ['core', 'gen', 'models', 'inference'],
  tracks: ['core'],
  watchlist: ['core'],
  alerts: ['core'],
  store: ['core'],
  outputs: ['core'],
  media: ['core', 'gen'],
  http: ['core'],
  cli: ['core'],
  demo: ['core'],
  doctor: ['core'],
  probe: ['core', 'gen'],
};
/** What puts the rooms together and may import all of them. */
const composition = ['main.ts', 'program.ts', 'daemon.ts', 'composition'];
/** Files beside the rooms that hold to a room's rules. */
const filesOfNoRoom: Readonly<Record<string, readonly string[]>> = { 'pipeline.ts': ['core'] };
/** Types that everyone may import. */
const sharedTypes = ['config/schema.ts'];

/** Files that are started as processes; they own their arguments, signals and streams. Any room may name one to start it. */
const programs = [
  'main.ts',
  'program.ts',
  'software-worker/main.ts',
  'software-worker/program.ts',
  'software-worker/gst-child.ts',
  'media/camera.ts',
  'media/legacy-view.ts',
  'media/main.ts',
  'media/program.ts',
];
/** Other files that may touch `process`, and for what. */
const processAllowed: Readonly<Record<string, string>> = {
  'composition/legacy-view.ts': 'its child inherits a part of the environment',
  'composition/media-door-process.ts': 'starts the media door, which inherits a part of the environment',
  'core/orphans.ts': 'ends processes that an earlier run left behind',
  'core/thread.ts': 'a thread inherits the environment',
  'demo/place.ts': 'asks by signal 0 whether a process is there',
  'software-worker/gst.ts': 'a pipeline child inherits the environment',
  'watchlist/faiss-thread.ts': 'reads OMP_NUM_THREADS to warn of it',
  'workers/process.ts': 'starts and kills worker processes, which inherit a part of the environment',
};
/** What a process may know of itself anywhere. */
const harmless = ['pid', 'execPath', 'hrtime', 'memoryUsage', 'availableMemory', 'constrainedMemory', 'cpuUsage'];
const timersAllowed: Readonly<Record<string, string>> = { 'core/clock.ts': 'the clock' };
const longestFile = 600;

interface SourceFile {
  /** Relative to src/. */
  readonly path: string;
  readonly lines: readonly string[];
  /** The same lines without comments and quoted texts. */
  readonly code: readonly string[];
}

interface Import {
  readonly from: string;
  readonly line: number;
  /** Relative to src/. */
  readonly to: string;
  readonly typeOnly: boolean;
  /** `import()` or a URL of a thread or program. */
  readonly dynamic: boolean;
  readonly started: boolean;
}

/** Blanks comments and, unless `keepTexts`, quoted texts; lines stay where they are. Template literals stay: they hold code. */
function blank(text: string, keepTexts: boolean): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (found) =>
    keepTexts && /^['"]/.test(found) ? found : found.replace(/[^\n]/g, ' '),
  );
}

const files: readonly SourceFile[] = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => {
    const file = join(entry.parentPath, entry.name);
    const text = readFileSync(file, 'utf8');
    return { path: relative(source, file), lines: text.split('\n'), code: blank(text, false).split('\n') };
  });
const written = files.filter(({ path }) => !path.startsWith('gen/'));

function importsOf({ path, lines }: SourceFile): Import[] {
  const text = blank(lines.join('\n'), true);
  const statements = /\b(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?['"](\.[^'"]+)['"]/g;
  const calls = /\b(import|new URL)\(\s*['"](\.[^'"]+\.ts)['"]/g;
  const lineAt = (index: number) => text.slice(0, index).split('\n').length;
  const target = (specifier: string) => relative(source, resolve(source, dirname(path), specifier));
  return [
    ...[...text.matchAll(statements)].map((found) => ({
      from: path,
      line: lineAt(found.index),
      to: target(found[2] ?? ''),
      typeOnly: found[1] !== undefined,
      dynamic: false,
      started: false,
    })),
    ...[...text.matchAll(calls)].map((found) => ({
      from: path,
      line: lineAt(found.index),
      to: target(found[2] ?? ''),
      typeOnly: false,
      dynamic: true,
      started: found[1] === 'new URL',
    })),
  ];
}

const imports = files.flatMap(importsOf);

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path;
}

function uses(pattern: RegExp, allowed: Readonly<Record<string, string>>): string[] {
  return written
    .filter(({ path }) => !(path in allowed))
    .flatMap(({ path, code }) => code.flatMap((line, index) => (pattern.test(line) ? [`src/${path}:${index + 1}`] : [])));
}

test('every file under src/ belongs to a room, to the composition, or is named here', () => {
  const known = [...Object.keys(rooms), ...composition, ...Object.keys(filesOfNoRoom)];
  assert.deepEqual(
    files.map(({ path }) => path).filter((path) => !known.includes(roomOf(path))),
    [],
  );
});

test('rooms import core, gen and what the table allows, nothing else', () => {
  const breaches = imports.filter(({ from, to, typeOnly, started }) => {
    const room = roomOf(from);
    if (composition.includes(room) || roomOf(to) === room) return false;
    if (typeOnly && sharedTypes.includes(to)) return false;
    if (started && programs.includes(to)) return false;
    return !(rooms[room] ?? filesOfNoRoom[room] ?? []).includes(roomOf(to));
  });
  assert.deepEqual(
    breaches.map(({ from, line, to }) => `src/${from}:${line} imports src/${to}`),
    [],
  );
});

test('everything imported is there', () => {
  const known = new Set(files.map(({ path }) => path));
  const data = /\.json$/;
  assert.deepEqual(
    imports
      .filter(({ to }) => !known.has(to) && !data.test(to) && !to.startsWith('..'))
      .map(({ from, line, to }) => `src/${from}:${line} ${to}`),
    [],
  );
});

test('no file imports itself by way of others', () => {
  const graph = new Map(files.map(({ path }) => [path, imports.filter(({ from, dynamic }) => from === path && !dynamic)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  function visit(path: string, way: readonly string[]): void {
    const begin = way.indexOf(path);
    if (begin >= 0) {
      cycles.push([...way.slice(begin), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const { to } of graph.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  }
  for (const { path } of files) visit(path, []);
  assert.deepEqual(cycles, []);
});

test(`no file is longer than ${longestFile} lines`, () => {
  assert.deepEqual(
    written.filter(({ lines }) => lines.length > longestFile).map(({ path, lines }) => `src/${path}: ${lines.length}`),
    [],
  );
});

test('only programs touch process', () => {
  // A variable may be called process: what counts are members that the real one has.
  const members = Reflect.ownKeys(process).concat(Reflect.ownKeys(Object.getPrototypeOf(process)), 'on', 'once', 'off', 'emit');
  const names = members.filter((name) => typeof name === 'string' && !harmless.includes(name)).join('|');
  const pattern = new RegExp(`(?<![.\\w])process(\\.(${names})\\b|\\[)`);
  const allowed = { ...processAllowed, ...Object.fromEntries(programs.map((program) => [program, 'a program'])) };
  assert.deepEqual(uses(pattern, allowed), []);
  const imported = written.filter(({ lines }) => /from 'node:process'/.test(lines.join('\n')));
  assert.deepEqual(
    imported.map(({ path }) => `src/${path}`),
    [],
  );
});

test('timers come from the clock alone', () => {
  assert.deepEqual(uses(/\bset(Timeout|Interval)\b|\bAbortSignal\.timeout\b/, timersAllowed), []);
  const modules = written
    .filter(({ path }) => !(path in timersAllowed))
    .filter(({ lines }) => /from 'node:timers/.test(lines.join('\n')));
  assert.deepEqual(
    modules.map(({ path }) => `src/${path}`),
    [],
  );
});

test('nothing writes to the console', () => {
  assert.deepEqual(uses(/\bconsole\s*[.[]/, {}), []);
});

test('the tables name what is there', () => {
  const present = new Set([...files.map(({ path }) => path), ...files.map(({ path }) => roomOf(path))]);
  const named = [
    ...Object.keys(rooms),
    ...composition,
    ...Object.keys(filesOfNoRoom),
    ...sharedTypes,
    ...programs,
    ...Object.keys(processAllowed),
    ...Object.keys(timersAllowed),
  ];
  assert.deepEqual(
    named.filter((name) => !present.has(name)),
    [],
  );
});
