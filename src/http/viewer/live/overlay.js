import { placeLabels } from './label-places.js';

/**
 * The picture and its boxes onto one canvas, in one go. Nothing here asks the page for its layout.
 *
 * @import { LiveBox, LiveFrame } from '../../../core/live-messages.ts'
 */

/** Where the picture lies on the canvas, in pixels of the canvas. @typedef {{ x: number, y: number, width: number, height: number }} Place */

const fontPx = 13;
const linePx = 2;
const thinPx = 1;
const paddingPx = 3;
const font = (/** @type {number} */ px) => `600 ${px}px system-ui, sans-serif`;
/** Widths of texts are remembered; a wall screen sees the same names for days. */
const maxWidths = 2000;
/** @type {Map<string, number>} */
const widths = new Map();

/**
 * The largest place of the picture's shape in the middle of the canvas.
 *
 * @param {number} width of the canvas @param {number} height
 * @param {number} pictureWidth @param {number} pictureHeight
 * @returns {Place}
 */
export function placeOf(width, height, pictureWidth, pictureHeight) {
  const scale = Math.min(width / pictureWidth, height / pictureHeight);
  const w = Math.round(pictureWidth * scale);
  const h = Math.round(pictureHeight * scale);
  return { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), width: w, height: h };
}

/**
 * What is written at a box: whom it is similar to, or which track it is.
 *
 * @param {LiveBox} box
 * @returns {string[]} lines
 */
export function labelOf({ match, label, track }) {
  if (match === undefined) return [`${label} ${track}`];
  const similarity = `similarity ${match.similarity.toFixed(2)}`;
  if (match.kind !== 'description') return [match.name, similarity];
  return [match.name, `${similarity}, experimental,`, 'matches a description, not a person'];
}

/** Black or white, whichever is easier to read on `colour`. @param {string} colour #rrggbb */
export function inkOn(colour) {
  const value = Number.parseInt(colour.slice(1), 16);
  const [red, green, blue] = [value >> 16, (value >> 8) & 255, value & 255].map((part) => {
    const share = part / 255;
    return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  // Relative luminance of WCAG 2.2; at 0.179 black and white contrast alike.
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0) > 0.179 ? '#000000' : '#ffffff';
}

/**
 * Centres of the boxes of each track that is in view in the last of the frames.
 *
 * @param {readonly LiveFrame[]} frames the oldest first
 * @returns {Map<number, [number, number][]>} as fractions of the picture, the oldest first
 */
export function trailsOf(frames) {
  /** @type {Map<number, [number, number][]>} */
  const trails = new Map();
  for (const { track } of frames.at(-1)?.boxes ?? []) trails.set(track, []);
  for (const { boxes } of frames)
    for (const { track, box } of boxes) trails.get(track)?.push([box[0] + box[2] / 2, box[1] + box[3] / 2]);
  return trails;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {CanvasImageSource} source
 * @param {Place} place
 */
export function drawPicture(context, source, place) {
  const { width, height } = context.canvas;
  if (place.width < width || place.height < height) {
    context.fillStyle = '#000000';
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(source, place.x, place.y, place.width, place.height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{ readonly boxes: readonly LiveBox[], readonly predicted: boolean }} frame
 * @param {Place} place
 * @param {number} ratio pixels of the canvas for each of the page
 * @param {object} more
 * @param {readonly LiveFrame[]} [more.before] the frames that led here, for the trails; none: no trails
 * @param {ReadonlyMap<number, number>} more.spots where labels stood in what was drawn before, by track
 * @param {(box: LiveBox) => readonly string[]} [more.words] lines at a box; none: no label
 * @returns {ReadonlyMap<number, number>} where they stand now
 */
export function drawBoxes(context, frame, place, ratio, { before = [], spots, words = labelOf }) {
  const trails = trailsOf(before);
  context.lineJoin = 'round';
  for (const { track, colour } of frame.boxes) drawTrail(context, trails.get(track) ?? [], colour, place, ratio);
  context.lineWidth = Math.max(1, Math.round((frame.predicted ? thinPx : linePx) * ratio));
  for (const { box, colour } of frame.boxes) {
    context.strokeStyle = colour;
    context.strokeRect(
      place.x + box[0] * place.width,
      place.y + box[1] * place.height,
      box[2] * place.width,
      box[3] * place.height,
    );
  }
  // Texts lie above all lines; those of listed people above the rest.
  const labels = labelsOf(context, frame.boxes, words, place, ratio);
  const places = placeLabels(labels, { left: place.x, top: place.y, width: place.width, height: place.height }, spots, 1);
  const byTrack = new Map(labels.map((label) => [label.track, label]));
  for (const [track, { left, top }] of [...places].toReversed()) {
    const label = byTrack.get(track);
    if (label !== undefined) drawLabel(context, label, left, top, ratio);
  }
  return new Map([...places].map(([track, { spot }]) => [track, spot]));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number][]} points
 * @param {string} colour
 * @param {Place} place
 * @param {number} ratio
 */
function drawTrail(context, points, colour, place, ratio) {
  const [first, ...rest] = points;
  if (first === undefined || rest.length === 0) return;
  context.beginPath();
  context.moveTo(place.x + first[0] * place.width, place.y + first[1] * place.height);
  for (const [x, y] of rest) context.lineTo(place.x + x * place.width, place.y + y * place.height);
  context.lineWidth = Math.max(1, thinPx * ratio);
  context.strokeStyle = colour;
  context.globalAlpha = 0.6;
  context.stroke();
  context.globalAlpha = 1;
}

/** What is written at a box, and how large that is. @typedef {import('./label-places.js').WantedLabel & { colour: string, lines: readonly string[] }} Label */

/**
 * In one line, or in two where that would be half of the picture.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {readonly LiveBox[]} boxes
 * @param {(box: LiveBox) => readonly string[]} words
 * @param {Place} place
 * @param {number} ratio
 * @returns {Label[]}
 */
function labelsOf(context, boxes, words, place, ratio) {
  const px = Math.round(fontPx * ratio);
  const padding = Math.round(paddingPx * ratio);
  context.font = font(px);
  return boxes.flatMap((box) => {
    const parts = words(box);
    if (parts.length === 0) return [];
    const oneLine = parts.join('  ');
    const lines = widthOf(context, oneLine, px) + 2 * padding <= place.width / 2 ? [oneLine] : parts;
    const [left, top, width, height] = box.box;
    return {
      track: box.track,
      box: {
        left: place.x + left * place.width,
        top: place.y + top * place.height,
        width: width * place.width,
        height: height * place.height,
      },
      width: Math.ceil(Math.max(...lines.map((line) => widthOf(context, line, px)))) + 2 * padding,
      height: lines.length * Math.round(px * 1.25) + padding,
      listed: box.match !== undefined,
      colour: box.colour,
      lines,
    };
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Label} label
 * @param {number} left
 * @param {number} top
 * @param {number} ratio
 */
function drawLabel(context, { width, height, colour, lines }, left, top, ratio) {
  const padding = Math.round(paddingPx * ratio);
  const lineHeight = (height - padding) / lines.length;
  context.fillStyle = colour;
  context.fillRect(left, top, width, height);
  context.fillStyle = inkOn(colour);
  context.textBaseline = 'middle';
  for (const [index, line] of lines.entries())
    context.fillText(line, left + padding, top + padding / 2 + (index + 0.5) * lineHeight);
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} px */
function widthOf(context, text, px) {
  const key = `${px} ${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  if (widths.size >= maxWidths) widths.clear();
  const { width } = context.measureText(text);
  widths.set(key, width);
  return width;
}

/**
 * @param {readonly LiveBox[]} boxes
 * @param {Place} place
 * @param {number} x in pixels of the canvas @param {number} y
 * @returns {LiveBox | undefined} the smallest box there
 */
export function boxAt(boxes, place, x, y) {
  const fx = (x - place.x) / place.width;
  const fy = (y - place.y) / place.height;
  return boxes
    .filter(({ box: [left, top, width, height] }) => fx >= left && fx <= left + width && fy >= top && fy <= top + height)
    .toSorted((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3])[0];
}
