/** Byte streams of H.264 (ITU-T H.264 annex B) and H.265 (ITU-T H.265 annex B). NAL units are without prefix. Pure. */

export type Codec = 'h264' | 'h265';

/** What a decoder must have before its first picture; H.264 has no VPS. */
export interface ParameterSets {
  readonly codec: Codec;
  readonly vps: readonly Uint8Array[];
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

export type ParameterKind = 'vps' | 'sps' | 'pps';

const parameterKinds: Readonly<Record<Codec, Readonly<Record<number, ParameterKind>>>> = {
  h264: { 7: 'sps', 8: 'pps' },
  h265: { 32: 'vps', 33: 'sps', 34: 'pps' },
};
/** Of one kind: H.264 has 256 PPS, H.265 fewer of all. */
const setsLimit = 256;
const delimiters: Readonly<Record<Codec, number>> = { h264: 9, h265: 35 };

export function nalType(codec: Codec, nal: Uint8Array): number {
  const first = nal[0] ?? 0;
  return codec === 'h264' ? first & 31 : (first >> 1) & 63;
}

/** Undefined for what is no parameter set. */
export function parameterKind(codec: Codec, nal: Uint8Array): ParameterKind | undefined {
  return parameterKinds[codec][nalType(codec, nal)];
}

export function isDelimiter(codec: Codec, nal: Uint8Array): boolean {
  return nalType(codec, nal) === delimiters[codec];
}

export function isComplete({ codec, vps, sps, pps }: ParameterSets): boolean {
  return sps.length > 0 && pps.length > 0 && (codec === 'h264' || vps.length > 0);
}

export function noParameterSets(codec: Codec): ParameterSets {
  return { codec, vps: [], sps: [], pps: [] };
}

/**
 * What is known after these NAL units: the sets of a kind that they hold take the place of those known before. The very same object
 * when nothing is new; sets are copied, for the unit's memory is its giver's.
 */
export function withParameterSets(known: ParameterSets, nals: readonly Uint8Array[]): ParameterSets {
  let found: Partial<Record<ParameterKind, Uint8Array[]>> | undefined;
  for (const nal of nals) {
    const kind = parameterKind(known.codec, nal);
    if (kind === undefined) continue;
    found ??= {};
    const sets = found[kind] ?? [];
    if (sets.length < setsLimit && !sets.some((set) => same(set, nal))) sets.push(nal);
    found[kind] = sets;
  }
  if (found === undefined) return known;
  const { codec, vps, sps, pps } = known;
  const next = { codec, vps: taken(vps, found.vps), sps: taken(sps, found.sps), pps: taken(pps, found.pps) };
  return next.vps === vps && next.sps === sps && next.pps === pps ? known : next;
}

function taken(before: readonly Uint8Array[], found: readonly Uint8Array[] | undefined): readonly Uint8Array[] {
  if (found === undefined) return before;
  const unchanged = found.length === before.length && found.every((set, index) => same(set, before[index]));
  return unchanged ? before : found.map((set) => Uint8Array.from(set));
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && Buffer.compare(a, b) === 0;
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
