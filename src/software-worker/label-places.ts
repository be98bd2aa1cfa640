import type { Box } from '../core/types.ts';

/**
 * Where the names of a frame stand, so that none covers another. Pure. The viewer has the same rule in `http/viewer/live/label-places.js`,
 * where no file of this room comes; test/unit/label-places.test.ts holds them together.
 */
export interface WantedLabel {
  readonly track: number;
  /** Of the object, in pixels of the picture. */
  readonly box: Box;
  readonly width: number;
  readonly height: number;
  /** Of somebody on a list: those choose their places before all others. */
  readonly listed: boolean;
}

export interface PlacedLabel {
  readonly left: number;
  readonly top: number;
  /** Which of its places it has: what the next frame is to know. */
  readonly spot: number;
}

/** A label begins where its box begins or ends where that ends; it touches the box, or the labels that are in its way there. */
const spots = [
  { row: 'above', end: 'left' },
  { row: 'above', end: 'right' },
  { row: 'below', end: 'left' },
  { row: 'below', end: 'right' },
  { row: 'higher', end: 'left' },
  { row: 'lower', end: 'left' },
  { row: 'inside', end: 'left' },
] as const;
/** A label goes back to a better place once there is so much room to spare, in heights of it: it would go to and fro otherwise. */
const spare = 0.5;

/**
 * Each takes the first of its spots that lies in the picture and is free of the labels before it; where none is, it covers others inside
 * its box. It keeps the spot it had until that is taken or a better one is free by far.
 *
 * @param before spots of the frame before, by track
 * @param step places are multiples of it, if sizes are
 * @returns by track, those of listed people first
 */
export function placeLabels(
  labels: readonly WantedLabel[],
  picture: Box,
  before: ReadonlyMap<number, number>,
  step: number,
): ReadonlyMap<number, PlacedLabel> {
  const below = (value: number) => step * Math.floor(value / step);
  const above = (value: number) => step * Math.ceil(value / step);
  const right = picture.left + picture.width;
  const bottom = picture.top + picture.height;
  const taken: Box[] = [];
  const placed = new Map<number, PlacedLabel>();
  const inOrder = labels.toSorted((a, b) => Number(b.listed) - Number(a.listed) || a.track - b.track);
  for (const { track, box, width, height } of inOrder) {
    const boxTop = below(box.top);
    const boxBottom = above(box.top + box.height);
    const inTheWay = (left: number, top: number, room: number) =>
      taken.find(
        (other) =>
          left - room < other.left + other.width &&
          other.left < left + width + room &&
          top - room < other.top + other.height &&
          other.top < top + height + room,
      );
    const stacked = (left: number, from: number, up: boolean) => {
      let top = from;
      for (let other = inTheWay(left, top, 0); other !== undefined; other = inTheWay(left, top, 0))
        top = up ? other.top - height : other.top + other.height;
      return top;
    };
    const ends = { left: below(box.left), right: above(box.left + box.width) - width };
    const atFoot = Math.max(picture.top, Math.min(boxBottom, below(bottom)) - height);
    const rows = {
      above: () => boxTop - height,
      below: () => boxBottom,
      higher: (left: number) => stacked(left, boxTop - height, true),
      lower: (left: number) => stacked(left, boxBottom, false),
      inside: (left: number) => Math.max(picture.top, stacked(left, atFoot, true)),
    };
    const places = spots.map(({ row, end }) => {
      const left = Math.max(picture.left, Math.min(ends[end], below(right - width)));
      return { left, top: rows[row](left) };
    });
    const isOpen = (spot: number, room: number) => {
      const { left = 0, top = 0 } = places[spot] ?? {};
      const isSeen = top - room >= picture.top && top + height + room <= bottom;
      return isSeen && inTheWay(left, top, room) === undefined;
    };
    const first = (room: number) => places.findIndex((_, spot) => isOpen(spot, room));
    const had = before.get(track);
    const best = first(had === undefined ? 0 : spare * height);
    const stays = had !== undefined && isOpen(had, 0) && (best < 0 || had < best);
    const free = stays ? had : best < 0 ? first(0) : best;
    const spot = free < 0 ? spots.length - 1 : free;
    const { left = 0, top = 0 } = places[spot] ?? {};
    taken.push({ left, top, width, height });
    placed.set(track, { left, top, spot });
  }
  return placed;
}
