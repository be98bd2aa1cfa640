import { isUsable } from '../alerts/evidence.ts';
import type { Clock } from '../core/clock.ts';
import type { CameraId, FrameMeta } from '../core/types.ts';
import type { WorkerStats } from '../gen/sightline/bridge/v1/bridge.ts';

/** How well each camera does, in the figures that people are shown. */
export interface Figures {
  /** Decoded frames in the last second. */
  readonly fps: number;
  /** From the arrival of the newest frame to the daemon. */
  readonly delayMs?: number;
  /** Frames since the worker started. */
  readonly drops: number;
  /** Wall clock, milliseconds. */
  readonly lastFrameAt?: number;
  /** Share of the faces of the last minutes that could be compared, 0 to 1. */
  readonly usableFaces?: number;
}

export interface CameraFigures {
  frame(frame: FrameMeta): void;
  stats(stats: WorkerStats): void;
  forget(camera: CameraId): void;
  of(camera: CameraId): Figures;
}

interface Kept {
  fps: number;
  drops: number;
  delayMs: number;
  lastFrameAt: number | undefined;
  lastFrameMono: number;
  minute: number;
  /** Of this minute and those before, each counting half as much as the next. */
  faces: number;
  usable: number;
}

/** What is older says nothing of now. */
const staleMs = 5000;
/** Weight of the newest frame in the delay: about the last second. */
const delayWeight = 0.05;
/** Fewer faces than this are no share. */
const fewestFaces = 5;

export function createCameraFigures(clock: Clock): CameraFigures {
  const kept = new Map<CameraId, Kept>();

  function at(camera: CameraId): Kept {
    const known = kept.get(camera);
    if (known !== undefined) return known;
    const fresh: Kept = {
      fps: 0,
      drops: 0,
      delayMs: 0,
      lastFrameAt: undefined,
      lastFrameMono: 0,
      minute: 0,
      faces: 0,
      usable: 0,
    };
    kept.set(camera, fresh);
    return fresh;
  }

  return {
    frame: ({ camera, time, detections }) => {
      const now = clock.mono();
      const of = at(camera);
      const delay = Math.max(0, now - time.receivedMonoMs);
      of.delayMs = now - of.lastFrameMono > staleMs ? delay : of.delayMs + delayWeight * (delay - of.delayMs);
      of.lastFrameMono = now;
      of.lastFrameAt = clock.now();
      const minute = Math.floor(now / 60_000);
      if (minute !== of.minute) {
        const less = 2 ** Math.max(-50, of.minute - minute);
        of.faces *= less;
        of.usable *= less;
        of.minute = minute;
      }
      for (const { label, crop } of detections) {
        if (label !== 'face' || crop === undefined) continue;
        of.faces += 1;
        if (isUsable(crop.quality.overall)) of.usable += 1;
      }
    },
    stats: ({ cameras }) => {
      for (const { camera, fps, framesDropped, batchesDropped, unitsSkipped } of cameras) {
        const of = at(camera);
        of.fps = fps;
        of.drops = Number(framesDropped) + Number(batchesDropped) + Number(unitsSkipped);
      }
    },
    forget: (camera) => void kept.delete(camera),
    of: (camera) => {
      const known = kept.get(camera);
      if (known === undefined) return { fps: 0, drops: 0 };
      const { fps, drops, delayMs, lastFrameAt, lastFrameMono, faces, usable } = known;
      const fresh = lastFrameAt !== undefined && clock.mono() - lastFrameMono <= staleMs;
      return {
        fps: fresh ? Math.round(fps * 10) / 10 : 0,
        ...(fresh ? { delayMs: Math.round(delayMs) } : {}),
        drops,
        ...(lastFrameAt === undefined ? {} : { lastFrameAt }),
        ...(faces < fewestFaces ? {} : { usableFaces: Math.round((100 * usable) / faces) / 100 }),
      };
    },
  };
}
