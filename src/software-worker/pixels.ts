/** Arithmetic on I420 pictures in memory, pure. */

/** How luma and chroma are to be read; JPEG files are always full-range BT.601. */
export interface ColourReading {
  readonly matrix: 'bt601' | 'bt709';
  readonly fullRange: boolean;
}

/** A piece of I420 planes, rows without padding; its corner lies on even pixels. */
export function packI420(
  planes: readonly { readonly data: Uint8Array; readonly stride: number }[],
  rect: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
): Uint8Array {
  const { left, top, width, height } = rect;
  const half = { left: left / 2, top: top / 2, width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const packed = new Uint8Array(width * height + 2 * half.width * half.height);
  let at = 0;
  for (const [index, { data, stride }] of planes.slice(0, 3).entries()) {
    const part = index === 0 ? rect : half;
    for (let row = part.top; row < part.top + part.height; row += 1, at += part.width) {
      const from = row * stride + part.left;
      packed.set(data.subarray(from, from + part.width), at);
    }
  }
  return packed;
}

const limitedLevels = Uint8ClampedArray.from({ length: 256 }, (_, level) => ((level - 16) * 255) / 219);

/** Luma as grey from 0 to 255. */
export function greyFromLuma(luma: Uint8Array, { fullRange }: Pick<ColourReading, 'fullRange'>): Uint8Array {
  if (fullRange) return luma;
  const grey = new Uint8Array(luma.length);
  for (let i = 0; i < luma.length; i += 1) grey[i] = limitedLevels[luma[i] as number] as number;
  return grey;
}

/** Kr and Kb of ITU-R BT.601 and BT.709. */
const weights = { bt601: { red: 0.299, blue: 0.114 }, bt709: { red: 0.2126, blue: 0.0722 } } as const;

/**
 * A packed I420 picture (Y, U, V planes one after the other, rows without padding, odd sides rounded up in chroma) as RGB.
 * Limited range is 16 to 235 for luma and 16 to 240 for chroma (ITU-R BT.601).
 */
export function rgbFromI420(packed: Uint8Array, width: number, height: number, reading: ColourReading): Uint8Array {
  const { red, blue } = weights[reading.matrix];
  const green = 1 - red - blue;
  const lumaScale = reading.fullRange ? 1 : 255 / 219;
  const lumaOffset = reading.fullRange ? 0 : 16;
  const chromaScale = reading.fullRange ? 1 : 255 / 224;
  const toRed = 2 * (1 - red) * chromaScale;
  const toBlue = 2 * (1 - blue) * chromaScale;
  const uToGreen = ((2 * (1 - blue) * blue) / green) * chromaScale;
  const vToGreen = ((2 * (1 - red) * red) / green) * chromaScale;
  const half = Math.ceil(width / 2);
  const uStart = width * height;
  const vStart = uStart + half * Math.ceil(height / 2);
  // Clamped arrays round to nearest and cut at 0 and 255.
  const rgb = new Uint8ClampedArray(width * height * 3);
  let out = 0;
  for (let y = 0; y < height; y += 1) {
    const chroma = (y >> 1) * half;
    for (let x = 0; x < width; x += 1) {
      const luma = ((packed[y * width + x] ?? 0) - lumaOffset) * lumaScale;
      const u = (packed[uStart + chroma + (x >> 1)] ?? 0) - 128;
      const v = (packed[vStart + chroma + (x >> 1)] ?? 0) - 128;
      rgb[out] = luma + toRed * v;
      rgb[out + 1] = luma - uToGreen * u - vToGreen * v;
      rgb[out + 2] = luma + toBlue * u;
      out += 3;
    }
  }
  return new Uint8Array(rgb.buffer);
}
