import type { DetectedObject } from '../core/models.ts';
import type { FivePoints, Point } from '../core/types.ts';
import type { Fit, Size } from './fit.ts';
import { type SuppressOptions, suppress } from './nms.ts';

/** What a network found, in pixels of its input; one entry per box. */
export interface Candidates {
  /** Left, top, right, bottom. */
  readonly corners: number[];
  readonly scores: number[];
  readonly classes: number[];
  /** Five points as x, y; empty when the network gives none. */
  readonly points: number[];
}

export function noCandidates(): Candidates {
  return { corners: [], scores: [], classes: [], points: [] };
}

/** Keeps the best (by NMS when asked for) and brings them to source pixels, clipped to the frame. Boxes without area are dropped. */
export function toObjects(
  found: Candidates,
  labels: readonly string[],
  fit: Fit,
  source: Size,
  suppression: SuppressOptions | undefined,
): readonly DetectedObject[] {
  const kept = suppression === undefined ? found.scores.keys() : suppress(found.corners, found.scores, suppression);
  const objects: DetectedObject[] = [];
  for (const index of kept) {
    const x = (at: number) => ((found.corners[4 * index + at] ?? 0) - fit.shiftX) * fit.scaleX;
    const y = (at: number) => ((found.corners[4 * index + at] ?? 0) - fit.shiftY) * fit.scaleY;
    const left = clamp(x(0), source.width);
    const top = clamp(y(1), source.height);
    const width = clamp(x(2), source.width) - left;
    const height = clamp(y(3), source.height) - top;
    if (!(width > 0 && height > 0)) continue;
    const landmarks = pointsOf(found, index, fit);
    objects.push({
      label: labels[found.classes[index] ?? 0] ?? `class ${found.classes[index]}`,
      score: found.scores[index] ?? 0,
      box: { left, top, width, height },
      ...(landmarks === undefined ? {} : { landmarks }),
    });
  }
  return objects;
}

function pointsOf(found: Candidates, index: number, fit: Fit): FivePoints | undefined {
  if (found.points.length === 0) return undefined;
  const point = (number: number): Point => {
    const at = 10 * index + 2 * number;
    return {
      x: ((found.points[at] ?? 0) - fit.shiftX) * fit.scaleX,
      y: ((found.points[at + 1] ?? 0) - fit.shiftY) * fit.scaleY,
    };
  };
  return [point(0), point(1), point(2), point(3), point(4)];
}

function clamp(value: number, limit: number): number {
  return Math.min(limit, Math.max(0, value));
}
