import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ClipCounters, ClipFailure, ClipRequest, DoorSettings, FromDoor, OverlayFrame } from '../core/media-door.ts';
import type { CameraId } from '../core/types.ts';
import { type ClipFile, createClipFile } from './clip-file.ts';
import { type ClipPlan, createClipPlan } from './clip-plan.ts';
import { createOverlayRing, type OverlayRing } from './overlay-ring.ts';
import { createPacketRing, type KeptUnit, type PacketRing, type RingUnit } from './packet-ring.ts';

export interface ClipsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Answers, for the daemon. */
  readonly report: (message: Extract<FromDoor, { readonly type: 'clipDone' | 'clipFailed' }>) => void;
}

/**
 * Keeps the last moments of every camera and writes clips of them, without encoding. A clip holds nothing in memory beside the ring: units
 * go to the disk as they come.
 */
export interface Clips extends AsyncDisposable {
  /** Nothing is kept before. Again: what was kept is dropped, and clips that wait end with what they have. */
  configure(limits: DoorSettings['ring']): void;
  /** Units of the clean stream in decoding order. Keeps a reference; never waits. */
  unit(camera: CameraId, unit: RingUnit): void;
  overlay(frame: OverlayFrame): void;
  /** No more comes for now: clips of this camera end with what they have. */
  away(camera: CameraId): void;
  /** Forgets what is kept of this camera: clips of it that are being written end with what they have, later ones begin later. */
  cut(camera: CameraId): void;
  /** Forgets all other cameras. */
  keepOnly(cameras: readonly CameraId[]): void;
  /** Is answered by one report, always. */
  request(request: ClipRequest): void;
  /** Resolves when nothing that is still written names the entry and these clips are given up; their reports came before. */
  forget(entryId: string, clips: readonly string[]): Promise<void>;
  readonly ringBytes: number;
  readonly counters: ClipCounters;
}

interface Feed {
  readonly ring: PacketRing;
  readonly overlays: OverlayRing;
}

interface Writing {
  readonly request: ClipRequest;
  readonly feed: Feed;
  /** Given up: what was written goes. */
  readonly cancelled: AbortController;
  /** No more is waited for. */
  over: boolean;
  /** Has all of its video. */
  awaitsBoxes: boolean;
  /** Of units that came since it last looked at the ring. */
  unseenBytes: number;
  /** What it waits for may have come. */
  wake: () => void;
  /** Named in what is being put in place. */
  entries: readonly string[];
  done: Promise<void>;
}

/** Clips that may be under way at once. */
const mostClips = 64;
/** Beyond the moment at which a clip should end: what a camera's clock may be off, and its delay. */
const lateMs = 5000;
/** Metadata is this much behind its video at most, or is not waited for. */
const overlayLateMs = 1000;
/** A clip is written in pieces of about this size. */
const pieceBytes = 256 * 1024;

class NoVideo extends Error {}

export function createClips({ clock, log, report }: ClipsOptions): Clips {
  const feeds = new Map<CameraId, Feed>();
  const writings = new Map<string, Writing>();
  let limits: DoorSettings['ring'] | undefined;
  const counts = { written: 0, failed: 0, unusable: 0, overlaysDropped: 0 };

  function feedOf(camera: CameraId): Feed | undefined {
    const known = feeds.get(camera);
    if (known !== undefined || limits === undefined) return known;
    const feed = { ring: createPacketRing(limits), overlays: createOverlayRing(limits) };
    feeds.set(camera, feed);
    return feed;
  }

  function end(writing: Writing): void {
    writing.over = true;
    writing.wake();
  }

  // ---- one clip ----

  async function look(writing: Writing): Promise<void> {
    const woken = Promise.withResolvers<void>();
    writing.wake = woken.resolve;
    await woken.promise;
  }

  /** Writes what the ring has for it, until it is whole or no more is waited for. */
  async function gather(writing: Writing, plan: ClipPlan, file: ClipFile): Promise<void> {
    const { request, feed, cancelled } = writing;
    let next: number | undefined;
    while (true) {
      cancelled.signal.throwIfAborted();
      next ??= feed.ring.start(request.atMs - request.beforeMs);
      const { units, lost } = next === undefined ? { units: [], lost: false } : feed.ring.from(next);
      if (lost) log.warn({ clip: request.id, camera: request.camera }, 'disk is slower than video, a clip has a gap');
      const { pieces, restart, ended, after } = takePiece(plan, units);
      next = after ?? next;
      if (restart) await file.clear();
      if (pieces.length > 0) await file.append(pieces);
      if (ended) return;
      if (after !== undefined) continue;
      if (writing.over) return;
      writing.unseenBytes = 0;
      await look(writing);
    }
  }

  /** The boxes of the last pictures are still on their way. */
  async function awaitOverlays(writing: Writing, plan: ClipPlan): Promise<void> {
    const { overlays } = writing.feed;
    const { lastMs } = plan;
    const behind = () => lastMs !== undefined && overlays.newestMs !== undefined && overlays.newestMs < lastMs;
    if (!behind() || writing.over) return;
    let late = false;
    writing.awaitsBoxes = true;
    using limit = clock.deadline(overlayLateMs);
    limit.signal.addEventListener('abort', () => {
      late = true;
      writing.wake();
    });
    while (behind() && !late && !writing.over && !writing.cancelled.signal.aborted) await look(writing);
  }

  async function write(writing: Writing): Promise<Extract<FromDoor, { readonly type: 'clipDone' }>> {
    const { request, feed, cancelled } = writing;
    const { id, camera, atMs, afterMs } = request;
    const plan = createClipPlan({ camera, atMs, toMs: atMs + afterMs });
    using limit = clock.deadline(afterMs + lateMs);
    limit.signal.addEventListener('abort', () => end(writing), { once: true });
    await using file = await createClipFile(request.path);
    await gather(writing, plan, file);
    await awaitOverlays(writing, plan);
    cancelled.signal.throwIfAborted();
    const clip = plan.finish((epoch, pts) => feed.overlays.find(epoch, pts));
    if (clip === undefined) throw new NoVideo('no video of that moment is in memory');
    writing.entries = clip.entries;
    const bytes = await file.finish(clip.head, clip.index, cancelled.signal);
    return { type: 'clipDone', id, bytes, fromMs: clip.fromMs, toMs: clip.toMs, entries: clip.entries };
  }

  async function run(writing: Writing): Promise<void> {
    const { id } = writing.request;
    try {
      const done = await write(writing);
      counts.written += 1;
      report(done);
    } catch (error) {
      counts.failed += 1;
      const code = writing.cancelled.signal.aborted ? 'cancelled' : failureOf(error);
      const reason = code === 'cancelled' ? 'it was to be forgotten' : errorText(error);
      report({ type: 'clipFailed', id, code, reason });
    } finally {
      writings.delete(id);
    }
  }

  function refuse(id: string, code: ClipFailure, reason: string): void {
    counts.failed += 1;
    report({ type: 'clipFailed', id, code, reason });
  }

  return {
    configure: (next) => {
      limits = next;
      feeds.clear();
      for (const writing of writings.values()) end(writing);
    },
    unit: (camera, unit) => {
      const feed = feedOf(camera);
      if (feed === undefined) return;
      if (!feed.ring.push(unit, clock.mono())) {
        counts.unusable += 1;
        return;
      }
      for (const writing of writings.values()) {
        if (writing.feed !== feed) continue;
        const { atMs, afterMs } = writing.request;
        for (const nal of unit.nals) writing.unseenBytes += nal.length;
        if (unit.key || writing.unseenBytes >= pieceBytes || unit.captureMs > atMs + afterMs) writing.wake();
      }
    },
    overlay: (frame) => {
      const feed = feedOf(frame.camera);
      if (feed === undefined) return;
      counts.overlaysDropped += feed.overlays.push(frame, clock.mono());
      for (const writing of writings.values()) if (writing.feed === feed && writing.awaitsBoxes) writing.wake();
    },
    away: (camera) => {
      for (const writing of writings.values()) if (writing.request.camera === camera) end(writing);
    },
    cut: (camera) => {
      feeds.delete(camera);
      for (const writing of writings.values()) if (writing.request.camera === camera) end(writing);
    },
    keepOnly: (cameras) => {
      for (const camera of feeds.keys()) if (!cameras.includes(camera)) feeds.delete(camera);
      for (const writing of writings.values()) if (!cameras.includes(writing.request.camera)) end(writing);
    },
    request: (request) => {
      const { id } = request;
      const feed = feedOf(request.camera);
      if (feed === undefined) refuse(id, 'empty', 'no video is kept yet');
      else if (writings.has(id)) refuse(id, 'failed', 'a clip of this id is being written');
      else if (writings.size >= mostClips) refuse(id, 'busy', `${mostClips} clips are being written already`);
      else {
        const writing: Writing = {
          request,
          feed,
          cancelled: new AbortController(),
          over: false,
          awaitsBoxes: false,
          unseenBytes: 0,
          wake: () => {},
          entries: [],
          done: Promise.resolve(),
        };
        writings.set(id, writing);
        writing.done = run(writing);
      }
    },
    forget: async (entryId, clips) => {
      // Of cameras that are gone too, while clips of them are written.
      const known = new Set([...feeds.values(), ...[...writings.values()].map(({ feed }) => feed)]);
      for (const { overlays } of known) overlays.forget(entryId);
      const concerned = [...writings.values()].filter(
        ({ request, entries }) => clips.includes(request.id) || entries.includes(entryId),
      );
      for (const writing of concerned) {
        writing.cancelled.abort();
        writing.wake();
      }
      await Promise.all(concerned.map(({ done }) => done));
    },
    get ringBytes() {
      let bytes = 0;
      for (const { ring } of feeds.values()) bytes += ring.bytes;
      return bytes;
    },
    get counters() {
      return { waiting: writings.size, ...counts };
    },
    [Symbol.asyncDispose]: async () => {
      for (const writing of writings.values()) end(writing);
      await Promise.all([...writings.values()].map(({ done }) => done));
    },
  };
}

/** What the next write to the disk is. `after`: the number to go on with; undefined when there was no unit. */
function takePiece(plan: ClipPlan, units: readonly KeptUnit[]) {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let restart = false;
  let after: number | undefined;
  for (const unit of units) {
    const taken = plan.take(unit);
    if (taken.step === 'end') return { pieces, restart, ended: true, after };
    if (taken.step === 'restart') {
      restart = true;
      pieces = [];
    }
    pieces.push(...taken.pieces);
    bytes += unit.bytes;
    after = unit.number + 1;
    if (bytes >= pieceBytes) break;
  }
  return { pieces, restart, ended: false, after };
}

function failureOf(error: unknown): ClipFailure {
  if (error instanceof NoVideo) return 'empty';
  return error instanceof Error && 'syscall' in error ? 'disk' : 'failed';
}
