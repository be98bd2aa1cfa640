import type { Box } from '../core/types.ts';

export function overlapArea(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Intersection over union, 0 to 1. */
export function iou(a: Box, b: Box): number {
  const overlap = overlapArea(a, b);
  return overlap === 0 ? 0 : overlap / (a.width * a.height + b.width * b.height - overlap);
}

/** The part of `box` inside a frame; an empty box at the nearest edge when nothing is. */
export function clipBox(box: Box, frame: { readonly width: number; readonly height: number }): Box {
  const left = Math.min(Math.max(0, box.left), frame.width);
  const top = Math.min(Math.max(0, box.top), frame.height);
  return {
    left,
    top,
    width: Math.max(0, Math.min(frame.width, box.left + box.width) - left),
    height: Math.max(0, Math.min(frame.height, box.top + box.height) - top),
  };
}
