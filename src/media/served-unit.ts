import { type DecoderConfig, h264Config, h265Config } from './decoder-config.ts';

/** One access unit on its way to everybody, and what of its stream a decoder must know. */

export type Codec = 'h264' | 'h265';
type Role = 'vps' | 'sps' | 'pps' | 'left out' | 'picture';

const h264Roles: Readonly<Record<number, Role>> = { 7: 'sps', 8: 'pps', 9: 'left out', 12: 'left out' };
const h265Roles: Readonly<Record<number, Role>> = { 32: 'vps', 33: 'sps', 34: 'pps', 35: 'left out', 38: 'left out' };

/** What a NAL unit is: parameter sets go before the pictures by a way of their own, delimiters and filler nowhere. */
function roleOf(codec: Codec, nal: Uint8Array): Role {
  const first = nal[0] ?? 0;
  return (codec === 'h264' ? h264Roles[first & 31] : h265Roles[(first >> 1) & 63]) ?? 'picture';
}

export interface ServedUnit {
  readonly key: boolean;
  /** 90 kHz of the joined clock. */
  readonly pts: number;
  readonly dts: number;
  /** Wall clock, milliseconds since 1970. */
  readonly captureMs: number;
  /** Without parameter sets and delimiters, each after its length in u32; made when the first one asks, for all of them. */
  prefixed(): Buffer;
  readonly bytes: number;
}

export function createServedUnit(
  codec: Codec,
  nals: readonly Uint8Array[],
  unit: { readonly key: boolean; readonly pts: number; readonly dts: number; readonly captureMs: number },
): ServedUnit {
  let made: Buffer | undefined;
  return {
    ...unit,
    bytes: nals.reduce((sum, nal) => sum + nal.length, 0),
    prefixed: () => {
      made ??= lengthPrefixed(nals.filter((nal) => roleOf(codec, nal) === 'picture'));
      return made;
    },
  };
}

export function lengthPrefixed(nals: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(nals.reduce((sum, nal) => sum + 4 + nal.length, 0));
  let at = 0;
  for (const nal of nals) {
    at = bytes.writeUInt32BE(nal.length, at);
    bytes.set(nal, at);
    at += nal.length;
  }
  return bytes;
}

/** The newest parameter sets of one stream. */
export class ParameterSets {
  readonly #codec: Codec;
  #sets: Readonly<Record<'vps' | 'sps' | 'pps', readonly Uint8Array[]>> = { vps: [], sps: [], pps: [] };
  #config: DecoderConfig | undefined;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** Undefined while some are missing or cannot be read. */
  get config(): DecoderConfig | undefined {
    return this.#config;
  }

  /** What is among these replaces what was of its kind; true when the configuration became another. */
  learn(nals: readonly Uint8Array[]): boolean {
    const found: Record<'vps' | 'sps' | 'pps', Uint8Array[]> = { vps: [], sps: [], pps: [] };
    for (const nal of nals) {
      const role = roleOf(this.#codec, nal);
      if (role === 'vps' || role === 'sps' || role === 'pps') found[role].push(nal);
    }
    const changed = (['vps', 'sps', 'pps'] as const).filter(
      (role) => found[role].length > 0 && !sameNals(found[role], this.#sets[role]),
    );
    if (changed.length === 0) return false;
    // Copies: a view would keep the unit it came with.
    const copies = changed.map((role) => [role, found[role].map((nal) => Uint8Array.from(nal))]);
    this.#sets = { ...this.#sets, ...Object.fromEntries(copies) };
    const { vps, sps, pps } = this.#sets;
    const config = this.#codec === 'h264' ? h264Config(sps, pps) : h265Config(vps, sps, pps);
    const same = config !== undefined && this.#config?.description.equals(config.description) === true;
    this.#config = config;
    return !same;
  }
}

function sameNals(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return left.length === right.length && left.every((nal, at) => Buffer.compare(nal, right[at] ?? new Uint8Array()) === 0);
}
