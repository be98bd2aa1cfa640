import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandServices } from '../cli/command.ts';
import { controlSocket, createControlClient } from '../cli/control-client.ts';
import { issueText } from '../config/issues.ts';
import { loadDataDir, loadRepository } from '../config/load.ts';
import { aborted } from '../core/aborted.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { type Control, type ControlHandlers, parseControlRequest } from '../core/control.ts';
import { isAbort } from '../core/errors.ts';
import { createLogger, type LogLevel } from '../core/log.ts';
import { createMetrics } from '../core/metrics.ts';
import { loadCheckedConfig } from './checked-config.ts';

/** What the commands of `cli/` ask for, put together from the rooms. Heavy parts are loaded when they are asked for. */

export interface ServiceOptions {
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Name and number of the user; the number is undefined where the system has none. */
  readonly user: string;
  readonly uid: number | undefined;
  readonly clock: Clock;
  /** First SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
  /** Calls back at every SIGHUP until disposed. */
  readonly onHangup: (callback: () => void) => Disposable;
  /** Lines of log, from `level` up; counts those it could not write. */
  readonly logTo: { write(line: string): void; readonly lost?: number };
}

const shipped = fileURLToPath(new URL('../../model_repository', import.meta.url));
/** By then all that a start needs is compiled. */
const keepCompiledAfterMs = 10_000;

export function createServices(options: ServiceOptions): CommandServices {
  const { env, clock, version, stop } = options;

  function context(level: LogLevel, signal: AbortSignal): Context {
    const { logTo } = options;
    const log = createLogger({ level, destination: logTo });
    const metrics = createMetrics();
    metrics.counted('sightline_log_lines_lost_total', 'Lines of the log that were written nowhere', () => logTo.lost ?? 0);
    return { log, clock, metrics, signal };
  }

  /** The repository named, else that of the configuration file, else the program's own. */
  const repositoryOf = ({ repository, config }: { readonly repository?: string; readonly config?: string }) =>
    repository ?? (config === undefined ? shipped : loadRepository(config, env));

  return {
    version,
    check: async (file) => {
      const { config, warnings } = await loadCheckedConfig(file, env);
      return {
        warnings: warnings.map(issueText),
        cameras: Object.keys(config.cameras).length,
        lists: Object.keys(config.lists).length,
        rules: config.alerts.length,
      };
    },
    renderContainers: async (file) => {
      const { renderContainers } = await import('./rendered-containers.ts');
      return renderContainers(file, env);
    },
    dataDirOf: async (file) => loadDataDir(file, env),
    connect: async (dataDir) => createControlClient(controlSocket(dataDir)),
    openStore: async (file) => {
      const { config } = await loadCheckedConfig(file, env);
      const [{ startKeep }, { createControlHandlers }, { startAccounts }, { createUserHandlers }] = await Promise.all([
        import('./keep.ts'),
        import('./control-handlers.ts'),
        import('../http/auth/accounts.ts'),
        import('./user-handlers.ts'),
      ]);
      const ctx = context('warn', stop);
      const stack = new AsyncDisposableStack();
      try {
        const keep = stack.use(await startKeep(config, ctx));
        const users = createUserHandlers({ accounts: stack.use(await startAccounts(keep.store, ctx)) });
        return {
          ...localControl(createControlHandlers({ keep, users, now: () => clock.now() })),
          [Symbol.asyncDispose]: () => stack.disposeAsync(),
        };
      } catch (error) {
        await stack.disposeAsync();
        throw error;
      }
    },
    models: async (where) => {
      const { openModelShelf } = await import('./model-shelf.ts');
      return openModelShelf({ repository: repositoryOf(where), shipped }, env, context('warn', stop));
    },
    triton: async (where) => {
      const { createTritonTools } = await import('./triton-tools.ts');
      return createTritonTools({ ...where, repository: repositoryOf(where) }, env);
    },
    doctor: async () => {
      const { createDoctor } = await import('./doctor.ts');
      const daemonOn = async (dataDir: string) =>
        await createControlClient(controlSocket(dataDir))
          .call('status', {}, stop)
          .then(
            () => true,
            () => false,
          );
      return createDoctor({ env, clock, directory: resolve('.'), daemonOn });
    },
    probe: async (request, onProgress) => {
      const { probeCamera } = await import('./probe.ts');
      return probeCamera(request, { env, clock, stop, onProgress });
    },
    benchTriton: async (request, onProgress) => {
      const { benchTriton } = await import('../inference/triton-bench.ts');
      return benchTriton(request, context('error', stop), onProgress);
    },
    demo: async () => {
      const { createDemoService } = await import('./demo.ts');
      return createDemoService(options);
    },
    runDaemon: async (file, { once }) => {
      const { config, warnings } = await loadCheckedConfig(file, env);
      const { startDaemon } = await import('../daemon.ts');
      // Fires when the daemon has stopped, not when it is asked to: what is under way still finishes.
      const over = new AbortController();
      const ctx = context(config.logLevel, over.signal);
      for (const warning of warnings) ctx.log.warn({ warning: issueText(warning) }, 'configuration warning');
      const giveUp = () => over.abort();
      stop.addEventListener('abort', giveUp, { once: true });
      if (stop.aborted) return [];
      let failed: Awaited<ReturnType<CommandServices['runDaemon']>> = [];
      try {
        await using daemon = await startDaemon(
          {
            config,
            configFile: file,
            loadConfig: async () => (await loadCheckedConfig(file, env)).config,
            version,
          },
          ctx,
        );
        stop.removeEventListener('abort', giveUp);
        // For the next start, however this process ends.
        clock.sleep(keepCompiledAfterMs, over.signal).then(flushCompileCache, () => {});
        using _hangups = options.onHangup(() => void daemon.reload());
        const asked = aborted(stop);
        if (!stop.aborted) failed = (await (once ? Promise.race([asked, daemon.finished]) : asked)) ?? [];
        ctx.log.info('stopping');
      } catch (error) {
        if (!stop.aborted || !isAbort(error)) throw error; // told to stop while it started
      } finally {
        over.abort();
      }
      ctx.log.info('stopped');
      return failed;
    },
  };
}

/** The handlers without a socket between; requests are checked all the same. */
function localControl(handlers: ControlHandlers): Control {
  const answer = (method: keyof ControlHandlers, request: unknown, signal: AbortSignal): unknown => {
    // One table, one loop over its keys: the pairing of method and request is what `parseControlRequest` has checked.
    const handler = handlers[method] as (body: unknown, signal: AbortSignal) => unknown;
    return handler(parseControlRequest(method, request), signal);
  };
  return {
    call: async (method, request, signal) => (await answer(method, request, signal)) as never,
    stream: (method, request, signal) => answer(method, request, signal) as never,
  };
}
