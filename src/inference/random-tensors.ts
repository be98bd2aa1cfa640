import { SightlineError } from '../core/errors.ts';
import type { ModelDescription, Tensor, TensorContract } from '../core/inference.ts';
import { tensorMemory } from '../core/tensor-memory.ts';
import { elementCount, shapeText, tensorArrays } from './tensor.ts';
import { joinBytes } from './triton-wire.ts';

/** Inputs that keep to a model's contract and mean nothing, for measuring. */

/** The shape of one row of every input. Throws `cli.usage` for axes whose size nobody says, and for sizes that do not fit. */
export function rowShapes(
  model: ModelDescription,
  given: Readonly<Record<string, readonly number[]>>,
): ReadonlyMap<string, readonly number[]> {
  const names = model.inputs.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      throw new SightlineError('cli.usage', `${model.name} has no input ${name}; it has ${names.join(', ')}`);
  }
  return new Map(model.inputs.map((input) => [input.name, rowShape(model, input, given[input.name])]));
}

function rowShape(model: ModelDescription, { name, dims }: TensorContract, given: readonly number[] | undefined) {
  const example = dims.map((size) => (size === -1 ? 'N' : size)).join('x');
  if (given === undefined) {
    // Where the model has no batch axis of its own, a free first axis of several is one.
    const sizes = model.maxBatchSize === 0 && dims.length > 1 && dims[0] === -1 ? [1, ...dims.slice(1)] : dims;
    if (sizes.every((size) => size > 0)) return sizes;
    throw new SightlineError(
      'cli.usage',
      `input ${name} of ${model.name} has free axes, ${shapeText(dims)}; say their sizes: --shape ${name}=${example}`,
    );
  }
  if (given.length === dims.length && dims.every((size, axis) => size === -1 || size === given[axis])) return given;
  throw new SightlineError(
    'cli.usage',
    `--shape ${name}=${given.join('x')} is not a shape of the input, ${shapeText(dims)}; write it as ${name}=${example}`,
  );
}

/** One request of `rows` rows. Floats are from 0 to 1, whole numbers from 0 to 127, texts eight letters. */
export function randomInputs(
  model: ModelDescription,
  shapes: ReadonlyMap<string, readonly number[]>,
  rows: number,
): readonly Tensor[] {
  return model.inputs.map(({ name, datatype }) => {
    const row = shapes.get(name) ?? [];
    const shape = model.maxBatchSize > 0 ? [rows, ...row] : row;
    return { name, datatype, shape, data: randomData(datatype, elementCount(shape)) };
  });
}

function randomData(datatype: Tensor['datatype'], count: number): Tensor['data'] {
  if (datatype === 'BYTES')
    return joinBytes(Array.from({ length: count }, () => Math.random().toString(36).slice(2, 10).padEnd(8, 'x')));
  const array = tensorArrays[datatype];
  const bytes = tensorMemory(count * array.BYTES_PER_ELEMENT);
  const data = new array(bytes.buffer, bytes.byteOffset, count);
  const value = randomValue[datatype];
  for (let at = 0; at < count; at += 1) {
    if (data instanceof BigInt64Array) data[at] = BigInt(value());
    else data[at] = value();
  }
  return data;
}

const randomValue = {
  FP32: () => Math.random(),
  // The bits of a half float from 0.5 to 1.
  FP16: () => 0x3800 + Math.floor(1024 * Math.random()),
  INT32: () => Math.floor(128 * Math.random()),
  INT64: () => Math.floor(128 * Math.random()),
  UINT8: () => Math.floor(256 * Math.random()),
  BOOL: () => Math.floor(2 * Math.random()),
} as const satisfies Readonly<Record<Exclude<Tensor['datatype'], 'BYTES'>, () => number>>;

/** The same values in memory of their own: what is handed to an engine is not touched again. */
export function copyOf(inputs: readonly Tensor[]): readonly Tensor[] {
  return inputs.map((input) => {
    const { buffer, byteOffset, byteLength } = input.data;
    const bytes = tensorMemory(byteLength);
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength));
    const array = tensorArrays[input.datatype];
    return { ...input, data: new array(bytes.buffer, bytes.byteOffset, byteLength / array.BYTES_PER_ELEMENT) };
  });
}
