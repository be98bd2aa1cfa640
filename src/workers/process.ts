import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { descriptorsText, errorText, isSystemError, SightlineError } from '../core/errors.ts';
import { rssBytesOf } from '../core/linux-process.ts';
import { noDebugger } from '../core/node-flags.ts';
import { endOrphans, removePidFile, writePidFile } from '../core/orphans.ts';
import type { LaunchedWorker, Launcher, WorkerExit } from './launcher.ts';
import { relayWorkerOutput } from './output.ts';

/** Software workers: child processes, each in a process group of its own. */

export interface ProcessLauncherOptions {
  readonly dataDir: string;
  readonly bridgePath: string;
  /** Socket of the media door; without it workers send no video. */
  readonly mediaPath?: string;
  /** Program that Node runs; the software worker's by default. */
  readonly program?: string;
  /** Beside what it inherits. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What a worker inherits: what finds programs, libraries, certificates, proxies and devices, and nothing else. The daemon's own
 * environment may hold passwords of cameras and brokers.
 */
const inherited = [
  /^(PATH|HOME|USER|LOGNAME|SHELL|TZ|LANG|LANGUAGE|TMPDIR|LD_LIBRARY_PATH)$/,
  /^NODE_(DISABLE_)?COMPILE_CACHE$/,
  /^(LC_|XDG_|GST_|GI_|LIBVA_|VDPAU_|CUDA_|NVIDIA_|ORT_|SSL_CERT_|NODE_EXTRA_CA_CERTS$)/,
  /^(http|https|no|all)_proxy$/i,
];

/** Whoever started the daemon with options for a debugger (--inspect, --inspect-port) may look into its workers as well. */
function noDebuggerEither(): readonly string[] {
  const isDebugged = `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`.includes('--inspect');
  return isDebugged ? [] : [noDebugger];
}

/** MB. As large as it may grow by itself (16) it holds 20 MB more, and costs no less processor time. */
const smallNursery = ['--max-semi-space-size=4'];

const pidFileEnd = '.json';

export function workerEnvironment(
  from: NodeJS.ProcessEnv,
  worker: {
    readonly name: string;
    readonly token: string;
    readonly bridgePath: string;
    readonly mediaPath?: string | undefined;
    readonly capacity: number;
    readonly logLevel: string;
  },
): Record<string, string> {
  const kept = Object.entries(from).filter(([name]) => inherited.some((pattern) => pattern.test(name)));
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, value ?? ''])),
    SIGHTLINE_BRIDGE: worker.bridgePath,
    ...(worker.mediaPath === undefined ? {} : { SIGHTLINE_MEDIA: worker.mediaPath }),
    SIGHTLINE_WORKER: worker.name,
    SIGHTLINE_TOKEN: worker.token,
    SIGHTLINE_LOG_LEVEL: worker.logLevel,
    // FFmpeg's reads, decodes and encodes each hold a thread of libuv's pool, which cannot grow later.
    UV_THREADPOOL_SIZE: String((worker.mediaPath === undefined ? 2 : 3) * worker.capacity + 4),
    OMP_NUM_THREADS: '1',
    // Pictures that many threads take and give back would leave holes in as many heaps of the C library.
    MALLOC_ARENA_MAX: from['MALLOC_ARENA_MAX'] ?? '2',
    // ONNX Runtime's binaries report to their maker over the network unless they are told not to.
    ORT_DISABLE_TELEMETRY: '1',
  };
}

/** Sends to a whole group; false when nobody is left in it. */
export function signalGroup(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, name);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return false;
    throw error;
  }
}

/**
 * Launches workers as `node PROGRAM` with their name, bridge and token in the environment. Their output goes to the log under their
 * name. A pid file per worker lets the next daemon end what this one could not.
 */
export function createProcessLauncher(options: ProcessLauncherOptions): Launcher {
  const program = options.program ?? fileURLToPath(new URL('../software-worker/main.ts', import.meta.url));
  const directory = join(options.dataDir, 'workers');
  const pidFileOf = (worker: string) => join(directory, `${worker}${pidFileEnd}`);

  return {
    launch: async ({ spec: { worker }, token, capacity }, ctx) => {
      const { log } = ctx;
      const environment = workerEnvironment(process.env, {
        name: worker,
        token,
        bridgePath: options.bridgePath,
        mediaPath: options.mediaPath,
        capacity,
        logLevel: log.level,
      });
      const child = spawn(process.execPath, [...smallNursery, ...noDebuggerEither(), program], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...environment, ...options.env },
      });
      const exited = Promise.withResolvers<WorkerExit>();
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (cause) => {
          const why = descriptorsText(cause) ?? errorText(cause);
          reject(new SightlineError('worker.crashed', `worker ${worker} cannot be started: ${why}`));
        });
      });
      const { pid } = child;
      if (pid === undefined) throw new SightlineError('worker.crashed', `worker ${worker} started without a pid`);
      const labelled = log.child({ worker, pid });
      relayWorkerOutput({ worker, stdout: child.stdout, stderr: child.stderr }, { ...ctx, log: labelled });
      child.on('error', (error) => labelled.warn({ err: error }, 'worker process reports an error'));
      child.once('exit', (code, signal) => {
        // What it started does not outlive it.
        signalGroup(pid, 'SIGKILL');
        removePidFile(pidFileOf(worker))
          .catch((error: unknown) => labelled.warn({ err: error }, 'pid file was not removed'))
          .finally(() => exited.resolve({ code: code ?? undefined, signal: signal ?? undefined }));
      });
      await writePidFile(pidFileOf(worker), pid).catch((error: unknown) => {
        labelled.warn({ err: error }, 'pid file was not written, a crash of the daemon would leave this worker behind');
      });
      return {
        pid,
        exited: exited.promise,
        signal: (name) => {
          if (child.exitCode === null && child.signalCode === null) signalGroup(pid, name);
        },
        rssBytes: () => rssBytesOf(pid),
      } satisfies LaunchedWorker;
    },

    cleanUp: async (_wanted, ctx) => {
      const files = await readdir(directory).catch((error: unknown) => {
        if (isSystemError(error, 'ENOENT')) return [];
        throw error;
      });
      for (const file of files.filter((name) => name.endsWith(pidFileEnd))) {
        const worker = file.slice(0, -pidFileEnd.length);
        const marker = { SIGHTLINE_WORKER: worker, SIGHTLINE_BRIDGE: options.bridgePath };
        const pids = await endOrphans(join(directory, file), marker, ctx);
        if (pids.length > 0) ctx.log.warn({ worker, pids }, 'worker of an earlier run was ended');
      }
    },
  };
}
