import type { Infer, InferResult, ModelDescription } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { type Candidates, noCandidates } from './candidates.ts';
import { createImageDetector, type DetectorDefaults } from './detector.ts';
import type { Size } from './fit.ts';
import { type Parameters, readDetectorLimits } from './parameters.ts';
import { floatOutput } from './tensors.ts';

/**
 * CenterFace (https://github.com/Star-Clouds/CenterFace, arXiv 1911.03599): per cell of stride 4 a face probability, the log of
 * height and width in cells, the centre's offset (y, x) and five points (y, x) as fractions of the box. The box is clamped to
 * the input first; the far corner and the points follow from the clamped near corner, as in the authors' decoder.
 */
export interface CenterFaceMaps {
  /** [rows, columns], 0 to 1. */
  readonly heat: Float32Array;
  /** [2, rows, columns]: log height, log width. */
  readonly scale: Float32Array;
  /** [2, rows, columns]: y, x. */
  readonly offset: Float32Array;
  /** [10, rows, columns]: y, x of each point. */
  readonly points: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

const stride = 4;

/** Cells of at least `minScore`, before suppression. A value that is not finite where it counts gives undefined. */
export function decodeCenterFace(maps: CenterFaceMaps, minScore: number): Candidates | undefined {
  const { heat, scale, offset, points, rows, columns } = maps;
  const cells = rows * columns;
  const inputWidth = columns * stride;
  const inputHeight = rows * stride;
  const found = noCandidates();
  for (let cell = 0; cell < cells; cell += 1) {
    const score = heat[cell] as number;
    if (score < minScore) continue;
    const row = Math.floor(cell / columns);
    const column = cell - row * columns;
    const height = stride * Math.exp(scale[cell] as number);
    const width = stride * Math.exp(scale[cells + cell] as number);
    const centreY = (row + (offset[cell] as number) + 0.5) * stride;
    const centreX = (column + (offset[cells + cell] as number) + 0.5) * stride;
    const left = Math.min(inputWidth, Math.max(0, centreX - width / 2));
    const top = Math.min(inputHeight, Math.max(0, centreY - height / 2));
    found.scores.push(score);
    found.classes.push(0);
    found.corners.push(left, top, Math.min(left + width, inputWidth), Math.min(top + height, inputHeight));
    let sum = score + width + height + centreX + centreY;
    for (let channel = 0; channel < 10; channel += 2) {
      const x = left + (points[(channel + 1) * cells + cell] as number) * width;
      const y = top + (points[channel * cells + cell] as number) * height;
      found.points.push(x, y);
      sum += x + y;
    }
    if (!Number.isFinite(sum)) return undefined;
  }
  return found;
}

/** As the authors' own client sees pictures and cuts. */
export const centerFaceLimits = { labels: ['face'], score: 0.5, nms: 0.3, count: 300 } as const;
export const centerFacePixels: DetectorDefaults = { scale: 1, fit: 'stretch', width: 640 };

/** Kind `centerface`. The four outputs are told apart by their order in config.pbtxt: heat map, size, offset, points. */
export function createCenterFace(model: ModelDescription, parameters: Parameters, infer: Infer): Detector {
  const [heat, scale, offset, points] = model.outputs;
  const channels = model.outputs.map(({ dims }) => dims.at(-3));
  if (
    heat === undefined ||
    scale === undefined ||
    offset === undefined ||
    points === undefined ||
    channels.join() !== '1,2,2,10'
  )
    throw parameters.contract(
      `kind centerface has outputs of 1, 2, 2 and 10 channels (heat map, size, offset, points); described are ${channels}`,
    );
  const names = { heat: heat.name, scale: scale.name, offset: offset.name, points: points.name };
  const limits = readDetectorLimits(parameters, centerFaceLimits);

  function decode(result: InferResult, input: Size, minScore: number): Candidates | undefined {
    const rows = input.height / stride;
    const columns = input.width / stride;
    const map = (name: string, depth: number) => floatOutput(model, result, name, [1, depth, rows, columns]).data;
    const maps = {
      heat: map(names.heat, 1),
      scale: map(names.scale, 2),
      offset: map(names.offset, 2),
      points: map(names.points, 10),
    };
    return decodeCenterFace({ ...maps, rows, columns }, minScore);
  }

  return createImageDetector(
    model,
    parameters,
    {
      labels: limits.labels,
      landmarks: true,
      minScore: limits.score,
      suppression: { iou: limits.nms, extra: 1, limit: limits.count },
      multiple: 32,
      decode,
    },
    centerFacePixels,
    infer,
  );
}
