import type { VideoCodec } from './sample-description.ts';

/**
 * The name by which browsers ask for a decoder (RFC 6381; ISO/IEC 14496-15 annex E), from the record that describes the samples: `avcC`
 * or `hvcC`. Pure.
 */
export function codecString(codec: VideoCodec, record: Uint8Array): string {
  if (codec === 'h264') return `avc1.${Buffer.from(record.subarray(1, 4)).toString('hex').toUpperCase()}`;
  // Profile, compatibility, constraints and level: twelve bytes after the version.
  const general = record.subarray(1, 13);
  const first = general[0] ?? 0;
  // The flag that comes first in the stream is the lowest bit in the name.
  let flags = 0;
  for (let bit = 0; bit < 32; bit++) flags += (((general[1 + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1) * 2 ** bit;
  const constraints = [...general.subarray(5, 11)];
  while (constraints.at(-1) === 0) constraints.pop();
  return [
    'hvc1',
    `${['', 'A', 'B', 'C'][first >> 6]}${first & 31}`,
    flags.toString(16).toUpperCase(),
    `${(first & 0x20) === 0 ? 'L' : 'H'}${general[11] ?? 0}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase()),
  ].join('.');
}
