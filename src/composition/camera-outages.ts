import type { Outage, WatchedTime } from '../alerts/why.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { stateText } from './camera-states.ts';

/** When cameras gave no pictures, since this daemon began; in memory. */
export interface CameraOutages {
  /** `undefined`: removed from the configuration, or switched off. */
  note(camera: CameraId, state: CameraState | undefined, now: number): void;
  /** Of one camera, oldest first. */
  of(camera: CameraId): WatchedTime;
}

interface CameraOutage extends Outage {
  readonly camera: CameraId;
}

const rememberedOutages = 10_000;

/** `begunAt`: milliseconds since 1970. Beyond `limit` the oldest outages are forgotten, and `from` moves to where they ended. */
export function createCameraOutages(begunAt: number, limit = rememberedOutages): CameraOutages {
  const over: CameraOutage[] = [];
  const open = new Map<CameraId, CameraOutage>();
  let from = begunAt;

  function end(outage: CameraOutage, to: number): void {
    open.delete(outage.camera);
    over.push({ ...outage, to: Math.max(outage.from, to) });
    if (over.length > limit) from = Math.max(from, over.shift()?.to ?? 0);
  }

  return {
    note: (camera, state, now) => {
      const current = open.get(camera);
      if (state?.state === 'live') {
        if (current !== undefined) end(current, state.since);
        return;
      }
      // What kept it away says more than that it is tried again.
      if (current !== undefined && state?.state === 'connecting') return;
      const reason = state === undefined ? 'not in the configuration, or switched off' : stateText(state);
      open.set(camera, { camera, from: current?.from ?? state?.since ?? now, reason });
    },
    of: (camera) => {
      const last = open.get(camera);
      const outages = over.filter((outage) => outage.camera === camera);
      return { from, outages: last === undefined ? outages : [...outages, last] };
    },
  };
}
