import type { FastifyRequest } from 'fastify';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import type { ControlHandlers, PartState, ReloadView, StatusView } from '../core/control.ts';
import type { InferenceServer } from '../core/inference.ts';
import type { LiveFrame } from '../core/live-messages.ts';
import type { DoorStats, OverlayFrame } from '../core/media-door.ts';
import { severityColours } from '../core/severity-colours.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import type { ApiServices, AuditNotes, ClipShelf } from '../http/api/services.ts';
import { padCrop } from '../models/pad-crop.ts';
import type { CameraFigures } from './camera-figures.ts';
import { type EventFeed, feedLimit } from './event-feed.ts';
import type { Keep } from './keep.ts';
import { readQueues } from './queues.ts';

/** What the HTTP API asks for, put together from the rooms. */

export interface ApiParts {
  readonly keep: Pick<Keep, 'store' | 'watchlist' | 'engine'>;
  readonly control: ControlHandlers;
  readonly feed: EventFeed;
  readonly figures: CameraFigures;
  /** As it is now. */
  readonly config: () => Config;
  readonly cameras: () => readonly { readonly camera: CameraId; readonly state: CameraState }[];
  /** Boxes of a camera's newest frame, as they went to the media door. */
  readonly newestOverlay: (camera: CameraId) => OverlayFrame | undefined;
  readonly clips: ClipShelf;
  /** Undefined: there is none. */
  readonly door: () =>
    | {
        readonly ready: { readonly rtspPort?: number; readonly rtspsPort?: number } | undefined;
        readonly stats: DoorStats | undefined;
      }
    | undefined;
  readonly status: () => Promise<StatusView>;
  readonly parts: () => readonly PartState[];
  readonly audit: AuditNotes;
  readonly hostOf: ApiServices['hostOf'];
  readonly requireMetrics: (request: FastifyRequest) => Promise<void>;
  readonly documents: ApiServices['documents'];
}

export function createApiServices(given: ApiParts, ctx: Context): ApiServices {
  const { keep, control, feed, figures, config, cameras, clips, door } = given;
  const { store, watchlist, engine } = keep;

  function rtsp(): { readonly scheme: 'rtsp' | 'rtsps'; readonly port: number } | undefined {
    const ready = door()?.ready;
    if (ready?.rtspPort !== undefined) return { scheme: 'rtsp', port: ready.rtspPort };
    return ready?.rtspsPort === undefined ? undefined : { scheme: 'rtsps', port: ready.rtspsPort };
  }

  return {
    audit: onceAWhile(given.audit, ctx.clock),
    control,
    alerts: store.alerts,
    ledger: store.ledger,
    image: (referenceId) => watchlist.image(referenceId),
    check: (photo, kind, signal) => watchlist.check(photo, kind, signal),
    pad: padCrop,
    clips,
    cameras: {
      list: () =>
        cameras().map(({ camera, state }) => ({
          camera,
          state,
          masked: (config().cameras[camera]?.masks.length ?? 0) > 0,
          rtsp: rtsp(),
          figures: figures.of(camera),
        })),
      frame: (camera) => {
        const newest = given.newestOverlay(camera);
        return newest === undefined ? undefined : toLiveFrame(newest);
      },
    },
    events: (signal, listener) => feed.items(signal, listener),
    lists: () =>
      Object.entries(config().lists).map(([list, { kind, severity, purpose, owner }]) => ({
        list,
        kind,
        severity,
        purpose,
        owner,
        colour: severityColours[severity],
      })),
    status: async () => {
      const {
        pid: _pid,
        configFile: _file,
        cameras: _cameras,
        lastReload,
        served,
        detectors,
        gpus,
        ...status
      } = await given.status();
      const { index, entries, references, outdated } = watchlist.health;
      const stats = door()?.stats;
      const queues = await readQueues(ctx.metrics);
      const waitingEvents = { name: 'events to listeners', waiting: feed.waiting, limit: feedLimit, dropped: 0 };
      return {
        ...status,
        now: ctx.clock.now(),
        parts: [...status.parts],
        queues: [...queues, { ...waitingEvents, dropped: feed.dropped }],
        models: [
          ...engine.states().map((model) => ({ ...model, workers: [] })),
          ...(detectors ?? []).map((detector) => ({ ...detector, workers: [...detector.workers] })),
        ],
        engine: engine.name,
        ...(engine.servers === undefined ? {} : { servers: engine.servers().map(serverView) }),
        ...(served === undefined ? {} : { served: [...served] }),
        ...(gpus === undefined ? {} : { gpus: gpus.map((gpu) => ({ ...gpu, workers: [...gpu.workers] })) }),
        index: { kind: index.kind, ...(index.reason === undefined ? {} : { reason: index.reason }) },
        watchlist: { entries, references, outdated },
        ...(stats === undefined ? {} : { media: mediaOf(stats) }),
        ...(lastReload === undefined ? {} : { lastReload: reloadOf(lastReload) }),
      };
    },
    parts: given.parts,
    hostOf: given.hostOf,
    mayReadMetrics: async (request) => {
      try {
        await given.requireMetrics(request);
        return true;
      } catch {
        return false;
      }
    },
    metrics: async () => {
      const { registry } = ctx.metrics;
      return { media: registry.contentType, text: await registry.metrics() };
    },
    now: () => ctx.clock.now(),
    every: (ms, tick) => ctx.clock.every(ms, tick),
    documents: given.documents,
  };
}

/** Whoever looks at a picture asks for it again and again: that it was seen is one row in so long. */
const seenAgainMs = 10 * 60_000;
const mostSeen = 5000;

function onceAWhile(audit: AuditNotes, clock: Clock): AuditNotes {
  const seen = new Map<string, number>();
  return {
    note: (principal, action, subject, details) => {
      if (action === 'picture.viewed') {
        const key = JSON.stringify([principal.user, subject, details?.['what']]);
        const now = clock.mono();
        if (now - (seen.get(key) ?? Number.NEGATIVE_INFINITY) < seenAgainMs) return;
        // The oldest goes first: maps keep the order in which keys came.
        seen.delete(key);
        seen.set(key, now);
        const [oldest] = seen.keys();
        if (seen.size > mostSeen && oldest !== undefined) seen.delete(oldest);
      }
      audit.note(principal, action, subject, details);
    },
  };
}

function toLiveFrame({ epoch: _epoch, pts90k, ...frame }: OverlayFrame): LiveFrame {
  return { type: 'frame', pts: Number(pts90k), ...frame };
}

function serverView({ name, state, reason }: InferenceServer) {
  return { name, state, ...(state === 'ready' ? {} : { reason }) };
}

function reloadOf({ taken, ...reload }: ReloadView) {
  return {
    ...reload,
    changes: [...reload.changes],
    needsDaemonRestart: [...reload.needsDaemonRestart],
    issues: [...reload.issues],
    ...(taken === undefined ? {} : { taken: { ...taken, changes: [...taken.changes] } }),
  };
}

function mediaOf({ rtspReaders, liveSubscribers, rssBytes, cpuSeconds, ringBytes }: DoorStats) {
  return { rtspReaders, liveSubscribers, rssBytes, cpuSeconds, ringBytes };
}
