import sharp from 'sharp';
import { SightlineError } from '../core/errors.ts';

/**
 * A crop as a photo: with room around it, and otherwise as it was when its face was found. Detectors look for faces in pictures, and
 * find none in a picture that is hardly more than the face.
 */

/** Room on each side, in shares of the longer side of the crop. */
const room = 2;
const grey = { r: 114, g: 114, b: 114 };
const largestSide = 2048;

/** PNG. Throws `photo.undecodable`. */
export async function padCrop(crop: Uint8Array): Promise<Uint8Array> {
  try {
    const { width, height } = await sharp(crop).metadata();
    if (Math.max(width, height) > largestSide) throw new RangeError(`${width} x ${height} px is too large for a crop`);
    const by = Math.round(room * Math.max(width, height));
    return await sharp(crop).extend({ left: by, right: by, top: by, bottom: by, background: grey }).png().toBuffer();
  } catch (cause) {
    throw new SightlineError('photo.undecodable', 'the crop is no picture that can be decoded', { cause });
  }
}
