import type { Infer, InferResult, ModelDescription, TensorContract } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import type { Candidates } from './candidates.ts';
import { createImageDetector, type DetectorDefaults } from './detector.ts';
import type { Size } from './fit.ts';
import type { DetectorLimits, Parameters } from './parameters.ts';
import { failed, floatOutput } from './tensors.ts';

/** What the kinds of the YOLO family have in common: outputs told by their shape, levels by their stride, the cut and NMS. */

/** As upstream's own detection scripts set them. */
export const yoloLimits = { score: 0.25, nms: 0.45, count: 300 } as const;

/** Candidates of an answer, in pixels of `input`; as in `DetectorKind`. */
export type Decode = (result: InferResult, input: Size, minScore: number) => Candidates | undefined;

/** As most of the family see pictures. */
export const yoloPixels: DetectorDefaults = { scale: 1 / 255, fit: 'letterbox', width: 640 };

/** A detector whose boxes are suppressed here, class by class. `multiple` is the largest stride. */
export function createYolo(
  model: ModelDescription,
  parameters: Parameters,
  infer: Infer,
  yolo: { limits: DetectorLimits; decode: Decode; pixels: DetectorDefaults; multiple?: number },
): Detector {
  const { limits, decode, pixels, multiple = 32 } = yolo;
  const suppression = { iou: limits.nms, limit: limits.count };
  const kind = { labels: limits.labels, landmarks: false, minScore: limits.score, suppression, multiple, decode };
  return createImageDetector(model, parameters, kind, pixels, infer);
}

/** Sizes of an output without its batch axis; -1 is free. */
export function ownDims(model: ModelDescription, output: TensorContract): readonly number[] {
  return model.maxBatchSize > 0 ? output.dims : output.dims.slice(1);
}

/** For messages. */
export function outputsText(model: ModelDescription): string {
  return model.outputs.map(({ name, dims }) => `${name} [${dims}]`).join(', ');
}

/** Values of a list of boxes: value `v` of box `b` is `data[b * boxStep + v * valueStep]`. */
export interface BoxTable {
  readonly data: Float32Array;
  readonly boxes: number;
  readonly boxStep: number;
  readonly valueStep: number;
}

/** One level of a head: `data` is one picture's, whatever its order of axes. */
export interface Level {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** Input pixels per cell. */
  readonly stride: number;
}

/**
 * Reads an output of which axes 2 and 3 are rows and columns; `shape` is as in `floatOutput`. Throws `inference.failed` when the
 * cells do not divide the input into squares.
 */
export function readLevel(
  model: ModelDescription,
  result: InferResult,
  name: string,
  shape: readonly number[],
  input: Size,
): Level {
  const output = floatOutput(model, result, name, shape);
  const rows = output.shape[2] ?? 0;
  const columns = output.shape[3] ?? 0;
  const stride = input.width / columns;
  if (!Number.isInteger(stride) || rows * stride !== input.height)
    throw failed(
      model,
      `output "${name}" has ${columns}x${rows} cells, which do not divide the input of ${input.width}x${input.height} into squares`,
    );
  return { data: output.data, rows, columns, stride };
}

/** Adds a box given by centre and size; false when a value is not finite. */
export function addCentred(
  found: Candidates,
  x: number,
  y: number,
  width: number,
  height: number,
  score: number,
  label: number,
): boolean {
  if (!Number.isFinite(x + y + width + height + score)) return false;
  found.corners.push(x - width / 2, y - height / 2, x + width / 2, y + height / 2);
  found.scores.push(score);
  found.classes.push(label);
  return true;
}

/** The first of the largest; undefined when a value is not finite. */
export function bestClass(
  values: Float32Array,
  first: number,
  step: number,
  classes: number,
): { readonly label: number; readonly value: number } | undefined {
  let label = 0;
  let value = values[first] as number;
  let sum = value;
  for (let next = 1; next < classes; next += 1) {
    const other = values[first + next * step] as number;
    sum += other;
    if (other > value) [label, value] = [next, other];
  }
  return Number.isFinite(sum) ? { label, value } : undefined;
}

/** Throws `inference.failed` for scores that cannot be probabilities: the graph then ends before the logistic function. */
export function requireProbabilities(model: ModelDescription, found: Candidates | undefined): Candidates | undefined {
  // 16-bit floats may round a little beyond 1.
  const beyond = found?.scores.find((score) => score > 1.001);
  if (beyond === undefined) return found;
  throw failed(
    model,
    `a score is ${beyond.toFixed(2)}; allowed is 0 to 1. Were the classes exported without their logistic function?`,
  );
}

/** https://en.wikipedia.org/wiki/Logistic_function */
export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
