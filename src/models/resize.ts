import type { RgbImage } from '../core/models.ts';
import type { Box } from '../core/types.ts';

/**
 * Resizing of 8-bit pictures. `bilinear` samples at half-pixel centres without antialias (OpenCV's INTER_LINEAR); the `_antialias`
 * ones widen the filter when shrinking (Pillow's BILINEAR and BICUBIC) and equal Pillow's result bit for bit: horizontal pass
 * first, rounded to 8 bits, coefficients with 22 fractional bits.
 */
export type Interpolation = 'bilinear' | 'bilinear_antialias' | 'bicubic_antialias';

export const interpolations = ['bilinear', 'bilinear_antialias', 'bicubic_antialias'] as const;

export function resize(image: RgbImage, width: number, height: number, interpolation: Interpolation): RgbImage {
  if (width === image.width && height === image.height) return image;
  if (interpolation === 'bilinear') return resizeBilinear(image, width, height);
  const filter = interpolation === 'bilinear_antialias' ? triangle : bicubic;
  const narrowed = image.width === width ? image : resampleRows(image, taps(image.width, width, filter));
  return narrowed.height === height ? narrowed : resampleColumns(narrowed, taps(narrowed.height, height, filter));
}

/** A copy of the part of the picture that `box` covers, by whole pixels; at least one pixel. */
export function cut(image: RgbImage, box: Box): RgbImage {
  const left = Math.min(image.width - 1, Math.max(0, Math.round(box.left)));
  const top = Math.min(image.height - 1, Math.max(0, Math.round(box.top)));
  const width = Math.min(image.width, Math.max(left + 1, Math.round(box.left + box.width))) - left;
  const height = Math.min(image.height, Math.max(top + 1, Math.round(box.top + box.height))) - top;
  const data = new Uint8Array(3 * width * height);
  for (let row = 0; row < height; row += 1) {
    const from = 3 * ((top + row) * image.width + left);
    data.set(image.data.subarray(from, from + 3 * width), 3 * row * width);
  }
  return { width, height, data };
}

interface Filter {
  readonly support: number;
  weight(distance: number): number;
}

const triangle: Filter = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Keys' cubic with a = −0.5. */
const bicubic: Filter = {
  support: 2,
  weight: (distance) => {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
  },
};

/** For each target pixel: the first source pixel and the weights from there on, in units of 2^-22. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Float64Array;
  /** Weights per target pixel. */
  readonly stride: number;
}

const one = 2 ** 22;

function taps(from: number, to: number, filter: Filter): Taps {
  const scale = from / to;
  const widen = Math.max(1, scale);
  const support = filter.support * widen;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Float64Array(to * stride);
  for (let index = 0; index < to; index += 1) {
    const centre = (index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let at = start; at < end; at += 1) {
      const weight = filter.weight((at - centre + 0.5) / widen);
      weights[index * stride + at - start] = weight;
      sum += weight;
    }
    for (let at = 0; at < end - start; at += 1) {
      const share = (weights[index * stride + at] ?? 0) / sum;
      weights[index * stride + at] = Math.trunc(share * one + (share < 0 ? -0.5 : 0.5));
    }
    first[index] = start;
    count[index] = end - start;
  }
  return { first, count, weights, stride };
}

function toByte(sum: number): number {
  return Math.min(255, Math.max(0, Math.floor((sum + one / 2) / one)));
}

function resampleRows(image: RgbImage, { first, count, weights, stride }: Taps): RgbImage {
  const width = first.length;
  const data = new Uint8Array(3 * width * image.height);
  for (let y = 0; y < image.height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let from = 3 * (y * image.width + (first[x] as number));
      const end = x * stride + (count[x] as number);
      for (let at = x * stride; at < end; at += 1) {
        const weight = weights[at] as number;
        red += weight * (image.data[from] as number);
        green += weight * (image.data[from + 1] as number);
        blue += weight * (image.data[from + 2] as number);
        from += 3;
      }
      const to = 3 * (y * width + x);
      data[to] = toByte(red);
      data[to + 1] = toByte(green);
      data[to + 2] = toByte(blue);
    }
  }
  return { width, height: image.height, data };
}

function resampleColumns(image: RgbImage, { first, count, weights, stride }: Taps): RgbImage {
  const height = first.length;
  const line = 3 * image.width;
  const data = new Uint8Array(line * height);
  const sums = new Float64Array(line);
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    for (let at = 0; at < (count[y] as number); at += 1) {
      const weight = weights[y * stride + at] as number;
      const from = ((first[y] as number) + at) * line;
      for (let x = 0; x < line; x += 1) sums[x] = (sums[x] as number) + weight * (image.data[from + x] as number);
    }
    for (let x = 0; x < line; x += 1) data[y * line + x] = toByte(sums[x] as number);
  }
  return { width: image.width, height, data };
}

function resizeBilinear(image: RgbImage, width: number, height: number): RgbImage {
  const data = new Uint8Array(3 * width * height);
  const columns = spans(image.width, width);
  const rows = spans(image.height, height);
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    const down = rows.share[y] as number;
    const upper = (rows.near[y] as number) * image.width;
    const lower = (rows.far[y] as number) * image.width;
    for (let x = 0; x < width; x += 1) {
      const across = columns.share[x] as number;
      const near = columns.near[x] as number;
      const far = columns.far[x] as number;
      for (let channel = 0; channel < 3; channel += 1) {
        const above =
          (image.data[3 * (upper + near) + channel] as number) * (1 - across) +
          (image.data[3 * (upper + far) + channel] as number) * across;
        const below =
          (image.data[3 * (lower + near) + channel] as number) * (1 - across) +
          (image.data[3 * (lower + far) + channel] as number) * across;
        data[to] = Math.round(above * (1 - down) + below * down);
        to += 1;
      }
    }
  }
  return { width, height, data };
}

/** For each target pixel the two source pixels around its centre and the share of the second; clamped at the edges. */
function spans(from: number, to: number) {
  const near = new Int32Array(to);
  const far = new Int32Array(to);
  const share = new Float64Array(to);
  for (let index = 0; index < to; index += 1) {
    const centre = Math.min(from - 1, Math.max(0, ((index + 0.5) * from) / to - 0.5));
    near[index] = Math.floor(centre);
    far[index] = Math.min(from - 1, Math.floor(centre) + 1);
    share[index] = centre - Math.floor(centre);
  }
  return { near, far, share };
}
