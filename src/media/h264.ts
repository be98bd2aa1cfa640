import { SightlineError } from '../core/errors.ts';

/** H.264 byte streams (ITU-T H.264 annex B, ISO/IEC 14496-15 for the length-prefixed form). NAL units are without prefix. Pure. */

export const nalTypes = { sps: 7, pps: 8, delimiter: 9 } as const;

export function nalType(nal: Uint8Array): number {
  return (nal[0] ?? 0) & 31;
}

export interface ParameterSets {
  readonly sps: Uint8Array;
  readonly pps: Uint8Array;
}

/** Cuts a byte stream at its start codes (00 00 01, with any zeros before). Bytes before the first start code are dropped. */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let begin = -1;
  let index = 0;
  while (true) {
    const next = startCode(bytes, index);
    if (begin >= 0) {
      let end = next < 0 ? bytes.length : next;
      while (end > begin && bytes[end - 1] === 0) end -= 1;
      if (end > begin) nals.push(bytes.subarray(begin, end));
    }
    if (next < 0) return nals;
    begin = next + 3;
    index = begin;
  }
}

function startCode(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(1, from + 2);
  while (at >= 0) {
    if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at - 2;
    at = bytes.indexOf(1, at + 1);
  }
  return -1;
}

/** Cuts a sample of an MP4 file. Throws `source.format` when a length does not fit. */
export function splitLengthPrefixed(bytes: Uint8Array, lengthBytes: number): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    let length = 0;
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + (bytes[at + index] ?? 0);
    at += lengthBytes;
    if (at + length > bytes.length) throw new SightlineError('source.format', 'a unit is longer than its sample');
    if (length > 0) nals.push(bytes.subarray(at, at + length));
    at += length;
  }
  return nals;
}

/** `avcC` of an MP4 file (ISO/IEC 14496-15, 5.3.3.1): the first parameter sets and the size of length prefixes. */
export function parseAvcConfiguration(bytes: Uint8Array): ParameterSets & { readonly lengthBytes: number } {
  const malformed = new SightlineError('source.format', 'the avcC box is malformed');
  const take = (at: number): { readonly nal: Uint8Array; readonly next: number } => {
    const next = at + 2 + (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    if (next > bytes.length) throw malformed;
    return { nal: bytes.subarray(at + 2, next), next };
  };
  if (bytes[0] !== 1 || bytes.length < 7) throw malformed;
  let at = 6;
  let sps: Uint8Array | undefined;
  for (let left = (bytes[5] ?? 0) & 31; left > 0; left--) {
    const taken = take(at);
    sps ??= taken.nal;
    at = taken.next;
  }
  const ppsCount = bytes[at] ?? 0;
  if (sps === undefined || ppsCount === 0) throw malformed;
  return { sps, pps: take(at + 1).nal, lengthBytes: ((bytes[4] ?? 0) & 3) + 1 };
}

/** Profile, constraint flags and level of an SPS as six hex digits (RFC 6184 section 8.1). */
export function profileLevelId(sps: Uint8Array): string {
  return Buffer.from(sps.subarray(1, 4)).toString('hex').toUpperCase();
}
