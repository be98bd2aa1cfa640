import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '../core/context.ts';
import { descriptorsText, errorText } from '../core/errors.ts';
import type { FromDoor, ToDoor } from '../core/media-door.ts';
import { noDebugger } from '../core/node-flags.ts';
import { endOrphans, type Marker, removePidFile, writePidFile } from '../core/orphans.ts';
import { relayOutput } from '../workers/output.ts';

/** One life of the media door's process, as its parent sees it. */

/** What it inherits: what finds programs, libraries and times, and nothing else. Secrets come over the channel. */
const inherited = /^(PATH|HOME|TZ|LANG|LC_.*|TMPDIR|LD_LIBRARY_PATH|NODE_(DISABLE_)?COMPILE_CACHE)$/;
/** MB, as for workers: video lies outside V8's heap. */
const smallNursery = '--max-semi-space-size=4';
const pingEveryMs = 1000;
/** A machine that is too busy for this long would not serve video either. */
const missedPingsAllowed = 10;
const stopWithinMs = 5000;

export interface DoorProcess {
  readonly pid: number | undefined;
  /** Why it ended, in words; never rejects. */
  readonly ended: Promise<string>;
  /** Messages that it has not read yet. */
  readonly unread: number;
  send(message: ToDoor, socket?: Socket): void;
  /** Asks it to stop and kills it when it does not. */
  stop(): Promise<void>;
}

/** What the process is found by after the daemon's death. */
function orphanOf(mediaSocket: string): { readonly pidFile: string; readonly marker: Marker } {
  return { pidFile: join(dirname(mediaSocket), 'media-door.json'), marker: { SIGHTLINE_DOOR: mediaSocket } };
}

/**
 * Ends the door of an earlier daemon that was killed, where that door hung and did not notice: it holds the socket and the ports. Call it
 * as the owner of the data directory, and before each launch.
 */
export async function endOrphanedDoor(mediaSocket: string, ctx: Context): Promise<void> {
  const { pidFile, marker } = orphanOf(mediaSocket);
  const pids = await endOrphans(pidFile, marker, ctx);
  if (pids.length > 0) ctx.log.warn({ pids }, 'media door of an earlier run was ended');
}

export function launchDoor(
  options: {
    /** Socket that it will be told to serve. */
    readonly mediaSocket: string;
    readonly program: string | undefined;
    onMessage(message: FromDoor): void;
    onSkipped(lines: number): void;
  },
  ctx: Context,
): DoorProcess {
  const { pidFile, marker } = orphanOf(options.mediaSocket);
  const { clock } = ctx;
  const environment = Object.entries(process.env).filter(([name]) => inherited.test(name));
  const debugged = `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`.includes('--inspect');
  const child: ChildProcess = fork(options.program ?? fileURLToPath(new URL('../media/main.ts', import.meta.url)), [], {
    serialization: 'advanced',
    execArgv: [smallNursery, ...(debugged ? [] : [noDebugger])],
    env: { ...Object.fromEntries(environment), ...marker, MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? '2' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = ctx.log.child({ part: 'media door', pid: child.pid ?? 0 });
  for (const stream of ['stdout', 'stderr'] as const) {
    const readable = child[stream];
    if (readable !== null) relayOutput(readable, { stream, log, clock, onSkipped: options.onSkipped });
  }
  const ended = Promise.withResolvers<string>();
  let unread = 0;
  let missed = 0;
  let pings = 0;
  let why: string | undefined;

  function send(message: ToDoor, socket?: Socket): void {
    if (!child.connected) return;
    unread += 1;
    child.send(message, socket, {}, (error) => {
      unread -= 1;
      // Its end is told by `exit`; a broken channel without it ends it.
      if (error !== null && child.exitCode === null && child.signalCode === null) {
        why ??= `it cannot be told anything: ${errorText(error)}`;
        child.kill('SIGKILL');
      }
    });
    // Node sends it once the other side has the socket and the one here is closed (NODE_HANDLE_ACK).
    if (message.type === 'live') send({ type: 'given', id: message.id });
  }

  child.on('message', (message: FromDoor) => {
    if (message.type === 'pong') missed = 0;
    else options.onMessage(message);
  });
  const pinging = clock.every(pingEveryMs, () => {
    if (missed >= missedPingsAllowed) {
      why ??= `${missedPingsAllowed} pings in a row were not answered`;
      child.kill('SIGKILL');
      return;
    }
    missed += 1;
    pings += 1;
    send({ type: 'ping', id: pings });
  });
  child.once('error', (error) => {
    // Without a pid it was never there and no exit will tell.
    if (child.pid === undefined) {
      pinging[Symbol.dispose]();
      ended.resolve(`it cannot be started: ${descriptorsText(error) ?? errorText(error)}`);
    } else log.warn({ err: error }, 'media door process reports an error');
  });
  const recorded =
    child.pid === undefined
      ? Promise.resolve()
      : writePidFile(pidFile, child.pid).catch((error: unknown) => {
          log.warn({ err: error }, 'pid file was not written, a crash of the daemon could leave this door behind');
        });
  child.once('exit', async (code, signal) => {
    pinging[Symbol.dispose]();
    await recorded;
    await removePidFile(pidFile).catch((error: unknown) => log.warn({ err: error }, 'pid file was not removed'));
    ended.resolve(why ?? (signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`));
  });

  return {
    pid: child.pid,
    ended: ended.promise,
    get unread() {
      return unread;
    },
    send,
    stop: async () => {
      send({ type: 'stop' });
      using limit = clock.deadline(stopWithinMs);
      limit.signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
      await ended.promise;
    },
  };
}
