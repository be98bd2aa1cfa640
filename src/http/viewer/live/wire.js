/**
 * The bytes and texts of the live feed as src/core/live-messages.ts has them, read in a browser.
 *
 * @import { LiveAnswer } from '../../../core/live-messages.ts'
 */

export const liveProtocol = 'sightline.live.v1';
const unitHeadBytes = 32;
const unitKind = 1;

/**
 * One access unit. `pts` in 90 kHz; times in milliseconds since 1970 by the server's clock; `data`: NAL units, each after its length.
 *
 * @typedef {{ key: boolean, stream: number, ptsMinusDts: number, pts: number, captureMs: number, sentMs: number, data: Uint8Array<ArrayBuffer> }} Unit
 */

/**
 * @param {ArrayBuffer} bytes
 * @returns {Unit | undefined} undefined when it is no unit of video
 */
export function readUnit(bytes) {
  if (bytes.byteLength <= unitHeadBytes) return undefined;
  const head = new DataView(bytes, 0, unitHeadBytes);
  if (head.getUint8(0) !== unitKind) return undefined;
  return {
    key: (head.getUint8(1) & 1) === 1,
    stream: head.getUint16(2),
    ptsMinusDts: head.getInt32(4),
    pts: Number(head.getBigInt64(8)),
    captureMs: head.getFloat64(16),
    sentMs: head.getFloat64(24),
    data: new Uint8Array(bytes, unitHeadBytes),
  };
}

/**
 * @param {string} text
 * @returns {LiveAnswer | undefined} undefined when it is no message of this protocol, such as one of a later version
 */
export function readAnswer(text) {
  try {
    const answer = JSON.parse(text);
    return typeof answer?.type === 'string' ? answer : undefined;
  } catch {
    return undefined;
  }
}

/** 90 kHz to the microseconds of WebCodecs; `toPts` is its exact inverse. @param {number} pts */
export function toMicroseconds(pts) {
  return Math.round((pts * 100) / 9);
}

/** @param {number} microseconds */
export function toPts(microseconds) {
  return Math.round((microseconds * 9) / 100);
}

/** @param {string} base64 @returns {Uint8Array<ArrayBuffer>} */
export function fromBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
