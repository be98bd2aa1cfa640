/**
 * Memory for tensors that may be sent to a server: room in front of the elements takes the head of the message, so that the tensor
 * need not be copied into one. What was sent is given back and lent again: fresh pages, and collecting old ones, cost more than the
 * rest of a request.
 */

/** Bytes in front of the elements: enough for the head of a request with one input, and keeps elements of 8 bytes aligned. */
const headRoom = 512;
/** Of what was given back and waits to be lent. */
const mostKeptBytes = 32 * 2 ** 20;
/** Lent, and not given back. */
const lent = new WeakSet<ArrayBuffer>();
/** Given back, by size; the size that was lent or given back longest ago comes first. */
const kept = new Map<number, ArrayBuffer[]>();
let keptBytes = 0;

/** Zeroed memory for the elements of one tensor; make a typed array on its `buffer` at its `byteOffset`. */
export function tensorMemory(byteLength: number): Uint8Array<ArrayBuffer> {
  return tensorMemoryToFill(byteLength).fill(0);
}

/** The same with what was in it before, for whoever writes all of it. */
export function tensorMemoryToFill(byteLength: number): Uint8Array<ArrayBuffer> {
  const size = headRoom + byteLength;
  const buffer = take(size) ?? new ArrayBuffer(size);
  lent.add(buffer);
  return new Uint8Array(buffer, headRoom, byteLength);
}

/**
 * For whoever owns a tensor that nobody reads or writes any more. Takes the whole of a `tensorMemory`, once; everything else is left
 * alone.
 */
export function giveTensorBack(data: ArrayBufferView): void {
  if (!isTensorMemory(data)) return;
  const { buffer } = data;
  lent.delete(buffer);
  const same = kept.get(buffer.byteLength) ?? [];
  same.push(buffer);
  kept.delete(buffer.byteLength);
  kept.set(buffer.byteLength, same);
  keptBytes += buffer.byteLength;
  while (keptBytes > mostKeptBytes) {
    const [size] = kept.keys();
    if (size !== undefined) take(size);
  }
}

function take(size: number): ArrayBuffer | undefined {
  const same = kept.get(size);
  const buffer = same?.pop();
  if (same === undefined || buffer === undefined) return undefined;
  keptBytes -= size;
  kept.delete(size);
  if (same.length > 0) kept.set(size, same);
  return buffer;
}

/** Whether these are all elements of a `tensorMemory` that was not given back. */
export function isTensorMemory(data: ArrayBufferView): data is ArrayBufferView<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = data;
  if (!(buffer instanceof ArrayBuffer) || !lent.has(buffer)) return false;
  return byteOffset === headRoom && byteOffset + byteLength === buffer.byteLength;
}

/**
 * The bytes from `before` bytes in front of the elements to their end, when these are the whole of a `tensorMemory` and there is as
 * much room; else undefined. What is written in front is the caller's until the tensor's owner has it back.
 */
export function withHead(data: ArrayBufferView, before: number): Uint8Array<ArrayBuffer> | undefined {
  if (!isTensorMemory(data) || before > headRoom) return undefined;
  return new Uint8Array(data.buffer, data.byteOffset - before, before + data.byteLength);
}
