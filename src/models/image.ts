import sharp from 'sharp';
import { SightlineError } from '../core/errors.ts';
import type { RgbImage } from '../core/models.ts';
import { resize } from './resize.ts';

export interface DecodeImageOptions {
  /** Larger pictures are refused before they are decoded; absent: 50 million pixels. */
  readonly maxPixels?: number;
  /** Named in the error, so that a person knows which picture it was. */
  readonly name?: string;
}

const defaultMaxPixels = 50_000_000;

/** Formats that a camera or a phone makes; the library's other readers (SVG, PDF, scientific ones) stay shut. */
const readers = ['Jpeg', 'Png', 'Webp', 'Tiff', 'Heif', 'Nsgif'].map((format) => `VipsForeignLoad${format}`);

/**
 * Settings of the image library that are common to the process: one thread a picture (pictures are decoded beside one another
 * anyway), no cache of pictures of people, readers for photos only. Call once at start.
 */
export function startImageDecoding(): void {
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: readers });
}

/**
 * A JPEG, PNG, WebP, GIF, TIFF or AVIF to RGB as a person sees it: EXIF orientation applied, transparency over white, CMYK
 * and 16 bits brought to 8-bit sRGB, the first frame of an animation. Rejects with `photo.undecodable`, also when data is cut off.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeImageOptions = {}): Promise<RgbImage> {
  const limitInputPixels = options.maxPixels ?? defaultMaxPixels;
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels, failOn: 'error', animated: false })
      .autoOrient()
      .toColourspace('srgb')
      .flatten({ background: '#ffffff' })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { width, height, data: channels === 3 ? data : spread(data, channels) };
  } catch (cause) {
    const subject = options.name ?? 'the picture';
    const limit = `allowed are JPEG, PNG, WebP, GIF, TIFF and AVIF of at most ${Math.round(limitInputPixels / 1e6)} million pixels`;
    throw new SightlineError('photo.undecodable', `${subject} cannot be decoded; ${limit}`, {
      cause,
      details: { name: options.name ?? null, maxPixels: limitInputPixels },
    });
  }
}

/** Pictures up to this size are enlarged in this thread. */
const smallPixels = 2_000_000;

/**
 * Scales a picture for a detector about as `bilinear_antialias` does, but shrinks it outside this thread, where a photo of 12 million
 * pixels would hold the loop for 200 ms.
 */
export async function scaleImage(image: RgbImage, width: number, height: number): Promise<RgbImage> {
  const small = image.width * image.height <= smallPixels;
  if (small && (width > image.width || height > image.height)) return resize(image, width, height, 'bilinear_antialias');
  const data = await sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  return { width, height, data };
}

/** Grey (with or without a second channel) to three equal channels. */
function spread(data: Uint8Array, channels: number): Uint8Array {
  const count = data.length / channels;
  const rgb = new Uint8Array(3 * count);
  for (let at = 0; at < count; at += 1) rgb.fill(data[at * channels] ?? 0, 3 * at, 3 * at + 3);
  return rgb;
}
