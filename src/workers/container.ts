import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import type { DeepStreamConfig } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';
import { runFolder } from '../core/run-folder.ts';
import { ContainerFiles } from './container-files.ts';
import { containerBody, containerName, labels } from './container-spec.ts';
import {
  type ContainerFacts,
  createDockerEngine,
  type DockerEngine,
  type FoundContainer,
  type PullProgress,
} from './docker-engine.ts';
import type { LaunchedWorker, Launcher, LaunchRequest, WorkerExit } from './launcher.ts';
import { relayOutput } from './output.ts';
import type { WorkerSpec } from './plan.ts';

/** DeepStream workers: each a container that this daemon starts through the Docker engine, and adopts from one before it. */

export interface ContainerLauncherOptions {
  readonly dataDir: string;
  readonly version: string;
  readonly settings: DeepStreamConfig;
  /** The files of settings of a worker, by name; nothing secret is in them. */
  readonly render: (spec: WorkerSpec) => Promise<ReadonlyMap<string, string>>;
}

/** Of a container that an earlier daemon left: from SIGTERM to SIGKILL. */
const leftOverSeconds = 6;
const engineEveryMs = 500;
const progressEveryMs = 2000;
/** Of a container that has ended: to read what it said last. */
const lastWordsMs = 500;

/** Drained, it still has to be taken down by the engine. */
const closedGraceMs = 2000;

export function createContainerLauncher(options: ContainerLauncherOptions, ctx: Context): Launcher {
  const { settings } = options;
  const { clock } = ctx;
  const files = new ContainerFiles(options.dataDir);
  let engine: Promise<DockerEngine> | undefined;
  const theEngine = () => {
    engine ??= createDockerEngine(settings.socket, clock);
    return engine;
  };
  /** Who may stay of what an earlier daemon left; undefined once the others are gone. */
  let leftOvers: ReadonlySet<string> | undefined;
  /** Those of an earlier daemon are no matter any more. */
  const launched = new Set<string>();

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
          ctx.log.warn({ worker, container: id.slice(0, 12) }, 'container of an earlier run was removed');
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

  /** Of an earlier daemon, if it is what would be started now and knows the token; all others of this worker are removed. */
  async function adoptable(
    docker: DockerEngine,
    { spec: { worker }, token }: LaunchRequest,
    there: readonly FoundContainer[],
    config: string,
  ): Promise<FoundContainer | undefined> {
    const mayStay = !launched.has(worker) && (await files.token(worker)) === token;
    const kept = mayStay ? there.find((container) => container.running && container.config === config) : undefined;
    for (const container of there) if (container !== kept) await removeOne(docker, container);
    return kept;
  }

  async function launch(request: LaunchRequest): Promise<LaunchedWorker> {
    const { spec, token, signal } = request;
    const { worker } = spec;
    const docker = await theEngine();
    const owner = await files.makeOwner();
    const there = (await docker.list(owner)).filter((container) => container.worker === worker);
    await removeLeftOvers(docker, owner);
    const imageId = await requireImage(docker, request);
    const user = await files.user();
    const rendered = await options.render(spec);
    const body = containerBody({
      owner,
      worker,
      version: options.version,
      settings,
      imageId,
      gpu: spec.gpu ?? settings.gpus[0] ?? '0',
      user,
      folders: {
        run: onHost(runFolder(options.dataDir)),
        settings: onHost(files.settingsFolder(worker)),
      },
      films: (await filmsOf(spec)).map((inside) => ({ inside, host: onHost(inside) })),
      files: rendered,
    });
    const kept = await adoptable(docker, request, there, body.Labels[labels.config] ?? '');
    launched.add(worker);
    signal.throwIfAborted();
    if (kept !== undefined) {
      ctx.log.info({ worker, container: kept.id.slice(0, 12) }, 'container of an earlier run was adopted');
      return await follow(docker, kept.id, worker);
    }
    await files.write(worker, rendered, token, user);
    const id = await docker.create(containerName(owner, worker), body);
    try {
      const running = await follow(docker, id, worker, () => docker.start(id));
      if (signal.aborted) running.signal('SIGTERM');
      return running;
    } catch (error) {
      await docker.remove(id);
      throw error;
    }
  }

  /** `start`: after its output is read and before its end is waited for. */
  async function follow(
    docker: DockerEngine,
    id: string,
    worker: string,
    start?: () => Promise<void>,
  ): Promise<LaunchedWorker> {
    const log = ctx.log.child({ worker, container: id.slice(0, 12) });
    const skipped = ctx.metrics.counter('sightline_worker_output_skipped_total', 'Lines of workers left out of the log', [
      'worker',
    ]);
    const givenUp = new AbortController();
    const gone = Promise.withResolvers<WorkerExit>();
    let lastWords: string | undefined;

    /** Resolves to what resolves at its end. */
    async function read(): Promise<{ readonly over: Promise<void> }> {
      const { stdout, stderr, over } = await docker.output(id);
      for (const [stream, readable] of Object.entries({ stdout, stderr }))
        relayOutput(readable, {
          stream: stream === 'stdout' ? 'stdout' : 'stderr',
          log,
          clock,
          onSkipped: (lines) => skipped.inc({ worker }, lines),
          onError: (words) => {
            lastWords = words;
          },
        });
      return { over };
    }

    /** Through whatever becomes of the engine meanwhile. */
    async function watch(output: { readonly over: Promise<void> }): Promise<WorkerExit> {
      let reading = output;
      while (!givenUp.signal.aborted) {
        const round = new AbortController();
        const waited = docker.wait(id, AbortSignal.any([round.signal, givenUp.signal])).catch(() => {});
        await Promise.race([waited, reading.over]);
        round.abort();
        try {
          const facts = await docker.facts(id);
          if (facts === undefined) return exitFor('worker.crashed', 'its container was removed');
          if (!facts.running) {
            using limit = clock.deadline(lastWordsMs);
            await Promise.race([reading.over, fired(limit.signal)]);
            await docker
              .remove(id)
              .catch((error: unknown) => log.warn({ reason: errorText(error) }, 'container was not removed'));
            return exitOf(facts, settings.memoryMegabytes, lastWords);
          }
          // The engine began anew under a container that went on.
          reading = await read();
        } catch (error) {
          log.debug({ reason: errorText(error) }, 'nothing is known of a container');
        }
        await clock.sleep(engineEveryMs, givenUp.signal).catch(() => {});
      }
      return gone.promise;
    }

    const reading = await read();
    await start?.();
    const pid = (await docker.facts(id))?.pid ?? 0;
    return {
      pid,
      exited: Promise.race([watch(reading), gone.promise]),
      signal: (name) => {
        docker.kill(id, name).catch((error: unknown) => {
          log.warn({ reason: errorText(error) }, 'container cannot be told to end');
          if (!isSightlineError(error, 'container.engine')) return;
          givenUp.abort();
          gone.resolve(exitFor('container.engine', errorText(error)));
        });
      },
      rssBytes: () => docker.memoryBytes(id),
    };
  }

  return {
    timings: { startTimeoutMs: settings.startTimeout, closedGraceMs },
    ready: async () => (await theEngine()).answers(),
    keptToken: async (worker) => {
      if (launched.has(worker)) return undefined;
      return await files.token(worker).catch(() => undefined);
    },
    cleanUp: async (wanted) => {
      leftOvers = wanted;
      const owner = await files.owner();
      // One that never had a container has no business with the engine.
      if (owner !== undefined) await removeLeftOvers(await theEngine(), owner);
    },
    launch,
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}

function exitFor(code: NonNullable<WorkerExit['cause']>['code'], reason: string): WorkerExit {
  return { code: undefined, signal: undefined, cause: { code, reason } };
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Codes above 128 are a shell's way to name a signal, which the engine shares. */
export function exitOf(
  { exitCode, outOfMemory }: Pick<ContainerFacts, 'exitCode' | 'outOfMemory'>,
  memoryMegabytes: number,
  lastWords: string | undefined,
): WorkerExit {
  if (outOfMemory)
    return exitFor(
      'container.memory',
      `it took more than its ${memoryMegabytes} MB of memory and was ended (deepstream.memoryMegabytes)`,
    );
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return { code: exitCode, signal, ...(lastWords === undefined ? {} : { lastWords }) };
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
