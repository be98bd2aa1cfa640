/**
 * Where the names of a frame stand, so that none covers another. Pure. Annotated video has the same rule in
 * `software-worker/label-places.ts`, which no browser gets; test/unit/label-places.test.ts holds them together.
 *
 * @import { Box } from '../../../core/types.ts'
 */

/**
 * @typedef {object} WantedLabel
 * @property {number} track
 * @property {Box} box of the object, in pixels of the picture
 * @property {number} width @property {number} height
 * @property {boolean} listed of somebody on a list: those choose their places before all others
 */

/** `spot` is which of its places it has: what the next frame is to know. @typedef {{ left: number, top: number, spot: number }} PlacedLabel */

/** A label begins where its box begins or ends where that ends; it touches the box, or the labels that are in its way there. */
const spots = /** @type {const} */ ([
  { row: 'above', end: 'left' },
  { row: 'above', end: 'right' },
  { row: 'below', end: 'left' },
  { row: 'below', end: 'right' },
  { row: 'higher', end: 'left' },
  { row: 'lower', end: 'left' },
  { row: 'inside', end: 'left' },
]);
/** A label goes back to a better place once there is so much room to spare, in heights of it: it would go to and fro otherwise. */
const spare = 0.5;

/**
 * Each takes the first of its spots that lies in the picture and is free of the labels before it; where none is, it covers others inside
 * its box. It keeps the spot it had until that is taken or a better one is free by far.
 *
 * @param {readonly WantedLabel[]} labels
 * @param {Box} picture
 * @param {ReadonlyMap<number, number>} before spots of the frame before, by track
 * @param {number} step places are multiples of it, if sizes are
 * @returns {ReadonlyMap<number, PlacedLabel>} by track, those of listed people first
 */
export function placeLabels(labels, picture, before, step) {
  const below = (/** @type {number} */ value) => step * Math.floor(value / step);
  const above = (/** @type {number} */ value) => step * Math.ceil(value / step);
  const right = picture.left + picture.width;
  const bottom = picture.top + picture.height;
  /** @type {Box[]} */
  const taken = [];
  /** @type {Map<number, PlacedLabel>} */
  const placed = new Map();
  const inOrder = labels.toSorted((a, b) => Number(b.listed) - Number(a.listed) || a.track - b.track);
  for (const { track, box, width, height } of inOrder) {
    const boxTop = below(box.top);
    const boxBottom = above(box.top + box.height);
    const inTheWay = (/** @type {number} */ left, /** @type {number} */ top, /** @type {number} */ room) =>
      taken.find(
        (other) =>
          left - room < other.left + other.width &&
          other.left < left + width + room &&
          top - room < other.top + other.height &&
          other.top < top + height + room,
      );
    const stacked = (/** @type {number} */ left, /** @type {number} */ from, /** @type {boolean} */ up) => {
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
      higher: (/** @type {number} */ left) => stacked(left, boxTop - height, true),
      lower: (/** @type {number} */ left) => stacked(left, boxBottom, false),
      inside: (/** @type {number} */ left) => Math.max(picture.top, stacked(left, atFoot, true)),
    };
    const places = spots.map(({ row, end }) => {
      const left = Math.max(picture.left, Math.min(ends[end], below(right - width)));
      return { left, top: rows[row](left) };
    });
    const isOpen = (/** @type {number} */ spot, /** @type {number} */ room) => {
      const { left = 0, top = 0 } = places[spot] ?? {};
      const isSeen = top - room >= picture.top && top + height + room <= bottom;
      return isSeen && inTheWay(left, top, room) === undefined;
    };
    const first = (/** @type {number} */ room) => places.findIndex((_, spot) => isOpen(spot, room));
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
