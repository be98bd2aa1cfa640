import type { Infer, InferResult, ModelDescription } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import { createImageDetector } from './detector.ts';
import type { Size } from './fit.ts';
import { type Parameters, readDetectorLimits } from './parameters.ts';
import { floatOutput } from './tensors.ts';

/**
 * YuNet (https://github.com/ShiqiYu/libfacedetection.train): three levels of stride 8, 16, 32, each with class and object
 * probability, box (centre in cells from the cell's corner, log size in cells) and five points (x, y in cells).
 */
export interface YunetLevel {
  readonly stride: number;
  /** [cells]; score = sqrt(classes · objects). */
  readonly classes: Float32Array;
  readonly objects: Float32Array;
  /** [cells, 4]. */
  readonly boxes: Float32Array;
  /** [cells, 10]. */
  readonly points: Float32Array;
}

const strides = [8, 16, 32] as const;
const parts = ['cls', 'obj', 'bbox', 'kps'] as const;

/** Cells of at least `minScore` of all levels, before suppression; undefined when a value is not finite where it counts. */
export function decodeYunet(levels: readonly YunetLevel[], input: Size, minScore: number): Candidates | undefined {
  const found = noCandidates();
  for (const { stride, classes, objects, boxes, points } of levels) {
    const columns = input.width / stride;
    for (let cell = 0; cell < classes.length; cell += 1) {
      const score = Math.sqrt((classes[cell] as number) * (objects[cell] as number));
      if (score < minScore) continue;
      const row = Math.floor(cell / columns);
      const column = cell - row * columns;
      const centreX = (column + (boxes[4 * cell] as number)) * stride;
      const centreY = (row + (boxes[4 * cell + 1] as number)) * stride;
      const width = Math.exp(boxes[4 * cell + 2] as number) * stride;
      const height = Math.exp(boxes[4 * cell + 3] as number) * stride;
      found.scores.push(Math.min(1, score));
      found.classes.push(0);
      found.corners.push(centreX - width / 2, centreY - height / 2, centreX + width / 2, centreY + height / 2);
      let sum = score + centreX + centreY + width + height;
      for (let at = 10 * cell; at < 10 * cell + 10; at += 2) {
        const x = (column + (points[at] as number)) * stride;
        const y = (row + (points[at + 1] as number)) * stride;
        found.points.push(x, y);
        sum += x + y;
      }
      if (!Number.isFinite(sum)) return undefined;
    }
  }
  return found;
}

/** Kind `yunet`: outputs `cls_8` to `kps_32`. */
export function createYunet(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const wanted = parts.flatMap((part) => strides.map((stride) => `${part}_${stride}`));
  const missing = wanted.filter((name) => !model.outputs.some((output) => output.name === name));
  if (missing.length > 0)
    throw parameters.contract(`kind yunet has outputs ${wanted.join(', ')}; missing are ${missing.join(', ')}`);
  const limits = readDetectorLimits(parameters, { labels: ['face'], score: 0.6, nms: 0.3, count: 300 });

  function decode(result: InferResult, input: Size, minScore: number): Candidates | undefined {
    const levels = strides.map((stride): YunetLevel => {
      const cells = (input.width / stride) * (input.height / stride);
      const read = (part: string, depth: number) => floatOutput(model, result, `${part}_${stride}`, [1, cells, depth]).data;
      return { stride, classes: read('cls', 1), objects: read('obj', 1), boxes: read('bbox', 4), points: read('kps', 10) };
    });
    return decodeYunet(levels, input, minScore);
  }

  return createImageDetector(
    model,
    parameters,
    {
      labels: limits.labels,
      landmarks: true,
      minScore: limits.score,
      suppression: { iou: limits.nms, limit: limits.count },
      multiple: 32,
      decode,
    },
    { scale: 1, fit: 'stretch', width: 640 },
    infer,
  );
}
