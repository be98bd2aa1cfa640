import type { Infer, InferResult, ModelDescription, TensorContract } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import type { Size } from './fit.ts';
import { type Parameters, readDetectorLimits } from './parameters.ts';
import { failed, floatOutput } from './tensors.ts';
import {
  addCentred,
  type BoxTable,
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
 * YOLO heads without anchors and without objectness (YOLOv8, YOLOv9 and later): a box's score is that of its best class.
 *
 * Decoded form: one output of 4 + C values per box, [4 + C, boxes] or [boxes, 4 + C]: centre and size in input pixels, then the
 * classes' scores, 0 to 1.
 *
 * Distribution form, where the graph ends before decoding: per level a map of 4 · bins + C channels, or one of 4 · bins and one of
 * C; the sides' distances (left, top, right, bottom, in cells from the cell's centre) are means over bins weighted by a softmax
 * (Distribution Focal Loss, arXiv 2006.04388), the classes logits.
 */

/** Boxes of at least `minScore`, before suppression; undefined when a score, or a value of such a box, is not finite. */
export function decodeScoredBoxes(table: BoxTable, classes: number, minScore: number): Candidates | undefined {
  const { data, boxes, boxStep, valueStep } = table;
  const best = bestClasses({ data, cells: boxes, cellStep: boxStep, classStep: valueStep, first: 4 * valueStep, classes });
  if (best === undefined) return undefined;
  const found = noCandidates();
  for (let box = 0; box < boxes; box += 1) {
    const score = best.values[box] as number;
    if (score < minScore) continue;
    const value = (index: number) => data[box * boxStep + index * valueStep] as number;
    if (!addCentred(found, value(0), value(1), value(2), value(3), score, best.classes[box] as number)) return undefined;
  }
  return found;
}

/** One level of the distribution form; `[channels, rows, columns]` each, which may be two parts of one output. */
export interface DistributionLevel {
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
  /** 4 · bins channels: left's bins, then top's, right's and bottom's. One bin is the distance itself. */
  readonly sides: Float32Array;
  /** A channel per class: logits. */
  readonly scores: Float32Array;
}

/** Cells of at least `minScore` of all levels, before suppression; undefined as in `decodeScoredBoxes`. */
export function decodeDistributions(
  levels: readonly DistributionLevel[],
  bins: number,
  minScore: number,
): Candidates | undefined {
  const found = noCandidates();
  for (const { stride, rows, columns, sides, scores } of levels) {
    const cells = rows * columns;
    const classes = scores.length / cells;
    const best = bestClasses({ data: scores, cells, cellStep: 1, classStep: cells, first: 0, classes });
    if (best === undefined) return undefined;
    for (let cell = 0; cell < cells; cell += 1) {
      const score = sigmoid(best.values[cell] as number);
      if (score < minScore) continue;
      const row = Math.floor(cell / columns);
      const column = cell - row * columns;
      const distance = (side: number) => stride * meanBin(sides, side * bins * cells + cell, cells, bins);
      const [left, top, right, bottom] = [distance(0), distance(1), distance(2), distance(3)];
      const x = (column + 0.5) * stride + (right - left) / 2;
      const y = (row + 0.5) * stride + (bottom - top) / 2;
      if (!addCentred(found, x, y, left + right, top + bottom, score, best.classes[cell] as number)) return undefined;
    }
  }
  return found;
}

/** Mean of 0 to bins - 1 under the softmax of the bins' values. */
function meanBin(values: Float32Array, start: number, step: number, bins: number): number {
  if (bins === 1) return values[start] as number;
  let largest = Number.NEGATIVE_INFINITY;
  for (let bin = 0; bin < bins; bin += 1) largest = Math.max(largest, values[start + bin * step] as number);
  let weights = 0;
  let sum = 0;
  for (let bin = 0; bin < bins; bin += 1) {
    const weight = Math.exp((values[start + bin * step] as number) - largest);
    weights += weight;
    sum += bin * weight;
  }
  return sum / weights;
}

interface ClassScores {
  readonly data: Float32Array;
  readonly cells: number;
  readonly cellStep: number;
  readonly classStep: number;
  /** Index of the first class of the first cell. */
  readonly first: number;
  readonly classes: number;
}

/** Each cell's best class (the first of equals) and its value; undefined when a value is not finite. */
function bestClasses(scores: ClassScores): { readonly values: Float32Array; readonly classes: Uint16Array } | undefined {
  const { data, cells, cellStep, classStep, first } = scores;
  const values = new Float32Array(cells).fill(Number.NEGATIVE_INFINITY);
  const classes = new Uint16Array(cells);
  // Class by class, so that the common order of axes is read from front to back. One value that is not finite spoils the sum.
  let sum = 0;
  for (let label = 0; label < scores.classes; label += 1) {
    let at = first + label * classStep;
    for (let cell = 0; cell < cells; cell += 1) {
      const value = data[at] as number;
      sum += value;
      if (value > (values[cell] as number)) {
        values[cell] = value;
        classes[cell] = label;
      }
      at += cellStep;
    }
  }
  return Number.isFinite(sum) ? { values, classes } : undefined;
}

/** Kind `yolov8`. Which form it is follows from the shapes of the outputs. */
export function createYolov8(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const limits = readDetectorLimits(parameters, yoloLimits);
  const bins = parameters.number('dfl_bins', { min: 1, max: 64, whole: true, fallback: 16 });
  const decode =
    readDecoded(model, parameters, limits.labels.length) ?? readHeads(model, parameters, limits.labels.length, bins);
  return createYolo(model, parameters, infer, { limits, decode, pixels: yoloPixels });
}

/** The decoded form; undefined when no output has it. */
function readDecoded(model: ModelDescription, parameters: Parameters, classes: number): Decode | undefined {
  const tables = model.outputs.filter((output) => ownDims(model, output).length === 2);
  const [output, second] = tables;
  if (output === undefined) return undefined;
  if (second !== undefined)
    throw parameters.contract(
      `kind yolov8 has one output of boxes; described are ${outputsText(model)}. A checkpoint with an auxiliary branch gives two: describe the main branch's alone`,
    );
  const dims = ownDims(model, output);
  const values = 4 + classes;
  const axis = dims.indexOf(values);
  if (axis < 0)
    throw parameters.contract(
      `output "${output.name}" is [${dims}]; of ${classes} labels kind yolov8 makes ${values} values per box (4 + ${classes}), [${values}, boxes] or [boxes, ${values}]`,
    );
  return (result, _input, minScore) => {
    const { data, shape } = floatOutput(model, result, output.name, [1, ...dims]);
    const boxes = shape[2 - axis] ?? 0;
    const steps = axis === 0 ? { boxStep: 1, valueStep: boxes } : { boxStep: values, valueStep: 1 };
    return requireProbabilities(model, decodeScoredBoxes({ data, boxes, ...steps }, classes, minScore));
  };
}

/** The distribution form, levels in one output or in two. Throws `model.invalid` for anything else. */
function readHeads(model: ModelDescription, parameters: Parameters, classes: number, bins: number): Decode {
  const maps = model.outputs.filter((output) => ownDims(model, output).length === 3);
  const of = (channels: number) => maps.filter((output) => ownDims(model, output)[0] === channels);
  const sides = 4 * bins;
  const joined = of(sides + classes);
  const split = { sides: of(sides), scores: of(classes) };
  if (joined.length > 0 && joined.length === model.outputs.length)
    return (result, input, minScore) => {
      const levels = joined.map((output) => {
        const { data, ...level } = readMap(model, result, output, input);
        const border = sides * level.rows * level.columns;
        return { ...level, sides: data.subarray(0, border), scores: data.subarray(border) };
      });
      return decodeDistributions(fineFirst(levels), bins, minScore);
    };
  const paired = split.sides.length > 0 && split.sides.length === split.scores.length;
  if (!paired || split.sides.length + split.scores.length !== model.outputs.length)
    throw parameters.contract(
      `of ${classes} labels and ${bins} bins kind yolov8 has an output [${4 + classes}, boxes], or per level one of ${sides + classes} channels, or one of ${sides} and one of ${classes}; described are ${outputsText(model)}`,
    );
  return (result, input, minScore) => {
    const scores = split.scores.map((output) => readMap(model, result, output, input));
    const levels = split.sides.map((output) => {
      const { data, ...level } = readMap(model, result, output, input);
      const pair = scores.find(({ rows, columns }) => rows === level.rows && columns === level.columns);
      if (pair === undefined)
        throw failed(model, `output "${output.name}" has no scores of ${level.columns}x${level.rows} cells`);
      return { ...level, sides: data, scores: pair.data };
    });
    return decodeDistributions(fineFirst(levels), bins, minScore);
  };
}

function readMap(model: ModelDescription, result: InferResult, output: TensorContract, input: Size) {
  return readLevel(model, result, output.name, [1, ...ownDims(model, output)], input);
}

/** Levels from the finest, as the decoded form lists them. */
function fineFirst(levels: readonly DistributionLevel[]): readonly DistributionLevel[] {
  return levels.toSorted((a, b) => a.stride - b.stride);
}
