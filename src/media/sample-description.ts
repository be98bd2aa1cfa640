import { SightlineError } from '../core/errors.ts';

/**
 * Decoder configuration records of ISO/IEC 14496-15 (`avcC` section 5.3.3.1, `hvcC` section 8.3.3.1) from parameter sets, and which NAL
 * units belong into samples. NAL units are without prefix. Pure.
 */

export type VideoCodec = 'h264' | 'h265';

/** Of a length or count of two bytes. */
const lengthLimit = 0xffff;
/** H.264 has 32 SPS and 256 PPS, H.265 fewer. */
const setsLimit = 512;

/** What a decoder must know before the first sample. Two descriptions of the same bytes are the same object where `describer` made them. */
export interface SampleDescription {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  /** VPS, SPS and PPS in this order; VPS for H.265 only. */
  readonly sets: readonly Uint8Array[];
  /** `avcC` or `hvcC` without the head of the box. */
  readonly record: Buffer;
}

const h264 = { sps: 7, pps: 8, delimiter: 9, filler: 12 } as const;
const h265 = { vps: 32, sps: 33, pps: 34, delimiter: 35, filler: 38 } as const;

function typeOf(codec: VideoCodec, nal: Uint8Array): number {
  return codec === 'h264' ? (nal[0] ?? 0) & 31 : ((nal[0] ?? 0) >> 1) & 63;
}

/** 0 for VPS, 1 for SPS, 2 for PPS; undefined for all else. */
function setKind(codec: VideoCodec, nal: Uint8Array): number | undefined {
  const type = typeOf(codec, nal);
  if (codec === 'h264') return type === h264.sps ? 1 : type === h264.pps ? 2 : undefined;
  return type >= h265.vps && type <= h265.pps ? type - h265.vps : undefined;
}

export function isParameterSet(codec: VideoCodec, nal: Uint8Array): boolean {
  return setKind(codec, nal) !== undefined;
}

/** Whether a NAL unit belongs into a sample: delimiters and filler do not, nor what the description has already. */
export function belongsInSample({ codec, sets }: SampleDescription, nal: Uint8Array): boolean {
  const type = typeOf(codec, nal);
  const { delimiter, filler } = codec === 'h264' ? h264 : h265;
  if (type === delimiter || type === filler) return false;
  return setKind(codec, nal) === undefined || !sets.some((set) => same(set, nal));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** What of a stream describes its samples; the arrays may hold other NAL units, which are passed over. */
export interface Described {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  readonly parameterSets: readonly Uint8Array[];
}

/**
 * Describes one key unit after the other. A unit's own parameter sets go before those of the format, kind by kind. Undefined where a
 * kind is missing in both, where there are more than any stream has, or where they cannot be read.
 */
export function createDescriber(): (format: Described, nals: readonly Uint8Array[]) => SampleDescription | undefined {
  let last: SampleDescription | undefined;
  return (format, nals) => {
    const { codec, width, height } = format;
    const sets = parameterSetsOf(codec, nals, format.parameterSets);
    if (sets === undefined) return undefined;
    const known = last;
    if (
      known !== undefined &&
      known.codec === codec &&
      known.width === width &&
      known.height === height &&
      known.sets.length === sets.length &&
      sets.every((set, place) => same(set, known.sets[place] ?? new Uint8Array()))
    )
      return known;
    try {
      // Copies: a view would keep the whole unit in memory for as long as the description lives.
      const own = sets.map((set) => Uint8Array.from(set));
      last = { codec, width, height, sets: own, record: decoderRecord(codec, own) };
      return last;
    } catch (error) {
      if (error instanceof SightlineError) return undefined;
      throw error;
    }
  };
}

function parameterSetsOf(
  codec: VideoCodec,
  nals: readonly Uint8Array[],
  fallback: readonly Uint8Array[],
): readonly Uint8Array[] | undefined {
  const kinds = codec === 'h264' ? [1, 2] : [0, 1, 2];
  const sets: Uint8Array[] = [];
  for (const kind of kinds) {
    const of = (source: readonly Uint8Array[]) => source.filter((nal) => setKind(codec, nal) === kind);
    const own = of(nals);
    const found = own.length > 0 ? own : of(fallback);
    if (found.length === 0 || found.length > setsLimit) return undefined;
    sets.push(...found.filter((nal, place) => found.findIndex((other) => same(other, nal)) === place));
  }
  return sets;
}

/** `avcC` or `hvcC`, lengths of four bytes. Throws `source.format` for an SPS that ends too early and a set that is too long. */
export function decoderRecord(codec: VideoCodec, sets: readonly Uint8Array[]): Buffer {
  return codec === 'h264' ? avcRecord(sets) : hevcRecord(sets);
}

function avcRecord(sets: readonly Uint8Array[]): Buffer {
  const spss = sets.filter((nal) => setKind('h264', nal) === 1);
  const ppss = sets.filter((nal) => setKind('h264', nal) === 2);
  const profile = spss[0]?.[1] ?? 0;
  const bytes: Buffer[] = [
    Buffer.from([1, profile, spss[0]?.[2] ?? 0, spss[0]?.[3] ?? 0, 0xff, 0xe0 | Math.min(31, spss.length)]),
    ...spss.slice(0, 31).map(counted),
    Buffer.from([Math.min(255, ppss.length)]),
    ...ppss.slice(0, 255).map(counted),
  ];
  if (profile === 66 || profile === 77 || profile === 88) return Buffer.concat(bytes);
  const { chroma, luma, chromaDepth } = avcFormat(spss[0] ?? new Uint8Array());
  bytes.push(Buffer.from([0xfc | chroma, 0xf8 | luma, 0xf8 | chromaDepth, 0]));
  return Buffer.concat(bytes);
}

function counted(nal: Uint8Array): Buffer {
  if (nal.length > lengthLimit)
    throw new SightlineError('source.format', `a parameter set of ${nal.length} bytes, ${lengthLimit} at most`);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(nal.length);
  return Buffer.concat([length, nal]);
}

/** Chroma format and bit depths above 8 (ITU-T H.264 section 7.3.2.1.1). */
function avcFormat(sps: Uint8Array): { readonly chroma: number; readonly luma: number; readonly chromaDepth: number } {
  const bits = createBitReader(sps, 4);
  bits.golomb();
  const chroma = bits.golomb();
  if (chroma === 3) bits.skip(1);
  return { chroma: chroma & 3, luma: bits.golomb() & 7, chromaDepth: bits.golomb() & 7 };
}

const profileTierLevelBytes = 12;

/** ITU-T H.265 section 7.3.2.2: what `hvcC` repeats of the SPS. */
function hevcRecord(sets: readonly Uint8Array[]): Buffer {
  const sps = sets.find((nal) => setKind('h265', nal) === 1) ?? new Uint8Array();
  const bits = createBitReader(sps, 2);
  bits.skip(4);
  const subLayers = bits.take(3);
  const nested = bits.take(1);
  const general = Buffer.from(Array.from({ length: profileTierLevelBytes }, () => bits.take(8)));
  skipSubLayers(bits, subLayers);
  bits.golomb();
  const chroma = bits.golomb();
  if (chroma === 3) bits.skip(1);
  bits.golomb(); // width
  bits.golomb(); // height
  if (bits.take(1) === 1) for (let side = 0; side < 4; side++) bits.golomb();
  const luma = bits.golomb();
  const chromaDepth = bits.golomb();
  const head = Buffer.concat([
    Buffer.from([1]),
    general,
    // No statement about segments, parallelism and frame rate.
    Buffer.from([0xf0, 0, 0xfc, 0xfc | (chroma & 3), 0xf8 | (luma & 7), 0xf8 | (chromaDepth & 7), 0, 0]),
    Buffer.from([((subLayers + 1) << 3) | (nested << 2) | 3]),
  ]);
  const arrays = [0, 1, 2].map((kind) => {
    const nals = sets.filter((nal) => setKind('h265', nal) === kind);
    const count = Buffer.alloc(2);
    count.writeUInt16BE(nals.length);
    // Highest bit: all of the kind are here and none in the samples.
    return Buffer.concat([Buffer.from([0x80 | (h265.vps + kind)]), count, ...nals.map(counted)]);
  });
  return Buffer.concat([head, Buffer.from([arrays.length]), ...arrays]);
}

function skipSubLayers(bits: BitReader, subLayers: number): void {
  const present = Array.from({ length: subLayers }, () => ({ profile: bits.take(1), level: bits.take(1) }));
  if (subLayers > 0) bits.skip(2 * (8 - subLayers));
  for (const { profile, level } of present) bits.skip(88 * profile + 8 * level);
}

interface BitReader {
  /** At most 24 bits. */
  take(count: number): number;
  skip(count: number): void;
  /** Unsigned Exp-Golomb code. */
  golomb(): number;
}

/** Reads a NAL unit from the byte `from` on, without its emulation prevention bytes. */
function createBitReader(nal: Uint8Array, from: number): BitReader {
  const bytes: number[] = [];
  for (let at = from, zeros = 0; at < nal.length; at++) {
    const byte = nal[at] ?? 0;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    bytes.push(byte);
  }
  let position = 0;
  function bit(): number {
    const byte = bytes[position >> 3];
    if (byte === undefined) throw new SightlineError('source.format', 'a sequence parameter set ends too early');
    const value = (byte >> (7 - (position & 7))) & 1;
    position += 1;
    return value;
  }
  function take(count: number): number {
    let value = 0;
    for (let left = count; left > 0; left--) value = value * 2 + bit();
    return value;
  }
  return {
    take,
    skip: (count) => {
      position += count;
    },
    golomb: () => {
      let zeros = 0;
      while (bit() === 0) {
        zeros += 1;
        if (zeros > 24) throw new SightlineError('source.format', 'a sequence parameter set has a number that is too large');
      }
      return 2 ** zeros - 1 + take(zeros);
    },
  };
}
