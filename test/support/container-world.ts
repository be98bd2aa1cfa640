import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startBridge } from '../../src/bridge/server.ts';
import { configSchema, type DeepStreamConfig } from '../../src/config/schema.ts';
import { bridgeSocket, makeRunFolder } from '../../src/core/run-folder.ts';
import { createAttachedLauncher } from '../../src/workers/attached.ts';
import { AttachedFiles } from '../../src/workers/attached-files.ts';
import { createContainerLauncher } from '../../src/workers/container.ts';
import { ContainerFiles } from '../../src/workers/container-files.ts';
import { desiredWorkers, type WorkerSpec } from '../../src/workers/plan.ts';
import type { SettingsChoice, SettingsChoices } from '../../src/workers/settings-choice.ts';
import { type Supervisor, type SupervisorTimings, startSupervisor } from '../../src/workers/supervisor.ts';
import { bridgeLink } from './bridge-link.ts';
import { type TestContext, testContext } from './context.ts';
import { temporaryDirectory } from './directory.ts';
import { buildImage, docker, type Image } from './docker.ts';
import { until } from './until.ts';

const fixtures = join(import.meta.dirname, '../fixtures/containers');

/** `fixtures/containers/worker.c` under the name of the real program. */
export async function buildWorkerProgram(folder: string): Promise<void> {
  const program = join(folder, 'sightline-bridge');
  await promisify(execFile)('cc', ['-static', '-O1', '-Wall', '-Wextra', '-o', program, join(fixtures, 'worker.c')]);
}

/** An image with nothing in it but that program. */
export async function buildWorkerImage(): Promise<Image> {
  await using directory = await temporaryDirectory();
  await buildWorkerProgram(directory.path);
  await copyFile(join(fixtures, 'worker.Dockerfile'), join(directory.path, 'Dockerfile'));
  await mkdir(join(directory.path, 'cache/cuda'), { recursive: true });
  await chmod(join(directory.path, 'cache/cuda'), 0o1777);
  return await buildImage({ file: join(directory.path, 'Dockerfile'), context: directory.path });
}

export function containerSettings(image: string, more: Partial<DeepStreamConfig> = {}): DeepStreamConfig {
  const plain = configSchema.parse({ deepstream: { image, gpuAccess: 'none', network: 'none', memoryMegabytes: 256 } });
  return { ...plain.deepstream, ...more };
}

export function containerSpecs(cameras: Readonly<Record<string, object>> = { lobby: {} }): readonly WorkerSpec[] {
  const given = Object.fromEntries(
    Object.entries(cameras).map(([id, more]) => [
      id,
      { source: `rtsp://user:secret-of-camera@10.0.0.1/${id}`, runtime: 'deepstream', ...more },
    ]),
  );
  return desiredWorkers(configSchema.parse({ cameras: given }).cameras);
}

type Server = Omit<SettingsChoice, 'files'>;

export interface ContainerWorldOptions {
  readonly dataDir: string;
  readonly settings: DeepStreamConfig;
  readonly desired?: readonly WorkerSpec[];
  /** What the worker does that asks this server; see `worker.c`. */
  readonly does?: (server: string) => string;
  /** Triton servers that it may ask; absent: one, which is ready. */
  readonly servers?: () => readonly [Server, ...Server[]];
  readonly inferenceReady?: () => boolean;
  readonly timings?: Partial<SupervisorTimings>;
}

export interface ContainerWorld extends AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly ctx: TestContext;
  /** What launches said they were at. */
  readonly progress: readonly string[];
  /** Fields of the line that the worker begins with, of its last start. */
  facts(): Promise<Readonly<Record<string, unknown>>>;
  state(worker?: string): ReturnType<Supervisor['states']> extends ReadonlyMap<string, infer State> ? State | undefined : never;
  /** When it runs. */
  running(worker?: string): Promise<void>;
  /** As the metrics have it. */
  memory(): Promise<number | undefined>;
  /** How often it was asked whether networks can run. */
  asked(): number;
  said(msg: string): readonly Readonly<Record<string, unknown>>[];
}

const quick: Partial<SupervisorTimings> = { firstDelayMs: 20, longestDelayMs: 50, longPauseMs: 600_000, termMs: 2000 };

/** A supervisor with the real bridge and real containers, which the engine starts, or with `start: attached` somebody else. */
export async function startContainerWorld(options: ContainerWorldOptions): Promise<ContainerWorld> {
  const { dataDir, settings } = options;
  const isAttached = settings.start === 'attached';
  const ctx = testContext();
  await makeRunFolder(dataDir);
  const sink = { frame: () => {}, cameraState: () => {}, stats: () => {}, epoch: async () => 1 };
  const bridge = await startBridge({ socketPath: bridgeSocket(dataDir), sink }, ctx);
  const render = async ({ worker, cameras }: WorkerSpec): Promise<SettingsChoices> => {
    const paths = isAttached
      ? { bridge: bridgeSocket(dataDir), tokenFile: join(new AttachedFiles(dataDir).folder(worker), 'token') }
      : { bridge: '/run/sightline/bridge.sock', tokenFile: '/etc/sightline/token' };
    const choiceOf = ({ server, isReady }: Server) => {
      const told = { worker, ...paths, server, does: options.does?.(server) ?? '', cameras: [...cameras.keys()] };
      return { server, isReady, files: new Map([['container.json', JSON.stringify(told)]]) };
    };
    const [first, ...others] = options.servers?.() ?? [{ server: 'triton:8001', isReady: true }];
    return [choiceOf(first), ...others.map(choiceOf)];
  };
  const progress: string[] = [];
  let asked = 0;
  const inferenceReady = () => {
    asked += 1;
    return options.inferenceReady?.() ?? true;
  };
  const deepstream = isAttached
    ? createAttachedLauncher({ dataDir, settings, render, inferenceReady }, ctx)
    : createContainerLauncher({ dataDir, version: 'test', settings, render }, ctx);
  const supervisor = await startSupervisor(
    {
      desired: options.desired ?? containerSpecs(),
      link: bridgeLink(bridge),
      launchers: { deepstream },
      timings: { ...quick, ...options.timings },
      onProgress: (_worker, words) => progress.push(words),
      inferenceReady,
    },
    ctx,
  );
  const said = (msg: string) => ctx.lines.filter((line) => line['msg'] === msg);
  const state = (worker = 'deepstream-main') => supervisor.states().get(worker);
  return {
    supervisor,
    ctx,
    progress,
    said,
    state,
    asked: () => asked,
    memory: async () => {
      const found = /^sightline_worker_rss_bytes\{.*\} (\d+)$/m.exec(await ctx.metrics.registry.metrics());
      return found === null ? undefined : Number(found[1]);
    },
    facts: () => until('the worker says its facts', () => said('facts').at(-1)),
    running: async (worker) => {
      await until('the worker runs', () => state(worker)?.state === 'running', 60_000);
    },
    [Symbol.asyncDispose]: async () => {
      await supervisor[Symbol.asyncDispose]();
      await bridge[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

export interface ContainerPlace extends AsyncDisposable {
  readonly dataDir: string;
  /** Ids of the containers of this data directory, running or not. */
  containers(): Promise<readonly string[]>;
  owner(): Promise<string>;
}

/** What the engine has of a data directory, as one of its lists says it. */
async function listOf(dataDir: string, ...list: readonly string[]): Promise<readonly string[]> {
  const owner = await new ContainerFiles(dataDir).owner();
  if (owner === undefined) return [];
  return (await docker(...list, '--filter', `label=io.sightline.owner=${owner}`)).split('\n').filter(Boolean);
}

export function containersOf(dataDir: string): Promise<readonly string[]> {
  return listOf(dataDir, 'ps', '--all', '--no-trunc', '--quiet');
}

/** Their ids. */
export async function containersByWorker(dataDir: string): Promise<Readonly<Record<string, string>>> {
  const format = '{{.Label "io.sightline.worker"}} {{.ID}}';
  const lines = await listOf(dataDir, 'ps', '--all', '--no-trunc', '--format', format);
  return Object.fromEntries(lines.map((line) => line.split(' ')));
}

/** And volumes. */
export async function removeContainersOf(dataDir: string): Promise<void> {
  const left = await containersOf(dataDir);
  if (left.length > 0) await docker('rm', '--force', '--volumes', ...left);
  const volumes = await listOf(dataDir, 'volume', 'ls', '--quiet');
  if (volumes.length > 0) await docker('volume', 'rm', '--force', ...volumes);
}

/** A data directory; with it go all of its containers and volumes. */
export async function containerPlace(): Promise<ContainerPlace> {
  const directory = await temporaryDirectory();
  return {
    dataDir: directory.path,
    containers: () => containersOf(directory.path),
    owner: async () => (await new ContainerFiles(directory.path).owner()) ?? '',
    [Symbol.asyncDispose]: async () => {
      await removeContainersOf(directory.path);
      await directory[Symbol.asyncDispose]();
    },
  };
}

export async function inspect(id: string, format: string): Promise<string> {
  return await docker('inspect', '--format', format, id);
}
