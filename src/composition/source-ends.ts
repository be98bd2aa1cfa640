import type { CameraId, TrackChange } from '../core/types.ts';
import type { CameraStates } from './camera-states.ts';

export interface SourceEndParts {
  readonly loop: { idle(withinMs: number): Promise<void> };
  readonly cameras: Pick<CameraStates, 'isOver' | 'allOver'>;
  readonly tracks: { endCamera(camera: CameraId): readonly TrackChange[] };
  readonly candidates: { see(changes: readonly TrackChange[]): void };
  readonly alerts: {
    endTracks(changes: readonly TrackChange[]): void;
    endSource(camera: CameraId, changes: readonly TrackChange[]): void;
    flush(): Promise<void>;
  };
  /** Called once nothing more is to come from any camera and everything decided has been stored. */
  readonly allOver: () => void;
}

/** How long the end of a source waits for crops that are still being embedded. */
const lastCropsMs = 10_000;

export interface SourceEnds {
  /** The camera gives no pictures, and will be of another epoch when it does: its tracks end now, while it is known what they were. */
  away(camera: CameraId): void;
  /** The camera has said that its source is over: its last crops are waited for, then its tracks and visits end. */
  over(camera: CameraId): Promise<void>;
}

export function createSourceEnds(parts: SourceEndParts): SourceEnds {
  const { loop, cameras, tracks, candidates, alerts } = parts;
  return {
    away: (camera) => {
      const changes = tracks.endCamera(camera);
      if (changes.length === 0) return;
      candidates.see(changes);
      alerts.endTracks(changes);
    },
    over: async (camera) => {
      await loop.idle(lastCropsMs);
      // A camera that was set up anew meanwhile goes on: what is in view now belongs to its next epoch.
      if (cameras.isOver(camera)) {
        const changes = tracks.endCamera(camera);
        candidates.see(changes);
        alerts.endSource(camera, changes);
      }
      await alerts.flush();
      if (cameras.allOver) parts.allOver();
    },
  };
}
