import { appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlSocket, createControlClient } from '../cli/control-client.ts';
import { issueText } from '../config/issues.ts';
import type { Context } from '../core/context.ts';
import type { DemoService, DemoView } from '../core/demo.ts';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createMetrics } from '../core/metrics.ts';
import { startDaemon } from '../daemon.ts';
import { type DemoDaemon, runDemo } from '../demo/demo.ts';
import { findRunningDemo } from '../demo/running.ts';
import { loadCheckedConfig } from './checked-config.ts';
import type { ServiceOptions } from './services.ts';

/** The demo put together: its own parts and the daemon that `sightline run` starts too. */

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const launcher = fromHere('../../bin/sightline');
/** Different warnings that are shown; all of them are in the log. */
const saidAtMost = 100;

const own = {
  program: relative('', launcher).startsWith('..') ? launcher : relative('', launcher),
  scene: fromHere('../../demo'),
  template: fromHere('../../config/demo.yaml'),
  repository: fromHere('../../model_repository'),
};

export function createDemoService(options: ServiceOptions): DemoService {
  const { env, clock, version } = options;
  const world = { root: tmpdir(), uid: options.uid };
  const connect = (dataDir: string) => createControlClient(controlSocket(dataDir));

  return {
    run: async (request, view) => {
      const gone = new AbortController();
      using _hangups = options.onHangup(() => gone.abort(new DOMException('the terminal is gone', 'AbortError')));
      const signal = AbortSignal.any([options.stop, gone.signal]);
      const sink = createSink(view, request.verbose ? options.logTo : undefined, signal);
      const ctx: Context = { log: createLogger({ level: 'info', destination: sink }), clock, metrics: createMetrics(), signal };
      await runDemo(
        {
          request,
          view,
          world,
          own,
          actor: options.user,
          env,
          openLog: sink.open,
          connect,
          startDaemon: (configFile, configEnv) => startDemoDaemon(configFile, configEnv, version, ctx),
        },
        ctx,
      ).catch((error: unknown) => {
        throw ownModelRemedy(error);
      });
    },
    running: async () => {
      const ctx: Context = {
        log: createLogger({ level: 'silent', destination: options.logTo }),
        clock,
        metrics: createMetrics(),
        signal: options.stop,
      };
      return findRunningDemo({ world, connect }, ctx);
    },
  };
}

/** Weights that came with the repository come back from there, not from the network. */
function ownModelRemedy(error: unknown): unknown {
  if (!isSightlineError(error, 'model.invalid') && !isSightlineError(error, 'model.missing')) return error;
  const { model } = error.details;
  if (typeof model !== 'string' || !model.startsWith('demo_')) return error;
  const what = error.code === 'model.missing' ? 'has no weights' : 'has weights that cannot be used';
  return new SightlineError(error.code, `${model} ${what}; git checkout model_repository brings back those that belong there`, {
    details: error.details,
  });
}

async function startDemoDaemon(
  configFile: string,
  env: Readonly<Record<string, string | undefined>>,
  version: string,
  ctx: Context,
): Promise<DemoDaemon> {
  const { config, warnings } = await loadCheckedConfig(configFile, env);
  for (const warning of warnings) ctx.log.warn({ warning: issueText(warning) }, 'configuration warning');
  // Fires when the daemon has stopped, not when it is asked to: what is under way still finishes.
  const over = new AbortController();
  const daemon = await startDaemon(
    { config, configFile, version, loadConfig: async () => (await loadCheckedConfig(configFile, env)).config },
    { ...ctx, signal: over.signal },
  );
  const [camera] = Object.values(config.cameras);
  return {
    index: daemon.facts.index,
    engine: daemon.facts.engine,
    threshold: daemon.facts.thresholds.face,
    detector: camera?.detect.map(({ model }) => model).join(', ') ?? 'none',
    embedder: config.models.face,
    health: daemon.http === undefined ? undefined : `http://${daemon.http.host}:${daemon.http.port}`,
    rtspPort: daemon.rtspPort,
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      over.abort();
    },
  };
}

/** Lines of the log: into a file once there is one, on stderr when asked for, and what a person should know as words in the view. */
function createSink(view: DemoView, also: { write(line: string): void } | undefined, stopping: AbortSignal) {
  let file: string | undefined;
  const said = new Set<string>();

  function say(text: string): void {
    // What is cut short when it is told to stop is no news.
    if (stopping.aborted || said.size >= saidAtMost || said.has(text)) return;
    said.add(text);
    view.show({ kind: 'warning', text });
  }

  return {
    open: (path: string) => {
      file = path;
    },
    write: (line: string) => {
      also?.write(line);
      const trouble = troubleIn(line);
      if (trouble !== undefined) say(trouble);
      if (file === undefined) return;
      try {
        appendFileSync(file, line, { mode: 0o600 });
      } catch (error) {
        file = undefined;
        say(`the log cannot be written any more: ${errorText(error)}`);
      }
    },
  };
}

/** A warning or an error of the log in words; undefined for other lines. */
function troubleIn(line: string): string | undefined {
  const { level, msg, ...fields }: Record<string, unknown> = JSON.parse(line);
  if (level !== 'warn' && level !== 'error') return undefined;
  // The demo makes a login by itself.
  if (typeof msg === 'string' && msg.startsWith('nobody can log in yet')) return undefined;
  // Its state comes from the broker, as for every consumer.
  if (msg === 'camera away') return undefined;
  const err = fields['err'];
  const cause = err !== null && typeof err === 'object' && 'message' in err ? err.message : undefined;
  const about = [fields['camera'], fields['reason'] ?? fields['warning'] ?? cause].filter((item) => typeof item === 'string');
  return [msg, ...about].join(': ');
}
