import { randomUUID } from 'node:crypto';
import type { DeepStreamConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { ContainerUser } from './container-files.ts';
import { containerBody, containerPaths, ownedName } from './container-spec.ts';
import type { ContainerFacts, DockerEngine } from './docker-engine.ts';
import { LineSplitter } from './output.ts';
import { parserLibrary, trackerLibrary } from './render.ts';

/**
 * A container that looks whether a worker could run in one: the program's own check, in what a worker is started with, but without a network,
 * sockets, settings and films.
 */

export interface ContainerCheck {
  readonly settings: DeepStreamConfig;
  /** One of `settings.gpus`. */
  readonly gpu: string;
  readonly user: ContainerUser;
  readonly groups: readonly number[];
  readonly limitMs: number;
}

/** What of the engine a check needs. */
export type CheckEngine = Pick<DockerEngine, 'list' | 'create' | 'output' | 'start' | 'wait' | 'facts' | 'remove'>;

export interface CheckEnd extends Pick<ContainerFacts, 'exitCode' | 'outOfMemory'> {
  /** It was not done in time and was ended. */
  readonly late: boolean;
  /** The last line on its stderr. */
  readonly lastWords: string | undefined;
}

/** In place of a data directory's owner, of which no daemon takes it for its own. All doctors of a machine share it. */
const owner = 'doctor';
/** Of another doctor's container, for what comes before its check begins and after its end. */
const graceMs = 30_000;

export function checkBody({ settings, gpu, user, groups }: Omit<ContainerCheck, 'limitMs'>) {
  const { HostConfig, ...body } = containerBody({
    ...{ owner, worker: 'check', version: '', imageId: '', gpu, user, groups, films: [], files: new Map() },
    settings: { ...settings, network: 'none' },
    folders: { run: '', settings: '' },
  });
  const cache = 'rw,nosuid,nodev,size=512m,mode=1777';
  return {
    ...body,
    Cmd: ['--check', parserLibrary, trackerLibrary],
    HostConfig: { ...HostConfig, Mounts: [], Tmpfs: { ...HostConfig.Tmpfs, [containerPaths.cudaCache]: cache } },
  };
}

/**
 * Gives each line of its stdout as it comes, at last how it ended. Rejects as the engine does (`docker-engine.ts`). However it ends, the container is
 * removed; one that a killed process left behind ends by itself and is removed by the next that comes when nobody can need it any more.
 */
export async function* checkInContainer(
  docker: CheckEngine,
  check: ContainerCheck,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<string | CheckEnd> {
  const neededSinceMs = clock.now() - check.limitMs - graceMs;
  for (const { id, running, createdMs } of await docker.list(owner))
    if (!running && createdMs < neededSinceMs) await docker.remove(id);
  const id = await docker.create(ownedName(owner, randomUUID().slice(0, 8)), checkBody(check));
  let isOver = false;
  try {
    yield* outputOf(docker, id, check.limitMs, clock, signal);
    isOver = true;
  } finally {
    const removed = docker.remove(id);
    // Else what went wrong says more, and the engine that is away cannot remove anything.
    await (isOver ? removed : removed.catch(() => {}));
  }
}

async function* outputOf(
  docker: CheckEngine,
  id: string,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<string | CheckEnd> {
  const { stdout, stderr, over } = await docker.output(id);
  let lastWords: string | undefined;
  const errors = new LineSplitter();
  const hear = (lines: Iterable<string>) => {
    for (const line of lines) if (line.trim() !== '') lastWords = line;
  };
  stderr
    .setEncoding('utf8')
    .on('data', (chunk: string) => hear(errors.push(chunk)))
    .on('end', () => hear(errors.rest()));
  using limit = clock.deadline(limitMs, signal);
  signal.throwIfAborted();
  limit.signal.addEventListener('abort', () => stdout.destroy(), { once: true });
  await docker.start(id);
  const lines = new LineSplitter();
  try {
    for await (const chunk of stdout.setEncoding('utf8')) yield* lines.push(chunk);
  } catch (error) {
    if (!limit.signal.aborted) throw error;
  }
  signal.throwIfAborted();
  if (limit.signal.aborted) {
    yield { late: true, exitCode: 0, outOfMemory: false, lastWords };
    return;
  }
  await Promise.all([docker.wait(id, signal), over]);
  const { exitCode, outOfMemory } = (await docker.facts(id)) ?? { exitCode: 0, outOfMemory: false };
  yield { late: false, exitCode, outOfMemory, lastWords };
}
