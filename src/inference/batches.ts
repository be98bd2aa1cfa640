import { SightlineError } from '../core/errors.ts';
import type { InferResult, Tensor, TensorData } from '../core/inference.ts';
import { tensorMemoryToFill } from '../core/tensor-memory.ts';
import { elementCount, tensorArrays } from './tensor.ts';

/** Requests put together along the batch axis, and taken apart again. */

/** Whether two requests can be one: the same tensors but for their rows. */
export function alike(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, datatype, shape }, index) => {
      const other = b[index];
      return name === other?.name && datatype === other.datatype && shape.slice(1).join() === other.shape.slice(1).join();
    })
  );
}

/** One request of several that are alike, in their order; its memory takes the head of a message. */
export function joinInputs(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  return (requests[0] ?? []).map(({ name, datatype, shape }, index) => {
    const parts = requests.flatMap((inputs) => inputs[index] ?? []);
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
    const data = joinData(
      datatype,
      parts.map((part) => part.data),
    );
    return { name, datatype, shape: [rows, ...shape.slice(1)], data };
  });
}

/** The same tensors in memory that takes the head of a message. */
export function copyInputs(inputs: readonly Tensor[]): readonly Tensor[] {
  return inputs.map((input) => ({ ...input, data: joinData(input.datatype, [input.data]) }));
}

function joinData(datatype: Tensor['datatype'], parts: readonly TensorData[]): TensorData {
  const bytes = tensorMemoryToFill(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  const array = tensorArrays[datatype];
  return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
}

/** The rows `from` to `from + rows` of a request, as views. BYTES have no rows of one size and stay whole: undefined. */
export function cutInputs(inputs: readonly Tensor[], from: number, rows: number): readonly Tensor[] | undefined {
  if (inputs.some(({ datatype }) => datatype === 'BYTES')) return undefined;
  return inputs.map((input) => {
    const row = elementCount(input.shape.slice(1));
    return { ...input, shape: [rows, ...input.shape.slice(1)], data: input.data.subarray(from * row, (from + rows) * row) };
  });
}

/** The rows `from` to `from + rows` of an answer to `total`, copied. Throws `inference.failed` when it has another number of rows. */
export function cutOutputs(
  model: string,
  outputs: InferResult['outputs'],
  from: number,
  rows: number,
  total: number,
): InferResult['outputs'] {
  const cut = new Map<string, Tensor>();
  for (const [name, output] of outputs) {
    if (output.shape[0] !== total)
      throw new SightlineError(
        'inference.failed',
        `${model}: output "${name}" has ${output.shape[0]} rows for a batch of ${total}`,
        { details: { model } },
      );
    const row = elementCount(output.shape.slice(1));
    const data = output.data.slice(from * row, (from + rows) * row);
    cut.set(name, { ...output, shape: [rows, ...output.shape.slice(1)], data });
  }
  return cut;
}

/** The answers to the parts of a request as one. */
export function joinOutputs(answers: readonly InferResult['outputs'][]): InferResult['outputs'] {
  const [first] = answers;
  if (first === undefined || answers.length === 1) return first ?? new Map();
  const joined = joinInputs(answers.map((outputs) => [...first.keys()].flatMap((name) => outputs.get(name) ?? [])));
  return new Map(joined.map((output) => [output.name, output]));
}
