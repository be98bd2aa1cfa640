import type { Box, FivePoints } from '../core/types.ts';
import type { TrackedObject } from './track.ts';

/** Which detections are cut out, and how wide. */

export interface CropPolicyOptions {
  readonly faces: boolean;
  readonly bodies: boolean;
  /** Box heights in source pixels below which nothing is cut. */
  readonly minFaceHeight: number;
  readonly minBodyHeight: number;
  /** A decided track is looked at again at least this often. */
  readonly refreshMs: number;
  /** Or when its quality has grown by this much over the best crop so far. */
  readonly betterBy: number;
}

export interface CropPolicy {
  /** Whether this detection, of this overall quality, deserves a crop. */
  wants(track: TrackedObject, quality: number, mediaMs: number): boolean;
  /** Whether the track has given a crop before. */
  knows(trackId: number): boolean;
  /** A crop of the track was cut. */
  cropped(trackId: number, quality: number, mediaMs: number): void;
  /** What the daemon says of the track: until it is decided every detected frame may give a crop. */
  decided(trackId: number, decided: boolean): void;
  ended(trackIds: readonly number[]): void;
}

interface Cropped {
  best: number;
  atMs: number;
  decided: boolean;
}

export function createCropPolicy(options: CropPolicyOptions): CropPolicy {
  const tracks = new Map<number, Cropped>();

  function counts({ label, box }: TrackedObject): boolean {
    if (label === 'face') return options.faces && box.height >= options.minFaceHeight;
    return label === 'person' && options.bodies && box.height >= options.minBodyHeight;
  }

  return {
    wants(track, quality, mediaMs) {
      if (track.predicted || !counts(track)) return false;
      const before = tracks.get(track.trackId);
      if (before === undefined || !before.decided) return true;
      return quality >= before.best + options.betterBy || mediaMs - before.atMs >= options.refreshMs;
    },
    knows: (trackId) => tracks.has(trackId),
    cropped(trackId, quality, mediaMs) {
      const before = tracks.get(trackId);
      if (before === undefined) {
        tracks.set(trackId, { best: quality, atMs: mediaMs, decided: false });
        return;
      }
      before.best = Math.max(before.best, quality);
      before.atMs = mediaMs;
    },
    decided(trackId, decided) {
      // A track is decided by its crops; a word on one that gave none, or has ended, would never be forgotten.
      const track = tracks.get(trackId);
      if (track !== undefined) track.decided = decided;
    },
    ended(trackIds) {
      for (const trackId of trackIds) tracks.delete(trackId);
    },
  };
}

/** Where the five points lie in the 112 x 112 picture that face embedders of the ArcFace family are trained on (insightface). */
const template: readonly (readonly [x: number, y: number])[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/**
 * The 224 x 224 variant of the template is the same scaled by 172/112 and moved by (26, 17). These are its corners in the coordinates
 * of the 112 template; the 112 square lies inside.
 */
const variant = { scale: 172 / 112, shiftX: 26, shiftY: 17, side: 224 } as const;
const warp = {
  left: -variant.shiftX / variant.scale,
  top: -variant.shiftY / variant.scale,
  right: (variant.side - variant.shiftX) / variant.scale,
  bottom: (variant.side - variant.shiftY) / variant.scale,
} as const;
/** Bilinear sampling reads one pixel beyond. */
const samplingPixels = 2;
/** Embedders without alignment take a square of 1.3 times the longer side; bodies are cut with a little around them. */
const squareSide = 1.3;
const bodyMargin = 0.1;

interface Edges {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Bounds of the warp's square in the picture: least-squares similarity from the template to the points (Umeyama, closed form in 2D). */
function warpEdges(points: FivePoints): Edges {
  const count = template.length;
  let fromX = 0;
  let fromY = 0;
  let toX = 0;
  let toY = 0;
  for (const [i, [x, y]] of template.entries()) {
    fromX += x / count;
    fromY += y / count;
    toX += (points[i]?.x ?? 0) / count;
    toY += (points[i]?.y ?? 0) / count;
  }
  let dot = 0;
  let cross = 0;
  let spread = 0;
  for (const [i, [x, y]] of template.entries()) {
    const u = x - fromX;
    const v = y - fromY;
    const p = (points[i]?.x ?? 0) - toX;
    const q = (points[i]?.y ?? 0) - toY;
    dot += u * p + v * q;
    cross += u * q - v * p;
    spread += u * u + v * v;
  }
  const a = dot / spread;
  const b = cross / spread;
  const corners = [
    [warp.left, warp.top],
    [warp.right, warp.top],
    [warp.left, warp.bottom],
    [warp.right, warp.bottom],
  ] as const;
  const xs = corners.map(([x, y]) => a * (x - fromX) - b * (y - fromY) + toX);
  const ys = corners.map(([x, y]) => b * (x - fromX) + a * (y - fromY) + toY);
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

function grown(box: Box, width: number, height: number): Edges {
  const x = box.left + box.width / 2;
  const y = box.top + box.height / 2;
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
}

function evenDown(value: number): number {
  return 2 * Math.floor(value / 2);
}

/**
 * What to cut for a detection, in source pixels: integers, even (chroma of 4:2:0 is shared by two), inside the frame. With landmarks
 * it holds the embedder's whole warp square, turned as the head is, and the box's square for embedders that do not align.
 */
export function cropRect(
  box: Box,
  landmarks: FivePoints | undefined,
  frame: { readonly width: number; readonly height: number },
): Box {
  const side = squareSide * Math.max(box.width, box.height);
  const parts =
    landmarks === undefined
      ? [grown(box, box.width * (1 + 2 * bodyMargin), box.height * (1 + 2 * bodyMargin))]
      : [grown(box, side, side), warpEdges(landmarks)];
  const right = Math.max(...parts.map((part) => part.right)) + samplingPixels;
  const bottom = Math.max(...parts.map((part) => part.bottom)) + samplingPixels;
  const lastX = evenDown(frame.width);
  const lastY = evenDown(frame.height);
  const left = clamp(evenDown(Math.min(...parts.map((part) => part.left)) - samplingPixels), 0, lastX - 2);
  const top = clamp(evenDown(Math.min(...parts.map((part) => part.top)) - samplingPixels), 0, lastY - 2);
  return {
    left,
    top,
    width: clamp(-evenDown(-right), left + 2, lastX) - left,
    height: clamp(-evenDown(-bottom), top + 2, lastY) - top,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
