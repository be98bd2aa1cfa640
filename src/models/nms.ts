/**
 * Greedy non-maximum suppression: boxes by falling score, each kept one removes those that overlap it too much.
 */
export interface SuppressOptions {
  /** A box whose IoU with a kept one reaches this is removed. */
  readonly iou: number;
  /** Added to widths, heights and intersections; 1 in CenterFace's convention of inclusive pixel corners. */
  readonly extra?: number;
  /** Only boxes of one class compete; absent: all do. */
  readonly classes?: ArrayLike<number>;
  /** At most this many are kept. */
  readonly limit?: number;
}

/** `corners` holds left, top, right, bottom per box. Returns the kept indices by falling score; ties keep their order. */
export function suppress(corners: ArrayLike<number>, scores: ArrayLike<number>, options: SuppressOptions): readonly number[] {
  const extra = options.extra ?? 0;
  const count = scores.length;
  const order = Array.from({ length: count }, (_, index) => index).sort((a, b) => at(scores, b) - at(scores, a));
  const kept: number[] = [];
  for (const candidate of order) {
    if (kept.length === (options.limit ?? count)) break;
    const rivals = options.classes;
    const covered = kept.some(
      (winner) =>
        (rivals === undefined || rivals[winner] === rivals[candidate]) &&
        overlap(corners, winner, candidate, extra) >= options.iou,
    );
    if (!covered) kept.push(candidate);
  }
  return kept;
}

function overlap(corners: ArrayLike<number>, a: number, b: number, extra: number): number {
  const left = Math.max(at(corners, 4 * a), at(corners, 4 * b));
  const top = Math.max(at(corners, 4 * a + 1), at(corners, 4 * b + 1));
  const right = Math.min(at(corners, 4 * a + 2), at(corners, 4 * b + 2));
  const bottom = Math.min(at(corners, 4 * a + 3), at(corners, 4 * b + 3));
  const shared = Math.max(0, right - left + extra) * Math.max(0, bottom - top + extra);
  const total = area(corners, a, extra) + area(corners, b, extra) - shared;
  return total > 0 ? shared / total : 0;
}

function area(corners: ArrayLike<number>, index: number, extra: number): number {
  const width = at(corners, 4 * index + 2) - at(corners, 4 * index) + extra;
  const height = at(corners, 4 * index + 3) - at(corners, 4 * index + 1) + extra;
  return width * height;
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? 0;
}
