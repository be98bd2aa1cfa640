import { type Codec, isDelimiter } from './nal.ts';

/** RTP packets of H.264 (RFC 3550, RFC 6184, packetization mode 1) and H.265 (RFC 7798), and RTCP. Pure. */

/** Largest payload of a packet; with headers below the usual path MTU of 1500 bytes. */
export const maxPayloadBytes = 1400;
export const payloadType = 96;
export const clockRate = 90_000;
export const rtpHeaderBytes = 12;
/** `$`, channel, length: before each packet inside an RTSP connection (RFC 2326 section 10.12). */
export const interleavedHeadBytes = 4;

export interface RtpState {
  readonly ssrc: number;
  /** Of the next packet, 16 bits. */
  sequence: number;
}

/** The packets of one access unit. */
export interface Packets {
  /** One behind the other, each with its interleaved head of channel 0: what a reader of channels 0-1 is sent as it stands. */
  readonly bytes: Buffer;
  readonly count: number;
  /** Payload bytes, headers not counted. */
  readonly octets: number;
}

/** RTP time stamp of a presentation time: its low 32 bits. */
export function rtpTimestamp(pts90k: bigint): number {
  return Number(BigInt.asUintN(32, pts90k));
}

/** Type of a packet with a fragment, and how many bytes a NAL unit's own header has, which the fragments' headers replace. */
const fragmentation: Readonly<Record<Codec, { readonly type: number; readonly headerBytes: number }>> = {
  h264: { type: 28, headerBytes: 1 },
  h265: { type: 49, headerBytes: 2 },
};

/**
 * One access unit as packets: NAL units that fit alone, larger ones in fragments (FU-A, FU), the marker on the last packet. Access
 * unit delimiters are left out. Advances `state.sequence`. One allocation, whatever the number of packets.
 */
export function packetise(codec: Codec, nals: readonly Uint8Array[], pts90k: bigint, state: RtpState): Packets {
  const { type, headerBytes } = fragmentation[codec];
  const fragmentBytes = maxPayloadBytes - headerBytes - 1;
  let count = 0;
  let octets = 0;
  let last: Uint8Array | undefined;
  for (const nal of nals) {
    if (nal.length < headerBytes || isDelimiter(codec, nal)) continue;
    last = nal;
    if (nal.length <= maxPayloadBytes) {
      count += 1;
      octets += nal.length;
    } else {
      const fragments = Math.ceil((nal.length - headerBytes) / fragmentBytes);
      count += fragments;
      octets += nal.length - headerBytes + fragments * (headerBytes + 1);
    }
  }
  const bytes = Buffer.allocUnsafe(octets + count * (interleavedHeadBytes + rtpHeaderBytes));
  const timestamp = rtpTimestamp(pts90k);
  let at = 0;

  function begin(payloadBytes: number, marker: boolean): void {
    const length = rtpHeaderBytes + payloadBytes;
    bytes[at] = 0x24;
    bytes[at + 1] = 0;
    bytes[at + 2] = length >> 8;
    bytes[at + 3] = length & 255;
    bytes[at + 4] = 0x80;
    bytes[at + 5] = (marker ? 0x80 : 0) | payloadType;
    bytes[at + 6] = state.sequence >> 8;
    bytes[at + 7] = state.sequence & 255;
    bytes.writeUInt32BE(timestamp, at + 8);
    bytes.writeUInt32BE(state.ssrc, at + 12);
    at += interleavedHeadBytes + rtpHeaderBytes;
    state.sequence = (state.sequence + 1) & 0xffff;
  }

  for (const nal of nals) {
    if (nal.length < headerBytes || isDelimiter(codec, nal)) continue;
    if (nal.length <= maxPayloadBytes) {
      begin(nal.length, nal === last);
      bytes.set(nal, at);
      at += nal.length;
      continue;
    }
    const first = nal[0] ?? 0;
    const kind = codec === 'h264' ? first & 31 : (first >> 1) & 63;
    for (let from = headerBytes; from < nal.length; from += fragmentBytes) {
      const to = Math.min(nal.length, from + fragmentBytes);
      begin(headerBytes + 1 + to - from, nal === last && to === nal.length);
      if (codec === 'h264') bytes[at++] = (first & 0xe0) | type;
      else {
        bytes[at++] = (first & 0x81) | (type << 1);
        bytes[at++] = nal[1] ?? 0;
      }
      bytes[at++] = (from === headerBytes ? 0x80 : 0) | (to === nal.length ? 0x40 : 0) | kind;
      bytes.set(nal.subarray(from, to), at);
      at += to - from;
    }
  }
  return { bytes, count, octets };
}

/** Where the first packet behind `at` of `Packets.bytes` lies, without its interleaved head. */
export function packetAt(bytes: Buffer, at: number): { readonly begin: number; readonly end: number } {
  const begin = at + interleavedHeadBytes;
  return { begin, end: begin + bytes.readUInt16BE(at + 2) };
}

/** A copy for another channel. */
export function onChannel(bytes: Buffer, channel: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = 0; at < copy.length; at = packetAt(copy, at).end) copy[at + 1] = channel;
  return copy;
}

/** Seconds between 1900 (NTP) and 1970. */
const ntpEpochSeconds = 2_208_988_800;

export interface SenderReport {
  readonly ssrc: number;
  /** Wall clock, milliseconds since 1970, at which what `pts90k` stands for was captured. */
  readonly captureTimeMs: number;
  readonly pts90k: bigint;
  readonly packets: number;
  /** Payload bytes, headers not counted. */
  readonly octets: number;
}

/** SR with SDES CNAME, the compound packet RFC 3550 section 6.1 asks for. */
export function senderReport(report: SenderReport, cname: string): Buffer {
  const sr = Buffer.alloc(28);
  sr[0] = 0x80;
  sr[1] = 200;
  sr.writeUInt16BE(6, 2);
  sr.writeUInt32BE(report.ssrc, 4);
  const seconds = Math.floor(report.captureTimeMs / 1000);
  const fraction = (report.captureTimeMs - seconds * 1000) / 1000;
  sr.writeUInt32BE((seconds + ntpEpochSeconds) % 2 ** 32, 8);
  sr.writeUInt32BE(Math.floor(fraction * 2 ** 32), 12);
  sr.writeUInt32BE(rtpTimestamp(report.pts90k), 16);
  sr.writeUInt32BE(report.packets % 2 ** 32, 20);
  sr.writeUInt32BE(report.octets % 2 ** 32, 24);
  return Buffer.concat([sr, sourceDescription(report.ssrc, cname)]);
}

function sourceDescription(ssrc: number, cname: string): Buffer {
  const name = Buffer.from(cname).subarray(0, 255);
  // Chunk: SSRC, item, at least one null byte, padded to 32 bits.
  const chunk = Buffer.alloc(4 + Math.ceil((2 + name.length + 1) / 4) * 4);
  chunk.writeUInt32BE(ssrc, 0);
  chunk[4] = 1;
  chunk[5] = name.length;
  name.copy(chunk, 6);
  const head = Buffer.of(0x81, 202, 0, 0);
  head.writeUInt16BE(chunk.length / 4, 2);
  return Buffer.concat([head, chunk]);
}

/** Tells a receiver that the source has ended. */
export function goodbye(ssrc: number): Buffer {
  const bytes = Buffer.of(0x81, 203, 0, 1, 0, 0, 0, 0);
  bytes.writeUInt32BE(ssrc, 4);
  return bytes;
}

/** An RTCP packet inside the RTSP connection. */
export function interleaved(channel: number, packet: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(interleavedHeadBytes + packet.length);
  bytes[0] = 0x24;
  bytes[1] = channel;
  bytes.writeUInt16BE(packet.length, 2);
  packet.copy(bytes, interleavedHeadBytes);
  return bytes;
}
