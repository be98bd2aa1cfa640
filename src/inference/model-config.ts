import { SightlineError } from '../core/errors.ts';
import type { DataType, TensorContract } from '../core/inference.ts';
import { parseTextFormat, type TextField, type TextValue } from './text-format.ts';

/**
 * The part of Triton's ModelConfig that Sightline reads from a `config.pbtxt`. Field names:
 * https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
 */
export interface ModelConfig {
  readonly name?: string;
  /** 0: `dims` are the whole shape; above 0 a batch axis is added in front of them. */
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorContract[];
  readonly outputs: readonly TensorContract[];
  readonly parameters: Readonly<Record<string, string>>;
  /** `label_filename` of an output: a file beside `config.pbtxt` with a name of a class per line. */
  readonly labelFile?: string;
  /** `model.onnx` unless `default_model_filename` says otherwise. */
  readonly fileName: string;
  /** Versions allowed by `version_policy { specific }`; undefined allows every one. */
  readonly versions?: readonly number[];
}

/** Top-level fields of ModelConfig; a server refuses a file with any other, and so do we. */
const knownFields = [
  'name',
  'platform',
  'backend',
  'runtime',
  'version_policy',
  'max_batch_size',
  'input',
  'output',
  'batch_input',
  'batch_output',
  'optimization',
  'dynamic_batching',
  'sequence_batching',
  'ensemble_scheduling',
  'instance_group',
  'default_model_filename',
  'cc_model_filenames',
  'metric_tags',
  'parameters',
  'model_warmup',
  'model_operations',
  'model_transaction_policy',
  'model_repository_agents',
  'response_cache',
  'model_metrics',
];

/** Fields that make a model something else than one network run per request. */
const unsupportedFields = ['sequence_batching', 'ensemble_scheduling', 'batch_input', 'batch_output'];

const dataTypes: Readonly<Record<string, DataType>> = {
  TYPE_FP32: 'FP32',
  TYPE_FP16: 'FP16',
  TYPE_INT32: 'INT32',
  TYPE_INT64: 'INT64',
  TYPE_UINT8: 'UINT8',
  TYPE_BOOL: 'BOOL',
  TYPE_STRING: 'BYTES',
};

/** Reads the text of a `config.pbtxt`; `file` is for messages. Throws `model.invalid` naming `file:line`. */
export function parseModelConfig(source: string, file: string, engine: 'embedded' | 'triton' = 'embedded'): ModelConfig {
  const fields = parseTextFormat(source, file);
  for (const field of fields) {
    if (!knownFields.includes(field.name))
      throw invalid(file, field.line, `${field.name} is not a field of a model configuration`);
    if (engine === 'embedded' && unsupportedFields.includes(field.name))
      throw invalid(file, field.line, `${field.name} is not supported; allowed is one network run per request`);
  }
  const reader = new Reader(file);
  if (engine === 'embedded') reader.backend(fields);
  const name = reader.text(reader.single(fields, 'name'));
  const batch = reader.single(fields, 'max_batch_size');
  const maxBatchSize = batch === undefined ? 0 : reader.integer(batch.value);
  if (maxBatchSize < 0) throw invalid(file, batch?.line ?? 1, 'max_batch_size is negative; allowed is 0 or more');
  const inputs = reader.tensors(fields, 'input');
  const outputs = reader.tensors(fields, 'output');
  const versions = reader.versions(reader.single(fields, 'version_policy'));
  const labelFile = reader.labelFile(fields);
  return {
    ...(name === undefined ? {} : { name }),
    maxBatchSize,
    inputs,
    outputs,
    parameters: reader.parameters(fields),
    fileName: reader.text(reader.single(fields, 'default_model_filename')) ?? 'model.onnx',
    ...(labelFile === undefined ? {} : { labelFile }),
    ...(versions === undefined ? {} : { versions }),
  };
}

function invalid(file: string, line: number, message: string): SightlineError {
  return new SightlineError('model.invalid', `${file}:${line}: ${message}`, { details: { file, line } });
}

class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  single(fields: readonly TextField[], name: string): TextField | undefined {
    const found = fields.filter((field) => field.name === name);
    const second = found[1];
    if (second !== undefined) throw invalid(this.#file, second.line, `${name} is given twice`);
    return found[0];
  }

  text(field: TextField | undefined): string | undefined {
    if (field === undefined) return undefined;
    if (field.value.kind !== 'string') throw invalid(this.#file, field.line, `${field.name} is a quoted string`);
    return field.value.text;
  }

  integer(value: TextValue): number {
    const number = value.kind === 'word' && /^[-+]?\d+$/.test(value.text) ? Number(value.text) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw invalid(this.#file, value.line, 'a whole number is expected');
    return number;
  }

  message(field: TextField): readonly TextField[] {
    if (field.value.kind !== 'message') throw invalid(this.#file, field.line, `${field.name} is a message in { }`);
    return field.value.fields;
  }

  backend(fields: readonly TextField[]): void {
    for (const [key, allowed] of [
      ['backend', 'onnxruntime'],
      ['platform', 'onnxruntime_onnx'],
    ] as const) {
      const field = this.single(fields, key);
      const text = this.text(field);
      if (field !== undefined && text !== '' && text !== allowed)
        throw invalid(this.#file, field.line, `${key} "${text}" needs a Triton server; the embedded engine runs "${allowed}"`);
    }
    const policy = this.single(fields, 'model_transaction_policy');
    const decoupled = policy === undefined ? undefined : this.single(this.message(policy), 'decoupled');
    if (decoupled?.value.kind === 'word' && /^(true|True|t|1)$/.test(decoupled.value.text))
      throw invalid(this.#file, decoupled.line, 'decoupled models are not supported; allowed is one answer per request');
  }

  tensors(fields: readonly TextField[], kind: 'input' | 'output'): readonly TensorContract[] {
    const found = fields.filter((field) => field.name === kind);
    if (found.length === 0) throw invalid(this.#file, 1, `no ${kind} is described; give its name, data_type and dims`);
    const tensors = found.map((field) => this.#tensor(field));
    const names = new Set<string>();
    for (const [index, tensor] of tensors.entries()) {
      if (names.has(tensor.name)) throw invalid(this.#file, found[index]?.line ?? 1, `${kind} "${tensor.name}" is given twice`);
      names.add(tensor.name);
    }
    return tensors;
  }

  #tensor(field: TextField): TensorContract {
    const parts = this.message(field);
    const name = this.text(this.single(parts, 'name'));
    if (name === undefined || name === '') throw invalid(this.#file, field.line, `${field.name} has no name`);
    const type = this.single(parts, 'data_type');
    const datatype = type?.value.kind === 'word' ? dataTypes[type.value.text] : undefined;
    if (datatype === undefined)
      throw invalid(
        this.#file,
        type?.line ?? field.line,
        `data_type of ${field.name} "${name}" is not one of ${Object.keys(dataTypes).join(', ')}`,
      );
    const reshape = this.single(parts, 'reshape');
    if (reshape !== undefined) throw invalid(this.#file, reshape.line, `reshape of "${name}" is not supported`);
    const dims = parts.filter((part) => part.name === 'dims').map((part) => this.integer(part.value));
    if (dims.length === 0 || dims.some((size) => size < 1 && size !== -1))
      throw invalid(this.#file, field.line, `dims of ${field.name} "${name}" are sizes of 1 or more, or -1 for a free one`);
    return { name, datatype, dims };
  }

  labelFile(fields: readonly TextField[]): string | undefined {
    const given = fields
      .filter((field) => field.name === 'output')
      .flatMap((field) => this.single(this.message(field), 'label_filename') ?? []);
    const [first] = given;
    if (first === undefined) return undefined;
    const name = this.text(first) ?? '';
    if (!/^[^/\\]+$/.test(name) || name === '..')
      throw invalid(this.#file, first.line, `label_filename "${name}" is not the name of a file beside config.pbtxt`);
    const other = given.find((field) => this.text(field) !== name);
    if (other !== undefined)
      throw invalid(this.#file, other.line, `label_filename differs from "${name}" of an earlier output`);
    return name;
  }

  parameters(fields: readonly TextField[]): Readonly<Record<string, string>> {
    const found = new Map<string, string>();
    for (const field of fields.filter((candidate) => candidate.name === 'parameters')) {
      const entry = this.message(field);
      const key = this.text(this.single(entry, 'key'));
      if (key === undefined) throw invalid(this.#file, field.line, 'a parameter has no key');
      if (found.has(key)) throw invalid(this.#file, field.line, `parameter "${key}" is given twice`);
      const value = this.single(entry, 'value');
      const text = value === undefined ? undefined : this.text(this.single(this.message(value), 'string_value'));
      found.set(key, text ?? '');
    }
    return Object.fromEntries(found);
  }

  versions(policy: TextField | undefined): readonly number[] | undefined {
    if (policy === undefined) return undefined;
    const specific = this.single(this.message(policy), 'specific');
    if (specific === undefined) return undefined;
    return this.message(specific)
      .filter((field) => field.name === 'versions')
      .map((field) => this.integer(field.value));
  }
}
