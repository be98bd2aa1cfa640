import { SightlineError } from '../core/errors.ts';

/** H.265 in MP4 files (ISO/IEC 14496-15) and in descriptions. NAL units are without prefix. Pure. */

export interface HevcConfiguration {
  /** VPS, SPS, PPS and what else stands in the box, in its order. */
  readonly nals: readonly Uint8Array[];
  /** Of the prefix that says how long a NAL unit is. */
  readonly lengthBytes: number;
}

/** `hvcC` of an MP4 file (ISO/IEC 14496-15, 8.3.3.1). */
export function parseHevcConfiguration(bytes: Uint8Array): HevcConfiguration {
  const malformed = new SightlineError('source.format', 'the hvcC box is malformed');
  if (bytes[0] !== 1 || bytes.length < 23) throw malformed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nals: Uint8Array[] = [];
  let at = 23;
  for (let arrays = view.getUint8(22); arrays > 0; arrays--) {
    if (at + 3 > bytes.length) throw malformed;
    const count = view.getUint16(at + 1);
    at += 3;
    for (let left = count; left > 0; left--) {
      const length = at + 2 > bytes.length ? Number.POSITIVE_INFINITY : view.getUint16(at);
      if (at + 2 + length > bytes.length) throw malformed;
      nals.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return { nals, lengthBytes: (view.getUint8(21) & 3) + 1 };
}

export interface ProfileTierLevel {
  readonly space: number;
  readonly tier: number;
  readonly profile: number;
  readonly level: number;
}

/** Of an SPS (ITU-T H.265 section 7.3.3); undefined for one that is too short to say. */
export function profileTierLevel(sps: Uint8Array): ProfileTierLevel | undefined {
  // The emulation prevention of byte streams (00 00 03) also stands in here, where the constraint flags are zero.
  const raw: number[] = [];
  let zeros = 0;
  for (const byte of sps.subarray(3, 40)) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    raw.push(byte);
  }
  const [general] = raw;
  const level = raw[11];
  if (general === undefined || level === undefined) return undefined;
  return { space: general >> 6, tier: (general >> 5) & 1, profile: general & 31, level };
}
