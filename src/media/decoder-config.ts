/**
 * What a decoder must know before the first picture, from the parameter sets of a stream: `avcC` and `hvcC` (ISO/IEC 14496-15, 5.3.3.1 and
 * 8.3.3.1) and the codec string that browsers ask for (the same, annex E). NAL units are without start codes. Pure.
 */

export interface DecoderConfig {
  /** `avc1.PPCCLL` or `hvc1.…`. */
  readonly codec: string;
  /** avcC or hvcC, with lengths of four bytes. */
  readonly description: Buffer;
}

/** Past its end it reads zeros: what follows is then refused by its values, or harmless. */
class Bits {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, fromByte: number) {
    this.#bytes = bytes;
    this.#at = 8 * fromByte;
  }

  take(bits: number): number {
    let value = 0;
    for (let left = bits; left > 0; left--) {
      value = value * 2 + (((this.#bytes[this.#at >> 3] ?? 0) >> (7 - (this.#at & 7))) & 1);
      this.#at += 1;
    }
    return value;
  }

  skip(bits: number): void {
    this.#at += bits;
  }

  /** ue(v) of H.264 section 9.1; undefined for one of more than 32 bits. */
  golomb(): number | undefined {
    let zeros = 0;
    while (this.take(1) === 0) {
      zeros += 1;
      if (zeros > 31) return undefined;
    }
    return 2 ** zeros - 1 + this.take(zeros);
  }
}

/** Without the emulation prevention bytes (H.264 section 7.4.1): the third of 00 00 03. */
function payload(nal: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    bytes[length] = byte;
    length += 1;
  }
  return bytes.subarray(0, length);
}

function counted(nals: readonly Uint8Array[]): readonly Uint8Array[] {
  return nals.flatMap((nal) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(nal.length);
    return [length, nal];
  });
}

/** Chroma format and depths: only values that exist fit into the boxes. */
interface Sampling {
  readonly chroma: number;
  readonly luma: number;
  readonly chromaDepth: number;
}

function sampling(chroma: number | undefined, luma: number | undefined, depth: number | undefined): Sampling | undefined {
  if (chroma === undefined || luma === undefined || depth === undefined) return undefined;
  return chroma > 3 || luma > 6 || depth > 6 ? undefined : { chroma, luma, chromaDepth: depth };
}

function samplingBytes({ chroma, luma, chromaDepth }: Sampling): Buffer {
  return Buffer.of(0xfc | chroma, 0xf8 | luma, 0xf8 | chromaDepth);
}

/** Profiles whose SPS says how pictures are sampled (H.264 section 7.3.2.1.1). */
const highProfiles = new Set([100, 110, 122, 144, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

function h264Sampling(sps: Uint8Array): Sampling | undefined {
  const bits = new Bits(payload(sps), 4);
  bits.golomb();
  const chroma = bits.golomb();
  if (chroma === 3) bits.skip(1);
  const luma = bits.golomb();
  return sampling(chroma, luma, bits.golomb());
}

/** Undefined when a set is missing or too long for the box. */
export function h264Config(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): DecoderConfig | undefined {
  const [first] = sps;
  if (first === undefined || first.length < 5 || pps.length === 0 || sps.length > 31 || pps.length > 255) return undefined;
  if ([...sps, ...pps].some((nal) => nal.length > 0xffff)) return undefined;
  const [profile, constraints, level] = [first[1] ?? 0, first[2] ?? 0, first[3] ?? 0];
  const high = highProfiles.has(profile) ? h264Sampling(first) : undefined;
  if (highProfiles.has(profile) && high === undefined) return undefined;
  return {
    codec: `avc1.${Buffer.of(profile, constraints, level).toString('hex').toUpperCase()}`,
    description: Buffer.concat([
      Buffer.of(1, profile, constraints, level, 0xff, 0xe0 | sps.length),
      ...counted(sps),
      Buffer.of(pps.length),
      ...counted(pps),
      ...(high === undefined ? [] : [samplingBytes(high), Buffer.of(0)]),
    ]),
  };
}

/** Of an SPS (H.265 sections 7.3.2.2.1 and 7.3.3). `general`: profile, compatibility, constraints and level, twelve bytes. */
function h265Sps(
  sps: Uint8Array,
): { readonly general: Uint8Array; readonly layers: number; readonly nested: number; readonly sampling: Sampling } | undefined {
  const bytes = payload(sps);
  if (bytes.length < 16) return undefined;
  const bits = new Bits(bytes, 2);
  bits.skip(4);
  const moreLayers = bits.take(3);
  const nested = bits.take(1);
  bits.skip(96);
  if (moreLayers > 0) {
    const present = Array.from({ length: 8 }, () => ({ profile: bits.take(1), level: bits.take(1) }));
    for (const { profile, level } of present.slice(0, moreLayers)) bits.skip(88 * profile + 8 * level);
  }
  bits.golomb();
  const chroma = bits.golomb();
  if (chroma === 3) bits.skip(1);
  bits.golomb();
  bits.golomb();
  if (bits.take(1) === 1) for (let side = 0; side < 4; side++) bits.golomb();
  const luma = bits.golomb();
  const found = sampling(chroma, luma, bits.golomb());
  return found && { general: bytes.subarray(3, 15), layers: moreLayers + 1, nested, sampling: found };
}

function h265Codec(general: Uint8Array): string {
  const first = general[0] ?? 0;
  const space = ['', 'A', 'B', 'C'][first >> 6] ?? '';
  // Bit 0 of the flags comes first in the stream and is the lowest in the string.
  let flags = 0;
  for (let bit = 0; bit < 32; bit++) flags += (((general[1 + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1) * 2 ** bit;
  const tier = (first & 0x20) === 0 ? 'L' : 'H';
  const constraints = [...general.subarray(5, 11)];
  while (constraints.at(-1) === 0) constraints.pop();
  return [
    'hvc1',
    `${space}${first & 31}`,
    flags.toString(16).toUpperCase(),
    `${tier}${general[11] ?? 0}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase()),
  ].join('.');
}

/** Undefined when a set is missing, malformed or too long for the box. */
export function h265Config(
  vps: readonly Uint8Array[],
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
): DecoderConfig | undefined {
  const [first] = sps;
  if (first === undefined || vps.length === 0 || pps.length === 0) return undefined;
  if ([...vps, ...sps, ...pps].some((nal) => nal.length > 0xffff)) return undefined;
  const read = h265Sps(first);
  if (read === undefined) return undefined;
  const arrays = [
    { type: 32, nals: vps },
    { type: 33, nals: sps },
    { type: 34, nals: pps },
  ];
  return {
    codec: h265Codec(read.general),
    description: Buffer.concat([
      Buffer.of(1),
      read.general,
      Buffer.of(0xf0, 0, 0xfc),
      samplingBytes(read.sampling),
      // No average frame rate; layers, nesting and lengths of four bytes.
      Buffer.of(0, 0, (read.layers << 3) | (read.nested << 2) | 3, arrays.length),
      ...arrays.flatMap(({ type, nals }) => [Buffer.of(0x80 | type, nals.length >> 8, nals.length & 0xff), ...counted(nals)]),
    ]),
  };
}
