import { SightlineError } from '../core/errors.ts';
import type { InferResult, ModelDescription, Tensor, TensorContract } from '../core/inference.ts';
import { tensorMemory } from '../core/tensor-memory.ts';
import { fromHalves, toHalves } from './half.ts';

/** From values to tensors in the data type a model asks for, and back; outputs that cannot be are `inference.failed`. */

export function inputTensor(contract: TensorContract, shape: readonly number[], values: Float32Array): Tensor {
  const { name, datatype } = contract;
  if (datatype === 'FP16') return { name, datatype, shape, data: toHalves(values) };
  if (datatype === 'UINT8') {
    const data = tensorMemory(values.length);
    new Uint8ClampedArray(data.buffer, data.byteOffset, data.length).set(values);
    return { name, datatype, shape, data };
  }
  return { name, datatype: 'FP32', shape, data: values };
}

export const inputTypes = ['FP32', 'FP16', 'UINT8'] as const;

/** An output of floats with the number of values that `shape` has; a negative size there is free. */
export function floatOutput(
  model: ModelDescription,
  result: InferResult,
  name: string,
  shape: readonly number[],
): { readonly data: Float32Array; readonly shape: readonly number[] } {
  const tensor = output(model, result, name, shape);
  if (tensor.data instanceof Float32Array) return { data: tensor.data, shape: tensor.shape };
  if (tensor.datatype === 'FP16' && tensor.data instanceof Uint16Array)
    return { data: fromHalves(tensor.data), shape: tensor.shape };
  throw failed(model, `output "${name}" is ${tensor.datatype}, not FP32 or FP16`);
}

/** An output of whole numbers. */
export function wholeOutput(
  model: ModelDescription,
  result: InferResult,
  name: string,
  shape: readonly number[],
): ArrayLike<number> {
  const tensor = output(model, result, name, shape);
  if (tensor.data instanceof BigInt64Array) return Array.from(tensor.data, Number);
  return tensor.data;
}

/** The error for a result that cannot be read: a shape that is not the contract's, or a value that is not finite. */
export function failed(model: Pick<ModelDescription, 'name'>, message: string): SightlineError {
  return new SightlineError('inference.failed', `${model.name}: ${message}`, { details: { model: model.name } });
}

function output(model: ModelDescription, result: InferResult, name: string, shape: readonly number[]): Tensor {
  const tensor = result.outputs.get(name);
  if (tensor === undefined) throw failed(model, `the answer has no output "${name}"`);
  const fits = shape.length === tensor.shape.length && shape.every((size, axis) => size < 0 || size === tensor.shape[axis]);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (!fits || tensor.data.length !== count)
    throw failed(model, `output "${name}" has shape [${tensor.shape}], not [${shape.map((size) => (size < 0 ? '?' : size))}]`);
  return tensor;
}
