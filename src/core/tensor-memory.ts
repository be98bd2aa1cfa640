/**
 * Memory for tensors that may be sent to a server: room in front of the elements takes the head of the message, so that the tensor
 * need not be copied into one.
 */

/** Bytes in front of the elements: enough for the head of a request with one input, and keeps elements of 8 bytes aligned. */
const headRoom = 512;
const buffersWithRoom = new WeakSet<ArrayBuffer>();

/** Zeroed memory for the elements of one tensor; make a typed array on its `buffer` at its `byteOffset`. */
export function tensorMemory(byteLength: number): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(headRoom + byteLength);
  buffersWithRoom.add(buffer);
  return new Uint8Array(buffer, headRoom, byteLength);
}

/**
 * The bytes from `before` bytes in front of the elements to their end, when these are the whole of a `tensorMemory` and there is as
 * much room; else undefined. What is written in front is the caller's until the tensor's owner has it back.
 */
export function withHead(data: ArrayBufferView, before: number): Uint8Array<ArrayBuffer> | undefined {
  const { buffer, byteOffset, byteLength } = data;
  if (!(buffer instanceof ArrayBuffer) || !buffersWithRoom.has(buffer)) return undefined;
  if (byteOffset !== headRoom || byteOffset + byteLength !== buffer.byteLength || before > headRoom) return undefined;
  return new Uint8Array(buffer, byteOffset - before, before + byteLength);
}
