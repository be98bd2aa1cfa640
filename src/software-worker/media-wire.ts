import { frameMessage } from '../core/framing.ts';
import { MediaMessage } from '../gen/sightline/media/v1/media.ts';

/** Messages of media.sock as bytes. Pure. */

/** Field numbers of proto/sightline/media/v1/media.proto, each with wire type 2 (length-delimited). */
const unitTag = (3 << 3) | 2;
const dataTag = (9 << 3) | 2;

export function framedMessage(message: NonNullable<MediaMessage['message']>): Uint8Array {
  return frameMessage(MediaMessage.encode({ message }).finish());
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return bytes;
}

/**
 * The message of a unit around its bytes, which are not copied: what stands before them, and they themselves. `head` is the unit encoded
 * without its data, whose field is the last.
 */
export function framedUnit(head: Uint8Array, data: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const dataHead = [dataTag, ...varint(data.length)];
  const unitBytes = head.length + dataHead.length + data.length;
  const unitHead = [unitTag, ...varint(unitBytes)];
  return [Uint8Array.from([...varint(unitHead.length + unitBytes), ...unitHead, ...head, ...dataHead]), data];
}
