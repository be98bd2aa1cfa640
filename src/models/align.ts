import type { RgbImage } from '../core/models.ts';
import type { FivePoints, Point } from '../core/types.ts';
import { type PixelFormat, type PixelTarget, pixelSteps } from './pixels.ts';

/** A rotation, scale and shift: x' = a·x − b·y + shiftX, y' = b·x + a·y + shiftY. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly shiftX: number;
  readonly shiftY: number;
}

/** Where the five points lie in an aligned face of 112 pixels; common practice for ArcFace-like embedders. */
export const faceTemplate112: FivePoints = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
];

/** The template multiplied and shifted for an embedder that looks at another part of another size of input. */
export function scaledTemplate(scale: number, offset: Point): FivePoints {
  const place = ({ x, y }: Point): Point => ({ x: x * scale + offset.x, y: y * scale + offset.y });
  const [a, b, c, d, e] = faceTemplate112;
  return [place(a), place(b), place(c), place(d), place(e)];
}

/**
 * The least-squares similarity that takes `from` to `to`, without reflection (Umeyama 1991; in two dimensions the closed form
 * needs no decomposition). Undefined when the points of `from` coincide or are not finite.
 */
export function fitSimilarity(from: FivePoints, to: FivePoints): Similarity | undefined {
  const source = centre(from);
  const target = centre(to);
  let spread = 0;
  let along = 0;
  let across = 0;
  for (const [index, point] of from.entries()) {
    const x = point.x - source.x;
    const y = point.y - source.y;
    const u = (to[index]?.x ?? 0) - target.x;
    const v = (to[index]?.y ?? 0) - target.y;
    spread += x * x + y * y;
    along += x * u + y * v;
    across += x * v - y * u;
  }
  const a = along / spread;
  const b = across / spread;
  const fit = { a, b, shiftX: target.x - a * source.x + b * source.y, shiftY: target.y - b * source.x - a * source.y };
  const usable = spread > 1e-6 && a * a + b * b > 1e-12 && Object.values(fit).every(Number.isFinite);
  return usable ? fit : undefined;
}

function centre(points: FivePoints): Point {
  let x = 0;
  let y = 0;
  for (const point of points) {
    x += point.x / points.length;
    y += point.y / points.length;
  }
  return { x, y };
}

/**
 * Writes the picture as seen through `similarity` (source pixels to target pixels, both counted at pixel centres as in OpenCV's
 * `warpAffine`) into the target, with bilinear samples. What lies outside the picture is black: a sample at the border mixes with
 * black in the share that lies outside.
 */
export function warpPixels(image: RgbImage, similarity: Similarity, target: PixelTarget, format: PixelFormat): void {
  const { data: pixels, width, height } = image;
  const { data } = target;
  const steps = pixelSteps(format, target);
  const [redGain, greenGain, blueGain] = format.gain;
  const [redBias, greenBias, blueBias] = format.bias;
  const square = similarity.a * similarity.a + similarity.b * similarity.b;
  const a = similarity.a / square;
  const b = similarity.b / square;
  for (let row = 0; row < target.height; row += 1) {
    let to = target.offset + row * steps.row;
    const v = row - similarity.shiftY;
    for (let column = 0; column < target.width; column += 1) {
      const u = column - similarity.shiftX;
      const x = a * u + b * v;
      const y = a * v - b * u;
      const left = Math.floor(x);
      const top = Math.floor(y);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let tap = 0; tap < 4; tap += 1) {
        const tapX = left + (tap & 1);
        const tapY = top + (tap >> 1);
        if (tapX < 0 || tapY < 0 || tapX >= width || tapY >= height) continue;
        const weight = (1 - Math.abs(x - tapX)) * (1 - Math.abs(y - tapY));
        const from = 3 * (tapY * width + tapX);
        red += weight * (pixels[from] as number);
        green += weight * (pixels[from + 1] as number);
        blue += weight * (pixels[from + 2] as number);
      }
      data[to + steps.red] = red * redGain + redBias;
      data[to + steps.green] = green * greenGain + greenBias;
      data[to + steps.blue] = blue * blueGain + blueBias;
      to += steps.pixel;
    }
  }
}
