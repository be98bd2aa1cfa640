import { packetAt } from '../../src/media/rtp.ts';

/** The packets of `Packets.bytes`, each without its interleaved head. */
export function packetsOf({ bytes }: { readonly bytes: Buffer }): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { begin, end } = packetAt(bytes, at);
    packets.push(bytes.subarray(begin, end));
    at = end;
  }
  return packets;
}
