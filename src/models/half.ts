/**
 * 16-bit floats (IEEE 754 binary16) as their bits, which is how they travel. The engine's own conversion, a frame's worth in a
 * millisecond or two; the thread of the embedded engine has none, and needs none.
 */

/** Nearest half, ties to even; too large becomes infinity. */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}

export function fromHalves(halves: Uint16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(new Float16Array(halves.buffer, halves.byteOffset, halves.length));
}
