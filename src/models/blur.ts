import sharp from 'sharp';
import type { Box, CropFaces } from '../core/types.ts';

/** Cells that a face is averaged to, each way: what is left is colours, not features. */
const cells = 4;
const jpegQuality = 88;

/**
 * The JPEG with the faces of others averaged to a few cells and blurred: irreversible, since only the averages are in the new picture. The
 * own face stays as it is where they overlap. Rejects when the picture cannot be decoded.
 */
export async function blurFaces(jpeg: Uint8Array, { others, own }: CropFaces): Promise<Uint8Array> {
  const { data, info } = await sharp(jpeg, { failOn: 'error' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const patches = await Promise.all(
    others.map(async (other) => {
      const box = within(other, width, height);
      const few = await sharp(data, { raw: { width, height, channels } })
        .extract(box)
        .resize(Math.min(cells, box.width), Math.min(cells, box.height), { fit: 'fill', kernel: 'linear' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const pixels = await sharp(few.data, { raw: { width: few.info.width, height: few.info.height, channels } })
        .resize(box.width, box.height, { fit: 'fill', kernel: 'cubic' })
        .raw()
        .toBuffer();
      return { box, pixels };
    }),
  );
  const hidden = Buffer.from(data);
  for (const { box, pixels } of patches) {
    copyRows(pixels, { left: 0, top: 0, stride: box.width * channels }, hidden, width * channels, box, channels);
  }
  if (own !== undefined) {
    const { left, top, ...size } = within(own, width, height);
    copyRows(data, { left, top, stride: width * channels }, hidden, width * channels, { left, top, ...size }, channels);
  }
  const blurred = await sharp(hidden, { raw: { width, height, channels } }).jpeg({ quality: jpegQuality }).toBuffer();
  return Uint8Array.from(blurred);
}

/** Copies a rectangle of pixels; `stride`: bytes of a row. */
function copyRows(
  source: Buffer,
  from: { readonly left: number; readonly top: number; readonly stride: number },
  target: Buffer,
  stride: number,
  box: Box,
  channels: number,
): void {
  for (let row = 0; row < box.height; row++) {
    const begin = (from.top + row) * from.stride + from.left * channels;
    source.copy(target, (box.top + row) * stride + box.left * channels, begin, begin + box.width * channels);
  }
}

/** At least a pixel, inside the picture. */
function within(box: Box, width: number, height: number): Box {
  const left = Math.min(width - 1, Math.max(0, Math.floor(box.left)));
  const top = Math.min(height - 1, Math.max(0, Math.floor(box.top)));
  return {
    left,
    top,
    width: Math.max(1, Math.min(width - left, Math.ceil(box.left + box.width) - left)),
    height: Math.max(1, Math.min(height - top, Math.ceil(box.top + box.height) - top)),
  };
}
