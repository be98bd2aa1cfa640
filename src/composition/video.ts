import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config, ListConfig } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import type { LiveFrame } from '../core/live-messages.ts';
import type { DoorCamera, DoorSettings, StreamUser } from '../core/media-door.ts';
import type { CameraId, CameraState, FrameMeta } from '../core/types.ts';
import type { DoorWorker } from './door-workers.ts';
import { type MediaDoor, type MediaDoorOptions, startMediaDoor } from './media-door.ts';
import { overlayOf } from './overlays.ts';

/** Video for people: the media door, and what the daemon tells it of cameras, users, workers and boxes. */
export interface Video extends AsyncDisposable {
  /** Socket to which workers send video. */
  readonly mediaPath: string;
  readonly door: MediaDoor;
  /** Hands a frame's boxes to whoever watches; never waits. */
  see(frame: FrameMeta): void;
  state(camera: CameraId, state: CameraState | undefined): void;
  /** Boxes of the newest frame; its time stamp is that of its epoch. */
  newest(camera: CameraId): LiveFrame | undefined;
  configure(config: Config): void;
  workers(workers: readonly DoorWorker[]): void;
}

export interface VideoOptions extends Pick<MediaDoorOptions, 'onWant' | 'onClip'> {
  readonly config: Config;
  readonly ticketKey: Uint8Array;
  readonly label: Parameters<typeof overlayOf>[1];
  readonly users: {
    streamUsers(): readonly StreamUser[];
    onChange(listener: (users: readonly StreamUser[]) => void): void;
    onRevoke(listener: (user: string) => void): void;
  };
}

/** HMAC-SHA256 wants as many bytes as it gives. */
const ticketKeyBytes = 32;

export function newTicketKey(): Uint8Array {
  return randomBytes(ticketKeyBytes);
}

function settingsOf({ config, ticketKey }: VideoOptions, mediaSocket: string): DoorSettings {
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

function camerasOf(config: Config): readonly DoorCamera[] {
  return Object.entries(config.cameras)
    .filter(([, { enabled }]) => enabled)
    .map(([camera, { masks }]) => ({ camera, masked: masks.length > 0 }));
}

export async function startVideo(options: VideoOptions, ctx: Context): Promise<Video> {
  const { users } = options;
  const mediaPath = join(options.config.dataDir, 'media.sock');
  const { onWant, onClip } = options;
  const door = await startMediaDoor({ settings: settingsOf(options, mediaPath), onWant, onClip }, ctx);
  const newest = new Map<CameraId, LiveFrame>();
  let lists: Readonly<Record<string, ListConfig>> = options.config.lists;
  door.cameras(camerasOf(options.config));
  door.users(users.streamUsers());
  users.onChange((changed) => door.users(changed));
  users.onRevoke((user) => door.revoke(user));

  return {
    mediaPath,
    door,
    see: (frame) => {
      const overlay = overlayOf(frame, options.label, lists);
      const { epoch: _epoch, pts90k, ...rest } = overlay;
      newest.set(frame.camera, { type: 'frame', pts: Number(pts90k), ...rest });
      door.overlay(overlay);
    },
    state: (camera, state) => {
      if (state === undefined) newest.delete(camera);
      door.state(camera, state);
    },
    newest: (camera) => newest.get(camera),
    configure: (config) => {
      lists = config.lists;
      door.cameras(camerasOf(config));
    },
    workers: (workers) => door.workers(workers),
    [Symbol.asyncDispose]: () => door[Symbol.asyncDispose](),
  };
}
