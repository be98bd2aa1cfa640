/**
 * Fragmented MP4 (ISO/IEC 14496-12) with one video track of 90 kHz, for Media Source Extensions: an initialisation segment, then a
 * `moof` + `mdat` for each access unit.
 */

const timescale = 90_000;
const trackId = 1;
/** ISO/IEC 14496-12, 8.8.3.1: depends on no other sample / depends on others and is no sync sample. */
const keyFlags = 0x0200_0000;
const deltaFlags = 0x0101_0000;

/** @param {number} value */
const u16 = (value) => [(value >>> 8) & 255, value & 255];
/** @param {number} value */
const u32 = (value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
/** @param {number} value below 2^53 @returns {number[]} */
const u64 = (value) => [...u32(Math.floor(value / 2 ** 32)), ...u32(value % 2 ** 32)];
/** @param {number} count @returns {number[]} */
const zeros = (count) => new Array(count).fill(0);
/** @param {string} text */
const ascii = (text) => [...text].map((character) => character.charCodeAt(0));
const matrix = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000].flatMap(u32);

/** @param {string} type @param {...(readonly number[])} content @returns {number[]} */
function box(type, ...content) {
  const body = content.flat();
  return [...u32(8 + body.length), ...ascii(type), ...body];
}

/** @param {string} codec such as avc1.64001f or hvc1.1.6.L93.B0 */
export function mimeType(codec) {
  return `video/mp4; codecs="${codec}"`;
}

/**
 * @param {{ codec: string, description: Uint8Array, width: number, height: number }} video `description`: avcC or hvcC
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function initSegment({ codec, description, width, height }) {
  const entry = codec.slice(0, 4);
  const sample = box(
    entry,
    [...zeros(6), ...u16(1), ...zeros(16), ...u16(width), ...u16(height), ...u32(0x48_0000), ...u32(0x48_0000)],
    [...zeros(4), ...u16(1), ...zeros(32), ...u16(24), ...u16(0xffff)],
    box(entry.startsWith('avc') ? 'avcC' : 'hvcC', [...description]),
  );
  const tables = box(
    'stbl',
    box('stsd', [...u32(0), ...u32(1)], sample),
    ...['stts', 'stsc', 'stco'].map((type) => box(type, zeros(8))),
    box('stsz', zeros(12)),
  );
  const information = box(
    'minf',
    box('vmhd', [...u32(1), ...zeros(8)]),
    box('dinf', box('dref', [...u32(0), ...u32(1)], box('url ', u32(1)))),
    tables,
  );
  const media = box(
    'mdia',
    box('mdhd', [...zeros(12), ...u32(timescale), ...u32(0), ...u16(0x55c4), ...u16(0)]),
    box('hdlr', [...zeros(8), ...ascii('vide'), ...zeros(12), 0]),
    information,
  );
  const track = box(
    'trak',
    box('tkhd', [
      ...u32(3),
      ...zeros(8),
      ...u32(trackId),
      ...zeros(24),
      ...matrix,
      ...u32(width * 65_536),
      ...u32(height * 65_536),
    ]),
    media,
  );
  return Uint8Array.from([
    ...box('ftyp', [...ascii('isom'), ...u32(1), ...ascii('isomiso6mp41')]),
    ...box(
      'moov',
      box('mvhd', [
        ...zeros(12),
        ...u32(timescale),
        ...u32(0),
        ...u32(0x1_0000),
        ...u16(0x100),
        ...zeros(10),
        ...matrix,
        ...zeros(24),
        ...u32(2),
      ]),
      track,
      box('mvex', box('trex', [...u32(0), ...u32(trackId), ...u32(1), ...zeros(12)])),
    ),
  ]);
}

/**
 * @param {object} sample
 * @param {number} sample.sequence of the fragment, from 1
 * @param {number} sample.dts at least 0
 * @param {number} sample.ptsMinusDts
 * @param {number} sample.duration all in 90 kHz
 * @param {boolean} sample.key
 * @param {Uint8Array} sample.data
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fragment({ sequence, dts, ptsMinusDts, duration, key, data }) {
  /** @param {number} offset of the data from the first byte of `moof` */
  const movie = (offset) =>
    box(
      'moof',
      box('mfhd', [...u32(0), ...u32(sequence)]),
      box(
        'traf',
        box('tfhd', [...u32(0x2_0000), ...u32(trackId)]),
        box('tfdt', [...u32(0x100_0000), ...u64(dts)]),
        box('trun', [
          // Version 1 has signed composition offsets; offset of the data; duration, size, flags and composition offset of the sample.
          ...u32(0x100_0f01),
          ...u32(1),
          ...u32(offset),
          ...u32(duration),
          ...u32(data.byteLength),
          ...u32(key ? keyFlags : deltaFlags),
          ...u32(ptsMinusDts),
        ]),
      ),
    );
  const head = movie(movie(0).length + 8);
  const bytes = new Uint8Array(head.length + 8 + data.byteLength);
  bytes.set(head);
  bytes.set(u32(8 + data.byteLength), head.length);
  bytes.set(ascii('mdat'), head.length + 4);
  bytes.set(data, head.length + 8);
  return bytes;
}
