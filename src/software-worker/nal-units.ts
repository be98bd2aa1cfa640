import type { NalCoding } from './key-pictures.ts';

/**
 * The two ways in which H.264 and H.265 are written: with start codes (Annex B of both standards), which is what cameras send and the
 * media door takes, and with lengths (ISO/IEC 14496-15), which is what MP4 and FLV hold. Pure.
 */

export interface CodecConfiguration {
  /** Annex B; empty where only the units have them. */
  readonly parameterSets: Buffer;
  /** Bytes of the length before each unit; undefined where units are Annex B already. */
  readonly lengthBytes: number | undefined;
}

const startCode = Buffer.from([0, 0, 0, 1]);
/** ITU-T H.264, table 7-1: sequence and picture parameter set, and the extension of the first. */
const h264Sets: ReadonlySet<number> = new Set([7, 8, 13]);
/** ITU-T H.265, table 7-1: video, sequence and picture parameter set. */
const h265Sets: ReadonlySet<number> = new Set([32, 33, 34]);

function isParameterSet(header: number, coding: NalCoding): boolean {
  return coding === 'h264' ? h264Sets.has(header & 0x1f) : h265Sets.has((header >> 1) & 0x3f);
}

/** Begins or goes on with a picture: behind it stand no parameter sets of the same picture that matter. */
function isSlice(header: number, coding: NalCoding): boolean {
  if (coding === 'h265') return ((header >> 1) & 0x3f) < 32;
  const type = header & 0x1f;
  return type >= 1 && type <= 5;
}

/** `count` units, each behind two bytes of length; where it ends, or undefined when a length does not fit. */
function takeUnits(bytes: Buffer, from: number, count: number, into: Buffer[]): number | undefined {
  let at = from;
  for (let left = count; left > 0; left -= 1) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    into.push(startCode, bytes.subarray(at + 2, end));
    at = end;
  }
  return at;
}

function avcUnits(bytes: Buffer): Buffer[] | undefined {
  const units: Buffer[] = [];
  const pictureSets = takeUnits(bytes, 6, (bytes[5] ?? 0) & 0x1f, units);
  if (pictureSets === undefined) return undefined;
  return takeUnits(bytes, pictureSets + 1, bytes[pictureSets] ?? 0, units) === undefined ? undefined : units;
}

function hevcUnits(bytes: Buffer): Buffer[] | undefined {
  const units: Buffer[] = [];
  let at: number | undefined = 23;
  for (let arrays = bytes[22] ?? 0; arrays > 0; arrays -= 1) {
    if (at + 3 > bytes.length) return undefined;
    // Other units may stand here, and are no parameter sets.
    const wanted = h265Sets.has((bytes[at] ?? 0) & 0x3f);
    at = takeUnits(bytes, at + 3, bytes.readUInt16BE(at + 1), wanted ? units : []);
    if (at === undefined) return undefined;
  }
  return units;
}

/** What a demuxer says aside of the units; undefined when it is neither of the two ways. */
export function readConfiguration(extradata: Buffer | null, coding: NalCoding): CodecConfiguration | undefined {
  if (extradata === null || extradata.length === 0) return { parameterSets: Buffer.alloc(0), lengthBytes: undefined };
  if (extradata[0] === 0) return { parameterSets: parameterSetsOf(extradata, coding), lengthBytes: undefined };
  const lengthAt = coding === 'h264' ? 4 : 21;
  if (extradata[0] !== 1 || extradata.length <= lengthAt + 1) return undefined;
  const units = coding === 'h264' ? avcUnits(extradata) : hevcUnits(extradata);
  if (units === undefined) return undefined;
  return { parameterSets: Buffer.concat(units), lengthBytes: ((extradata[lengthAt] ?? 0) & 3) + 1 };
}

/** A copy in Annex B; undefined when a length does not fit. */
export function toAnnexB(data: Uint8Array, lengthBytes: number | undefined): Buffer | undefined {
  const copy = Buffer.from(data);
  if (lengthBytes === undefined) return copy;
  const parts: Buffer[] = [];
  for (let at = 0; at < copy.length; ) {
    if (at + lengthBytes > copy.length) return undefined;
    const end = at + lengthBytes + copy.readUIntBE(at, lengthBytes);
    if (end > copy.length) return undefined;
    if (lengthBytes === startCode.length) startCode.copy(copy, at);
    else parts.push(startCode, copy.subarray(at + lengthBytes, end));
    at = end;
  }
  return lengthBytes === startCode.length ? copy : Buffer.concat(parts);
}

/** The parameter sets that stand before the first slice, each behind a start code; empty when there are none. */
export function parameterSetsOf(annexB: Buffer, coding: NalCoding): Buffer {
  const found: Buffer[] = [];
  let begin = nextUnit(annexB, 0);
  while (begin >= 0 && !isSlice(annexB[begin] ?? 0, coding)) {
    const next = nextUnit(annexB, begin);
    if (isParameterSet(annexB[begin] ?? 0, coding)) {
      let end = next < 0 ? annexB.length : next - 3;
      while (end > begin && annexB[end - 1] === 0) end -= 1;
      found.push(startCode, annexB.subarray(begin, end));
    }
    begin = next;
  }
  return Buffer.concat(found);
}

/** Where the unit behind the next start code begins; -1 when there is none. */
function nextUnit(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(1, from + 2); at >= 0; at = bytes.indexOf(1, at + 1)) {
    if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at + 1;
  }
  return -1;
}
