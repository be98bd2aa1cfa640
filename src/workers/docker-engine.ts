import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { errorText, isSightlineError, isSystemError, SightlineError } from '../core/errors.ts';
import { type ContainerBody, labels } from './container-spec.ts';
import { followPull, type PullProgress, splitOutput } from './engine-streams.ts';

/** The Docker engine, as far as containers of workers need it. What goes wrong there becomes an error with a code and words. */

export interface FoundContainer {
  readonly id: string;
  readonly worker: string;
  /** Its label of that name. */
  readonly config: string;
  readonly running: boolean;
  /** Wall clock of the engine, in whole seconds. */
  readonly createdMs: number;
}

export interface ContainerFacts {
  readonly running: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly pid: number;
}

export interface ContainerOutput {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when both are read to their end: with the container, or with the connection to the engine. */
  readonly over: Promise<void>;
}

export interface EngineAbout {
  readonly version: string;
  readonly apiVersion: string;
  /** Names that it knows: `runc`, `nvidia`. */
  readonly runtimes: readonly string[];
  /** By their CDI names (`nvidia.com/gpu=0`); older engines list none. */
  readonly cdiDevices: readonly string[];
}

/**
 * Rejections: `container.engine` when the engine cannot be reached, `container.image`, `container.gpu` and `container.refused` for what it
 * says no to. Every call has an end but those that wait for a container or a registry. `container.engine` has what the system said in its details
 * (`errno`), where it did.
 */
export interface DockerEngine {
  /** Whether it answers. Never rejects. */
  answers(): Promise<boolean>;
  about(): Promise<EngineAbout>;
  /** Those with our label of this owner, running or not. */
  list(owner: string): Promise<readonly FoundContainer[]>;
  /** Its id; undefined when it is not there. */
  imageId(name: string): Promise<string | undefined>;
  pull(name: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  create(name: string, body: ContainerBody): Promise<string>;
  /** What it prints from now on. */
  output(id: string): Promise<ContainerOutput>;
  start(id: string): Promise<void>;
  /** Resolves when it does not run any more. Where the engine goes away meanwhile it may never say so; `output` ends in any case. */
  wait(id: string, signal: AbortSignal): Promise<void>;
  /** Undefined when there is no such container any more. */
  facts(id: string): Promise<ContainerFacts | undefined>;
  /** Nothing happens when it does not run. */
  kill(id: string, name: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** SIGTERM, and SIGKILL for one that does not end within `seconds`. */
  stop(id: string, seconds: number): Promise<void>;
  /** Nothing happens when it is not there. */
  remove(id: string): Promise<void>;
  /** Without the cache of files. */
  memoryBytes(id: string): Promise<number | undefined>;
}

const pingWithinMs = 2000;

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return undefined;
  return error.statusCode;
}

/** What the engine itself said, without the client's words round it. */
function saidBy(error: unknown): string {
  const { json, message } = error as { readonly json?: { readonly message?: unknown }; readonly message?: unknown };
  const said = typeof json?.message === 'string' ? json.message : String(message ?? error);
  return said.trim().replace(/\s+/g, ' ').slice(0, 500);
}

function unreachable(cause: unknown, socketPath: string): SightlineError {
  const errno = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? { errno: cause.code } : {};
  const wrong = (says: string) => new SightlineError('container.engine', says, { details: { socket: socketPath, ...errno } });
  if (isSystemError(cause, 'EACCES') || isSystemError(cause, 'EPERM'))
    return wrong(`no permission on ${socketPath}; the user that runs Sightline must be in its group (usually docker)`);
  if (isSystemError(cause, 'ENOENT'))
    return wrong(`there is no Docker engine: no ${socketPath}; start it, or set deepstream.socket`);
  if (isSystemError(cause, 'ECONNREFUSED')) return wrong(`the Docker engine of ${socketPath} does not run`);
  return wrong(`the Docker engine of ${socketPath} went away: ${errorText(cause)}`);
}

/** Also for what the engine said no to. */
export function engineError(cause: unknown, socketPath: string): SightlineError {
  if (isSightlineError(cause)) return cause;
  const status = statusOf(cause);
  if (status === undefined) return unreachable(cause, socketPath);
  const said = saidBy(cause);
  const details = { status };
  if (
    /could not select device driver|unknown( or invalid)? runtime|nvidia-container|libnvidia|no such device.*nvidia/i.test(said)
  )
    return new SightlineError(
      'container.gpu',
      `the Docker engine has no way to an NVIDIA GPU; install the NVIDIA Container Toolkit and its runtime, or see deepstream.gpuAccess: ${said}`,
      { details },
    );
  if (/no such image|pull access denied|manifest (unknown|for)|repository does not exist/i.test(said))
    return new SightlineError('container.image', said, { details });
  if (/executable file not found|no such file or directory: unknown/i.test(said))
    return new SightlineError('container.image', `the image does not hold the program sightline-bridge: ${said}`, { details });
  if (/container name .* is already in use/i.test(said))
    return new SightlineError(
      'container.refused',
      `a container that is not ours has the name of ours; remove or rename it: ${said}`,
      {
        details,
      },
    );
  return new SightlineError('container.refused', `the Docker engine says no: ${said}`, { details });
}

function silent(socketPath: string, withinMs: number): SightlineError {
  const says = `the Docker engine of ${socketPath} gave no answer within ${withinMs / 1000} s`;
  return new SightlineError('container.engine', says, { details: { socket: socketPath } });
}

export interface DockerEngineOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** For each call that is answered at once. */
  readonly answerWithinMs?: number;
  /** When it fires, such calls reject with its reason. */
  readonly signal?: AbortSignal;
}

/** What of its answers is used. */
const answers = {
  version: z.object({ Version: z.string(), ApiVersion: z.string() }),
  /** The devices of newer engines, of which the client's types do not know. */
  info: z.object({
    Runtimes: z.record(z.string(), z.unknown()).nullish(),
    DiscoveredDevices: z.array(z.object({ ID: z.string().optional() })).nullish(),
  }),
  containers: z.array(
    z.object({
      Id: z.string().min(1),
      State: z.string(),
      Created: z.number(),
      Labels: z.record(z.string(), z.string()).nullish(),
    }),
  ),
  image: z.object({ Id: z.string().min(1) }),
  created: z.object({ id: z.string().min(1) }),
  container: z.object({
    State: z.object({ Running: z.boolean(), ExitCode: z.number(), OOMKilled: z.boolean(), Pid: z.number() }),
  }),
  /** cgroup 1 and 2 call what the cache of files takes differently. */
  stats: z.object({
    memory_stats: z
      .object({
        usage: z.number().optional(),
        stats: z.object({ total_inactive_file: z.number().optional(), inactive_file: z.number().optional() }).nullish(),
      })
      .nullish(),
  }),
};

/** Loads the client at its first use: most installations never need it. */
export async function createDockerEngine(options: DockerEngineOptions): Promise<DockerEngine> {
  const { socketPath, clock, answerWithinMs = 20_000, signal } = options;
  const { default: Client } = await import('dockerode');
  // The client would follow DOCKER_HOST and DOCKER_CLIENT_TIMEOUT of the environment before what it is told.
  const own = { socketPath, host: '', timeout: 0 };
  const docker: Docker = new Client(own);
  // Few of its calls take a signal; a connection to an engine that never answers must not be left open.
  const asked: Docker = new Client({ ...own, timeout: 2 * answerWithinMs });

  /** Any call that is answered at once. */
  async function ask<T>(call: (abortSignal: AbortSignal) => Promise<T>, withinMs = answerWithinMs): Promise<T> {
    signal?.throwIfAborted();
    using limit = clock.deadline(withinMs, signal);
    // The client does not take the signal everywhere.
    const late = Promise.withResolvers<never>();
    limit.signal.addEventListener('abort', () => late.reject(limit.signal.reason), { once: true });
    try {
      return await Promise.race([call(limit.signal), late.promise]);
    } catch (cause) {
      signal?.throwIfAborted();
      throw limit.signal.aborted ? silent(socketPath, withinMs) : engineError(cause, socketPath);
    }
  }

  function read<T>(schema: z.ZodType<T>, answer: unknown): T {
    const { data, error } = schema.safeParse(answer);
    if (data !== undefined) return data;
    const where = error?.issues[0]?.path.join('.');
    const says = `what answers on ${socketPath} is no Docker engine that we know${where ? `: ${where} is not as it should be` : ''}`;
    throw new SightlineError('container.refused', says, { details: { socket: socketPath } });
  }

  /** Undefined where the engine has no such thing. */
  async function ifThere<T>(call: (abortSignal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    try {
      return await ask(call);
    } catch (error) {
      if (isSightlineError(error) && error.details['status'] === 404) return undefined;
      throw error;
    }
  }

  /** Any call that takes as long as it takes. */
  async function waitFor<T>(call: () => Promise<T>, abortSignal: AbortSignal): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      abortSignal.throwIfAborted();
      throw engineError(cause, socketPath);
    }
  }

  async function unless(status: readonly number[], call: (abortSignal: AbortSignal) => Promise<unknown>): Promise<void> {
    await ask(async (abortSignal) => {
      try {
        await call(abortSignal);
      } catch (error) {
        if (!status.includes(statusOf(error) ?? 0)) throw error;
      }
    });
  }

  return {
    answers: async () => {
      try {
        await ask(() => asked.ping(), pingWithinMs);
        return true;
      } catch {
        return false;
      }
    },
    about: async () => {
      const both = await Promise.all([ask(() => asked.version()), ask<unknown>(() => asked.info())]);
      const [version, info] = [read(answers.version, both[0]), read(answers.info, both[1])];
      return {
        version: version.Version,
        apiVersion: version.ApiVersion,
        runtimes: Object.keys(info.Runtimes ?? {}),
        cdiDevices: (info.DiscoveredDevices ?? []).flatMap(({ ID }) => (ID === undefined ? [] : [ID])),
      };
    },
    list: async (owner) => {
      const filters = { label: [`${labels.owner}=${owner}`] };
      const found = await ask((abortSignal) => docker.listContainers({ all: true, filters, abortSignal }));
      return read(answers.containers, found).map(({ Id, Labels, State, Created }) => ({
        id: Id,
        worker: Labels?.[labels.worker] ?? '',
        config: Labels?.[labels.config] ?? '',
        running: State === 'running',
        createdMs: 1000 * Created,
      }));
    },
    imageId: async (name) => {
      const found = await ifThere(() => asked.getImage(name).inspect());
      return found === undefined ? undefined : read(answers.image, found).Id;
    },
    pull: (name, onProgress, abortSignal) =>
      waitFor(async () => followPull(await docker.pull(name, { abortSignal }), onProgress), abortSignal),
    create: async (name, body) => {
      // `Types` know less than the engine: capabilities of devices, options of volumes.
      const options = { ...body, name } as unknown as Docker.ContainerCreateOptions;
      return read(answers.created, await ask((abortSignal) => docker.createContainer({ ...options, abortSignal }))).id;
    },
    output: async (id) => {
      const attach = { stream: true, stdout: true, stderr: true } as const;
      const { stdout, stderr } = splitOutput(
        await ask((abortSignal) => docker.getContainer(id).attach({ ...attach, abortSignal })),
      );
      const over = Promise.all([stdout, stderr].map((stream) => new Promise((resolve) => stream.once('close', resolve))));
      return { stdout, stderr, over: over.then(() => undefined) };
    },
    start: (id) => ask((abortSignal) => docker.getContainer(id).start({ abortSignal })),
    wait: (id, abortSignal) => waitFor(() => docker.getContainer(id).wait({ abortSignal }), abortSignal),
    facts: async (id) => {
      const found = await ifThere((abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      if (found === undefined) return undefined;
      const { State } = read(answers.container, found);
      return { running: State.Running, exitCode: State.ExitCode, outOfMemory: State.OOMKilled, pid: State.Pid };
    },
    kill: (id, signal) => unless([404, 409], (abortSignal) => docker.getContainer(id).kill({ signal, abortSignal })),
    stop: (id, seconds) => unless([304, 404], (abortSignal) => docker.getContainer(id).stop({ t: seconds, abortSignal })),
    remove: (id) => unless([404, 409], (abortSignal) => docker.getContainer(id).remove({ force: true, v: true, abortSignal })),
    memoryBytes: async (id) => {
      const said = await ask<unknown>(() => asked.getContainer(id).stats({ stream: false, 'one-shot': true }));
      const { memory_stats: memory } = read(answers.stats, said);
      if (memory?.usage === undefined) return undefined;
      return memory.usage - (memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0);
    },
  };
}
