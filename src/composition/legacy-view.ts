import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText, isAbort } from '../core/errors.ts';
import type { FromLegacyView, ToLegacyView } from '../core/legacy-view.ts';
import type { StreamUser } from '../core/media-door.ts';
import { noDebugger } from '../core/node-flags.ts';
import { endOrphans, removePidFile, writePidFile } from '../core/orphans.ts';
import { streamHa1 } from '../core/stream-login.ts';
import type { CameraId } from '../core/types.ts';
import { relayOutput } from '../workers/output.ts';
import { signalGroup, workerEnvironment } from '../workers/process.ts';

/** The program of the legacy view (media/legacy-view.ts), started again when it ends. */
export interface LegacyView extends AsyncDisposable {
  users(users: readonly StreamUser[]): void;
  cameras(cameras: readonly CameraId[]): void;
  part(): PartState;
}

export interface LegacyViewOptions {
  readonly view: Config['media']['legacyView'];
  /** Ours alone by now: what an earlier daemon left there is ended. */
  readonly dataDir: string;
  rtspPort(): number | undefined;
  /** Logins of our own that the RTSP server must take; the whole list. */
  onLogins(logins: readonly StreamUser[]): void;
}

const modules = fileURLToPath(new URL('../../tools/legacy-view', import.meta.url));
/** By then ffmpeg has connected, or will not. */
const loginLifeMs = 10_000;
const againMs = 5000;

function loginFor(camera: CameraId): { readonly user: string; readonly password: string; readonly stream: StreamUser } {
  const user = `legacy-${randomBytes(6).toString('hex')}`;
  const password = randomBytes(18).toString('hex');
  const principal = { user, role: 'viewer', cameras: [camera], pictures: false, via: 'rtsp' } as const;
  return { user, password, stream: { principal, ha1: streamHa1(user, password), lent: true } };
}

export function startLegacyView(options: LegacyViewOptions, ctx: Context): LegacyView {
  const { clock, log } = ctx;
  const { host, port } = options.view;
  const skipped = ctx.metrics.counter(
    'sightline_legacy_view_output_skipped_total',
    'Lines of the legacy view left out of the log',
  );
  const loginsFailed = ctx.metrics.counter(
    'sightline_legacy_view_logins_failed_total',
    'Logins at the legacy view with a wrong name or password',
  );
  const pidFile = join(options.dataDir, 'legacy-view.json');
  const marker = { SIGHTLINE_LEGACY_VIEW: pidFile };
  const stopping = new AbortController();
  const logins = new Set<StreamUser>();
  let users: readonly StreamUser[] = [];
  let cameras: readonly CameraId[] = [];
  let send: (message: ToLegacyView) => void = () => {};
  let reason: string | undefined = 'starting';

  async function lend(id: number, camera: CameraId): Promise<void> {
    const { user, password, stream } = loginFor(camera);
    logins.add(stream);
    options.onLogins([...logins]);
    send({ type: 'login', id, user, password });
    await clock.sleep(loginLifeMs, stopping.signal).catch(() => {});
    logins.delete(stream);
    options.onLogins([...logins]);
  }

  /** Its own group, as its ffmpegs are of it: what a killed daemon leaves behind is found by that. */
  async function life(rtspPort: number): Promise<void> {
    const pids = await endOrphans(pidFile, marker, { clock, signal: stopping.signal });
    if (pids.length > 0) log.warn({ pids }, 'legacy view of an earlier run was ended');
    if (stopping.signal.aborted) return;
    const environment = workerEnvironment(process.env, {
      name: 'legacy-view',
      token: '',
      bridgePath: '',
      capacity: 1,
      logLevel: log.level,
    });
    const child = fork(fileURLToPath(new URL('../media/legacy-view.ts', import.meta.url)), [], {
      execArgv: [noDebugger],
      env: { ...environment, ...marker },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    if (child.stderr !== null)
      relayOutput(child.stderr, {
        stream: 'stderr',
        log: log.child({ part: 'legacy view' }),
        clock,
        onSkipped: (lines) => skipped.inc(lines),
      });
    const { pid } = child;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        if (pid !== undefined) signalGroup(pid, 'SIGKILL');
        resolve();
      });
      child.once('error', () => resolve());
    });
    const end = () => void child.kill('SIGKILL');
    stopping.signal.addEventListener('abort', end, { once: true });
    send = (message) => {
      if (child.connected) child.send(message, () => {});
    };
    child.on('message', (message: FromLegacyView) => {
      if (message.type === 'ready') {
        reason = undefined;
        log.info({ host, port: message.port }, 'legacy view open');
      } else if (message.type === 'failed') {
        reason = message.reason;
        log.error({ reason }, 'legacy view cannot be served');
      } else if (message.type === 'loginsFailed') {
        loginsFailed.inc(message.count);
        log.warn({ count: message.count }, 'legacy view login failed');
      } else void lend(message.id, message.camera);
    });
    if (pid !== undefined)
      await writePidFile(pidFile, pid).catch((error: unknown) => {
        log.warn({ err: error }, 'pid file was not written, a crash of the daemon could leave this legacy view behind');
      });
    send({ type: 'users', users });
    send({ type: 'cameras', cameras });
    send({ type: 'configure', host, port, rtspPort, modules });
    await ended;
    stopping.signal.removeEventListener('abort', end);
    send = () => {};
    await removePidFile(pidFile).catch((error: unknown) => log.warn({ err: error }, 'pid file was not removed'));
  }

  function failed(error: unknown): void {
    if (isAbort(error)) return;
    reason = `it cannot be started: ${errorText(error)}`;
    log.error({ reason, retryInMs: againMs }, 'legacy view cannot be served');
  }

  async function run(): Promise<void> {
    if (!existsSync(join(modules, 'node_modules/rtsp-relay/package.json'))) {
      reason = 'rtsp-relay is not installed; run: tools/bootstrap legacy-view';
      log.error({ reason }, 'legacy view cannot be served');
      return;
    }
    while (!stopping.signal.aborted) {
      const rtspPort = options.rtspPort();
      if (rtspPort === undefined) reason = 'the RTSP server that it reads from is not open';
      else await life(rtspPort).catch(failed);
      if (stopping.signal.aborted) return;
      reason ??= 'its process ended; it is started again';
      await clock.sleep(againMs, stopping.signal).catch(() => {});
    }
  }

  const running = run();
  return {
    users: (changed) => {
      users = changed;
      send({ type: 'users', users });
    },
    cameras: (changed) => {
      cameras = changed;
      send({ type: 'cameras', cameras });
    },
    part: () => ({ name: 'legacy view', ready: reason === undefined, ...(reason === undefined ? {} : { reason }) }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
    },
  };
}
