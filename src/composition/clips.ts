import { mkdir, statfs } from 'node:fs/promises';
import type { Alert, AlertEvent } from '../core/alerts.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { ClipRequest, FromDoor } from '../core/media-door.ts';
import type { CameraId } from '../core/types.ts';
import type { ClipFiles } from './clip-files.ts';

export interface ClipSettings {
  readonly enabled: boolean;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** All clips together. */
  readonly diskBytes: number;
  readonly retentionMs: number;
}

export interface ClipsOptions {
  readonly files: ClipFiles;
  readonly settings: ClipSettings;
  /**
   * The media door. Every `clip` is answered by `answer`, also when the door ends. `forget` resolves when no clip that the door is still
   * writing names the entry and these are given up, at once when no door runs.
   */
  readonly door: { clip(request: ClipRequest): void; forget(entryId: string, clips: readonly string[]): Promise<void> };
  /** A camera with masks: its video shows what they hide, so that no clip of it is written. */
  readonly isMasked: (camera: CameraId) => boolean;
  /** Whether what is too old may be deleted now. */
  readonly mayExpire: () => boolean;
  /** Of the disk under this folder, in blocks; absent: what the system says. */
  readonly spaceOf?: (directory: string) => Promise<{ readonly bavail: number; readonly blocks: number }>;
}

/** Asks the media door for a clip of each alert, and keeps the clips within their time and space. */
export interface Clips extends AsyncDisposable {
  /** Alerts that have left, and are stored. Never waits. */
  alerts(events: readonly AlertEvent[]): void;
  answer(message: Extract<FromDoor, { readonly type: 'clipDone' | 'clipFailed' }>): void;
  /** Before an entry is erased: resolves when no clip that is under way can come to be one of it. Rejects with `store.failed`. */
  forget(entryId: string): Promise<void>;
  configure(settings: ClipSettings): void;
  part(): PartState;
  /** Of an alert without a clip on disk. */
  absence(alert: Pick<Alert, 'id' | 'camera'>): ClipAbsence;
  /** Clips that are asked for and not answered yet. */
  readonly queue: { readonly waiting: number; readonly limit: number; readonly dropped: number };
}

/** Why an alert has no clip. */
export interface ClipAbsence {
  readonly reason: string;
  /** Of one that is being written: when its last picture is due, ms since 1970. */
  readonly dueAt?: number;
}

/** Clips that may be under way at once. */
const mostClips = 64;
/** Alerts of which it is remembered why they have no clip. */
const mostReasons = 256;
/** Of the disk, this share is left free. */
const freeShare = 1 / 20;
const trimEveryMs = 10 * 60_000;
/** The media door only gives up what it is writing. */
const forgetWithinMs = 5000;

type Result = 'written' | 'masked' | 'full' | 'busy' | 'empty' | 'disk' | 'cancelled' | 'failed' | 'gone' | 'unkept';

export function startClips(options: ClipsOptions, ctx: Context): Clips {
  const { files, door } = options;
  const { clock, metrics } = ctx;
  const log = ctx.log.child({ room: 'clips' });
  const flood = new FloodGate(log, clock);
  const results = metrics.counter('sightline_clips_total', 'Clips of alerts, by what became of them.', ['result']);
  const waiting = metrics.gauge('sightline_clips_waiting', 'Clips that are being written.');
  const deleted = metrics.counter('sightline_clips_deleted_total', 'Clips deleted for their age or for space.');
  let settings = options.settings;
  let problem: string | undefined;
  let dropped = 0;
  /** By alert: whom it is about. */
  const pending = new Map<
    string,
    { readonly camera: CameraId; readonly entryId: string | undefined; readonly dueAt: number }
  >();
  const unwritten = new Map<string, string>();
  /** What is being done about answers and alerts, so that an erasure can wait for it. */
  const working = new Set<Promise<void>>();

  function work(task: () => Promise<void>): void {
    const running = task()
      .catch((error) => flood.warn('a clip could not be kept', { reason: errorText(error) }))
      .finally(() => working.delete(running));
    working.add(running);
  }

  function count(result: Result): void {
    results.inc({ result });
    if (result !== 'written' && result !== 'cancelled' && result !== 'masked') dropped += 1;
  }

  function settle(alertId: string): void {
    pending.delete(alertId);
    waiting.set(pending.size);
  }

  /** Said to whoever asks for the clip. */
  function remember(alertId: string, reason: string): void {
    for (const oldest of unwritten.keys()) {
      if (unwritten.size < mostReasons) break;
      unwritten.delete(oldest);
    }
    unwritten.set(alertId, reason);
  }

  /** Why nothing may be written now. */
  async function lackOfSpace(): Promise<string | undefined> {
    // Somebody may have cleared it away.
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    const { bavail, blocks } = await (options.spaceOf ?? statfs)(files.directory);
    if (bavail >= blocks * freeShare) return undefined;
    return `clips are not written: less than a twentieth of the disk is free (${Math.round((100 * bavail) / blocks)} %)`;
  }

  async function ask({ alert }: AlertEvent): Promise<void> {
    const { id, camera, cameraTime } = alert;
    const lack = await lackOfSpace();
    problem = lack;
    if (lack !== undefined) {
      count('full');
      flood.warn('a clip was not written for want of space', { alert: id, camera });
      remember(id, 'the disk had too little room');
      settle(id);
      return;
    }
    if (!pending.has(id)) return; // its entry was erased meanwhile
    const { beforeMs, afterMs } = settings;
    door.clip({ id, camera, atMs: cameraTime, beforeMs, afterMs, path: files.pathOf(id) });
  }

  async function done(message: Extract<FromDoor, { readonly type: 'clipDone' }>): Promise<void> {
    const { id, bytes, fromMs, toMs, entries } = message;
    const asked = pending.get(id);
    if (asked === undefined) {
      // Given up meanwhile.
      await files.discard([id]);
      count('cancelled');
      return;
    }
    try {
      const clip = { alertId: id, camera: asked.camera, bytes, fromMs, toMs, storedAt: clock.now() };
      const kept = await files.keep(clip, entries);
      count(kept ? 'written' : 'unkept');
      if (kept) problem = undefined;
    } catch (error) {
      count('unkept');
      remember(id, 'it could not be kept');
      throw error;
    } finally {
      settle(id);
    }
    await trim();
  }

  async function failed(message: Extract<FromDoor, { readonly type: 'clipFailed' }>): Promise<void> {
    const { id, code, reason } = message;
    const camera = pending.get(id)?.camera;
    settle(id);
    count(code);
    remember(id, reason);
    if (code === 'disk') problem = `clips are not written: ${reason}`;
    if (code !== 'cancelled') flood.warn('a clip was not written', { alert: id, camera: camera ?? '', code, reason });
    // A door that ended in the middle has left what it had.
    if (code === 'gone') await files.discard([id]);
  }

  async function trim(): Promise<void> {
    const storedBefore = options.mayExpire() ? clock.now() - settings.retentionMs : Number.NEGATIVE_INFINITY;
    const gone = await files.trim({ storedBefore, bytes: settings.diskBytes });
    if (gone > 0) deleted.inc(gone);
  }

  work(trim);
  const timer = clock.every(trimEveryMs, () => work(trim));

  return {
    alerts: (events) => {
      if (!settings.enabled) return;
      for (const event of events) {
        const { alert, step } = event;
        if (step.state !== 'opened' || !alert.durable || pending.has(alert.id)) continue;
        if (options.isMasked(alert.camera)) {
          count('masked');
          continue;
        }
        if (pending.size >= mostClips) {
          count('busy');
          remember(alert.id, 'too many were being written at once');
          flood.warn('a clip was not written, too many are under way', { alert: alert.id, camera: alert.camera });
          continue;
        }
        const dueAt = clock.now() + settings.afterMs;
        pending.set(alert.id, { camera: alert.camera, entryId: alert.entry?.id, dueAt });
        waiting.set(pending.size);
        work(async () => {
          try {
            await ask(event);
          } catch (error) {
            settle(alert.id);
            count('failed');
            remember(alert.id, 'it could not be begun');
            throw error;
          }
        });
      }
    },
    answer: (message) => work(() => (message.type === 'clipDone' ? done(message) : failed(message))),
    forget: async (entryId) => {
      const concerned = [...pending].flatMap(([id, asked]) => (asked.entryId === entryId ? [id] : []));
      for (const id of concerned) settle(id);
      // What is asked for already is known to the door, what is not will not be.
      await within(door.forget(entryId, concerned));
      await Promise.all(working);
      await files.discard(concerned);
    },
    configure: (next) => {
      settings = next;
      if (!next.enabled) problem = undefined;
      work(trim);
    },
    part: () => ({ name: 'clips', ready: problem === undefined, ...(problem === undefined ? {} : { reason: problem }) }),
    absence: ({ id, camera }) => {
      const dueAt = pending.get(id)?.dueAt;
      if (dueAt !== undefined) return { reason: 'it is being written', dueAt };
      const known = unwritten.get(id);
      if (known !== undefined) return { reason: known };
      if (!settings.enabled) return { reason: 'clips are switched off (media.clips.enabled)' };
      if (options.isMasked(camera)) return { reason: 'no clips are written of a camera with masks' };
      return { reason: 'it is past its retention, or was never written' };
    },
    get queue() {
      return { waiting: pending.size, limit: mostClips, dropped };
    },
    [Symbol.asyncDispose]: async () => {
      timer[Symbol.dispose]();
      await Promise.all(working);
      flood[Symbol.dispose]();
    },
  };

  async function within(promise: Promise<void>): Promise<void> {
    using limit = clock.deadline(forgetWithinMs, ctx.signal);
    const late = Promise.withResolvers<void>();
    const refuse = () =>
      late.reject(new SightlineError('store.failed', `the media door does not answer within ${forgetWithinMs / 1000} s`));
    limit.signal.addEventListener('abort', refuse, { once: true });
    await Promise.race([promise, late.promise]);
  }
}
