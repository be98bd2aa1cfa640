import type { Metrics } from '../core/metrics.ts';
import type { CameraId, CameraState } from '../core/types.ts';

/** What cameras come to, for whoever watches metrics and not words. */
export interface CameraHealth {
  /** Told of every change; `undefined` once a camera is gone. */
  note(camera: CameraId, state: CameraState | undefined): void;
}

function codeOf(state: CameraState): string | undefined {
  if (state.state === 'away' || state.state === 'failed') return state.code ?? 'unknown';
  return state.state === 'live' ? state.code : undefined;
}

export function createCameraHealth(metrics: Metrics): CameraHealth {
  const live = metrics.gauge('sightline_camera_live', 'Whether the camera gives pictures: 1 or 0', ['camera']);
  const troubles = metrics.counter(
    'sightline_camera_troubles_total',
    'Times something was wrong with a camera or became wrong in another way, by error code',
    ['camera', 'code'],
  );
  /** What is wrong with each camera now. */
  const current = new Map<CameraId, string>();

  return {
    note: (camera, state) => {
      if (state === undefined) {
        live.remove({ camera });
        current.delete(camera);
        return;
      }
      live.set({ camera }, state.state === 'live' ? 1 : 0);
      const code = codeOf(state);
      if (code === undefined) {
        current.delete(camera);
        return;
      }
      if (current.get(camera) === code) return;
      current.set(camera, code);
      troubles.inc({ camera, code });
    },
  };
}
