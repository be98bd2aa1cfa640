import { SightlineError } from '../core/errors.ts';
import type { Infer, InferOptions, ModelDescription, TensorContract } from '../core/inference.ts';
import type { Embedder, EmbedInput, Thresholds } from '../core/models.ts';
import { giveTensorBack, tensorMemory } from '../core/tensor-memory.ts';
import type { CropKind } from '../core/types.ts';
import { fixedSize, imageInput } from './detector.ts';
import type { Size } from './fit.ts';
import type { Parameters } from './parameters.ts';
import { type PixelFormat, type PixelTarget, readPixelFormat } from './pixels.ts';
import { failed, floatOutput, inputTensor } from './tensors.ts';

/** What tells one kind of embedder from another: how a crop fills its place in the input. */
export interface EmbedderKind {
  readonly kind: CropKind;
  /** May throw `inference.failed` when the crop lacks what it needs. */
  prepare(input: EmbedInput, target: PixelTarget, format: PixelFormat): void;
}

export interface EmbedderDefaults {
  readonly thresholds: Thresholds;
  readonly cropMargin: number;
}

/** Makes an embedder of crops in, unit vectors out. Throws `model.invalid` when the contract or a parameter does not suit. */
export function createImageEmbedder(
  model: ModelDescription,
  parameters: Parameters,
  makeKind: (side: Size) => EmbedderKind,
  defaults: EmbedderDefaults,
  infer: Infer,
): Embedder {
  const input = imageInput(model, parameters);
  const format = readPixelFormat(parameters, { scale: 1 / 255 }, input);
  const side = requireSize(input, format, model, parameters);
  const kind = makeKind(side);
  const ceiling = model.maxBatchSize > 0 ? model.maxBatchSize : Math.max(1, input.dims[0] ?? 1);
  const [output, second] = model.outputs;
  const dimensions = output?.dims.at(-1) ?? -1;
  if (output === undefined || second !== undefined || dimensions < 2)
    throw parameters.contract('an embedder has exactly one output, a vector of fixed length');
  const count = 3 * side.width * side.height;
  const version = parameters.text('space_version', '1');

  async function embedChunk(chunk: readonly EmbedInput[], options: InferOptions): Promise<readonly Float32Array[]> {
    // A network whose batch is fixed is always given that many; what is too much stays black.
    const rows = model.maxBatchSize > 0 ? chunk.length : ceiling;
    const memory = tensorMemory(rows * count * Float32Array.BYTES_PER_ELEMENT);
    const data = new Float32Array(memory.buffer, memory.byteOffset, rows * count);
    for (const [index, crop] of chunk.entries()) kind.prepare(crop, { data, offset: index * count, ...side }, format);
    const shape = format.layout === 'nchw' ? [rows, 3, side.height, side.width] : [rows, side.height, side.width, 3];
    const tensor = inputTensor(input, shape, data);
    // Where the network wants another type, what is sent is a copy.
    if (tensor.data !== data) giveTensorBack(data);
    const result = await infer(model.name, [tensor], options);
    const { data: values } = floatOutput(model, result, output?.name ?? '', [rows, dimensions]);
    return chunk.map((_, index) => {
      const vector = values.slice(index * dimensions, (index + 1) * dimensions);
      if (!normalise(vector)) throw failed(model, 'a vector is zero or not finite');
      return vector;
    });
  }

  return {
    model: model.name,
    kind: kind.kind,
    space: `${parameters.text('space', model.name)}@${version}`,
    dimensions,
    thresholds: {
      open: parameters.number('threshold_open', { min: -1, max: 1, fallback: defaults.thresholds.open }),
      keep: parameters.number('threshold_keep', { min: -1, max: 1, fallback: defaults.thresholds.keep }),
      margin: parameters.number('threshold_margin', { min: 0, max: 2, fallback: defaults.thresholds.margin }),
    },
    cropMargin: parameters.number('crop_margin', { min: 0, max: 3, fallback: defaults.cropMargin }),
    embed: async (inputs, options) => {
      const vectors: Float32Array[] = [];
      for (let start = 0; start < inputs.length; start += ceiling)
        vectors.push(...(await embedChunk(inputs.slice(start, start + ceiling), options)));
      return vectors;
    },
  };
}

function requireSize(input: TensorContract, format: PixelFormat, model: ModelDescription, parameters: Parameters): Size {
  const size = fixedSize(input, format.layout, model.maxBatchSize);
  if (size === undefined) throw parameters.contract(`input "${input.name}" of an embedder has a fixed width and height`);
  return size;
}

/** Divides by the length; false when there is none. */
export function normalise(vector: Float32Array): boolean {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (!(length > 1e-12) || !Number.isFinite(length)) return false;
  for (let index = 0; index < vector.length; index += 1) vector[index] = (vector[index] as number) / length;
  return true;
}

/** The error for a crop that cannot be prepared. */
export function badCrop(message: string): SightlineError {
  return new SightlineError('inference.failed', message);
}
