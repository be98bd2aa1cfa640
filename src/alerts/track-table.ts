import type { CameraId, TrackKey, TrackRef } from '../core/types.ts';
import { trackKey } from '../core/types.ts';
import type { TrackState } from './track-state.ts';

/** The tracks of all cameras; no camera holds more than its share. */
export interface TrackTable {
  get(track: TrackRef): TrackState | undefined;
  /** The state that had to give way: of a full camera the one heard of least recently. */
  add(state: TrackState): TrackState | undefined;
  delete(state: TrackState): void;
  /** A copy, safe to delete from while walking. */
  of(camera: CameraId): readonly TrackState[];
  all(): readonly TrackState[];
  readonly size: number;
}

/** Faces and persons of the fullest picture, and those that ended in the last seconds. */
const tracksPerCamera = 512;

export function createTrackTable(): TrackTable {
  const cameras = new Map<CameraId, Map<TrackKey, TrackState>>();
  let size = 0;

  function remove(state: TrackState): void {
    const tracks = cameras.get(state.track.camera);
    if (tracks?.delete(state.key) !== true) return;
    size -= 1;
    if (tracks.size === 0) cameras.delete(state.track.camera);
  }

  return {
    get: (track) => cameras.get(track.camera)?.get(trackKey(track)),
    add: (state) => {
      const tracks = cameras.get(state.track.camera) ?? new Map<TrackKey, TrackState>();
      const oldest = tracks.size < tracksPerCamera ? undefined : leastRecent(tracks.values());
      if (oldest !== undefined) remove(oldest);
      cameras.set(state.track.camera, tracks);
      tracks.set(state.key, state);
      size += 1;
      return oldest;
    },
    delete: remove,
    of: (camera) => [...(cameras.get(camera)?.values() ?? [])],
    all: () => [...cameras.values()].flatMap((tracks) => [...tracks.values()]),
    get size() {
      return size;
    },
  };
}

function leastRecent(states: Iterable<TrackState>): TrackState | undefined {
  let found: TrackState | undefined;
  for (const state of states) if (found === undefined || state.touchedMs < found.touchedMs) found = state;
  return found;
}
