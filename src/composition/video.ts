import { randomBytes } from 'node:crypto';
import type { Config, ListConfig } from '../config/schema.ts';
import type { RevokeCause } from '../core/access.ts';
import type { AlertEvent } from '../core/alerts.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import type { DoorCamera, DoorSettings, OverlayFrame, StreamUser } from '../core/media-door.ts';
import { mediaSocket } from '../core/run-folder.ts';
import { Scope } from '../core/scope.ts';
import type { CameraId, CameraState, FrameMeta } from '../core/types.ts';
import { cameraMessage } from './camera-message.ts';
import { type ClipSettings, type Clips, startClips } from './clips.ts';
import type { DoorWorker } from './door-workers.ts';
import type { Keep } from './keep.ts';
import { startLegacyView } from './legacy-view.ts';
import { type MediaDoor, startMediaDoor } from './media-door.ts';
import { overlayOf } from './overlays.ts';

/** Video for people: the media door, what the daemon tells it of cameras, users, workers and boxes, and the clips it writes. */
export interface Video extends AsyncDisposable {
  /** Socket to which workers send video. */
  readonly mediaPath: string;
  readonly door: MediaDoor;
  readonly clips: Clips;
  /** Hands a frame's boxes to whoever watches; never waits. */
  see(frame: FrameMeta): void;
  newest(camera: CameraId): OverlayFrame | undefined;
  state(camera: CameraId, state: CameraState | undefined): void;
  /** Alerts that have left. */
  alerts(events: readonly AlertEvent[]): void;
  /** Resolves when nothing is shown any more that this configuration hides. */
  configure(config: Config): Promise<void>;
  workers(workers: readonly DoorWorker[]): void;
  parts(): readonly PartState[];
}

export interface VideoOptions {
  readonly config: Config;
  readonly keep: Pick<Keep, 'clips' | 'erasing' | 'beforeErase'>;
  /** Of the tickets that open the live feed. */
  readonly ticketKey: Uint8Array;
  readonly label: Parameters<typeof overlayOf>[1];
  onWant(camera: CameraId, annotated: boolean): void;
  readonly users: {
    streamUsers(): readonly StreamUser[];
    onChange(listener: (users: readonly StreamUser[]) => void): void;
    onRevoke(listener: (user: string, cause: RevokeCause) => void): void;
  };
}

/** HMAC-SHA256 wants as many bytes as it gives. */
const ticketKeyBytes = 32;
const stopWithinMs = 3000;

export function newTicketKey(): Uint8Array {
  return randomBytes(ticketKeyBytes);
}

function doorSettings({ config, ticketKey }: VideoOptions, mediaSocket: string): DoorSettings {
  const { rtsp, ring } = config.media;
  const { host, port, udp, open, maxReaders, tls } = rtsp;
  return {
    mediaSocket,
    rtsp: rtsp.enabled ? { host, port, udp, open, maxReaders, ...(tls === undefined ? {} : { tls }) } : undefined,
    ring: { seconds: ring.duration / 1000, bytes: ring.megabytes * 1_000_000 },
    ticketKey,
    logLevel: config.logLevel,
  };
}

function clipSettings({ media, retention }: Config): ClipSettings {
  const { enabled, before, after, diskMegabytes } = media.clips;
  return {
    enabled,
    beforeMs: before,
    afterMs: after,
    diskBytes: diskMegabytes * 1_000_000,
    retentionMs: retention.clips,
  };
}

function doorCameras(config: Config): readonly DoorCamera[] {
  return Object.entries(config.cameras)
    .filter(([, { enabled }]) => enabled)
    .map(([camera, settings]) => ({
      camera,
      masked: settings.masks.length > 0,
      revision: cameraMessage(camera, settings).revision,
    }));
}

export async function startVideo(options: VideoOptions, ctx: Context): Promise<Video> {
  const scope = new Scope({ clock: ctx.clock, log: ctx.log, deadlineMs: stopWithinMs });
  try {
    return await compose(options, scope, ctx);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(options: VideoOptions, scope: Scope, ctx: Context): Promise<Video> {
  const { users, keep, config } = options;
  const mediaPath = mediaSocket(config.dataDir);
  const newest = new Map<CameraId, OverlayFrame>();
  let lists: Readonly<Record<string, ListConfig>> = config.lists;
  let masked: ReadonlySet<CameraId> = new Set();
  /** Of the legacy view. */
  let logins: readonly StreamUser[] = [];
  const tellUsers = () => door.users([...users.streamUsers(), ...logins]);

  const door: MediaDoor = await startMediaDoor(
    {
      settings: doorSettings(options, mediaPath),
      onWant: (camera, annotated) => options.onWant(camera, annotated),
      onClip: (answer) => clips.answer(answer),
    },
    ctx,
  );
  scope.use('media door', door);
  const clips: Clips = scope.use(
    'clips',
    startClips(
      {
        files: keep.clips,
        settings: clipSettings(config),
        door: {
          clip: (request) => door.clip(request),
          forget: (entryId, ids) => door.forget(entryId, ids),
        },
        isMasked: (camera) => masked.has(camera),
        mayExpire: keep.erasing.allowed,
      },
      ctx,
    ),
  );
  keep.beforeErase((entryId) => clips.forget(entryId));
  const legacy = config.media.legacyView.enabled
    ? scope.use(
        'legacy view',
        startLegacyView(
          {
            view: config.media.legacyView,
            dataDir: config.dataDir,
            rtspPort: () => door.ready?.rtspPort,
            onLogins: (lent) => {
              logins = lent;
              tellUsers();
            },
          },
          ctx,
        ),
      )
    : undefined;

  async function tellCameras(now: Config): Promise<void> {
    const cameras = doorCameras(now);
    masked = new Set(cameras.filter((camera) => camera.masked).map(({ camera }) => camera));
    legacy?.cameras(cameras.map(({ camera }) => camera));
    await door.cameras(cameras);
  }

  void tellCameras(config);
  tellUsers();
  legacy?.users(users.streamUsers());
  users.onChange((changed) => {
    tellUsers();
    legacy?.users(changed);
  });
  users.onRevoke((user, cause) => door.revoke(user, cause));

  return {
    mediaPath,
    door,
    clips,
    see: (frame) => {
      const overlay = overlayOf(frame, options.label, lists);
      newest.set(frame.camera, overlay);
      door.overlay(overlay);
    },
    newest: (camera) => newest.get(camera),
    state: (camera, state) => {
      if (state === undefined) newest.delete(camera);
      door.state(camera, state);
    },
    alerts: (events) => clips.alerts(events),
    configure: async (next) => {
      lists = next.lists;
      clips.configure(clipSettings(next));
      await tellCameras(next);
    },
    workers: (workers) => door.workers(workers),
    parts: () => [...door.parts(), clips.part(), ...(legacy === undefined ? [] : [legacy.part()])],
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}
