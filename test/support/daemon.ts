import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createControlClient } from '../../src/cli/control-client.ts';
import type { Config, ConfigInput } from '../../src/config/schema.ts';
import type { Control, ControlRequest, ControlResponse, UnaryName } from '../../src/core/control.ts';
import { bridgeSocket, mediaSocket } from '../../src/core/run-folder.ts';
import { type AlertMessage, alertMessage, type CameraMessage, cameraMessage } from '../../src/outputs/topics.ts';
import type { Listener } from './broker.ts';
import { type Finished, runProgram, startProgram } from './cli.ts';
import { drawnData as data, readManifest } from './clips.ts';
import { temporaryDirectory } from './directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath } from './fixtures.ts';
import { until } from './until.ts';

/** The program as a service: a directory with its configuration and data, daemons on it one after the other, and commands beside them. */

/** Waits for what a loaded machine may take long to do. */
export const patience = 90_000;

export interface Workplace extends AsyncDisposable {
  readonly directory: string;
  readonly configFile: string;
  readonly dataDir: string;
  /** Replaces the configuration file, as editors do. What the fixtures need and where the data lies is added to `config`. */
  configure(config: ConfigInput): void;
  /** Starts a daemon and waits until it watches. */
  start(options?: StartOptions): Promise<RunningDaemon>;
  /** Starts a daemon that is to end by itself before anybody can ask it anything. */
  startToEnd(options?: StartOptions): RunningDaemon;
  /** A command of the program on this configuration, to its end. */
  command(...args: readonly string[]): Promise<Finished>;
  /** The same; it must succeed. */
  succeed(...args: readonly string[]): Promise<string>;
  /** Enrols people of the fixtures by their photos. */
  enrol(list: string, ...people: readonly string[]): Promise<void>;
  /** Asks the running daemon without a process between. */
  readonly control: Control;
  ask<M extends UnaryName>(method: M, request: ControlRequest<M>): Promise<ControlResponse<M>>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments of `run` before the file. */
  readonly args?: readonly string[];
}

export interface RunningDaemon extends AsyncDisposable {
  readonly pid: number;
  readonly finished: Promise<Finished>;
  /** What it has said so far, line by line. */
  lines(): readonly LogLine[];
  /** The first line with this message, perhaps with these fields. */
  said(message: string, fields?: Readonly<Record<string, unknown>>): LogLine | undefined;
  /** Waits for it: the log and what else tells of an event come by ways of their own. */
  told(message: string, fields?: Readonly<Record<string, unknown>>): Promise<LogLine>;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
  /** Where health and metrics are. */
  url(path: string): string;
  /** The value of one sample of `/metrics`, as `name{label="value"}`; 0 while there is none. */
  metric(sample: string): Promise<number>;
  /** Asked to stop; fails unless it ends with 0 and without complaint. */
  stop(): Promise<void>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

export interface WorkplaceOptions {
  /** The file is a link into a folder that no daemon watches: changes are found when it is told to look. */
  readonly watched?: boolean;
  /** What the configuration takes from the environment, for daemons and commands. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function createWorkplace(
  config: ConfigInput = {},
  { watched = true, env: always = {} }: WorkplaceOptions = {},
): Promise<Workplace> {
  const directory = await temporaryDirectory();
  const configFile = join(directory.path, 'sightline.yaml');
  const written = watched ? configFile : join(directory.path, 'elsewhere', 'sightline.yaml');
  if (!watched) {
    mkdirSync(join(directory.path, 'elsewhere'));
    symlinkSync(written, configFile);
  }
  const dataDir = join(directory.path, 'data');
  const control = createControlClient(join(dataDir, 'control.sock'));
  const daemons = new Set<RunningDaemon>();

  function configure(next: ConfigInput): void {
    writeFileSync(`${written}.new`, JSON.stringify(withFixtures(next), undefined, 2));
    renameSync(`${written}.new`, written);
  }

  async function command(...args: readonly string[]): Promise<Finished> {
    return await runProgram(args, { cwd: directory.path, env: always });
  }

  async function succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await command(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  function startToEnd({ env = {}, args = [] }: StartOptions = {}): RunningDaemon {
    const daemon = follow(startProgram(['run', ...args, configFile], { cwd: directory.path, env: { ...always, ...env } }));
    daemons.add(daemon);
    return daemon;
  }

  async function start(options?: StartOptions): Promise<RunningDaemon> {
    const daemon = startToEnd(options);
    await Promise.race([
      until('the daemon watches', () => daemon.said('sightline is watching'), patience),
      daemon.finished.then(({ code }) => assert.fail(`the daemon ended with ${code}: ${daemon.stderr()}`)),
    ]);
    return daemon;
  }

  configure(config);
  return {
    directory: directory.path,
    configFile,
    dataDir,
    configure,
    start,
    startToEnd,
    command,
    succeed,
    control,
    ask: (method, request) => control.call(method, request, AbortSignal.timeout(patience)),
    enrol: async (list, ...people) => {
      const folder = mkdtempSync(join(directory.path, 'photos-'));
      for (const person of people) {
        mkdirSync(join(folder, person));
        for (const photo of photosOf(person)) symlinkSync(photo, join(folder, person, basename(photo)));
      }
      await succeed('enroll', '--list', list, folder);
    },
    [Symbol.asyncDispose]: async () => {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      for (const pid of processesOf(dataDir)) kill(pid);
      await until('no process is left', () => processesOf(dataDir).length === 0);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Enrolment photos of one of the drawn people. */
export function photosOf(person: string): readonly string[] {
  return (readManifest(data).people[person]?.enrol ?? []).map(fixturePath);
}

function withFixtures(config: ConfigInput): ConfigInput {
  const { face, person, faceEmbedder, appearanceEmbedder } = fixtureModels;
  return {
    dataDir: 'data',
    media: { rtsp: { port: 0 } },
    ...config,
    // Tests read what machines read, without a login.
    http: { port: 0, metrics: 'loopback', ...config.http },
    inference: { repository: fixtureModelRepository, ...config.inference },
    models: { face: faceEmbedder, appearance: appearanceEmbedder, enrolment: face, enrolmentBody: person, ...config.models },
    mqtt: config.mqtt ?? { enabled: false },
    cameras: Object.fromEntries(
      Object.entries(config.cameras ?? {}).map(([name, camera]) => [name, { detect: [{ model: face }], ...camera }]),
    ),
  };
}

function follow(program: ReturnType<typeof startProgram>): RunningDaemon {
  let parsed = 0;
  const lines: LogLine[] = [];
  /** Only whole lines. */
  function read(): readonly LogLine[] {
    const text = program.stderr();
    const end = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(parsed, end).split('\n')) if (line.startsWith('{')) lines.push(JSON.parse(line));
    parsed = Math.max(parsed, end);
    return lines;
  }
  function said(message: string, fields: Readonly<Record<string, unknown>> = {}): LogLine | undefined {
    return read().find((line) => line.msg === message && Object.entries(fields).every(([key, value]) => line[key] === value));
  }
  function url(path: string): string {
    const line = said('http server open');
    assert.ok(line, 'HTTP is on');
    return `http://${String(line['host'])}:${String(line['port'])}${path}`;
  }
  return {
    pid: program.pid,
    finished: program.finished,
    lines: read,
    said,
    told: (message, fields) => until(`"${message}" in the log`, () => said(message, fields), patience),
    stderr: program.stderr,
    signal: (name) => program.kill(name),
    url,
    metric: async (sample) => {
      const text = await (await fetch(url('/metrics'))).text();
      const line = text.split('\n').find((found) => found.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length));
    },
    stop: async () => {
      program.kill('SIGTERM');
      const { code, stderr } = await program.finished;
      assert.equal(code, 0, stderr);
      for (const complaint of ['part did not stop in time', 'part failed to stop']) {
        assert.equal(said(complaint), undefined, JSON.stringify(said(complaint)));
      }
    },
    [Symbol.asyncDispose]: async () => {
      program.kill('SIGKILL');
      await program.finished;
    },
  };
}

/** Workers, what they started, and media doors of daemons on this data directory. */
export function processesOf(dataDir: string): readonly number[] {
  const door = `SIGHTLINE_DOOR=${mediaSocket(dataDir)}`;
  return [...workersOf(dataDir), ...marked(door)];
}

/** Workers, and what they started. */
export function workersOf(dataDir: string): readonly number[] {
  return marked(`SIGHTLINE_BRIDGE=${bridgeSocket(dataDir)}`);
}

/** Processes that have this line in their environment. */
function marked(line: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => readProcess(name, 'environ').split('\0').includes(line))
    .map(Number);
}

/** The worker process of a group of cameras. */
export function workerOf(dataDir: string, group = 'main'): number | undefined {
  return workersOf(dataDir).find((pid) =>
    readProcess(pid, 'environ').split('\0').includes(`SIGHTLINE_WORKER=software-${group}`),
  );
}

/** The texts of all files below a folder, by their names; without those that are gone by the time they would be read. */
export function filesBelow(folder: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      texts.set(entry.name, readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return texts;
}

/** A file of /proc as text; empty for a process that is gone or is waiting for its parent to take note. */
export function readProcess(pid: number | string, file: 'environ' | 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Alert messages that a listener has got so far, in order, those of the late topic included. */
export function alertsIn(listener: Listener): readonly AlertMessage[] {
  return listener.messages
    .filter(({ topic }) => /\/v1\/(alerts|late)\//.test(topic))
    .map(({ text }) => alertMessage.parse(JSON.parse(text)));
}

/** What a listener was told of a camera; undefined stands for its removal. */
export function statesIn(listener: Listener, camera: string): readonly (CameraMessage | undefined)[] {
  return listener.messages
    .filter(({ topic }) => topic.endsWith(`/v1/cameras/${camera}/state`))
    .map(({ text }) => (text === '' ? undefined : cameraMessage.parse(JSON.parse(text))));
}

/** Waits for an alert message. */
export async function alertWith(
  listener: Listener,
  what: { readonly name?: string; readonly state?: AlertMessage['state']; readonly rule?: string; readonly camera?: string },
): Promise<AlertMessage> {
  const wanted = (alert: AlertMessage) =>
    (what.name === undefined || alert.entry?.name === what.name) &&
    (what.state === undefined || alert.state === what.state) &&
    (what.rule === undefined || alert.rule === what.rule) &&
    (what.camera === undefined || alert.camera === what.camera);
  return await until(`an alert with ${JSON.stringify(what)}`, () => alertsIn(listener).find(wanted), patience);
}

/** A piece of `lobby.mp4` from one frame up to another, not included, in `folder`. */
export function cutClip(folder: string, name: string, from: number, to: number, filter = 'null'): string {
  const file = join(folder, `${name}.mp4`);
  const select = `trim=start_frame=${from}:end_frame=${to},setpts=PTS-STARTPTS,${filter}`;
  const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '16', '-bf', '0', '-g', '12', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', fixturePath('clips/lobby.mp4'), '-vf', select, ...encode, file]);
  return file;
}

export type CameraInput = NonNullable<ConfigInput['cameras']>[string];
export type { Config };
