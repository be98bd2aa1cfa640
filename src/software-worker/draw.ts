import type { Box } from '../core/types.ts';
import type { Plane } from './masks.ts';
import type { ColourReading } from './pixels.ts';

/**
 * Drawing into 8-bit 4:2:0 pictures in place, pure. Everything lies on even pixels, because chroma is shared by blocks of 2 x 2, and is
 * cut at the picture's edges.
 */
export interface Drawable {
  /** Both even. */
  readonly width: number;
  readonly height: number;
  /** Y, U, V. */
  readonly planes: readonly Plane[];
}

/** A colour as the planes hold it. */
export interface Ink {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

/** How much of each pixel is text, 0 to 255, rows without padding; both sides are even. */
export interface TextMask {
  readonly width: number;
  readonly height: number;
  readonly alpha: Uint8Array;
}

/** Kr and Kb of ITU-R BT.601 and BT.709. */
const weights = { bt601: { red: 0.299, blue: 0.114 }, bt709: { red: 0.2126, blue: 0.0722 } } as const;

/** `colour` as #rrggbb; anything else is white. */
export function inkOf(colour: string, reading: ColourReading): Ink {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  const [r = 1, g = 1, b = 1] = (hex ?? []).slice(1).map((part) => Number.parseInt(part, 16) / 255);
  const { red, blue } = weights[reading.matrix];
  const luma = red * r + (1 - red - blue) * g + blue * b;
  const chroma = reading.fullRange ? 255 : 224;
  return {
    y: Math.round(reading.fullRange ? 255 * luma : 16 + 219 * luma),
    u: Math.min(255, Math.round(128 + (chroma * (b - luma)) / (2 * (1 - blue)))),
    v: Math.min(255, Math.round(128 + (chroma * (r - luma)) / (2 * (1 - red)))),
  };
}

/** Luma of text on ink: black on light colours, white on dark ones. */
export function textLuma(ink: Ink, { fullRange }: Pick<ColourReading, 'fullRange'>): number {
  const [black, white] = fullRange ? [0, 255] : [16, 235];
  return ink.y > 110 ? black : white;
}

const evenBelow = (value: number) => 2 * Math.floor(value / 2);
const evenAbove = (value: number) => 2 * Math.ceil(value / 2);

/** Fills from `left`, `top` to before `right`, `bottom`; all even. */
export function fillRect(canvas: Drawable, left: number, top: number, right: number, bottom: number, ink: Ink): void {
  const fromX = Math.max(0, left);
  const toX = Math.min(canvas.width, right);
  const toY = Math.min(canvas.height, bottom);
  if (toX <= fromX) return;
  const [luma, u, v] = canvas.planes;
  for (let y = Math.max(0, top); y < toY; y += 1) luma?.data.fill(ink.y, y * luma.stride + fromX, y * luma.stride + toX);
  for (let y = Math.max(0, top) / 2; y < toY / 2; y += 1) {
    u?.data.fill(ink.u, y * u.stride + fromX / 2, y * u.stride + toX / 2);
    v?.data.fill(ink.v, y * v.stride + fromX / 2, y * v.stride + toX / 2);
  }
}

/** The outline of a box, `stroke` (even) wide inwards from the even pixels around it. */
export function drawBox(canvas: Drawable, box: Box, stroke: number, ink: Ink): void {
  const left = evenBelow(box.left);
  const top = evenBelow(box.top);
  const right = Math.max(left + 2, evenAbove(box.left + box.width));
  const bottom = Math.max(top + 2, evenAbove(box.top + box.height));
  fillRect(canvas, left, top, right, Math.min(bottom, top + stroke), ink);
  fillRect(canvas, left, Math.max(top, bottom - stroke), right, bottom, ink);
  fillRect(canvas, left, top, Math.min(right, left + stroke), bottom, ink);
  fillRect(canvas, Math.max(left, right - stroke), top, right, bottom, ink);
}

/** Blends luma towards `luma` where the text is; chroma stays as it is. `left` and `top` are even. */
export function drawText(canvas: Drawable, left: number, top: number, text: TextMask, luma: number): void {
  const [plane] = canvas.planes;
  if (plane === undefined) return;
  const { data, stride } = plane;
  const fromX = Math.max(0, -left);
  const toX = Math.min(text.width, canvas.width - left);
  const toY = Math.min(text.height, canvas.height - top);
  for (let y = Math.max(0, -top); y < toY; y += 1) {
    const row = (top + y) * stride + left;
    for (let x = fromX; x < toX; x += 1) {
      const alpha = text.alpha[y * text.width + x] ?? 0;
      if (alpha === 0) continue;
      data[row + x] = Math.round(((data[row + x] ?? 0) * (255 - alpha) + luma * alpha) / 255);
    }
  }
}

/** Size of a plate of several texts side by side. */
export function plateSize(texts: readonly TextMask[]): { readonly width: number; readonly height: number } {
  return {
    width: texts.reduce((sum, text) => sum + text.width, 0),
    height: Math.max(0, ...texts.map((text) => text.height)),
  };
}

/** A plate of several texts side by side; `left` and `top` are even. */
export function drawPlate(
  canvas: Drawable,
  { left, top }: Pick<Box, 'left' | 'top'>,
  texts: readonly TextMask[],
  ink: Ink,
  reading: Pick<ColourReading, 'fullRange'>,
): void {
  const { width, height } = plateSize(texts);
  fillRect(canvas, left, top, left + width, top + height, ink);
  let at = left;
  for (const text of texts) {
    drawText(canvas, at, top, text, textLuma(ink, reading));
    at += text.width;
  }
}
