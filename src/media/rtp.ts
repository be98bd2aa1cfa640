import { nalType, nalTypes } from './h264.ts';

/** RTP packets of H.264 (RFC 3550, RFC 6184, packetization mode 1) and RTCP. Pure. */

/** Largest payload of a packet; with headers below the usual path MTU of 1500 bytes. */
export const maxPayloadBytes = 1400;
export const payloadType = 96;
export const clockRate = 90_000;

export interface RtpState {
  readonly ssrc: number;
  /** Of the next packet, 16 bits. */
  sequence: number;
}

const singleNal = 0x1f;
const fuA = 28;

function header(state: RtpState, timestamp: number, marker: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(12);
  bytes[0] = 0x80;
  bytes[1] = (marker ? 0x80 : 0) | payloadType;
  bytes.writeUInt16BE(state.sequence, 2);
  bytes.writeUInt32BE(timestamp, 4);
  bytes.writeUInt32BE(state.ssrc, 8);
  state.sequence = (state.sequence + 1) & 0xffff;
  return bytes;
}

/** RTP time stamp of a presentation time: its low 32 bits. */
export function rtpTimestamp(pts90k: bigint): number {
  return Number(BigInt.asUintN(32, pts90k));
}

/**
 * One access unit as packets: NAL units that fit alone, larger ones in fragments (FU-A), the marker on the last packet. Access
 * unit delimiters are left out. Advances `state.sequence`.
 */
export function packetise(nals: readonly Uint8Array[], pts90k: bigint, state: RtpState): Buffer[] {
  const sent = nals.filter((nal) => nal.length > 0 && nalType(nal) !== nalTypes.delimiter);
  const timestamp = rtpTimestamp(pts90k);
  const packets: Buffer[] = [];
  for (const [index, nal] of sent.entries()) {
    const lastNal = index === sent.length - 1;
    if (nal.length <= maxPayloadBytes) packets.push(Buffer.concat([header(state, timestamp, lastNal), nal]));
    else packets.push(...fragments(nal, timestamp, lastNal, state));
  }
  return packets;
}

function fragments(nal: Uint8Array, timestamp: number, lastNal: boolean, state: RtpState): Buffer[] {
  const first = nal[0] ?? 0;
  const indicator = (first & ~singleNal) | fuA;
  const size = maxPayloadBytes - 2;
  const packets: Buffer[] = [];
  for (let at = 1; at < nal.length; at += size) {
    const last = at + size >= nal.length;
    const fu = (at === 1 ? 0x80 : 0) | (last ? 0x40 : 0) | (first & singleNal);
    packets.push(
      Buffer.concat([header(state, timestamp, last && lastNal), Buffer.of(indicator, fu), nal.subarray(at, at + size)]),
    );
  }
  return packets;
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

/** A packet inside the RTSP connection (RFC 2326 section 10.12): this head, then the packet. */
export function interleavedHead(channel: number, packetBytes: number): Buffer {
  const bytes = Buffer.of(0x24, channel, 0, 0);
  bytes.writeUInt16BE(packetBytes, 2);
  return bytes;
}
