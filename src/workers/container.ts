import { stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import type { DeepStreamConfig } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError, isSystemError, SightlineError } from '../core/errors.ts';
import { runFolder } from '../core/run-folder.ts';
import { ContainerFiles } from './container-files.ts';
import { followContainer } from './container-life.ts';
import { containerBody, labels, ownedName, shortId } from './container-spec.ts';
import { containerGroups } from './device-groups.ts';
import { createDockerEngine, type DockerEngine, type FoundContainer } from './docker-engine.ts';
import type { PullProgress } from './engine-streams.ts';
import type { LaunchedWorker, Launcher, LaunchRequest } from './launcher.ts';
import type { WorkerSpec } from './plan.ts';
import { chooseSettings, isServersFault, type SettingsChoice, type SettingsChoices } from './settings-choice.ts';

/** DeepStream workers: each a container that this daemon starts through the Docker engine, and adopts from one before it. */

export interface ContainerLauncherOptions {
  readonly dataDir: string;
  readonly version: string;
  readonly settings: DeepStreamConfig;
  /** The settings of a worker; nothing secret is in them. */
  readonly render: (spec: WorkerSpec) => Promise<SettingsChoices>;
}

/** Of a container that an earlier daemon left: from SIGTERM to SIGKILL. */
const leftOverSeconds = 6;
const progressEveryMs = 1000;

/** Drained, it still has to be taken down by the engine. */
const closedGraceMs = 2000;
/** On a busy machine the engine says late that a container has ended, and it is removed before that is told. */
const killMs = 10_000;

export function createContainerLauncher(options: ContainerLauncherOptions, ctx: Context): Launcher {
  const { settings } = options;
  const { clock } = ctx;
  const files = new ContainerFiles(options.dataDir);
  let engine: Promise<DockerEngine> | undefined;
  const theEngine = () => {
    engine ??= createDockerEngine({ socketPath: settings.socket, clock });
    return engine;
  };
  /** Who may stay of what an earlier daemon left; undefined once the others are gone. */
  let leftOvers: ReadonlySet<string> | undefined;
  /** Those of an earlier daemon are no matter any more. */
  const launched = new Set<string>();
  /** Triton servers that failed a worker when it was last started. */
  const failedAt = new Map<string, string>();

  /** As the engine calls it. */
  function onHost(path: string): string {
    if (settings.hostDataDir === undefined) return path;
    const inside = relative(options.dataDir, path);
    return inside.startsWith('..') || isAbsolute(inside) ? path : join(settings.hostDataDir, inside);
  }

  async function removeOne(docker: DockerEngine, { id, running }: FoundContainer): Promise<void> {
    if (running) await docker.stop(id, leftOverSeconds);
    await docker.remove(id);
  }

  async function removeLeftOvers(docker: DockerEngine, owner: string): Promise<void> {
    const wanted = leftOvers;
    if (wanted === undefined) return;
    leftOvers = undefined;
    try {
      const left = (await docker.list(owner)).filter(({ worker }) => !wanted.has(worker));
      await Promise.all(
        left.map(async (container) => {
          await removeOne(docker, container);
          const { worker, id } = container;
          ctx.log.warn({ worker, container: shortId(id) }, 'container of an earlier run was removed');
        }),
      );
      await files.forgetOthers(wanted);
    } catch (error) {
      leftOvers = wanted;
      throw error;
    }
  }

  async function requireImage(docker: DockerEngine, { onProgress, signal }: LaunchRequest): Promise<string> {
    const { image } = settings;
    const there = await docker.imageId(image);
    if (there !== undefined) return there;
    if (settings.pull === 'never')
      throw new SightlineError(
        'container.image',
        `the image ${image} is not on this machine; build it (make deepstream-image), set deepstream.image, or deepstream.pull to missing`,
      );
    onProgress(`its image ${image} is being pulled`);
    let saidMs = clock.mono();
    const tell = ({ doneBytes, totalBytes }: PullProgress) => {
      if (clock.mono() - saidMs < progressEveryMs || totalBytes === 0) return;
      saidMs = clock.mono();
      onProgress(`its image ${image} is being pulled: ${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB`);
    };
    try {
      await docker.pull(image, tell, signal);
    } catch (error) {
      if (!isSightlineError(error) || error.code === 'container.engine') throw error;
      throw new SightlineError('container.image', `the image ${image} cannot be pulled: ${error.message}`);
    }
    const pulled = await docker.imageId(image);
    if (pulled !== undefined) return pulled;
    throw new SightlineError('container.image', `the image ${image} was pulled and is not there`);
  }

  async function plan(owner: string, spec: WorkerSpec, imageId: string) {
    const { worker } = spec;
    const [user, groups, choices, films] = await Promise.all([
      files.user(),
      containerGroups(settings),
      options.render(spec),
      filmsOf(spec),
    ]);
    const bodyOf = (choice: SettingsChoice) =>
      containerBody({
        owner,
        worker,
        version: options.version,
        settings,
        imageId,
        gpu: spec.gpu ?? settings.gpus[0] ?? '0',
        groups,
        user,
        folders: {
          run: onHost(runFolder(options.dataDir)),
          settings: onHost(files.settingsFolder(worker)),
        },
        films: films.map((inside) => ({ inside, host: onHost(inside) })),
        files: choice.files,
      });
    const chosen = chooseSettings(choices, failedAt.get(worker));
    const serverOf = new Map(choices.map((choice) => [bodyOf(choice).Labels[labels.config] ?? '', choice.server]));
    return { user, chosen, body: bodyOf(chosen), serverOf };
  }

  /** With which server it ended, where that may be the server's doing. */
  function remember(worker: string, server: string, process: LaunchedWorker): LaunchedWorker {
    void process.exited.then(({ code }) => {
      if (isServersFault(code)) failedAt.set(worker, server);
      else failedAt.delete(worker);
    });
    return process;
  }

  const containersOf = async (docker: DockerEngine, owner: string, worker: string) =>
    (await docker.list(owner)).filter((container) => container.worker === worker);

  /** Only of a container that is what would be started now: another one must not be taken for what is started in its place. */
  async function keptToken(spec: WorkerSpec): Promise<string | undefined> {
    const { worker } = spec;
    const [owner, token] = await Promise.all([files.owner(), files.token(worker)]);
    if (launched.has(worker) || owner === undefined || token === undefined) return undefined;
    const docker = await theEngine();
    const there = await containersOf(docker, owner, worker);
    const imageId = there.length === 0 ? undefined : await docker.imageId(settings.image);
    if (imageId === undefined) return undefined;
    const { serverOf } = await plan(owner, spec, imageId);
    return there.some((container) => container.running && serverOf.has(container.config)) ? token : undefined;
  }

  async function launch(request: LaunchRequest): Promise<LaunchedWorker> {
    const { spec, token, signal } = request;
    const { worker } = spec;
    const { memoryMegabytes } = settings;
    const docker = await theEngine();
    const owner = await files.makeOwner();
    await removeLeftOvers(docker, owner);
    const imageId = await requireImage(docker, request);
    const { user, chosen, body, serverOf } = await plan(owner, spec, imageId);
    const mayStay = !launched.has(worker) && (await files.token(worker)) === token;
    const there = await containersOf(docker, owner, worker);
    const kept = mayStay ? there.find((container) => container.running && serverOf.has(container.config)) : undefined;
    for (const container of there) if (container !== kept) await removeOne(docker, container);
    launched.add(worker);
    signal.throwIfAborted();
    if (kept !== undefined) {
      ctx.log.info({ worker, container: shortId(kept.id) }, 'container of an earlier run was adopted');
      const adopted = await followContainer({ docker, id: kept.id, worker, memoryMegabytes }, ctx);
      return remember(worker, serverOf.get(kept.config) ?? chosen.server, adopted);
    }
    await files.write(worker, chosen.files, token, user).catch((error: unknown) => {
      if (!isSystemError(error, 'ENOSPC')) throw error;
      const says = `the disk of ${options.dataDir} is full: the settings of its container cannot be written`;
      throw new SightlineError('worker.crashed', says, { cause: error });
    });
    const id = await docker.create(ownedName(owner, worker), body);
    try {
      const begun = await followContainer({ docker, id, worker, memoryMegabytes, start: () => docker.start(id) }, ctx);
      ctx.log.info({ worker, container: shortId(id), server: chosen.server }, 'container is begun');
      return remember(worker, chosen.server, begun);
    } catch (error) {
      await docker.remove(id);
      throw error;
    }
  }

  return {
    timings: { startTimeoutMs: settings.startTimeout, closedGraceMs, killMs },
    ready: async () => (await theEngine()).answers(),
    keptToken,
    cleanUp: async (wanted) => {
      leftOvers = wanted;
      const owner = await files.owner();
      // One that never had a container has no business with the engine.
      if (owner !== undefined) await removeLeftOvers(await theEngine(), owner);
    },
    forget: (worker) => void failedAt.delete(worker),
    launch,
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}

/** Sources that are files here: the container finds them at the same path. */
async function filmsOf({ cameras }: WorkerSpec): Promise<readonly string[]> {
  const paths = new Set([...cameras.values()].map(({ source }) => source).filter((source) => isAbsolute(source)));
  const found = await Promise.all(
    [...paths].map(async (path) => {
      const facts = await stat(path).catch(() => undefined);
      return facts?.isFile() === true ? [path] : [];
    }),
  );
  return found.flat().sort();
}
