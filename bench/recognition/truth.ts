import { readFileSync } from 'node:fs';
import type { Box } from '../../src/core/types.ts';
import type { ClipTruth, TruthBox } from '../../test/support/clips.ts';

export function overlap(box: Box, [x, y, width, height]: TruthBox['box']): number {
  const across = Math.min(box.left + box.width, x + width) - Math.max(box.left, x);
  const down = Math.min(box.top + box.height, y + height) - Math.max(box.top, y);
  if (across <= 0 || down <= 0) return 0;
  const shared = across * down;
  return shared / (box.width * box.height + width * height - shared);
}

/**
 * Which detection is whom: pairs of detection and ground truth by falling overlap, each used once, at least `least`. In the order of
 * `boxes`, undefined for a detection of nobody.
 */
export function assign(boxes: readonly Box[], truth: readonly TruthBox[], least: number): readonly (TruthBox | undefined)[] {
  const pairs = boxes
    .flatMap((box, at) => truth.map((who) => ({ at, who, iou: overlap(box, who.box) })))
    .filter(({ iou }) => iou >= least)
    .toSorted((a, b) => b.iou - a.iou);
  const found = new Map<number, TruthBox>();
  const taken = new Set<TruthBox>();
  for (const { at, who } of pairs) {
    if (found.has(at) || taken.has(who)) continue;
    found.set(at, who);
    taken.add(who);
  }
  return boxes.map((_, at) => found.get(at));
}

export function clipSize({ path }: Pick<ClipTruth, 'path'>): { readonly width: number; readonly height: number } {
  return JSON.parse(readFileSync(path.replace(/\.mp4$/, '.gt.json'), 'utf8')) as { width: number; height: number };
}
