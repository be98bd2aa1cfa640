import type { Box, FivePoints, Point, Quality } from '../core/types.ts';

/** How much an embedding of a crop can be worth, before it is made. */

export interface CropMeasure {
  /** The crop in grey, row-major without padding. */
  readonly grey: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** The detection's box and points in pixels of `grey`. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
  /** Share of the box inside the frame, 0 to 1. */
  readonly visible: number;
  /** Height of the box in source pixels. */
  readonly heightPx: number;
}

/** Height to which the box is scaled before its sharpness is measured: the input of the face embedders. */
const measurePixels = 112;

interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Which input samples make up each output sample: those of `i` are at `starts[i]` to below `starts[i + 1]`. */
interface Taps {
  readonly starts: Int32Array;
  readonly sources: Int32Array;
  readonly weights: Float64Array;
}

/**
 * For each of `to` output samples the input samples and weights of `from` to `from + extent`: means of areas when shrinking, linear
 * between half-pixel centres when growing. Samples beyond `size` repeat the edge.
 */
function taps(from: number, extent: number, to: number, size: number): Taps {
  const scale = extent / to;
  const most = to * (Math.max(1, Math.ceil(scale)) + 1);
  const made = { starts: new Int32Array(to + 1), sources: new Int32Array(most), weights: new Float64Array(most) };
  let count = 0;
  function add(source: number, weight: number): void {
    made.sources[count] = Math.min(Math.max(0, source), size - 1);
    made.weights[count] = weight;
    count += 1;
  }
  for (let i = 0; i < to; i += 1) {
    if (scale <= 1) {
      const centre = from + (i + 0.5) * scale - 0.5;
      const left = Math.floor(centre);
      add(left, 1 - (centre - left));
      add(left + 1, centre - left);
    } else {
      const begin = from + i * scale;
      const end = begin + scale;
      for (let j = Math.floor(begin); j < end; j += 1) add(j, (Math.min(end, j + 1) - Math.max(begin, j)) / scale);
    }
    made.starts[i + 1] = count;
  }
  return made;
}

/** Columns first, of those rows alone that are needed, then rows. */
function scaleBox(measure: CropMeasure): Grey {
  const { grey, box } = measure;
  const height = measurePixels;
  const width = Math.min(4 * measurePixels, Math.max(3, Math.round((measurePixels * box.width) / Math.max(1e-6, box.height))));
  const columns = taps(box.left, box.width, width, measure.width);
  const rows = taps(box.top, box.height, height, measure.height);
  const used = rows.sources.subarray(0, rows.starts[height]);
  const firstRow = used.reduce((least, row) => Math.min(least, row), measure.height);
  const lastRow = used.reduce((most, row) => Math.max(most, row), 0);
  const narrow = new Float32Array(width * (lastRow - firstRow + 1));
  for (let row = firstRow; row <= lastRow; row += 1) {
    const from = row * measure.width;
    const to = (row - firstRow) * width;
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      const end = columns.starts[x + 1] as number;
      for (let tap = columns.starts[x] as number; tap < end; tap += 1) {
        sum += (columns.weights[tap] as number) * (grey[from + (columns.sources[tap] as number)] as number);
      }
      narrow[to + x] = sum;
    }
  }
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y += 1) {
    const end = rows.starts[y + 1] as number;
    for (let tap = rows.starts[y] as number; tap < end; tap += 1) {
      const from = ((rows.sources[tap] as number) - firstRow) * width;
      const weight = rows.weights[tap] as number;
      for (let x = 0; x < width; x += 1) {
        data[y * width + x] = (data[y * width + x] as number) + weight * (narrow[from + x] as number);
      }
    }
  }
  return { width, height, data };
}

/** Variance of the four-neighbour Laplacian over the inner pixels (Pech-Pacheco et al., 2000). */
function laplacianVariance({ width, height, data }: Grey): number {
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const i = y * width + x;
      const value =
        (data[i - 1] as number) +
        (data[i + 1] as number) +
        (data[i - width] as number) +
        (data[i + width] as number) -
        4 * (data[i] as number);
      sum += value;
      squares += value * value;
    }
  }
  const count = (width - 2) * (height - 2);
  // By rounding a flat picture may come out a hair below zero.
  return Math.max(0, squares / count - (sum / count) ** 2);
}

/** Roll of the eye line in degrees, -180 to 180, and the nose's offset along it in eye distances. */
function pose([left, right, nose]: FivePoints): { readonly rollDegrees: number; readonly yaw: number } {
  const dx = right.x - left.x;
  const dy = right.y - left.y;
  const distance = Math.hypot(dx, dy);
  if (distance === 0) return { rollDegrees: 0, yaw: 0 };
  const middle: Point = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 };
  return {
    rollDegrees: (Math.atan2(dy, dx) * 180) / Math.PI,
    yaw: ((nose.x - middle.x) * dx + (nose.y - middle.y) * dy) / distance ** 2,
  };
}

/** Heights at which size begins to count and by which it has gained 63 %; for faces and for whole bodies. */
const faceSize = { none: 20, gain: 40 } as const;
const bodySize = { none: 48, gain: 100 } as const;
const halfSharpness = 20;

/** What `qualityFactors` gives. */
export interface QualityFactors {
  readonly size: number;
  readonly sharpness: number;
  readonly roll: number;
  readonly yaw: number;
  readonly visible: number;
  readonly score: number;
}

/**
 * What makes up the quality of a crop, six factors from 0 to 1, each falling as its measure gets worse.
 *
 * - size: 1 - exp(-(height - 20) / 40) for faces, 0 up to 20 px (bodies: 48 and 100)
 * - sharpness: s / (s + 20): upscaled 24 px faces measure 3 to 10, enlarged footage 12, good footage 35 and more
 * - roll: 1 - |roll| / 240, mild because alignment turns the face upright
 * - yaw: 1 / (1 + (yaw / 0.5)^2)
 * - visible: squared, score: its square root
 */
export function qualityFactors(measures: Omit<Quality, 'overall'>, subject: 'face' | 'body'): QualityFactors {
  const size = subject === 'face' ? faceSize : bodySize;
  return {
    size: 1 - Math.exp(-Math.max(0, measures.heightPx - size.none) / size.gain),
    sharpness: measures.sharpness / (measures.sharpness + halfSharpness),
    roll: 1 - Math.min(180, Math.abs(measures.rollDegrees)) / 240,
    yaw: 1 / (1 + (measures.yaw / 0.5) ** 2),
    visible: measures.visible ** 2,
    score: Math.sqrt(measures.score),
  };
}

/** The measures of a crop as one number: the product of its factors. */
export function overallQuality(measures: Omit<Quality, 'overall'>, subject: 'face' | 'body'): number {
  const { size, sharpness, roll, yaw, visible, score } = qualityFactors(measures, subject);
  return size * sharpness * roll * yaw * visible * score;
}

/** Quality of a detection's crop; a face when it has landmarks. */
export function assessCrop(measure: CropMeasure): Quality {
  const { rollDegrees, yaw } = measure.landmarks === undefined ? { rollDegrees: 0, yaw: 0 } : pose(measure.landmarks);
  const measures = {
    heightPx: measure.heightPx,
    sharpness: laplacianVariance(scaleBox(measure)),
    rollDegrees,
    yaw,
    visible: measure.visible,
    score: measure.score,
  };
  return { ...measures, overall: overallQuality(measures, measure.landmarks === undefined ? 'body' : 'face') };
}
