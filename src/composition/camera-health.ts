import type { Metrics } from '../core/metrics.ts';
import type { CameraId, CameraState } from '../core/types.ts';

/** What cameras come to, for whoever watches metrics and not words. */
export interface CameraHealth {
  /** Told of every change; `undefined` once a camera is gone. */
  note(camera: CameraId, state: CameraState | undefined): void;
}

function codesOf(state: CameraState): ReadonlySet<string> {
  if (state.state === 'away' || state.state === 'failed') return new Set([state.code ?? 'unknown']);
  if (state.state !== 'live' || state.code === undefined) return new Set();
  return new Set([state.code, ...(state.otherCodes ?? [])]);
}

export function createCameraHealth(metrics: Metrics): CameraHealth {
  const live = metrics.gauge('sightline_camera_live', 'Whether the camera gives pictures: 1 or 0', ['camera']);
  const troubles = metrics.counter(
    'sightline_camera_troubles_total',
    'Times something was wrong with a camera or became wrong in another way, by error code',
    ['camera', 'code'],
  );
  /** What is wrong with each camera now. */
  const current = new Map<CameraId, ReadonlySet<string>>();

  return {
    note: (camera, state) => {
      if (state === undefined) {
        live.remove({ camera });
        current.delete(camera);
        return;
      }
      live.set({ camera }, state.state === 'live' ? 1 : 0);
      const codes = codesOf(state);
      for (const code of codes) if (current.get(camera)?.has(code) !== true) troubles.inc({ camera, code });
      current.set(camera, codes);
    },
  };
}
