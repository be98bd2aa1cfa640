import type { Infer, InferResult, ModelDescription } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import type { Size } from './fit.ts';
import { type Parameters, readDetectorLimits } from './parameters.ts';
import { floatOutput } from './tensors.ts';
import { addCentred, bestClass, createYolo, outputsText, ownDims, requireProbabilities, yoloLimits } from './yolo-outputs.ts';

/**
 * YOLOX as its own exporter leaves it (arXiv 2107.08430, https://github.com/Megvii-BaseDetection/YOLOX): one output
 * [cells, 5 + C] of all levels, rows before columns: centre in cells from the cell's corner, log of the size in cells, objectness
 * and classes, 0 to 1. Score = objectness · class. Its client pads right and below only and gives blue first, 0 to 255.
 */

const strides = [8, 16, 32] as const;

/** Boxes of at least `minScore`, before suppression; undefined when a value is not finite where it counts. */
export function decodeYolox(values: Float32Array, input: Size, classes: number, minScore: number): Candidates | undefined {
  const found = noCandidates();
  const step = 5 + classes;
  let at = 0;
  for (const stride of strides) {
    const columns = input.width / stride;
    const cells = columns * (input.height / stride);
    for (let cell = 0; cell < cells; cell += 1, at += step) {
      const objectness = values[at + 4] as number;
      if (objectness < minScore) continue;
      const best = bestClass(values, at + 5, 1, classes);
      if (best === undefined) return undefined;
      const score = objectness * best.value;
      if (score < minScore) continue;
      const row = Math.floor(cell / columns);
      const x = ((values[at] as number) + cell - row * columns) * stride;
      const y = ((values[at + 1] as number) + row) * stride;
      const width = Math.exp(values[at + 2] as number) * stride;
      const height = Math.exp(values[at + 3] as number) * stride;
      if (!addCentred(found, x, y, width, height, score, best.label)) return undefined;
    }
  }
  return found;
}

/** Kind `yolox`. One whose exporter was told to decode is of kind `yolov7`, with this kind's pixels. */
export function createYolox(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const limits = readDetectorLimits(parameters, yoloLimits);
  const classes = limits.labels.length;
  const [output, second] = model.outputs;
  const values = output === undefined ? undefined : ownDims(model, output)[1];
  if (output === undefined || second !== undefined || ownDims(model, output).length !== 2 || values !== 5 + classes)
    throw parameters.contract(
      `of ${classes} labels kind yolox has one output [cells, ${5 + classes}] (5 + ${classes}); described are ${outputsText(model)}`,
    );

  function decode(result: InferResult, input: Size, minScore: number): Candidates | undefined {
    const cells = strides.reduce((sum, stride) => sum + (input.width / stride) * (input.height / stride), 0);
    const { data } = floatOutput(model, result, output?.name ?? '', [1, cells, 5 + classes]);
    return requireProbabilities(model, decodeYolox(data, input, classes, minScore));
  }

  const pixels = { scale: 1, colour: 'bgr', fit: 'letterbox_top_left', width: 640 } as const;
  return createYolo(model, parameters, infer, { limits, decode, pixels });
}
