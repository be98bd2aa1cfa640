import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { aborted } from '../core/aborted.ts';
import type { RevokeCause } from '../core/access.ts';
import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { descriptorsText, errorText, isAbort } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type {
  ClipRequest,
  DoorCamera,
  DoorSettings,
  DoorStats,
  FromDoor,
  OverlayFrame,
  StreamUser,
  ToDoor,
} from '../core/media-door.ts';
import { ticketLifeMs } from '../core/tickets.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { createDoorMetrics } from './media-door-metrics.ts';
import { type DoorProcess, endOrphanedDoor, launchDoor } from './media-door-process.ts';
import { createSocketHandover } from './media-door-sockets.ts';

/**
 * The daemon's side of the media door: keeps its process running, tells it everything again when it had to be started anew, and never
 * waits for it. What video costs, and its crash, are the door's.
 */

export type ClipAnswer = Extract<FromDoor, { type: 'clipDone' | 'clipFailed' }>;
export type DoorReady = Omit<Extract<FromDoor, { type: 'ready' }>, 'type'>;
export type DoorWorker = Extract<ToDoor, { type: 'workers' }>['workers'][number];

export interface MediaDoorOptions {
  readonly settings: DoorSettings;
  /** Whether somebody watches the annotated stream of a camera. When the door ends nobody does. */
  onWant(camera: CameraId, annotated: boolean): void;
  /** Each request of `clip` is answered once, also when the door ends meanwhile. */
  onClip(answer: ClipAnswer): void;
  /** After every start of the process, and when what it says has changed. */
  onReady?(ready: DoorReady): void;
  /** Program that Node runs; `media/main.ts` by default. */
  readonly program?: string;
}

export interface MediaDoor extends AsyncDisposable {
  /** Restarts the process: its sockets and rings are those of its start. */
  configure(settings: DoorSettings): void;
  /** Whole lists, each in place of the one before. Resolves when nothing is given out any more that this one does not allow. */
  cameras(cameras: readonly DoorCamera[]): Promise<void>;
  users(users: readonly StreamUser[]): void;
  workers(workers: readonly DoorWorker[]): void;
  /** Dropped and counted when the door does not keep up. */
  overlay(frame: OverlayFrame): void;
  state(camera: CameraId, state: CameraState | undefined): void;
  /**
   * Ends the user's live feeds and voids the tickets given so far; when their rights have changed their RTSP sessions too, which a stream
   * password let in and not a login.
   */
  revoke(user: string, cause: RevokeCause): void;
  /** Takes the connection of an upgrade, whatever comes: nothing else may touch it any more. */
  live(request: Pick<IncomingMessage, 'url' | 'headers'>, socket: Duplex, head: Uint8Array, place?: string): void;
  clip(request: ClipRequest): void;
  /** Resolves when no clip names the entry that the door was still writing, and these are given up. */
  forget(entryId: string, clips: readonly string[]): Promise<void>;
  readonly ready: DoorReady | undefined;
  readonly stats: DoorStats | undefined;
  readonly pid: number | undefined;
  parts(): readonly PartState[];
}

/** Messages that the door has not read, above which boxes are dropped: a few seconds of many cameras. */
const unreadLimit = 1024;
const readyWithinMs = 15_000;
/** A door that ran for so long was sound. */
const soundAfterMs = 30_000;

function partOf(name: string, reason: string | undefined): PartState {
  return { name, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
}

/** Resolves when the door is ready, or when it is clear that it is not yet: `parts` says why. */
export async function startMediaDoor(options: MediaDoorOptions, ctx: Context): Promise<MediaDoor> {
  const { clock, log, metrics } = ctx;
  const flood = new FloodGate(log, clock);
  const doorMetrics = createDoorMetrics(metrics);
  const restarts = metrics.counter('sightline_media_restarts_total', 'Times the media door had to be started anew');
  const droppedFrames = metrics.counter(
    'sightline_media_frames_dropped_total',
    'Boxes of frames that the media door was not told because it did not keep up',
  );
  const skipped = metrics.counter('sightline_media_output_skipped_total', 'Lines of the media door left out of the log');
  const refused = metrics.counter(
    'sightline_media_live_refused_total',
    'Live connections that could not be passed on, or made room for newer ones',
  );
  const tunnels = metrics.gauge('sightline_media_tunnels', 'Live connections of TLS, whose video passes through the daemon');
  const stopping = new AbortController();
  const ended = AbortSignal.any([ctx.signal, stopping.signal]);
  const backoff = new Backoff({ firstMs: 250, maxMs: 15_000 });
  const firstTry = Promise.withResolvers<void>();

  let { settings } = options;
  let cameras: readonly DoorCamera[] = [];
  let users: readonly StreamUser[] = [];
  let workers: readonly DoorWorker[] = [];
  const states = new Map<CameraId, CameraState>();
  /** Of as long as a ticket lives; CLOCK_MONOTONIC. */
  const revoked = new Map<string, number>();
  const wanted = new Set<CameraId>();
  const clips = new Set<string>();
  const forgetting = new Map<string, (() => void)[]>();
  /** Lists of cameras that the door has not taken yet, by id. */
  const telling = new Map<number, () => void>();
  let lists = 0;
  let door: DoorProcess | undefined;
  let ready: DoorReady | undefined;
  let stats: DoorStats | undefined;
  let trouble = 'it is being started';
  /** What the process said of itself before it ended. */
  let failure: string | undefined;

  const sockets = createSocketHandover({
    tunnelPath: () => join(dirname(settings.mediaSocket), 'live.sock'),
    log,
    clock,
    refused: () => refused.inc(),
    tunnels: (open) => tunnels.set(open),
  });

  function receive(message: FromDoor): void {
    switch (message.type) {
      case 'ready': {
        const { type: _type, ...what } = message;
        if (ready === undefined) sockets.open((live, socket) => door?.send(live, socket));
        ready = what;
        log.info({ ...what }, 'media door ready');
        firstTry.resolve();
        options.onReady?.(what);
        return;
      }
      case 'failed':
        failure = message.reason;
        return;
      case 'liveTaken':
        sockets.taken(message.id);
        return;
      case 'liveKnown':
        sockets.known(message.id);
        return;
      case 'camerasTaken':
        telling.get(message.id)?.();
        telling.delete(message.id);
        return;
      case 'want':
        if (message.annotated) wanted.add(message.camera);
        else wanted.delete(message.camera);
        options.onWant(message.camera, message.annotated);
        return;
      case 'clipDone':
      case 'clipFailed':
        if (clips.delete(message.id)) options.onClip(message);
        return;
      case 'forgotten':
        for (const resolve of forgetting.get(message.entryId) ?? []) resolve();
        forgetting.delete(message.entryId);
        return;
      case 'stats':
        stats = message.stats;
        doorMetrics.take(stats);
        return;
      case 'pong':
        return;
    }
  }

  /** The lists come first: whoever connects is known. */
  function brief(to: DoorProcess): void {
    to.send({ type: 'cameras', id: lists, cameras });
    to.send({ type: 'users', users });
    to.send({ type: 'workers', workers });
    for (const [user, atMono] of revoked) {
      if (atMono + ticketLifeMs < clock.mono()) revoked.delete(user);
      else to.send({ type: 'revoke', user, cause: 'rights', atMono });
    }
    to.send({ type: 'configure', settings });
    for (const [camera, state] of states) to.send({ type: 'state', camera, state });
  }

  function failClip(id: string): void {
    if (clips.delete(id))
      options.onClip({ type: 'clipFailed', id, code: 'gone', reason: 'the media door has ended and is being started again' });
  }

  /** What was the process's is over with it. */
  function mourn(): void {
    door = undefined;
    ready = undefined;
    stats = undefined;
    doorMetrics.reset();
    sockets.close();
    for (const camera of [...wanted]) options.onWant(camera, false);
    wanted.clear();
    for (const id of [...clips]) failClip(id);
    for (const resolve of [...forgetting.values()].flat()) resolve();
    forgetting.clear();
    for (const resolve of telling.values()) resolve();
    telling.clear();
  }

  /** One life of the process; resolves to why it ended. */
  async function live(): Promise<string> {
    try {
      await endOrphanedDoor(settings.mediaSocket, ctx);
      if (ended.aborted) return 'the daemon stops';
      const running = launchDoor(
        {
          mediaSocket: settings.mediaSocket,
          program: options.program,
          onMessage: receive,
          onSkipped: (lines) => skipped.inc(lines),
        },
        ctx,
      );
      door = running;
      brief(running);
      return await running.ended;
    } catch (error) {
      return `it cannot be started: ${descriptorsText(error) ?? errorText(error)}`;
    }
  }

  async function keep(): Promise<void> {
    while (!ended.aborted) {
      const startedMono = clock.mono();
      const given = settings;
      failure = undefined;
      const why = await live();
      mourn();
      firstTry.resolve();
      if (ended.aborted) return;
      trouble = failure ?? why;
      restarts.inc();
      if (clock.mono() - startedMono > soundAfterMs || given !== settings) backoff.reset();
      if (given !== settings) continue;
      const waitMs = backoff.next();
      log.error({ reason: trouble, retryInMs: waitMs }, 'media door ended');
      await clock.sleep(waitMs, ended);
    }
  }

  const kept = keep().catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });
  using patience = clock.deadline(readyWithinMs, ctx.signal);
  const late = aborted(patience.signal);
  await Promise.race([firstTry.promise, late]);

  return {
    configure: (next) => {
      settings = next;
      void door?.stop();
    },
    cameras: async (list) => {
      const before = new Set(cameras.map(({ camera }) => camera));
      const named = new Set(list.map(({ camera }) => camera));
      cameras = list;
      for (const camera of states.keys()) if (!named.has(camera)) states.delete(camera);
      for (const camera of wanted) if (!named.has(camera)) wanted.delete(camera);
      if (door === undefined) return;
      lists += 1;
      const taken = Promise.withResolvers<void>();
      telling.set(lists, taken.resolve);
      door.send({ type: 'cameras', id: lists, cameras });
      // What was said of a camera before it was on the list.
      for (const [camera, state] of states) if (!before.has(camera)) door.send({ type: 'state', camera, state });
      await taken.promise;
    },
    users: (list) => {
      users = list;
      door?.send({ type: 'users', users });
    },
    workers: (list) => {
      workers = list;
      door?.send({ type: 'workers', workers });
    },
    overlay: (frame) => {
      if (door === undefined) return;
      if (door.unread < unreadLimit) {
        door.send({ type: 'overlay', frame });
        return;
      }
      droppedFrames.inc();
      flood.warn('media door does not keep up, boxes are dropped', { camera: frame.camera });
    },
    state: (camera, state) => {
      if (state === undefined) states.delete(camera);
      else states.set(camera, state);
      door?.send({ type: 'state', camera, state });
    },
    revoke: (user, cause) => {
      const atMono = clock.mono();
      revoked.set(user, atMono);
      door?.send({ type: 'revoke', user, cause, atMono });
    },
    live: (request, socket, head, place) => sockets.offer({ request, socket, head, place }),
    clip: (request) => {
      clips.add(request.id);
      if (ready === undefined) queueMicrotask(() => failClip(request.id));
      else door?.send({ type: 'clip', request });
    },
    forget: async (entryId, ids) => {
      if (door === undefined) return;
      const done = Promise.withResolvers<void>();
      forgetting.set(entryId, [...(forgetting.get(entryId) ?? []), done.resolve]);
      door.send({ type: 'forget', entryId, clips: ids });
      await done.promise;
    },
    get ready() {
      return ready;
    },
    get stats() {
      return stats;
    },
    get pid() {
      return door?.pid;
    },
    parts: () => {
      const reason = ready === undefined ? trouble : ready.rtspError;
      const door = partOf('media door', reason);
      return settings.rtsp?.tls === undefined ? [door] : [door, partOf('rtsps', reason ?? ready?.rtspsError)];
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort(new DOMException('the daemon stops', 'AbortError'));
      await door?.stop();
      await kept;
      flood[Symbol.dispose]();
    },
  };
}
