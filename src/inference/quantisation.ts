import { open } from 'node:fs/promises';

/** `NodeProto.op_type` (field 4, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) with its tag and length. */
const quantizeNode = Buffer.from('\x22\x0eQuantizeLinear', 'latin1');
const chunkBytes = 1 << 20;

/**
 * Whether an ONNX file quantises activations and not its weights alone. Files with 8-bit weights alone come from making downloads
 * small: their DequantizeLinear nodes give the same floats on every run, and ONNX Runtime, which spares them for integer kernels that
 * only quantised activations could use, repeats that work each time unless told otherwise.
 */
export async function quantisesActivations(file: string): Promise<boolean> {
  await using handle = await open(file);
  const buffer = Buffer.alloc(quantizeNode.length - 1 + chunkBytes);
  let kept = 0;
  while (true) {
    const { bytesRead } = await handle.read(buffer, kept, chunkBytes);
    if (bytesRead === 0) return false;
    const end = kept + bytesRead;
    if (buffer.subarray(0, end).includes(quantizeNode)) return true;
    kept = Math.min(end, quantizeNode.length - 1);
    buffer.copyWithin(0, end - kept, end);
  }
}
