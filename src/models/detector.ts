import { SightlineError } from '../core/errors.ts';
import type { Infer, InferResult, ModelDescription, TensorContract } from '../core/inference.ts';
import type { Detector, RgbImage } from '../core/models.ts';
import { type Candidates, toObjects } from './candidates.ts';
import { type FitMode, fitModes, planFit, roundUp, type Size } from './fit.ts';
import type { SuppressOptions } from './nms.ts';
import type { Parameters } from './parameters.ts';
import { fillPixels, type PixelDefaults, readPixelFormat, writePixels } from './pixels.ts';
import { failed, inputTensor, inputTypes } from './tensors.ts';

/** What tells one kind of detector from another; everything else is common. */
export interface DetectorKind {
  readonly labels: readonly string[];
  readonly landmarks: boolean;
  readonly minScore: number;
  /** Absent when the network suppresses inside. */
  readonly suppression?: Omit<SuppressOptions, 'classes'>;
  /** Free input sizes are multiples of this. */
  readonly multiple: number;
  /** Candidates in input pixels; undefined when the network's values are not finite. May throw `inference.failed`. */
  decode(result: InferResult, input: Size, minScore: number): Candidates | undefined;
}

export interface DetectorDefaults extends PixelDefaults {
  readonly fit: FitMode;
  readonly width: number;
}

/** Inputs are not made higher than this, so that a picture of one column does not become one of a thousand million pixels. */
const tallestInput = 8192;

/** Spares of a size that none of so many frames had are given up: cameras change. */
const unusedTakes = 1000;

/** Makes a detector of one image in, boxes out. Throws `model.invalid` when the contract or a parameter does not suit. */
export function createImageDetector(
  model: ModelDescription,
  parameters: Parameters,
  kind: DetectorKind,
  defaults: DetectorDefaults,
  infer: Infer,
): Detector {
  const input = imageInput(model, parameters);
  const format = readPixelFormat(parameters, defaults, input);
  const { mode, padLevel, ownWidth } = readFit(parameters, defaults);
  const fixed = fixedSize(input, format.layout, model.maxBatchSize);

  /** Size of the tensor for a frame: the network's own, or the wanted width and the frame's shape. */
  function inputSize(source: Size, wanted = ownWidth): Size {
    return fixed ?? freeSize(source, wanted, kind.multiple);
  }

  /** The same from a frame that already has its content size. */
  function inputSizeOf(image: RgbImage, source: Size): Size {
    const width = roundUp(image.width, kind.multiple);
    const size = mode === 'stretch' ? { width: image.width, height: image.height } : inputSize(source, width);
    return fixed ?? size;
  }

  const spare = createSpares();
  return {
    model: model.name,
    labels: kind.labels,
    landmarks: kind.landmarks,
    contentSize: (source, width) => planFit(mode, source, inputSize(source, width)).content,
    detect: async (image, source, options) => {
      const size = inputSizeOf(image, source);
      const fit = planFit(mode, source, size);
      const loose = fixed === undefined && (size.width % kind.multiple !== 0 || size.height % kind.multiple !== 0);
      if (loose || fit.content.width !== image.width || fit.content.height !== image.height)
        throw new SightlineError(
          'inference.failed',
          `${model.name} was given ${image.width}x${image.height}, not contentSize of ${source.width}x${source.height}`,
          { details: { model: model.name } },
        );
      const data = spare.take(3 * size.width * size.height);
      const target = { data, offset: 0, ...size };
      if (size.width !== image.width || size.height !== image.height) fillPixels(target, format, padLevel);
      writePixels(image, target, format, fit.left, fit.top);
      const shape = format.layout === 'nchw' ? [1, 3, size.height, size.width] : [1, size.height, size.width, 3];
      const tensor = inputTensor(input, shape, data);
      const own = tensor.data === data;
      // Where the network wants another type, what is sent is a copy.
      if (!own) spare.put(data);
      const result = await infer(model.name, [tensor], own ? { ...options, released: () => spare.put(data) } : options);
      const found = kind.decode(result, size, options.minScore ?? kind.minScore);
      if (found === undefined) throw failed(model, 'an output holds a value that is not finite');
      const suppression = kind.suppression && { ...kind.suppression, classes: found.classes };
      return toObjects(found, kind.labels, fit, source, suppression);
    },
  };
}

/** Size of an input that may have any: the wanted width and the frame's shape, up to the next multiples. */
export function freeSize(source: Size, wanted: number, multiple: number): Size {
  const width = Math.max(1, Math.min(wanted, Math.floor((tallestInput * source.width) / source.height)));
  const height = Math.min(tallestInput, Math.round((source.height * width) / source.width));
  return { width: roundUp(width, multiple), height: roundUp(height, multiple) };
}

/** What every model of one picture says of its width and of what is around the picture. */
export function readFit(parameters: Parameters, defaults: DetectorDefaults) {
  return {
    mode: parameters.choice('fit', fitModes, defaults.fit),
    padLevel: parameters.number('pad_value', { min: 0, max: 255, fallback: 114 }),
    ownWidth: parameters.number('width', { min: 32, max: 4096, whole: true, fallback: defaults.width }),
  };
}

interface Spares {
  /** Values of an earlier run, or zeros. */
  take(length: number): Float32Array;
  put(data: Float32Array): void;
}

/**
 * Inputs of earlier runs kept to be filled again: a fresh one of some megabytes costs more than filling it. They are in shared memory,
 * so that no collector of garbage counts what goes back and forth; for the same reason none may be left to it as a matter of course.
 * There are as many of a size as were ever under way at once.
 */
function createSpares(): Spares {
  /** By length, with the take that was the last of it. */
  const sizes = new Map<number, { readonly kept: Float32Array[]; take: number }>();
  let takes = 0;
  return {
    take: (length) => {
      takes += 1;
      const size = sizes.get(length) ?? { kept: [], take: takes };
      size.take = takes;
      sizes.set(length, size);
      for (const [other, { take }] of sizes) if (takes - take >= unusedTakes) sizes.delete(other);
      return size.kept.pop() ?? new Float32Array(new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * length));
    },
    // One of a size that was given up meanwhile goes with it.
    put: (data) => sizes.get(data.length)?.kept.push(data),
  };
}

/** The only input, one that takes pictures. */
export function imageInput(model: ModelDescription, parameters: Parameters): TensorContract {
  const [input, second] = model.inputs;
  const axes = model.maxBatchSize > 0 ? 3 : 4;
  if (input === undefined || second !== undefined)
    throw parameters.contract(`this kind has exactly one input; ${model.inputs.length} are described`);
  if (!inputTypes.some((type) => type === input.datatype))
    throw parameters.contract(`input "${input.name}" is ${input.datatype}; allowed is ${inputTypes.join(', ')}`);
  if (input.dims.length !== axes)
    throw parameters.contract(`input "${input.name}" has ${input.dims.length} dims; a picture has ${axes} here`);
  return input;
}

/** Width and height of the input when the contract fixes them; throws nothing, -1 is free. */
export function fixedSize(input: TensorContract, layout: 'nchw' | 'nhwc', maxBatchSize: number): Size | undefined {
  const dims = maxBatchSize > 0 ? input.dims : input.dims.slice(1);
  const [height, width] = layout === 'nchw' ? [dims[1], dims[2]] : [dims[0], dims[1]];
  if (width === undefined || height === undefined || width < 1 || height < 1) return undefined;
  return { width, height };
}
