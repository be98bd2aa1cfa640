import type { DataType, ModelDescription, TensorContract } from '../core/inference.ts';
import { fullShape, shapeText } from './tensor.ts';

/** What a loaded network says of its tensors; -1 is an axis of free size. */
export interface SessionContract {
  readonly inputs: readonly SessionTensor[];
  readonly outputs: readonly SessionTensor[];
}

export interface SessionTensor {
  readonly name: string;
  /** The runtime's own word for a type that has no KServe name here. */
  readonly datatype: DataType | string;
  readonly shape: readonly number[];
}

/**
 * Every difference between a `config.pbtxt` and its network, in words; empty when they agree. The rules are those of Triton's
 * onnxruntime backend: names and types equal, output shapes equal, input shapes at most narrower than the network's, and a free
 * first axis everywhere when the model batches. What loads here therefore loads there.
 */
export function contractDifferences(model: ModelDescription, session: SessionContract): readonly string[] {
  return [
    ...sideDifferences('input', model.inputs, session.inputs, model.maxBatchSize),
    ...sideDifferences('output', model.outputs, session.outputs, model.maxBatchSize),
  ];
}

function sideDifferences(
  side: 'input' | 'output',
  described: readonly TensorContract[],
  actual: readonly SessionTensor[],
  maxBatchSize: number,
): readonly string[] {
  const differences: string[] = [];
  for (const contract of described) {
    const tensor = actual.find(({ name }) => name === contract.name);
    if (tensor === undefined) {
      differences.push(`the network has no ${side} "${contract.name}"; it has ${actual.map(({ name }) => name).join(', ')}`);
      continue;
    }
    if (tensor.datatype !== contract.datatype)
      differences.push(`${side} "${contract.name}" is ${tensor.datatype} in the network, ${contract.datatype} in config.pbtxt`);
    const shape = fullShape(contract, maxBatchSize);
    const agrees =
      shape.length === tensor.shape.length &&
      shape.every((size, axis) => size === tensor.shape[axis] || (side === 'input' && tensor.shape[axis] === -1));
    if (!agrees)
      differences.push(
        `${side} "${contract.name}" has shape ${shapeText(tensor.shape)} in the network, ${shapeText(shape)} in config.pbtxt`,
      );
  }
  if (side === 'input') {
    for (const { name } of actual) {
      if (!described.some((contract) => contract.name === name))
        differences.push(`input "${name}" of the network is not in config.pbtxt`);
    }
  }
  return differences;
}
