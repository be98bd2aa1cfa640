/**
 * The vocabulary of Sightline: what rooms say to each other. Plain readonly data, no behaviour.
 * Units are in names; boxes and points are pixels of the decoded source frame, origin top left.
 */

/** Key of a camera in the configuration. */
export type CameraId = string;
/** What a crop is embedded as. */
export const cropKinds = ['face', 'appearance'] as const;
export type CropKind = (typeof cropKinds)[number];
/**
 * What was compared: a `face` match is a similarity of faces, an `appearance` match one of clothed bodies, a `description` match one of
 * a clothed body and words. None is an identification.
 */
export const matchKinds = [...cropKinds, 'description'] as const;
export type MatchKind = (typeof matchKinds)[number];

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Left, top, width, height in pixels of the frame it belongs to. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Eye on the image's left, eye on its right, nose tip, mouth corner left, mouth corner right. */
export type FivePoints = readonly [Point, Point, Point, Point, Point];

/** One open of a camera's source: time stamps and track ids are continuous within it and mean nothing across it. */
export interface SourceEpoch {
  readonly camera: CameraId;
  readonly epoch: number;
}

/** A track is the same object through the frames of one epoch; its id is the worker's. */
export interface TrackRef extends SourceEpoch {
  readonly trackId: number;
}

/** `camera/epoch/trackId`: the form in which a track is a map key and appears in logs. */
export type TrackKey = string;

export function trackKey(track: TrackRef): TrackKey {
  return `${track.camera}/${track.epoch}/${track.trackId}`;
}

/** The clocks of one frame (design section 2). */
export interface FrameTime {
  /** Presentation time stamp in `timeBase` units; continuous within an epoch. */
  readonly pts: bigint;
  readonly timeBase: { readonly numerator: number; readonly denominator: number };
  /** CLOCK_MONOTONIC in milliseconds when the packet that completed the frame had arrived; common to all processes of a host. */
  readonly receivedMonoMs: number;
  /** Wall clock of the capture in milliseconds since 1970, by the camera's RTCP sender report or by arrival. */
  readonly cameraTimeMs: number;
  readonly cameraTimeSource: 'rtcp' | 'arrival';
  /** Event time in milliseconds since 1970: the wall clock at which the epoch began plus media time since. Reducers use nothing else. */
  readonly eventTimeMs: number;
}

/** What a frame has been through, CLOCK_MONOTONIC milliseconds; absent stages did not happen. */
export interface StageTimes {
  readonly receivedMs: number;
  readonly decodedMs?: number;
  readonly detectedMs?: number;
  readonly sentMs?: number;
  readonly bridgedMs?: number;
  readonly embeddedMs?: number;
  readonly matchedMs?: number;
  readonly decidedMs?: number;
  readonly storedMs?: number;
}

/** Measures of a crop that decide whether an embedding of it is worth anything. */
export interface Quality {
  /** Height of the object's box in source pixels. */
  readonly heightPx: number;
  /** Variance of the Laplacian of the grey crop scaled to 112 pixels; small is blurred. */
  readonly sharpness: number;
  /** Roll of the eye line in degrees, 0 upright; 0 for bodies. */
  readonly rollDegrees: number;
  /** Horizontal offset of the nose from the middle of the eyes in units of the eye distance; 0 frontal; 0 for bodies. */
  readonly yaw: number;
  /** Share of the box inside the frame, 0 to 1. */
  readonly visible: number;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
  /** All of the above as one number from 0 (useless) to 1. */
  readonly overall: number;
}

/** JPEG of one detection, cut from the full-resolution frame of that same detection. */
export interface Crop {
  readonly jpeg: Uint8Array;
  /** What was cut, in source pixels; wider than the detection's box so that the embedder's warp stays inside. */
  readonly rect: Box;
  /** Size of the JPEG in pixels (may be smaller than `rect`). */
  readonly width: number;
  readonly height: number;
  /** Five points in pixels of the JPEG, for faces. */
  readonly landmarks?: FivePoints;
  /** The detection's box in pixels of the JPEG. */
  readonly box: Box;
  readonly quality: Quality;
}

/** Faces in a crop, in whole pixels of its JPEG. */
export interface CropFaces {
  /** Not of the one whom the crop is about. */
  readonly others: readonly Box[];
  /** The face that the crop is about, where it is known. */
  readonly own?: Box;
}

export interface Detection {
  readonly trackId: number;
  /** Class of the object in the detector's own words: `face`, `person`, a COCO name. */
  readonly label: string;
  /** Detector model that found it. */
  readonly model: string;
  /** 0 to 1. */
  readonly score: number;
  readonly box: Box;
  readonly landmarks?: FivePoints;
  /** The person's track this face belongs to, where a person detector runs too. */
  readonly personTrackId?: number;
  readonly crop?: Crop;
}

/** What a worker says of one decoded frame; no pixels but the crops. */
export interface FrameMeta extends SourceEpoch {
  readonly sequence: number;
  readonly time: FrameTime;
  readonly width: number;
  readonly height: number;
  /** True when the boxes are the tracker's predictions: they draw, and are never evidence. */
  readonly predicted: boolean;
  readonly detections: readonly Detection[];
  /** Tracks that the worker's tracker gave up with this frame. */
  readonly endedTracks: readonly number[];
  readonly stages: StageTimes;
}

/** A track with a crop that deserves an embedding. */
export interface Candidate {
  readonly track: TrackRef;
  readonly kind: CropKind;
  readonly crop: Crop;
  /** Where there are faces of others in `crop`. */
  readonly faces?: CropFaces;
  readonly box: Box;
  readonly label: string;
  readonly frame: { readonly sequence: number; readonly width: number; readonly height: number; readonly time: FrameTime };
  readonly stages: StageTimes;
}

/** Unit-length vector of an embedding space; vectors of different spaces are never compared. */
export interface Embedding {
  readonly vector: Float32Array;
  /** Name of the space: model and version, as its `config.pbtxt` states. */
  readonly space: string;
  /** Id of the trace of the run that made it, where that was traced. */
  readonly trace?: string;
}

/** One entry of the watchlist beside a query: its best reference's cosine. */
export interface Match {
  readonly entryId: string;
  readonly entryName: string;
  readonly list: string;
  readonly referenceId: string;
  /** Cosine, -1 to 1. */
  readonly score: number;
  /** Score at or above which a sighting speaks for this entry (the space's default or the entry's own). */
  readonly threshold: number;
}

/** The answer to one query: entries by falling score, at most k of them, each entry once. */
export interface MatchResult {
  readonly kind: MatchKind;
  readonly space: string;
  readonly top: readonly Match[];
  /** Best score minus the next entry's; best score minus -1 when there is no other. 0 when nobody is enrolled. */
  readonly margin: number;
}

/** An embedded and matched crop of a track. */
export interface Sighting {
  readonly track: TrackRef;
  readonly kind: MatchKind;
  readonly result: MatchResult;
  readonly crop: Crop;
  readonly faces?: CropFaces;
  readonly box: Box;
  readonly label: string;
  readonly frame: Candidate['frame'];
  readonly embedding: Embedding;
  readonly stages: StageTimes;
}

export type TrackChange =
  | { readonly kind: 'began'; readonly track: TrackRef; readonly label: string; readonly eventTimeMs: number }
  | {
      readonly kind: 'moved';
      readonly track: TrackRef;
      readonly label: string;
      readonly eventTimeMs: number;
      readonly box: Box;
      /** Size of the frame that `box` belongs to. */
      readonly frame: { readonly width: number; readonly height: number };
      /** The person's track this face belongs to, where known: its foot point decides zones. */
      readonly personTrackId?: number;
    }
  | {
      readonly kind: 'ended';
      readonly track: TrackRef;
      readonly label: string;
      readonly eventTimeMs: number;
      readonly summary: TrackSummary;
    };

/** What is left to say of a track when it ends: the answer to "why was nobody told?" starts here. */
export interface TrackSummary {
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly frames: number;
  readonly crops: number;
  readonly bestHeightPx: number;
  readonly bestQuality: number;
}

/** Live state of one camera in words, for logs, MQTT, health and the viewer. */
export type CameraState =
  | { readonly state: 'connecting'; readonly since: number; readonly reason?: string }
  | {
      readonly state: 'live';
      readonly since: number;
      readonly codec: string;
      readonly width: number;
      readonly height: number;
      readonly decode: string;
      /** What is not as it should be although there are pictures. */
      readonly reason?: string;
      readonly code?: string;
      /** Of what else is not as it should be. */
      readonly otherCodes?: readonly string[];
    }
  | {
      readonly state: 'away';
      readonly since: number;
      readonly reason: string;
      /** An error code, where its worker gave one. */
      readonly code?: string;
      readonly retryAt?: number;
    }
  | { readonly state: 'ended'; readonly since: number; readonly reason: string }
  | { readonly state: 'failed'; readonly since: number; readonly reason: string; readonly code?: string };
