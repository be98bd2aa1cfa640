import type { Label } from '../gen/sightline/bridge/v1/bridge.ts';
import { type Drawable, drawBox, drawPlate, drawText, fillRect, inkOf, plateSize } from './draw.ts';
import { placeLabels } from './label-places.ts';
import type { ColourReading } from './pixels.ts';
import { lineHeight, type TextMasks } from './text-masks.ts';
import type { TrackedObject } from './track.ts';

/** What annotated video shows of a frame. */

/** An object that nobody has decided on. */
const undecided = '#ffffff';
/** Even: a detector's own box, and the tracker's. */
const strokes = { detected: 4, predicted: 2 } as const;
const smallestText = 12;
/** Height of letters as a share of the picture's. */
const textShare = 1 / 36;
const greyOfNothing = { y: 48, u: 128, v: 128 } as const;

/** Letters of a picture so high, in pixels. */
function textSize({ height }: { readonly height: number }): number {
  return Math.max(smallestText, Math.round(height * textShare));
}

/** Name and similarity, in the words of the pages; apart: there are many pairs of them and few of each. */
function wordsOf(object: TrackedObject, label: Label | undefined): readonly string[] {
  return label === undefined || label.text === '' ? [object.label] : [label.text, `similarity ${label.score.toFixed(2)}`];
}

/** All texts that a picture of this height needs for these objects. */
export function textsOf(
  objects: readonly TrackedObject[],
  labels: ReadonlyMap<number, Label>,
  picture: { readonly height: number },
): { readonly texts: readonly string[]; readonly size: number } {
  return { texts: objects.flatMap((object) => wordsOf(object, labels.get(object.trackId))), size: textSize(picture) };
}

export interface Annotation {
  readonly labels: ReadonlyMap<number, Label>;
  readonly texts: Pick<TextMasks, 'find'>;
  readonly reading: ColourReading;
  /** The picture whose pixels the boxes count in. */
  readonly from: { readonly width: number; readonly height: number };
  /** Where names stood in the frame before, by track. */
  readonly spots: ReadonlyMap<number, number>;
}

/** Boxes first, then names, so that no box crosses a name. A name that is not rendered is left out. Gives where names stand now, by track. */
export function drawObjects(
  picture: Drawable,
  objects: readonly TrackedObject[],
  annotation: Annotation,
): ReadonlyMap<number, number> {
  const { labels, texts, reading, from, spots } = annotation;
  const x = picture.width / from.width;
  const y = picture.height / from.height;
  const size = textSize(picture);
  const drawn = objects.map((object) => {
    const { left, top, width, height } = object.box;
    const label = labels.get(object.trackId);
    const box = { left: left * x, top: top * y, width: width * x, height: height * y };
    const masks = wordsOf(object, label).flatMap((text) => texts.find(text, size) ?? []);
    return { object, label, box, masks, ink: inkOf(label?.colour ?? undecided, reading) };
  });
  for (const { object, box, ink } of drawn) drawBox(picture, box, strokes[object.predicted ? 'predicted' : 'detected'], ink);
  const named = drawn.filter(({ masks }) => masks.length > 0);
  const places = placeLabels(
    named.map(({ object, label, box, masks }) => ({
      track: object.trackId,
      box,
      ...plateSize(masks),
      listed: label !== undefined && label.text !== '',
    })),
    { left: 0, top: 0, width: picture.width, height: picture.height },
    spots,
    2,
  );
  const byTrack = new Map(named.map((one) => [one.object.trackId, one]));
  // Where names cover each other those of listed people lie above.
  for (const [track, place] of [...places].toReversed()) {
    const one = byTrack.get(track);
    if (one !== undefined) drawPlate(picture, place, one.masks, one.ink, reading);
  }
  return new Map([...places].map(([track, { spot }]) => [track, spot]));
}

/** Local time of the day, as 14:03:05. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

/** Lines of text in the midst of a grey picture, the first one larger. */
export async function drawNoSignal(
  picture: Drawable,
  lines: readonly string[],
  { texts, reading }: { readonly texts: TextMasks; readonly reading: ColourReading },
): Promise<void> {
  fillRect(picture, 0, 0, picture.width, picture.height, greyOfNothing);
  const sizes = lines.map((_, index) => Math.round(textSize(picture) * (index === 0 ? 2 : 1.4)));
  const heights = sizes.map(lineHeight);
  let top = 2 * Math.round((picture.height - heights.reduce((sum, height) => sum + height, 0)) / 4);
  for (const [index, text] of lines.entries()) {
    const size = sizes[index] ?? smallestText;
    await texts.ready([text], size);
    const mask = texts.find(text, size);
    const left = 2 * Math.round((picture.width - (mask?.width ?? 0)) / 4);
    if (mask !== undefined) drawText(picture, left, top, mask, inkOf(undecided, reading).y);
    top += heights[index] ?? 0;
  }
}
