import type { Infer, ModelDescription } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import { type Parameters, readDetectorLimits } from './parameters.ts';
import { floatOutput } from './tensors.ts';
import {
  addCentred,
  bestClass,
  createYolo,
  type Decode,
  outputsText,
  ownDims,
  readLevel,
  requireProbabilities,
  sigmoid,
  yoloLimits,
  yoloPixels,
} from './yolo-outputs.ts';

/**
 * YOLO heads with anchors and objectness (YOLOv7, arXiv 2207.02696; YOLOv5 likewise): score = objectness · class, and objectness
 * alone where there is one class only, because training then never taught the class.
 *
 * Grid form: one output [boxes, 5 + C] of centre and size in input pixels, objectness and classes, 0 to 1.
 *
 * Head form: per level [anchors, rows, columns, 5 + C], or [anchors · (5 + C), rows, columns] as the convolution gives it, of
 * values before the logistic function.
 */

/** `rows` is [boxes, 5 + classes]. Boxes of at least `minScore`, before suppression; undefined when a value is not finite. */
export function decodeGridRows(rows: Float32Array, classes: number, minScore: number): Candidates | undefined {
  const found = noCandidates();
  const step = 5 + classes;
  for (let at = 0; at + step <= rows.length; at += step) {
    const objectness = rows[at + 4] as number;
    if (objectness < minScore) continue;
    const best = bestClass(rows, at + 5, 1, classes);
    if (best === undefined) return undefined;
    const score = classes === 1 ? objectness : objectness * best.value;
    if (score < minScore) continue;
    const [x, y, width, height] = [rows[at] as number, rows[at + 1] as number, rows[at + 2] as number, rows[at + 3] as number];
    if (!addCentred(found, x, y, width, height, score, best.label)) return undefined;
  }
  return found;
}

/** One level of the head form. */
export interface AnchorLevel {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  /** Width and height of each anchor in input pixels. */
  readonly anchors: readonly (readonly [number, number])[];
  /** `cell_major`: [anchors, rows, columns, values]; `value_major`: [anchors, values, rows, columns]. */
  readonly order: 'cell_major' | 'value_major';
}

/** Boxes of at least `minScore` of all levels, before suppression; undefined when a value is not finite where it counts. */
export function decodeAnchorLevels(levels: readonly AnchorLevel[], classes: number, minScore: number): Candidates | undefined {
  const found = noCandidates();
  for (const level of levels) if (!addLevel(found, level, classes, minScore)) return undefined;
  return found;
}

function addLevel(found: Candidates, level: AnchorLevel, classes: number, minScore: number): boolean {
  const { data, rows, columns, stride, anchors, order } = level;
  const cells = rows * columns;
  const values = 5 + classes;
  const [cellStep, valueStep] = order === 'cell_major' ? [values, 1] : [1, cells];
  for (const [anchor, [anchorWidth, anchorHeight]] of anchors.entries()) {
    for (let cell = 0; cell < cells; cell += 1) {
      const at = anchor * values * cells + cell * cellStep;
      const value = (index: number) => data[at + index * valueStep] as number;
      const objectness = sigmoid(value(4));
      if (objectness < minScore) continue;
      const best = bestClass(data, at + 5 * valueStep, valueStep, classes);
      if (best === undefined) return false;
      const score = classes === 1 ? objectness : objectness * sigmoid(best.value);
      if (score < minScore) continue;
      const row = Math.floor(cell / columns);
      const column = cell - row * columns;
      const x = (2 * sigmoid(value(0)) - 0.5 + column) * stride;
      const y = (2 * sigmoid(value(1)) - 0.5 + row) * stride;
      const width = (2 * sigmoid(value(2))) ** 2 * anchorWidth;
      const height = (2 * sigmoid(value(3))) ** 2 * anchorHeight;
      if (!addCentred(found, x, y, width, height, score, best.label)) return false;
    }
  }
  return true;
}

/** Anchors by number of levels, three each from the finest level on: yolov7 and yolov7x; w6, e6, d6 and e6e. */
const knownAnchors: ReadonlyMap<number, readonly number[]> = new Map([
  [3, [12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401]],
  [4, [19, 27, 44, 40, 38, 94, 96, 68, 86, 152, 180, 137, 140, 301, 303, 264, 238, 542, 436, 615, 739, 380, 925, 792]],
]);

/** Kind `yolov7`. Which form it is follows from the shapes of the outputs; a grid among heads is taken alone. */
export function createYolov7(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const limits = readDetectorLimits(parameters, yoloLimits);
  const decode = readGrid(model, parameters, limits.labels.length) ?? readHeads(model, parameters, limits.labels.length);
  // Four levels end at stride 64.
  const multiple = model.outputs.length === 4 ? 64 : 32;
  return createYolo(model, parameters, infer, { limits, decode, pixels: yoloPixels, multiple });
}

/** The grid form; undefined when no output has it. */
function readGrid(model: ModelDescription, parameters: Parameters, classes: number): Decode | undefined {
  const [output, second] = model.outputs.filter((candidate) => ownDims(model, candidate).length === 2);
  if (output === undefined) return undefined;
  const [boxes = -1, values] = ownDims(model, output);
  if (second !== undefined || values !== 5 + classes)
    throw parameters.contract(
      `of ${classes} labels kind yolov7 has one output [boxes, ${5 + classes}] (5 + ${classes}); described are ${outputsText(model)}`,
    );
  return (result, _input, minScore) => {
    const { data } = floatOutput(model, result, output.name, [1, boxes, 5 + classes]);
    return requireProbabilities(model, decodeGridRows(data, classes, minScore));
  };
}

/** The head form. Throws `model.invalid` for anything else. */
function readHeads(model: ModelDescription, parameters: Parameters, classes: number): Decode {
  const values = 5 + classes;
  const heads = model.outputs.map((output) => {
    const dims = ownDims(model, output);
    const permuted = dims.length === 4 && dims[3] === values;
    const anchors = permuted ? (dims[0] ?? 0) : dims.length === 3 ? (dims[0] ?? 0) / values : 0;
    return { name: output.name, dims, permuted, anchors };
  });
  const each = heads[0]?.anchors ?? 0;
  if (!(each >= 1) || heads.some(({ anchors }) => anchors !== each || !Number.isInteger(anchors)))
    throw parameters.contract(
      `of ${classes} labels kind yolov7 has an output [boxes, ${values}] (5 + ${classes}), or per level one [anchors, rows, columns, ${values}] or [anchors · ${values}, rows, columns]; described are ${outputsText(model)}`,
    );
  const known = knownAnchors.get(heads.length);
  const sizes = parameters.numbers('anchors', 2 * each * heads.length, each === 3 ? known : undefined);
  if (sizes.some((size) => size <= 0)) throw parameters.contract('parameter anchors has a size that is not above 0');

  return (result, input, minScore) => {
    const levels = heads
      .map(({ name, dims, permuted }) => ({
        ...readLevel(model, result, name, [1, ...dims], input),
        order: permuted ? ('cell_major' as const) : ('value_major' as const),
      }))
      .toSorted((a, b) => a.stride - b.stride)
      .map((level, index) => ({ ...level, anchors: anchorsOf(sizes, each, index) }));
    return decodeAnchorLevels(levels, classes, minScore);
  };
}

function anchorsOf(sizes: readonly number[], each: number, level: number): readonly (readonly [number, number])[] {
  return Array.from({ length: each }, (_, anchor) => {
    const at = 2 * (level * each + anchor);
    return [sizes[at] ?? 0, sizes[at + 1] ?? 0] as const;
  });
}
