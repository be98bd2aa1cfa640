import type { ModelDescription, TensorContract } from '../core/inference.ts';
import type { HardwareClass } from '../core/triton-tools.ts';
import { parseTextFormat } from './text-format.ts';

/**
 * What a class of hardware adds to a model's `config.pbtxt`. Pure. What the file says itself stays as it is, comments too. Fields:
 * https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md
 */

export interface HardwarePlan {
  readonly hardware: HardwareClass;
  readonly instances: number;
  /** Folder on the server. */
  readonly engineCache: string;
}

/** Kinds whose vectors are compared with stored ones, which lower precision would move. */
const embedderKind = /_embedder$|^clip_/;

/** The file's text with what it lacks; `file` is for messages. Throws `model.invalid` for a file that cannot be read. */
export function planConfig(model: ModelDescription, source: string, file: string, plan: HardwarePlan): string {
  const present = new Set(parseTextFormat(source, file).map(({ name }) => name));
  const parts: string[] = [];
  const add = (field: string, text: string | undefined) => {
    if (text !== undefined && !present.has(field)) parts.push(text);
  };
  // What Sightline asks for by number stays served, whatever is put beside it.
  add('version_policy', `version_policy { specific { versions: [ ${model.version} ] } }`);
  add('instance_group', instanceGroup(plan.hardware, plan.instances));
  if (!present.has('sequence_batching')) add('dynamic_batching', model.maxBatchSize > 1 ? 'dynamic_batching { }' : undefined);
  // Threads that wait by spinning starve those of the other models.
  const spinning = 'session.intra_op.allow_spinning';
  if (plan.hardware === 'cpu' && model.parameters[spinning] === undefined)
    parts.push(`parameters [ { key: "${spinning}" value: { string_value: "0" } } ]`);
  if (plan.hardware === 'gpu-tensorrt') add('optimization', tensorRt(model, plan.engineCache));
  add('model_warmup', warmUp(model, plan.hardware));
  return `${source.trimEnd()}\n\n# sightline triton render --hardware ${plan.hardware}\n${parts.join('\n')}\n`;
}

export function instanceGroup(hardware: HardwareClass, count: number): string {
  return `instance_group [ { count: ${count} kind: ${hardware === 'cpu' ? 'KIND_CPU' : 'KIND_GPU'} } ]`;
}

/**
 * Shape of one row as cameras send it: free height and width are those of a picture of 16 to 9, as wide as the parameter `width` says,
 * in multiples of 32. Undefined where it cannot be told.
 */
function usualDims(model: ModelDescription, tensor: TensorContract): readonly number[] | undefined {
  const free = tensor.dims.filter((size) => size === -1).length;
  if (free === 0) return tensor.dims;
  const width = Number(model.parameters['width'] ?? '640');
  if (free !== 2 || !Number.isInteger(width) || width < 32) return undefined;
  const sides = [Math.ceil((width * 9) / 16 / 32) * 32, Math.ceil(width / 32) * 32];
  return tensor.dims.map((size) => (size === -1 ? (sides.shift() ?? 32) : size));
}

const warmTypes: Readonly<Record<TensorContract['datatype'], string | undefined>> = {
  FP32: 'TYPE_FP32',
  FP16: 'TYPE_FP16',
  INT32: 'TYPE_INT32',
  INT64: 'TYPE_INT64',
  UINT8: 'TYPE_UINT8',
  BOOL: 'TYPE_BOOL',
  BYTES: undefined,
};

/** The first run of a shape allocates, and on a GPU chooses its kernels; it must not be a camera's. */
function warmUp(model: ModelDescription, hardware: HardwareClass): string | undefined {
  const inputs: string[] = [];
  for (const input of model.inputs) {
    const dims = usualDims(model, input);
    const type = warmTypes[input.datatype];
    if (dims === undefined || type === undefined) return undefined;
    inputs.push(
      `    inputs { key: ${quoted(input.name)} value: { data_type: ${type} dims: [ ${dims.join(', ')} ] zero_data: true } }`,
    );
  }
  // On a CPU the largest batch would only make the memory arena as large as it can be.
  const batches = hardware === 'cpu' || model.maxBatchSize < 2 ? [1] : [1, model.maxBatchSize];
  const samples = batches.map(
    (batch) => `  {\n    name: "batch of ${batch}"\n    batch_size: ${batch}\n${inputs.join('\n')}\n  }`,
  );
  return `model_warmup [\n${samples.join(',\n')}\n]`;
}

/** Sides of a picture that an engine is built for where the network leaves them free. */
const smallestSide = 32;
const largestSide = 1920;

/**
 * https://github.com/triton-inference-server/onnxruntime_backend#onnx-runtime-with-tensorrt-optimization. Without the profiles an engine
 * would be built anew for every size of batch.
 */
function tensorRt(model: ModelDescription, engineCache: string): string {
  const embeds = embedderKind.test(model.parameters['kind'] ?? '');
  const parameters: [string, string][] = [
    ['precision_mode', embeds ? 'FP32' : 'FP16'],
    ['max_workspace_size_bytes', '1073741824'],
    ['trt_engine_cache_enable', '1'],
    ['trt_engine_cache_path', engineCache],
    ...profiles(model),
  ];
  const lines = parameters.map(([key, value]) => `      parameters { key: ${quoted(key)} value: ${quoted(value)} }`);
  return `optimization {\n  execution_accelerators {\n    gpu_execution_accelerator [ {\n      name: "tensorrt"\n${lines.join('\n')}\n    } ]\n  }\n}`;
}

function profiles(model: ModelDescription): [string, string][] {
  const isFree = model.maxBatchSize > 0 || model.inputs.some(({ dims }) => dims.includes(-1));
  const usual = model.inputs.map((input) => usualDims(model, input));
  if (!isFree || usual.includes(undefined)) return [];
  const shapes = (batch: number, side: number | undefined) =>
    model.inputs
      .map(({ name, dims }, index) => {
        const sizes = side === undefined ? (usual[index] ?? dims) : dims.map((size) => (size === -1 ? side : size));
        return `${name}:${(model.maxBatchSize > 0 ? [batch, ...sizes] : sizes).join('x')}`;
      })
      .join(',');
  return [
    ['trt_profile_min_shapes', shapes(1, smallestSide)],
    ['trt_profile_opt_shapes', shapes(Math.max(1, model.maxBatchSize), undefined)],
    ['trt_profile_max_shapes', shapes(Math.max(1, model.maxBatchSize), largestSide)],
  ];
}

/** A string of the text format. */
export function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
