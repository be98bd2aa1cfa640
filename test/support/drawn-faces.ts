import type { RgbImage } from '../../src/core/models.ts';

/**
 * Faces that the networks of test/fixtures/models find and tell apart: a magenta frame around 4 x 4 black and white cells. They must
 * be 64 pixels wide in the detector's input, so 64 in a picture 640 wide.
 */
export const drawnFaceSize = 64;

/** People 1 to 15 are orthogonal to one another (rows of the Hadamard matrix): cosine about 0 between two, about 1 with oneself. */
export function drawnPattern(person: number): readonly boolean[] {
  return Array.from({ length: 16 }, (_, cell) => {
    let shared = person & cell;
    let odd = false;
    while (shared !== 0) {
      odd = odd !== ((shared & 1) === 1);
      shared >>= 1;
    }
    return odd;
  });
}

/** The same with two cells exchanged: cosine about 0.75 with the original, a look-alike. */
export function lookAlike(pattern: readonly boolean[]): readonly boolean[] {
  const black = pattern.indexOf(false);
  const white = pattern.lastIndexOf(true);
  return pattern.map((cell, index) => (index === black || index === white ? !cell : cell));
}

export function greyPicture(width: number, height: number, level = 96): RgbImage {
  return { width, height, data: new Uint8Array(3 * width * height).fill(level) };
}

/** Draws into the picture; parts outside it are left out. */
export function drawFace(
  image: RgbImage,
  left: number,
  top: number,
  pattern: readonly boolean[],
  size: number = drawnFaceSize,
): void {
  for (let y = Math.max(0, -top); y < size && top + y < image.height; y += 1) {
    for (let x = Math.max(0, -left); x < size && left + x < image.width; x += 1) {
      const column = Math.floor((8 * x) / size) - 2;
      const row = Math.floor((8 * y) / size) - 2;
      const inside = column >= 0 && column < 4 && row >= 0 && row < 4;
      const level = pattern[4 * row + column] === true ? 255 : 0;
      image.data.set(inside ? [level, level, level] : [255, 0, 255], 3 * ((top + y) * image.width + left + x));
    }
  }
}
