import { SightlineError } from '../core/errors.ts';

/** H.264 in MP4 files (ISO/IEC 14496-15) and in descriptions. NAL units are without prefix. Pure. */

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

export interface AvcConfiguration {
  readonly sps: Uint8Array;
  readonly pps: Uint8Array;
  /** Of the prefix that says how long a NAL unit is. */
  readonly lengthBytes: number;
}

/** `avcC` of an MP4 file (ISO/IEC 14496-15, 5.3.3.1): the first parameter sets and the size of length prefixes. */
export function parseAvcConfiguration(bytes: Uint8Array): AvcConfiguration {
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
