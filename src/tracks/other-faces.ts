import type { Box, CameraId, Crop, CropFaces, Detection, FrameMeta, TrackChange } from '../core/types.ts';

/**
 * Whose faces besides the one it is about are in a picture. A frame names only what was looked for in it, so the faces of the last
 * moment count too. Pure: event time in, rectangles out.
 */
export interface OtherFaces {
  /** Every frame, before `in` is asked about it. */
  see(frame: FrameMeta): void;
  /** Forgets the faces of tracks that ended. */
  ended(changes: readonly TrackChange[]): void;
  /** Faces in the crop of this detection that are not its own; undefined when there are none. */
  in(frame: FrameMeta, detection: Detection, crop: Crop): CropFaces | undefined;
  /** Forgets all other cameras. */
  keepOnly(isKept: (camera: CameraId) => boolean): void;
}

export interface OtherFacesOptions {
  /** A face that no frame named again counts for this long. Default 1 s: frames between two detections name it where it should be by now. */
  readonly rememberMs?: number;
}

interface Face {
  readonly box: Box;
  readonly personTrackId: number | undefined;
  readonly atMs: number;
}

interface Camera {
  epoch: number;
  readonly faces: Map<number, Face>;
}

/** Detectors' boxes end at the hair line and the ears. */
const margin = 0.2;
/** Where an older box may be by now, in sizes of the face for every second. */
const driftPerSecond = 0.5;
/** Two detectors that see the same face overlap at least by this. */
const sameFace = 0.5;
/** Faces remembered per camera; beyond them the oldest are let go. */
const mostFaces = 200;

export function createOtherFaces({ rememberMs = 1000 }: OtherFacesOptions = {}): OtherFaces {
  const cameras = new Map<CameraId, Camera>();

  function see(frame: FrameMeta): void {
    const known = cameras.get(frame.camera);
    if (known !== undefined && frame.epoch < known.epoch) return;
    const camera = known?.epoch === frame.epoch ? known : { epoch: frame.epoch, faces: new Map<number, Face>() };
    cameras.set(frame.camera, camera);
    const atMs = frame.time.eventTimeMs;
    for (const { label, trackId, box, personTrackId } of frame.detections) {
      if (label !== 'face') continue;
      const before = camera.faces.get(trackId);
      camera.faces.delete(trackId);
      camera.faces.set(trackId, { box, personTrackId: personTrackId ?? before?.personTrackId, atMs });
    }
    for (const [trackId, face] of camera.faces) {
      if (Math.abs(atMs - face.atMs) <= rememberMs && camera.faces.size <= mostFaces) continue;
      camera.faces.delete(trackId);
    }
  }

  return {
    see,
    ended: (changes) => {
      for (const { kind, track } of changes) {
        const camera = cameras.get(track.camera);
        if (kind === 'ended' && camera?.epoch === track.epoch) camera.faces.delete(track.trackId);
      }
    },
    in: (frame, detection, crop) => {
      const camera = cameras.get(frame.camera);
      if (camera === undefined || camera.epoch !== frame.epoch) return undefined;
      const isFace = detection.label === 'face';
      const own = isFace ? detection.box : ownFace(camera, detection);
      const others: Box[] = [];
      for (const [trackId, { box, atMs }] of camera.faces) {
        if ((isFace && trackId === detection.trackId) || (own !== undefined && overlap(own, box) >= sameFace)) continue;
        const age = Math.abs(frame.time.eventTimeMs - atMs) / 1000;
        const found = inCrop(grown(box, margin + driftPerSecond * age), crop);
        if (found !== undefined) others.push(found);
      }
      if (others.length === 0) return undefined;
      const kept = own === undefined ? undefined : inCrop(own, crop);
      return { others, ...(kept === undefined ? {} : { own: kept }) };
    },
    keepOnly: (isKept) => {
      for (const camera of cameras.keys()) if (!isKept(camera)) cameras.delete(camera);
    },
  };
}

/** Two faces may lie in one person's box, and then nobody knows which is the person's: neither is kept. */
function ownFace({ faces }: Camera, { trackId }: Detection): Box | undefined {
  const [first, ...more] = [...faces.values()].filter(({ personTrackId }) => personTrackId === trackId);
  if (first === undefined || more.some(({ box }) => overlap(first.box, box) < sameFace)) return undefined;
  return first.box;
}

function grown({ left, top, width, height }: Box, by: number): Box {
  return { left: left - by * width, top: top - by * height, width: width * (1 + 2 * by), height: height * (1 + 2 * by) };
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/** Whole pixels of the JPEG that the box touches; undefined where it lies outside. */
function inCrop(box: Box, { rect, width, height }: Crop): Box | undefined {
  const across = width / rect.width;
  const down = height / rect.height;
  const left = Math.max(0, Math.floor((box.left - rect.left) * across));
  const top = Math.max(0, Math.floor((box.top - rect.top) * down));
  const right = Math.min(width, Math.ceil((box.left + box.width - rect.left) * across));
  const bottom = Math.min(height, Math.ceil((box.top + box.height - rect.top) * down));
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : undefined;
}
