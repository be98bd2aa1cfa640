import type { NalCoding } from './key-pictures.ts';

/**
 * Where a picture ends, foreseen from the pictures before it, pure. FFmpeg hands over the payload of one RTP packet after the other
 * and keeps their marker bits to itself, so that the next time stamp is the only certain end of a picture, a frame interval late.
 * What senders do picture after picture tells it at once: the same slices at the same places, and slices cut into packets of one
 * size with the rest in the last (RFC 6184, RFC 7798: fragmentation units). Nothing is foreseen before whole pictures, one of them
 * a key picture, have borne that out, and not a moment longer than they do.
 */

/** Whole pictures of one pattern after which the end of the next one is foreseen. */
const learnPictures = 8;
/** Times as many where no key picture has come: with a gradual refresh there are none. */
const withoutKeyTimes = 32;
/** A pattern that has deceived must hold longer each time, up to this many pictures. */
const learnAtMost = 4096;
const learnTimes = 8;
/** FFmpeg puts it before every unit, and the bytes inside of one never look like it. */
const startCode = Buffer.from([0, 0, 0, 1]);
/** A fragment without the unit's header, which only the first has, is this much smaller at most. */
const headerBytes = 16;

/** ITU-T H.264, table 7-1: 1 to 5 are slices or parts of them; H.265, table 7-1: everything below 32. */
const lastSliceType = { h264: 5, h265: 31 } as const;

/** H.264, table 7-6, modulo 5; a key picture need not be an IDR picture. */
const intraSlice = 2;
/** H.265: the first type of a slice of an intra random access picture. */
const firstIrap = 16;

/** `rest`: goes on with the unit of the part before. */
export type PartKind = 'slice' | 'other' | 'rest';

/** The first `count` exponential Golomb codes (H.264 section 9.1) from a byte on. */
function golombs(data: Uint8Array, from: number, count: number): readonly number[] {
  const values: number[] = [];
  let at = 8 * from;
  const bit = () => {
    const value = ((data[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
    at += 1;
    return value;
  };
  while (values.length < count) {
    let zeros = 0;
    while (zeros < 31 && bit() === 0) zeros += 1;
    let value = 1;
    for (let index = 0; index < zeros; index += 1) value = 2 * value + bit();
    values.push(value - 1);
  }
  return values;
}

/** A part of a picture as one RTP packet brought it; several units only where the sender aggregates small ones. */
interface Part {
  readonly kind: PartKind;
  /** Where the part's slices begin in the picture: the macroblock for H.264, 0 or not 0 for H.265. */
  readonly slices: readonly number[];
  readonly key: boolean;
  /** Several units: an aggregate, whose units are whole. */
  readonly aggregate: boolean;
}

function readPart(data: Buffer, coding: NalCoding): Part {
  const slices: number[] = [];
  let kind: PartKind = 'rest';
  let key = false;
  let units = 0;
  for (
    let at = data.indexOf(startCode);
    at >= 0 && (at === 0 || units > 0);
    at = data.indexOf(startCode, at + startCode.length)
  ) {
    units += 1;
    const from = at + startCode.length;
    const header = data[from] ?? 0;
    const type = coding === 'h264' ? header & 0x1f : (header >> 1) & 0x3f;
    const isSlice = type <= lastSliceType[coding] && (coding === 'h265' || type > 0);
    kind = isSlice ? 'slice' : 'other';
    if (!isSlice) continue;
    if (coding === 'h264') {
      const [first = 0, sliceType = 0] = golombs(data, from + 1, 2);
      slices.push(first);
      key ||= sliceType % 5 === intraSlice;
    } else {
      slices.push(1 - ((data[from + 2] ?? 0) >> 7));
      key ||= type >= firstIrap;
    }
  }
  return { kind, slices, key, aggregate: units > 1 };
}

export function partKind(data: Buffer, coding: NalCoding): PartKind {
  return readPart(data, coding).kind;
}

/** ITU-T H.264, table 7-1: slices whose header begins with their first macroblock; types 2 to 4 are partitions. */
const wholeSlices: readonly number[] = [1, 5];

/** Whether a picture's first slice is in it; the second field of a frame looks the same. */
export function beginsPicture(data: Buffer, coding: NalCoding): boolean {
  const { kind, slices } = readPart(data, coding);
  if (kind !== 'slice' || slices[0] !== 0) return false;
  return coding === 'h265' || wholeSlices.includes((data[startCode.length] ?? 0) & 0x1f);
}

function alike(a: readonly number[], b: readonly number[] | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((value, index) => value === b[index]);
}

export class PictureEnds {
  readonly coding: NalCoding;
  /** Where the slices of all recent pictures began, and those of the latest key picture. */
  #layout: readonly number[] = [];
  #keyLayout: readonly number[] | undefined;
  /** Whole pictures in a row that were like their predecessors. */
  #streak = 0;
  #needed = learnPictures;
  /** Sizes of packets: the first of several of a unit, those in its midst, and the largest that was a whole slice. */
  #firstBytes: number | undefined;
  #fullBytes: number | undefined;
  #wholeBytes = 0;

  #slices: number[] = [];
  #key = false;
  #regular = true;
  /** Sizes of the packets of the unit that came last, and what it is. */
  #sizes: number[] = [];
  #unit: Part | undefined;

  constructor(coding: NalCoding) {
    this.coding = coding;
  }

  /** Takes the picture's next part; true when the picture is whole with it, as far as can be foreseen. */
  add(data: Buffer): boolean {
    const part = readPart(data, this.coding);
    if (part.kind === 'rest') {
      this.#sizes.push(data.length);
    } else {
      this.#learnUnit();
      this.#unit = part;
      this.#sizes = [data.length];
      this.#slices.push(...part.slices);
      this.#key ||= part.key;
    }
    return this.#isTrusted() && this.#unit?.kind === 'slice' && alike(this.#slices, this.#layout) && this.#unitIsWhole();
  }

  /** The picture is over: foreseen, or told by the next time stamp. */
  over(): void {
    this.#learnUnit();
    if (!this.#regular || !alike(this.#slices, this.#layout)) this.#streak = 0;
    else this.#streak += 1;
    this.#layout = this.#slices;
    if (this.#key) this.#keyLayout = this.#slices;
    this.#slices = [];
    this.#key = false;
    this.#regular = true;
    this.#unit = undefined;
  }

  /** A slice came for a picture that was taken for whole. */
  refute(): void {
    this.#streak = 0;
    this.#needed = Math.min(learnAtMost, this.#needed * learnTimes);
  }

  #isTrusted(): boolean {
    // Encoders that fill slices up to a size give quiet pictures one and key pictures many.
    const needed = this.#keyLayout === undefined ? withoutKeyTimes * this.#needed : this.#needed;
    return this.#streak >= needed && this.#regular && alike(this.#layout, this.#keyLayout ?? this.#layout);
  }

  #unitIsWhole(): boolean {
    const [first, ...rest] = this.#sizes;
    const last = rest.at(-1);
    if (first === undefined) return false;
    if (this.#unit?.aggregate === true) return true;
    if (last !== undefined) return last < (this.#fullBytes ?? first - headerBytes);
    if (this.#firstBytes === undefined || first > this.#firstBytes) return first < this.#wholeBytes;
    return first < this.#firstBytes;
  }

  #learnUnit(): void {
    const [first, ...rest] = this.#sizes;
    const unit = this.#unit;
    this.#sizes = [];
    if (unit === undefined || unit.aggregate || first === undefined) return;
    const last = rest.pop();
    if (last === undefined) {
      if (unit.kind === 'slice') this.#wholeBytes = Math.max(this.#wholeBytes, first);
      return;
    }
    const full = rest[0];
    const known = this.#fullBytes ?? full;
    if (first !== (this.#firstBytes ?? first) || full !== (rest.length > 0 ? known : undefined)) this.#regular = false;
    if (rest.some((size) => size !== full) || last > (full ?? known ?? first)) this.#regular = false;
    this.#firstBytes = first;
    this.#fullBytes = full ?? this.#fullBytes;
  }
}
