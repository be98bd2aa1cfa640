import type { CameraConfig } from '../config/schema.ts';
import type { CameraId, Candidate, CropKind, Detection, FrameMeta, TrackChange, TrackKey, TrackRef } from '../core/types.ts';
import { trackKey } from '../core/types.ts';
import { createOtherFaces } from './other-faces.ts';

export type CandidateCamera = Pick<CameraConfig, 'recognise' | 'crops'>;

export interface CandidatesOptions {
  readonly cameras: Readonly<Record<CameraId, CandidateCamera>>;
  /** Whether a track's name stands, so that it is looked at only now and then. */
  readonly decided: (track: TrackRef) => boolean;
  /** Crops of lower overall quality are not worth an embedding. Default 0.02: a sharp frontal face of 22 px. */
  readonly qualityFloor?: number;
}

/** Which crop of a frame deserves an embedding, and when its track again. Pure, on event time. */
export interface Candidates {
  of(frame: FrameMeta): readonly Candidate[];
  /** Forgets tracks that ended. */
  see(changes: readonly TrackChange[]): void;
  /** New cameras at a live reload. */
  configure(cameras: Readonly<Record<CameraId, CandidateCamera>>): void;
  readonly size: number;
}

/**
 * Looks at an undecided track at most this often: frames nearer in time say the same thing (evidence counts looks 150 ms apart as two),
 * and an embedding costs 3 to 14 ms of CPU. Just below the interval of 15 frames a second, so that no such frame is lost to jitter.
 */
const leastIntervalMs = 60;

interface Looked {
  atMs: number;
  best: number;
}

export function createCandidates(options: CandidatesOptions): Candidates {
  const qualityFloor = options.qualityFloor ?? 0.02;
  let cameras = options.cameras;
  const looked = new Map<CameraId, Map<TrackKey, Looked>>();
  const faces = createOtherFaces();

  function wanted(camera: CandidateCamera, track: TrackRef, quality: number, now: number): boolean {
    const tracks = looked.get(track.camera) ?? new Map<TrackKey, Looked>();
    looked.set(track.camera, tracks);
    const key = trackKey(track);
    const before = tracks.get(key);
    if (before === undefined) {
      tracks.set(key, { atMs: now, best: quality });
      return true;
    }
    const since = now - before.atMs;
    const due = options.decided(track)
      ? since >= camera.crops.refresh || quality >= before.best + camera.crops.betterBy
      : since >= leastIntervalMs;
    if (!due) return false;
    before.atMs = now;
    before.best = Math.max(before.best, quality);
    return true;
  }

  return {
    of(frame) {
      const camera = cameras[frame.camera];
      if (camera === undefined) return [];
      faces.see(frame);
      if (frame.predicted) return [];
      const found: Candidate[] = [];
      for (const detection of frame.detections) {
        const kind = kindOf(detection);
        if (kind === undefined || detection.crop === undefined || !camera.recognise.includes(kind)) continue;
        const { quality } = detection.crop;
        if (quality.heightPx < leastHeightPx(camera, kind) || quality.overall < qualityFloor) continue;
        const track = { camera: frame.camera, epoch: frame.epoch, trackId: detection.trackId };
        if (!wanted(camera, track, quality.overall, frame.time.eventTimeMs)) continue;
        const inCrop = faces.in(frame, detection, detection.crop);
        found.push({
          track,
          kind,
          crop: detection.crop,
          ...(inCrop === undefined ? {} : { faces: inCrop }),
          box: detection.box,
          label: detection.label,
          frame: { sequence: frame.sequence, width: frame.width, height: frame.height, time: frame.time },
          stages: frame.stages,
        });
      }
      return found;
    },
    see(changes) {
      faces.ended(changes);
      for (const change of changes) {
        if (change.kind === 'ended') looked.get(change.track.camera)?.delete(trackKey(change.track));
      }
    },
    configure(next) {
      cameras = next;
      for (const camera of looked.keys()) if (next[camera] === undefined) looked.delete(camera);
      faces.keepOnly((camera) => next[camera] !== undefined);
    },
    get size() {
      let size = 0;
      for (const tracks of looked.values()) size += tracks.size;
      return size;
    },
  };
}

/** Faces are compared as faces, persons by their appearance, other things not at all. */
function kindOf(detection: Detection): CropKind | undefined {
  if (detection.label === 'face') return 'face';
  return detection.label === 'person' ? 'appearance' : undefined;
}

function leastHeightPx(camera: CandidateCamera, kind: CropKind): number {
  return kind === 'face' ? camera.crops.minFaceHeight : camera.crops.minBodyHeight;
}
