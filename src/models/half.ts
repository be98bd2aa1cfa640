/** IEEE 754 binary16 as its bits (https://en.wikipedia.org/wiki/Half-precision_floating-point_format). */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Nearest half, ties to even; too large becomes infinity. */
export function toHalf(value: number): number {
  float[0] = value;
  const raw = bits[0] ?? 0;
  const sign = (raw >>> 16) & 0x8000;
  const magnitude = raw & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half the value is a multiple of 2^-24; adding 0.5 leaves exactly that multiple in the low bits.
    float[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000;
  return sign | (rounded >>> 13);
}

export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, toHalf);
}

export function fromHalves(halves: Uint16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return Float32Array.from(halves, fromHalf);
}
