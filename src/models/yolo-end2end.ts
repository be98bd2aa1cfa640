import type { Infer, InferResult, ModelDescription } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import { createImageDetector } from './detector.ts';
import type { Parameters } from './parameters.ts';
import { failed, floatOutput, wholeOutput } from './tensors.ts';
import { outputsText, ownDims, yoloPixels } from './yolo-outputs.ts';

/**
 * YOLO exports whose boxes need no suppression any more (https://github.com/WongKinYiu/yolov7, `export.py --end2end`, and
 * others); boxes are corners in input pixels and scores already include objectness.
 *
 * TensorRT form: `num_dets` [N,1], `det_boxes` [N,K,4], `det_scores` [N,K], `det_classes` [N,K]; rows from `num_dets` on are
 * garbage. ONNX Runtime form: one output [M,7] of image index, left, top, right, bottom, class, score. One-to-one form: one output
 * [N,K,6] of left, top, right, bottom, score, class: the heads of YOLOv10 (arXiv 2405.14458), trained to give each object once, and
 * exports of others with suppression inside; what is left of K is zeros.
 */
export interface FixedRows {
  readonly count: number;
  readonly boxes: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
  readonly classes: ArrayLike<number>;
}

export function decodeFixedRows(rows: FixedRows, minScore: number): Candidates | undefined {
  const found = noCandidates();
  const count = Math.min(rows.count, rows.scores.length);
  for (let row = 0; row < count; row += 1) {
    const corners = [0, 1, 2, 3].map((at) => rows.boxes[4 * row + at] ?? Number.NaN);
    if (!add(found, corners, rows.classes[row], rows.scores[row], minScore)) return undefined;
  }
  return found;
}

/** `rows` is [M,7]; only those of picture 0 count. */
export function decodeListedRows(rows: ArrayLike<number>, minScore: number): Candidates | undefined {
  const found = noCandidates();
  for (let row = 0; row + 7 <= rows.length; row += 7) {
    if (rows[row] !== 0) continue;
    const corners = [1, 2, 3, 4].map((at) => rows[row + at] ?? Number.NaN);
    if (!add(found, corners, rows[row + 5], rows[row + 6], minScore)) return undefined;
  }
  return found;
}

/** `rows` is [K,6] of one picture. */
export function decodeRankedRows(rows: ArrayLike<number>, minScore: number): Candidates | undefined {
  const found = noCandidates();
  for (let row = 0; row + 6 <= rows.length; row += 6) {
    const corners = [0, 1, 2, 3].map((at) => rows[row + at] ?? Number.NaN);
    if (!add(found, corners, rows[row + 5], rows[row + 4], minScore)) return undefined;
  }
  return found;
}

/** False when a value is not finite. */
function add(
  found: Candidates,
  corners: readonly number[],
  label: number | undefined,
  score: number | undefined,
  minScore: number,
): boolean {
  if (label === undefined || score === undefined) return false;
  if (![...corners, label, score].every(Number.isFinite)) return false;
  if (score < minScore) return true;
  found.corners.push(...corners);
  found.classes.push(label);
  found.scores.push(score);
  return true;
}

/** Outputs of the TensorRT form. */
export const fixedNames = ['num_dets', 'det_boxes', 'det_scores', 'det_classes'] as const;
export const end2endScore = 0.35;

/** Kind `yolo_end2end`. Which form it is follows from the outputs; suppression is the network's own. */
export function createYoloEnd2end(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const labels = parameters.labels();
  const minScore = parameters.number('score_threshold', { min: 0, max: 1, fallback: end2endScore });
  const [only, second] = model.outputs;
  const single = second === undefined && only !== undefined ? only : undefined;
  const listed = single?.dims.at(-1) === 7 ? single : undefined;
  const ranked = single !== undefined && ownDims(model, single).length === 2 && single.dims.at(-1) === 6 ? single : undefined;
  if (
    listed === undefined &&
    ranked === undefined &&
    !fixedNames.every((name) => model.outputs.some((output) => output.name === name))
  )
    throw parameters.contract(
      `kind yolo_end2end has outputs ${fixedNames.join(', ')}, or one of [-1, 7], or one of [boxes, 6] per picture; described are ${outputsText(model)}`,
    );
  const most = model.outputs.find(({ name }) => name === 'det_scores')?.dims.at(-1) ?? -1;

  function decode(result: InferResult, _input: unknown, least: number): Candidates | undefined {
    if (listed !== undefined) return decodeListedRows(floatOutput(model, result, listed.name, [-1, 7]).data, least);
    if (ranked !== undefined)
      return decodeRankedRows(floatOutput(model, result, ranked.name, [1, ...ownDims(model, ranked)]).data, least);
    const count = wholeOutput(model, result, 'num_dets', [1, 1])[0] ?? -1;
    if (count < 0) throw failed(model, `num_dets is ${count}`);
    return decodeFixedRows(
      {
        count,
        boxes: floatOutput(model, result, 'det_boxes', [1, most, 4]).data,
        scores: floatOutput(model, result, 'det_scores', [1, most]).data,
        classes: wholeOutput(model, result, 'det_classes', [1, most]),
      },
      least,
    );
  }

  return createImageDetector(
    model,
    parameters,
    { labels, landmarks: false, minScore, multiple: 32, decode },
    yoloPixels,
    infer,
  );
}
