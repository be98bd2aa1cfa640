import { mediaClockRate } from '../core/media-time.ts';
import type { SampleDescription } from './sample-description.ts';

/** Boxes of an MP4 file with one video track (ISO/IEC 14496-12; sections are named at each). Numbers big-endian, times in 90 kHz. Pure. */

export interface TrackTables {
  /** Samples that follow each other and last as long, in decoding order. */
  readonly durations: readonly { readonly count: number; readonly duration: number }[];
  /** Presentation minus decoding, run by run. */
  readonly offsets: readonly { readonly count: number; readonly offset: number }[];
  /** Numbers of the key samples, from 1. */
  readonly keys: readonly number[];
  readonly sizes: readonly number[];
  readonly description: SampleDescription;
  /** From the first decoding time to the end of the last sample. */
  readonly mediaDuration: number;
  /** Media time of the first picture shown, and how long all of it is shown. */
  readonly edit: { readonly mediaTime: number; readonly duration: number };
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/** Seconds from 1904 to 1970. */
const epochOffset = 2_082_844_800;
const unityMatrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];
/** `und`, packed as three letters of five bits. */
const undetermined = 0x55c4;
const dotsPerInch = 0x0048_0000;

export function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.reduce((sum, { length }) => sum + length, 0));
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, ...content]);
}

function fullBox(type: string, version: number, flags: number, ...content: readonly Uint8Array[]): Buffer {
  return box(type, u32(version * 2 ** 24 + flags), ...content);
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [place, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * place);
  return bytes;
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [place, value] of values.entries()) bytes.writeUInt16BE(value, 2 * place);
  return bytes;
}

export function fileTypeBox({ codec }: SampleDescription): Buffer {
  const brands = codec === 'h264' ? ['isom', 'iso2', 'avc1', 'mp41'] : ['isom', 'iso6', 'mp41'];
  return box('ftyp', Buffer.from('isom'), u32(0x200), Buffer.from(brands.join('')));
}

/** `moov` (8.2). `dataOffset`: where in the file the first sample begins; the samples follow without a gap. */
export function movieBox(tables: TrackTables, dataOffset: number): Buffer {
  const created = Math.max(0, Math.floor(tables.createdMs / 1000) + epochOffset);
  const { duration } = tables.edit;
  const movieHeader = fullBox(
    'mvhd',
    0,
    0,
    u32(created, created, mediaClockRate, duration, 0x10000),
    u16(0x100, 0),
    u32(0, 0, ...unityMatrix, 0, 0, 0, 0, 0, 0, 2),
  );
  return box('moov', movieHeader, trackBox(tables, created, dataOffset));
}

function trackBox(tables: TrackTables, created: number, dataOffset: number): Buffer {
  const { width, height } = tables.description;
  const { mediaTime, duration } = tables.edit;
  const header = fullBox(
    'tkhd',
    0,
    3, // enabled, in the movie
    u32(created, created, 1, 0, duration, 0, 0),
    u16(0, 0, 0, 0),
    u32(...unityMatrix, width * 0x10000, height * 0x10000),
  );
  const edits = box('edts', fullBox('elst', 0, 0, u32(1, duration, mediaTime, 0x10000)));
  const mediaHeader = fullBox('mdhd', 0, 0, u32(created, created, mediaClockRate, tables.mediaDuration), u16(undetermined, 0));
  const handler = fullBox('hdlr', 0, 0, u32(0), Buffer.from('vide'), u32(0, 0, 0), Buffer.from('video\0'));
  const data = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));
  const information = box('minf', fullBox('vmhd', 0, 1, u16(0, 0, 0, 0)), data, sampleTable(tables, dataOffset));
  return box('trak', header, edits, box('mdia', mediaHeader, handler, information));
}

/** `stbl` (8.5): all samples in one chunk. */
function sampleTable(tables: TrackTables, dataOffset: number): Buffer {
  const { durations, offsets, keys, sizes } = tables;
  const shifted = offsets.some(({ offset }) => offset !== 0);
  const signed = offsets.some(({ offset }) => offset < 0);
  return box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), sampleEntry(tables.description)),
    fullBox('stts', 0, 0, u32(durations.length, ...durations.flatMap(({ count, duration }) => [count, duration]))),
    ...(shifted
      ? [fullBox('ctts', signed ? 1 : 0, 0, u32(offsets.length, ...offsets.flatMap(({ count, offset }) => [count, offset])))]
      : []),
    fullBox('stss', 0, 0, u32(keys.length, ...keys)),
    fullBox('stsc', 0, 0, u32(1, 1, sizes.length, 1)),
    fullBox('stsz', 0, 0, u32(0, sizes.length, ...sizes)),
    fullBox('stco', 0, 0, u32(1, dataOffset)),
  );
}

/** `avc1` or `hvc1` (14496-12 section 12.1.3, 14496-15): parameter sets are here and not in the samples. */
function sampleEntry({ codec, width, height, record }: SampleDescription): Buffer {
  return box(
    codec === 'h264' ? 'avc1' : 'hvc1',
    Buffer.alloc(6),
    u16(1, 0, 0),
    u32(0, 0, 0),
    u16(width, height),
    u32(dotsPerInch, dotsPerInch, 0),
    u16(1),
    Buffer.alloc(32),
    u16(0x18, 0xffff),
    box(codec === 'h264' ? 'avcC' : 'hvcC', record),
  );
}
