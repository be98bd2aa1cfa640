/** Whether decoding can begin with a picture, read from its Annex B bytes: without a parser FFmpeg does not say. Pure. */

export type NalCoding = 'h264' | 'h265';

/** ITU-T H.264, table 7-1: slice of an IDR picture, supplemental enhancement information. */
const h264 = { idr: 5, sei: 6 } as const;
/** Table D-1: a recovery point, with which open groups of pictures and gradual refresh begin. */
const recoveryPoint = 6;
/** The bit that ends a unit, and zeros behind it. */
const trailing = 0x80;
/** ITU-T H.265, table 7-1: the range of intra random access pictures. */
const h265Irap = { first: 16, last: 23 } as const;

/**
 * Messages stand one behind the other, each with its type and its size in bytes (section 7.3.2.3.1), of which 0xff goes on in the
 * next byte; a 3 behind two zeros is not counted (section 7.4.1). Behind the last comes the trailing bit.
 */
function holdsRecoveryPoint(data: Uint8Array, from: number): boolean {
  let at = from;
  function field(): number {
    let value = 0;
    for (; data[at] === 0xff; at += 1) value += 0xff;
    value += data[at] ?? 0;
    at += 1;
    return value;
  }
  function skip(bytes: number): void {
    for (let left = bytes; left > 0 && at < data.length; at += 1) {
      if (data[at] !== 3 || data[at - 1] !== 0 || data[at - 2] !== 0) left -= 1;
    }
  }
  const isStartCode = () => data[at] === 0 && data[at + 1] === 0;
  while (at + 1 < data.length && data[at] !== trailing && !isStartCode()) {
    if (field() === recoveryPoint) return true;
    skip(field());
  }
  return false;
}

function begins(data: Uint8Array, at: number, coding: NalCoding): boolean {
  const header = data[at] ?? 0;
  if (coding === 'h265') {
    const type = (header >> 1) & 0x3f;
    return type >= h265Irap.first && type <= h265Irap.last;
  }
  const type = header & 0x1f;
  return type === h264.idr || (type === h264.sei && holdsRecoveryPoint(data, at + 1));
}

export function isKeyPicture(data: Uint8Array, coding: NalCoding): boolean {
  for (let zero = data.indexOf(0); zero >= 0; zero = data.indexOf(0, zero + 1)) {
    // A start code; its third byte is looked for from every zero, so that 00 00 00 01 is one too.
    if (data[zero + 1] === 0 && data[zero + 2] === 1 && begins(data, zero + 3, coding)) return true;
  }
  return false;
}
