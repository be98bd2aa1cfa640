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
  const raw = { width, height, channels };
  const picture = () => sharp(data, { raw });
  const inside = (box: Box) => within(box, width, height);
  const patches = await Promise.all(
    others.map(async (box) => {
      const { left, top, width: across, height: down } = inside(box);
      const few = await picture()
        .extract({ left, top, width: across, height: down })
        .resize(Math.min(cells, across), Math.min(cells, down), { fit: 'fill', kernel: 'linear' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const { info: of } = few;
      const input = await sharp(few.data, { raw: { width: of.width, height: of.height, channels: of.channels } })
        .resize(across, down, { fit: 'fill', kernel: 'cubic' })
        .raw()
        .toBuffer();
      return { input, raw: { width: across, height: down, channels }, left, top };
    }),
  );
  const kept = own === undefined ? undefined : inside(own);
  const restored =
    kept === undefined
      ? []
      : [
          {
            input: await picture().extract(kept).raw().toBuffer(),
            raw: { width: kept.width, height: kept.height, channels },
            left: kept.left,
            top: kept.top,
          },
        ];
  const blurred = await picture()
    .composite([...patches, ...restored])
    .removeAlpha()
    .jpeg({ quality: jpegQuality })
    .toBuffer();
  return Uint8Array.from(blurred);
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
