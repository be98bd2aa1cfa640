import type { Box, CameraId, Detection, FrameMeta, TrackChange, TrackRef } from '../core/types.ts';

export interface TracksOptions {
  /** A track that no frame of its camera has named for this long, in event time, has ended. Default 5 s: longer than any tracker keeps a lost object. */
  readonly silenceMs?: number;
  /** Tracks remembered per camera; beyond it the one that was seen least recently ends. Default 500. */
  readonly perCamera?: number;
}

/** Follows the tracks that workers report and says when each begins, moves and ends. Pure: event time in, changes out. */
export interface Tracks {
  /** Frames of an epoch older than the camera's newest change nothing. */
  update(frame: FrameMeta): readonly TrackChange[];
  /** Ends what is left of a camera: its source has ended or it was removed from the configuration. */
  endCamera(camera: CameraId): readonly TrackChange[];
  /** Tracks in view, for metrics. */
  readonly size: number;
}

interface State {
  readonly track: TrackRef;
  readonly label: string;
  readonly firstSeenMs: number;
  /** Last detection; predictions do not count. */
  lastSeenMs: number;
  /** Last mention, predicted ones included. */
  namedMs: number;
  frames: number;
  crops: number;
  bestHeightPx: number;
  bestQuality: number;
}

interface Camera {
  epoch: number;
  readonly tracks: Map<number, State>;
}

export function createTracks(options: TracksOptions = {}): Tracks {
  const silenceMs = options.silenceMs ?? 5000;
  const perCamera = options.perCamera ?? 500;
  const cameras = new Map<CameraId, Camera>();

  function update(frame: FrameMeta): readonly TrackChange[] {
    const camera = cameras.get(frame.camera) ?? { epoch: frame.epoch, tracks: new Map<number, State>() };
    cameras.set(frame.camera, camera);
    if (frame.epoch < camera.epoch) return [];
    const now = frame.time.eventTimeMs;
    const changes: TrackChange[] = [];
    if (frame.epoch > camera.epoch) {
      for (const state of camera.tracks.values()) changes.push(ended(state, state.lastSeenMs));
      camera.tracks.clear();
      camera.epoch = frame.epoch;
    }
    for (const detection of frame.detections) {
      if (frame.predicted) {
        const known = camera.tracks.get(detection.trackId);
        if (known !== undefined) known.namedMs = now;
      } else changes.push(...seen(camera, frame, detection, now));
    }
    for (const trackId of frame.endedTracks) {
      const state = camera.tracks.get(trackId);
      if (state === undefined) continue;
      camera.tracks.delete(trackId);
      changes.push(ended(state, now));
    }
    for (const [trackId, state] of camera.tracks) {
      if (now - state.namedMs < silenceMs) continue;
      camera.tracks.delete(trackId);
      changes.push(ended(state, now));
    }
    return changes;
  }

  function seen(camera: Camera, frame: FrameMeta, detection: Detection, now: number): TrackChange[] {
    const changes: TrackChange[] = [];
    let state = camera.tracks.get(detection.trackId);
    if (state === undefined) {
      if (camera.tracks.size >= perCamera) {
        const [oldest] = camera.tracks.values();
        if (oldest !== undefined) {
          camera.tracks.delete(oldest.track.trackId);
          changes.push(ended(oldest, now));
        }
      }
      state = begin(frame, detection, now);
      changes.push({ kind: 'began', track: state.track, label: state.label, eventTimeMs: now });
    } else camera.tracks.delete(detection.trackId);
    camera.tracks.set(detection.trackId, state); // last in the map: seen most recently
    state.lastSeenMs = now;
    state.namedMs = now;
    state.frames += 1;
    state.bestHeightPx = Math.max(state.bestHeightPx, detection.box.height);
    if (detection.crop !== undefined) {
      state.crops += 1;
      state.bestQuality = Math.max(state.bestQuality, detection.crop.quality.overall);
    }
    changes.push(moved(state, frame, detection.box, detection.personTrackId));
    return changes;
  }

  return {
    update,
    endCamera: (id) => {
      const camera = cameras.get(id);
      cameras.delete(id);
      return camera === undefined ? [] : [...camera.tracks.values()].map((state) => ended(state, state.lastSeenMs));
    },
    get size() {
      let size = 0;
      for (const camera of cameras.values()) size += camera.tracks.size;
      return size;
    },
  };
}

function begin(frame: FrameMeta, detection: Detection, now: number): State {
  return {
    track: { camera: frame.camera, epoch: frame.epoch, trackId: detection.trackId },
    label: detection.label,
    firstSeenMs: now,
    lastSeenMs: now,
    namedMs: now,
    frames: 0,
    crops: 0,
    bestHeightPx: 0,
    bestQuality: 0,
  };
}

function moved(state: State, frame: FrameMeta, box: Box, personTrackId: number | undefined): TrackChange {
  return {
    kind: 'moved',
    track: state.track,
    label: state.label,
    eventTimeMs: state.lastSeenMs,
    box,
    frame: { width: frame.width, height: frame.height },
    ...(personTrackId === undefined ? {} : { personTrackId }),
  };
}

function ended(state: State, eventTimeMs: number): TrackChange {
  const { track, label, firstSeenMs, lastSeenMs, frames, crops, bestHeightPx, bestQuality } = state;
  const summary = { firstSeenMs, lastSeenMs, frames, crops, bestHeightPx, bestQuality };
  return { kind: 'ended', track, label, eventTimeMs, summary };
}
