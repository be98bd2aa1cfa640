import type { DataType, ModelDescription, TensorContract } from '../core/inference.ts';
import type { ModelConfig, ModelMetadataResponse, DataType as WireDataType } from '../gen/inference/grpc_service.ts';
import { DataType as WireTypes } from '../gen/inference/grpc_service.ts';
import { fullShape, shapeText } from './tensor.ts';

/** What a server serves held against what a model's description needs. Pure. */

export interface ServedContract {
  /** In words, each naming tensor and values: requests would fail or mean something else. */
  readonly differences: readonly string[];
  /** In words: it works, but not as described or not well. */
  readonly warnings: readonly string[];
  /** Rows that one request may have; 0 where the model has no batch axis. */
  readonly maxBatchSize: number;
  /** Runs that the server does at once. */
  readonly instances: number;
}

export function servedContract(model: ModelDescription, metadata: ModelMetadataResponse, config: ModelConfig): ServedContract {
  const differences: string[] = [];
  const warnings: string[] = [];
  if (model.version !== '' && !metadata.versions.includes(model.version))
    differences.push(`version ${model.version} is not served; served are ${listed(metadata.versions)}`);
  if (model.maxBatchSize > 0 !== config.maxBatchSize > 0)
    differences.push(
      `max_batch_size is ${config.maxBatchSize} on the server, ${model.maxBatchSize} in config.pbtxt: one has a batch axis`,
    );
  else if (config.maxBatchSize < model.maxBatchSize)
    warnings.push(
      `max_batch_size is ${config.maxBatchSize} on the server, ${model.maxBatchSize} in config.pbtxt: batches are cut to it`,
    );
  if (config.modelTransactionPolicy?.decoupled === true)
    differences.push('the server’s model is decoupled: it gives any number of answers to a request');
  if (config.schedulingChoice?.$case === 'sequenceBatching') differences.push('the server’s model wants sequences of requests');
  differences.push(...sideDifferences('input', model, metadata), ...sideDifferences('output', model, metadata));
  const optional = new Set(config.input.filter((input) => input.optional).map(({ name }) => name));
  const unknown = metadata.inputs
    .map(({ name }) => name)
    .filter((name) => !optional.has(name) && !model.inputs.some((input) => input.name === name));
  if (unknown.length > 0)
    differences.push(
      `the server wants an input ${listed(unknown.map((name) => `"${short(name)}"`))}, which is not in config.pbtxt`,
    );
  if (config.schedulingChoice?.$case === 'dynamicBatching') {
    const policy = config.schedulingChoice.value.defaultQueuePolicy;
    if (
      policy !== undefined &&
      (policy.maxQueueSize > 0 || policy.defaultTimeoutMicroseconds > 0n || policy.allowTimeoutOverride)
    )
      warnings.push('its queue policy lets requests wait up to 500 ms for nothing; Sightline sheds load itself');
  }
  const instances = config.instanceGroup.reduce(
    (sum, { count, gpus }) => sum + Math.max(1, count) * Math.max(1, gpus.length),
    0,
  );
  return {
    differences,
    warnings,
    maxBatchSize: Math.min(model.maxBatchSize, config.maxBatchSize),
    instances: Math.max(1, instances),
  };
}

const mostNames = 8;
const longestName = 100;

/** Of what a server says of itself, as much as a message can bear. */
function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = names.slice(0, mostNames).map(short);
  return `${shown.join(', ')}${names.length > mostNames ? ` and ${names.length - mostNames} more` : ''}`;
}

function short(text: string): string {
  return text.length > longestName ? `${text.slice(0, longestName)}…` : text;
}

function sideDifferences(
  side: 'input' | 'output',
  model: ModelDescription,
  metadata: ModelMetadataResponse,
): readonly string[] {
  const served = side === 'input' ? metadata.inputs : metadata.outputs;
  return model[side === 'input' ? 'inputs' : 'outputs'].flatMap((contract) => {
    const label = `${side} "${contract.name}"`;
    const tensor = served.find(({ name }) => name === contract.name);
    if (tensor === undefined) return [`the server has no ${label}; it has ${listed(served.map(({ name }) => name))}`];
    const found: string[] = [];
    if (tensor.datatype !== contract.datatype)
      found.push(`${label} is ${short(tensor.datatype)} on the server, ${contract.datatype} in config.pbtxt`);
    const wanted = fullShape(contract, model.maxBatchSize);
    const shape = tensor.shape.map(Number);
    // What we send must be taken: the server may be wider. What it answers must be expected: it may be narrower.
    const agrees =
      wanted.length === shape.length &&
      wanted.every((size, axis) => size === shape[axis] || (side === 'input' ? shape[axis] : size) === -1);
    if (!agrees)
      found.push(`${label} has shape ${short(shapeText(shape))} on the server, ${shapeText(wanted)} in config.pbtxt`);
    return found;
  });
}

const dataTypes: Readonly<Partial<Record<WireDataType, DataType>>> = {
  [WireTypes.TYPE_BOOL]: 'BOOL',
  [WireTypes.TYPE_UINT8]: 'UINT8',
  [WireTypes.TYPE_INT32]: 'INT32',
  [WireTypes.TYPE_INT64]: 'INT64',
  [WireTypes.TYPE_FP16]: 'FP16',
  [WireTypes.TYPE_FP32]: 'FP32',
  [WireTypes.TYPE_STRING]: 'BYTES',
};

/** A model that only the server has, described by what it says; undefined when it has tensors of a type that is not read. */
export function describeServed(metadata: ModelMetadataResponse, config: ModelConfig): ModelDescription | undefined {
  const tensors = (list: readonly { name: string; dataType: WireDataType; dims: readonly bigint[] }[]) =>
    list.flatMap(({ name, dataType, dims }): readonly TensorContract[] => {
      const datatype = dataTypes[dataType];
      return datatype === undefined ? [] : [{ name, datatype, dims: dims.map(Number) }];
    });
  const [inputs, outputs] = [tensors(config.input), tensors(config.output)];
  if (inputs.length < config.input.length || outputs.length < config.output.length) return undefined;
  return {
    name: config.name,
    version: [...metadata.versions].sort((a, b) => Number(b) - Number(a))[0] ?? '1',
    maxBatchSize: config.maxBatchSize,
    inputs,
    outputs,
    parameters: Object.fromEntries(Object.entries(config.parameters).map(([key, { stringValue }]) => [key, stringValue])),
  };
}

/** Every way in which an answer is not what the model's description says; empty when it is. */
export function answerProblems(
  model: ModelDescription,
  rows: number,
  outputs: ReadonlyMap<string, { readonly datatype: DataType; readonly shape: readonly number[] }>,
): readonly string[] {
  return model.outputs.flatMap((contract) => {
    const output = outputs.get(contract.name);
    if (output === undefined) return [`output "${contract.name}" is missing`];
    if (output.datatype !== contract.datatype)
      return [`output "${contract.name}" is ${output.datatype}, not ${contract.datatype}`];
    const wanted = model.maxBatchSize > 0 ? [rows, ...contract.dims] : contract.dims;
    const fits =
      wanted.length === output.shape.length && wanted.every((size, axis) => size === -1 || size === output.shape[axis]);
    return fits ? [] : [`output "${contract.name}" has shape ${shapeText(output.shape)}, not ${shapeText(wanted)}`];
  });
}
