import { SightlineError } from '../core/errors.ts';
import type { DataType, ModelDescription, Tensor, TensorContract, TensorData } from '../core/inference.ts';

/** Shapes and data types of tensors, and requests held against a model's contract. */

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The contract's whole shape: with its batch axis in front when the model batches. */
export function fullShape(contract: TensorContract, maxBatchSize: number): readonly number[] {
  return maxBatchSize > 0 ? [-1, ...contract.dims] : contract.dims;
}

/** `[-1, 3, 640, 640]` as text for messages; free axes are `?`. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.map((size) => (size === -1 ? '?' : size)).join(', ')}]`;
}

/** What holds the elements of each data type; half floats as their bits. */
export const tensorArrays = {
  FP32: Float32Array,
  FP16: Uint16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  BOOL: Uint8Array,
  BYTES: Uint8Array,
} as const satisfies Readonly<Record<DataType, unknown>>;

function holds(datatype: DataType, data: TensorData): boolean {
  return data instanceof tensorArrays[datatype];
}

/** Whether no value is infinite or not a number. */
export function allFinite({ datatype, data }: Pick<Tensor, 'datatype' | 'data'>): boolean {
  if (data instanceof Float32Array) {
    let sum = 0;
    // NaN as soon as one is; a sum of the values themselves could grow out of bounds.
    for (let at = 0; at < data.length; at += 1) sum += 0 * (data[at] ?? 0);
    return sum === 0;
  }
  // Half floats whose exponent is all ones.
  return datatype !== 'FP16' || !(data instanceof Uint16Array) || data.every((bits) => (bits & 0x7c00) !== 0x7c00);
}

/** Rejects (throws `inference.failed`) a request that does not keep to the model's contract, before it costs anything. */
export function checkInputs(model: ModelDescription, inputs: readonly Tensor[]): void {
  const problems: string[] = [];
  for (const contract of model.inputs) {
    const found = inputs.filter((input) => input.name === contract.name);
    if (found.length !== 1) problems.push(`input "${contract.name}" is given ${found.length} times instead of once`);
  }
  for (const input of inputs) {
    const contract = model.inputs.find(({ name }) => name === input.name);
    if (contract === undefined) problems.push(`there is no input "${input.name}"`);
    else problems.push(...inputProblems(model, contract, input));
  }
  const batches = new Set(model.maxBatchSize > 0 ? inputs.map((input) => input.shape[0]) : []);
  if (batches.size > 1) problems.push('inputs have different batch sizes');
  if (problems.length === 0) return;
  throw new SightlineError('inference.failed', `request to ${model.name} breaks its contract: ${problems.join('; ')}`, {
    details: { model: model.name, problems },
  });
}

function inputProblems(model: ModelDescription, contract: TensorContract, input: Tensor): readonly string[] {
  const wanted = fullShape(contract, model.maxBatchSize);
  const label = `input "${input.name}"`;
  if (input.datatype !== contract.datatype) return [`${label} is ${input.datatype}, not ${contract.datatype}`];
  const fits = wanted.length === input.shape.length && wanted.every((size, axis) => size === -1 || size === input.shape[axis]);
  if (!fits || input.shape.some((size) => !Number.isInteger(size) || size < 1))
    return [`${label} has shape ${shapeText(input.shape)}, not ${shapeText(wanted)}`];
  const batch = input.shape[0] ?? 0;
  if (model.maxBatchSize > 0 && batch > model.maxBatchSize)
    return [`${label} has a batch of ${batch}, at most ${model.maxBatchSize} is allowed`];
  if (!holds(input.datatype, input.data)) return [`${label} has data of another type than ${input.datatype}`];
  if (input.datatype !== 'BYTES' && input.data.length !== elementCount(input.shape))
    return [`${label} has ${input.data.length} values for shape ${shapeText(input.shape)}`];
  return [];
}

/** What can be handed over of a tensor's data: its buffer, or nothing where that is shared. */
export function ownBuffer(data: TensorData): readonly ArrayBuffer[] {
  return data.buffer instanceof ArrayBuffer ? [data.buffer] : [];
}
