import type { CameraId } from '../core/types.ts';

/**
 * The event time of every camera. Each runs for itself: a file at ten times its speed is ahead of a live camera. A camera that says
 * nothing has no event time to wait for; after `silentAfterMs` of monotonic time it counts as seeing nobody, so that it cannot hold
 * open what others have long seen leave.
 */
export interface CameraClocks {
  /** A frame or sighting of this camera; event time never runs backwards within an epoch. True for the first of an epoch. */
  hear(camera: CameraId, epoch: number, eventMs: number, monoMs: number): boolean;
  end(camera: CameraId, monoMs: number): void;
  /** Newest event time heard; undefined before the first. */
  now(camera: CameraId): number | undefined;
  state(camera: CameraId, monoMs: number, silentAfterMs: number): 'heard' | 'silent' | 'ended' | 'never';
  /** Milliseconds since it was heard or ended; without end for one that never was. */
  silentMs(camera: CameraId, monoMs: number): number;
}

interface CameraClock {
  epoch: number;
  eventMs: number;
  heardMonoMs: number;
  ended: boolean;
}

export function createCameraClocks(): CameraClocks {
  const cameras = new Map<CameraId, CameraClock>();
  return {
    hear: (camera, epoch, eventMs, monoMs) => {
      const clock = cameras.get(camera);
      if (clock === undefined || epoch > clock.epoch) {
        cameras.set(camera, { epoch, eventMs, heardMonoMs: monoMs, ended: false });
        return true;
      }
      if (epoch < clock.epoch) return false;
      clock.eventMs = Math.max(clock.eventMs, eventMs);
      clock.heardMonoMs = monoMs;
      return false;
    },
    end: (camera, monoMs) => {
      const clock = cameras.get(camera);
      if (clock === undefined) return;
      clock.ended = true;
      clock.heardMonoMs = monoMs;
    },
    now: (camera) => cameras.get(camera)?.eventMs,
    state: (camera, monoMs, silentAfterMs) => {
      const clock = cameras.get(camera);
      if (clock === undefined) return 'never';
      if (clock.ended) return 'ended';
      return monoMs - clock.heardMonoMs >= silentAfterMs ? 'silent' : 'heard';
    },
    silentMs: (camera, monoMs) => monoMs - (cameras.get(camera)?.heardMonoMs ?? Number.NEGATIVE_INFINITY),
  };
}
