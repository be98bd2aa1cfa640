import type { Box } from '../core/types.ts';
import { overlapArea } from './geometry.ts';

export interface Person {
  readonly trackId: number;
  readonly box: Box;
}

/** Share of a face that must lie in a person's box. */
const leastInside = 0.6;
/** A head is at most this share of the person's box; portraits, where the box ends below the chin, come near to it. */
const largestHead = 0.95;
/** Where faces sit in person boxes: the middle, about an eighth from the top. */
const usualDrop = 0.12;
/** The person a face had before is left only for one that fits better by this much. */
const loyalty = 0.15;

/** 0 for a face exactly where a head belongs, growing with the distance in box sizes; undefined when it is not this person's. */
function misfit(face: Box, person: Box): number | undefined {
  const inside = overlapArea(face, person) / Math.max(1e-6, face.width * face.height);
  if (inside < leastInside || face.height > largestHead * person.height) return undefined;
  const across = (face.left + face.width / 2 - (person.left + person.width / 2)) / Math.max(1, person.width);
  const down = (face.top + face.height / 2 - person.top) / Math.max(1, person.height);
  return Math.abs(across) + Math.max(0, down - usualDrop) + (1 - inside);
}

/**
 * The person whose box holds this face best, or undefined. Two faces may belong to one person box: detectors merge people who stand
 * close, and the faces stay two.
 */
export function joinFace(face: Box, persons: readonly Person[], before: number | undefined): number | undefined {
  let best: { readonly trackId: number; readonly misfit: number } | undefined;
  for (const { trackId, box } of persons) {
    const found = misfit(face, box);
    if (found === undefined) continue;
    const weighed = trackId === before ? found - loyalty : found;
    if (best === undefined || weighed < best.misfit) best = { trackId, misfit: weighed };
  }
  return best?.trackId;
}
