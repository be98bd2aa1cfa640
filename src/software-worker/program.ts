import { createRequire, flushCompileCache } from 'node:module';
import { aborted } from '../core/aborted.ts';
import { systemClock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';
import { createLogger, type LogLevel } from '../core/log.ts';
import { createMetrics } from '../core/metrics.ts';
import type { Configure } from '../gen/sightline/bridge/v1/bridge.ts';
import { requestTracer, startEngine } from '../inference/engine.ts';
import { createDetector } from '../models/kinds.ts';
import { type BridgeClient, type Command, connectBridge, protocolVersion } from './bridge-client.ts';
import { readEngine } from './settings.ts';
import type { Worker } from './worker.ts';

/**
 * The software worker as a process. Its environment names the bridge (SIGHTLINE_BRIDGE), itself (SIGHTLINE_WORKER) and its secret
 * (SIGHTLINE_TOKEN), and where there is a media door the socket that video goes to (SIGHTLINE_MEDIA); everything else comes over the bridge. UV_THREADPOOL_SIZE must be set by whoever starts it: every pending
 * read holds a thread. Exit codes: 0 drained, 78 settings that cannot work, anything else a crash.
 */
const exits = { drained: 0, crashed: 1, settings: 78 } as const;

/** After this a drain goes on without waiting for frames that are still being looked at. */
const drainWithinMs = 5000;
/** Sources close within moments, unless the system does not let go of one. */
const closeWithinMs = 5000;
/** By then the first pictures have been looked at and all that a start needs is compiled. */
const keepCompiledAfterMs = 10_000;

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new SightlineError('worker.settings', `${name} is not set in the environment`);
  return value;
}

function logLevel(): LogLevel {
  const level = process.env['SIGHTLINE_LOG_LEVEL'];
  return level === 'debug' || level === 'warn' || level === 'error' ? level : 'info';
}

/** Log lines go up the bridge while it stands, to stderr otherwise. */
function createLogDestination(): { write(line: string): void; bridge: BridgeClient | undefined } {
  return {
    bridge: undefined,
    write(line) {
      if (this.bridge === undefined) {
        process.stderr.write(line);
        return;
      }
      const { level, msg, time: _time, ...fields } = JSON.parse(line);
      this.bridge.send({ $case: 'log', value: { level, message: msg, fieldsJson: JSON.stringify(fields) } });
    },
  };
}

function installed(module: string): boolean {
  try {
    createRequire(import.meta.url).resolve(module);
    return true;
  } catch {
    return false;
  }
}

function welcomed(command: Command): Configure | undefined {
  if (command.$case !== 'welcome') return undefined;
  const { protocolVersion: spoken, configure } = command.value;
  if (spoken !== protocolVersion) {
    throw new SightlineError('worker.settings', `the daemon speaks protocol ${spoken}, this worker ${protocolVersion}`);
  }
  return configure ?? { cameras: [], inference: undefined };
}

async function run(ctx: Context, log: ReturnType<typeof createLogDestination>, stop: AbortController): Promise<number> {
  const socketPath = required('SIGHTLINE_BRIDGE');
  const name = required('SIGHTLINE_WORKER');
  const token = required('SIGHTLINE_TOKEN');
  if (!installed('node-av'))
    throw new SightlineError('worker.settings', 'node-av is not installed; npm ci installs it as an optional dependency');
  const [{ createHardware, hardwarePaths }, { silenceFfmpeg }] = await Promise.all([
    import('./decoder.ts'),
    import('./demux.ts'),
  ]);
  silenceFfmpeg();
  using hardware = createHardware();
  const welcome = Promise.withResolvers<Configure>();
  const drain = Promise.withResolvers<'drain'>();
  let worker: Worker | undefined;

  await using bridge = await connectBridge(
    {
      socketPath,
      hello: {
        protocolVersion,
        worker: name,
        token,
        runtime: 'software',
        capabilities: [
          ...['h264', 'h265', 'rtsp', 'http', 'file'],
          ...(installed('gstreamer-superficial') ? ['gstreamer'] : []),
          ...hardwarePaths.filter((path) => hardware.device(path) !== undefined),
        ],
        pid: process.pid,
      },
      onCommand: (command) => {
        if (command.$case === 'drain') drain.resolve('drain');
        else if (command.$case === 'welcome') {
          try {
            const configure = welcomed(command);
            if (configure !== undefined) welcome.resolve(configure);
          } catch (error) {
            welcome.reject(error);
          }
        } else if (command.$case !== 'ping') worker?.command(command);
      },
      onDropped: (frames) => worker?.framesDropped(frames),
    },
    ctx,
  );
  const terminated = () => drain.resolve('drain');
  process.on('SIGTERM', terminated);
  log.bridge = bridge;
  try {
    const first = await Promise.race([welcome.promise, drain.promise, bridge.closed]);
    if (first === 'drain') return exits.drained;
    if (typeof first === 'string') {
      log.bridge = undefined;
      ctx.log.error({ reason: first }, 'bridge ended before the daemon said welcome');
      return exits.crashed;
    }
    const { inference } = first;
    if (inference === undefined) throw new SightlineError('worker.settings', 'the daemon named no inference engine');
    const socket = process.env['SIGHTLINE_MEDIA'];
    const settings = readEngine(inference);
    const [engine, { startWorker }, { startMediaSender }] = await Promise.all([
      startEngine(settings, ctx),
      import('./worker.ts'),
      import('./media-sender.ts'),
    ]);
    // Networks load while the sources open. What cannot be loaded says the engine, and anew when it is needed.
    for (const model of new Set(first.cameras.flatMap(({ detect }) => detect.map((one) => one.model))))
      engine.load(model).catch(() => {});
    worker = startWorker(
      {
        bridge,
        hardware,
        inference,
        engine,
        beginTrace: requestTracer(settings),
        media: socket ? startMediaSender({ socketPath: socket, worker: name, token }, ctx) : undefined,
        createDetector: async (model) => createDetector(await engine.describe(model), engine.infer),
      },
      ctx,
    );
    worker.command({ $case: 'configure', value: first });
    // For the next start, however this process ends.
    ctx.clock.sleep(keepCompiledAfterMs, stop.signal).then(flushCompileCache, () => {});
    const why = await Promise.race([drain.promise, bridge.closed]);
    if (why !== 'drain') {
      log.bridge = undefined;
      ctx.log.error({ reason: why }, 'bridge ended');
      return exits.crashed;
    }
    using limit = ctx.clock.deadline(drainWithinMs);
    const late = aborted(limit.signal).then(() => 'late' as const);
    if ((await Promise.race([worker.drain(), late, bridge.closed])) === 'late')
      ctx.log.warn({}, 'drain took too long, frames were left');
    bridge.send({ $case: 'drained', value: {} });
    await bridge.flushed();
    return exits.drained;
  } finally {
    process.off('SIGTERM', terminated);
    stop.abort(new DOMException('the worker stops', 'AbortError'));
    using limit = ctx.clock.deadline(closeWithinMs);
    // A file on a network disk that does not answer holds its thread, and that thread would hold the process.
    limit.signal.addEventListener('abort', () => process.kill(process.pid, 'SIGKILL'), { once: true });
    await worker?.[Symbol.asyncDispose]();
    log.bridge = undefined;
  }
}

const stop = new AbortController();
const destination = createLogDestination();
const ctx: Context = {
  log: createLogger({ level: logLevel(), destination }),
  clock: systemClock,
  metrics: createMetrics(),
  signal: stop.signal,
};
// The terminal's Ctrl-C reaches the whole group; it is the daemon that drains its workers.
process.on('SIGINT', () => {});
try {
  process.exitCode = await run(ctx, destination, stop);
} catch (error) {
  ctx.log.error({ err: error, reason: errorText(error) }, 'worker stops');
  process.exitCode = isSightlineError(error, 'worker.settings') ? exits.settings : exits.crashed;
}
// Sources are interrupted and closed by now: nothing holds a pool thread for which exit would wait.
process.exit();
