import { SightlineError } from '../core/errors.ts';
import type { Infer, ModelDescription } from '../core/inference.ts';
import { centerFaceLimits, centerFacePixels } from './centerface.ts';
import { fixedSize, freeSize, imageInput, readFit } from './detector.ts';
import type { FitMode, Size } from './fit.ts';
import { createDetector } from './kinds.ts';
import { Parameters, readDetectorLimits } from './parameters.ts';
import { type PixelFormat, readPixelFormat } from './pixels.ts';
import { end2endScore, fixedNames } from './yolo-end2end.ts';
import { outputsText, ownDims, yoloLimits, yoloPixels } from './yolo-outputs.ts';

/**
 * A detector as DeepStream's nvinferserver runs it, which makes its tensors and reads its outputs itself: what it has to be told for
 * the same boxes as `createDetector` gives.
 */
export interface DetectorPlan {
  readonly model: string;
  readonly kind: PlannedKind;
  readonly labels: readonly string[];
  /** The model's own cut. */
  readonly minScore: number;
  /** Absent where the network suppresses inside. */
  readonly suppression?: { readonly iou: number; readonly limit: number };
  /** 0: one picture at a time. */
  readonly maxBatchSize: number;
  readonly input: {
    readonly name: string;
    /** Of one picture, every size known: nvinferserver puts the batch in front, also where `max_batch_size` is 0. */
    readonly dims: readonly number[];
  };
  /** Those that the parser reads. */
  readonly outputs: readonly string[];
  readonly fit: FitMode;
  readonly colour: PixelFormat['colour'];
  readonly layout: PixelFormat['layout'];
  /** Tensor value = scale · (pixel − offset of its channel), offsets in the tensor's order of channels. */
  readonly scale: number;
  readonly offsets: readonly [number, number, number];
}

/** Kinds that `deepstream/parsers/` reads. */
const plannedKinds = ['centerface', 'yolo_end2end', 'yolov7', 'yolov8'] as const;
export type PlannedKind = (typeof plannedKinds)[number];

/** Frames are all of size `frame`; `width` overrides the model's own where its input may have any size. Throws `model.invalid` with what DeepStream cannot do. */
export function planDetector(model: ModelDescription, frame: Size, width?: number): DetectorPlan {
  // Refuses what is wrong wherever the model runs.
  createDetector(model, notToBeRun);
  const parameters = new Parameters(model);
  const kind = plannedKinds.find((known) => known === model.parameters['kind']);
  if (kind === undefined)
    throw unable(model, `kind ${model.parameters['kind']} has no parser there; allowed is ${plannedKinds.join(', ')}`);
  const defaults = kind === 'centerface' ? centerFacePixels : yoloPixels;
  const input = imageInput(model, parameters);
  const { gain, bias, colour, layout } = readPixelFormat(parameters, defaults, input);
  const { mode, ownWidth } = readFit(parameters, defaults);
  const [scale] = gain;
  if (gain.some((other) => Math.abs(other - scale) > 1e-6 * scale))
    throw unable(model, 'std differs between channels; allowed is one for all, or std inside the network');
  const offsets = bias.map((value) => (value === 0 ? 0 : -value / scale));
  const [first = 0, second = 0, third = 0] = colour === 'rgb' ? offsets : offsets.toReversed();
  const size =
    fixedSize(input, layout, model.maxBatchSize) ??
    freeSize(frame, width ?? ownWidth, kind === 'yolov7' && model.outputs.length === 4 ? 64 : 32);
  return {
    model: model.name,
    kind,
    ...cutOf(kind, parameters),
    maxBatchSize: model.maxBatchSize,
    input: { name: input.name, dims: layout === 'nchw' ? [3, size.height, size.width] : [size.height, size.width, 3] },
    outputs: outputsOf(kind, model),
    fit: mode,
    colour,
    layout,
    scale,
    offsets: [first, second, third],
  };
}

function cutOf(kind: PlannedKind, parameters: Parameters): Pick<DetectorPlan, 'labels' | 'minScore' | 'suppression'> {
  if (kind === 'yolo_end2end')
    return {
      labels: parameters.labels(),
      minScore: parameters.number('score_threshold', { min: 0, max: 1, fallback: end2endScore }),
    };
  const limits = readDetectorLimits(parameters, kind === 'centerface' ? centerFaceLimits : yoloLimits);
  return { labels: limits.labels, minScore: limits.score, suppression: { iou: limits.nms, limit: limits.count } };
}

function outputsOf(kind: PlannedKind, model: ModelDescription): readonly string[] {
  const names = model.outputs.map(({ name }) => name);
  if (kind === 'centerface') {
    // nvinferserver tells a parser neither order nor number of an output.
    const [, size = '', offset = ''] = names;
    if (size >= offset)
      throw unable(
        model,
        `of the two outputs of 2 channels the size is known by its name, which sorts first; "${size}" (size) does not sort before "${offset}" (offset)`,
      );
    return names;
  }
  const tables = model.outputs.filter((output) => ownDims(model, output).length === 2);
  if (kind === 'yolo_end2end') {
    if (fixedNames.every((name) => names.includes(name))) return fixedNames;
    if (tables.length === 1 && tables[0]?.dims.at(-1) === 6) return [tables[0].name];
    // A list of the boxes of all pictures: nvinferserver hands a parser one picture's, so there may be but one.
    const [list, second] = model.outputs;
    if (list?.dims.length === 2 && list.dims[1] === 7 && second === undefined && model.maxBatchSize === 0) return [list.name];
    throw unable(
      model,
      `outputs are ${fixedNames.join(', ')}, or one of [boxes, 6] per picture, or one of [-1, 7] with max_batch_size 0; described are ${outputsText(model)}`,
    );
  }
  const [table] = tables;
  if (table === undefined)
    throw unable(model, `the graph has to end in one output of boxes; described are ${outputsText(model)}`);
  return [table.name];
}

function unable(model: ModelDescription, why: string): SightlineError {
  return new SightlineError('model.invalid', `${model.name}/config.pbtxt: not for runtime: deepstream: ${why}`, {
    details: { model: model.name },
  });
}

const notToBeRun: Infer = () => Promise.reject(new TypeError('a detector that was made for its facts was run'));
