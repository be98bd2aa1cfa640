import type { Infer, ModelDescription } from '../core/inference.ts';
import type { Embedder } from '../core/models.ts';
import { fitSimilarity, type Similarity, scaledTemplate, warpPixels } from './align.ts';
import { badCrop, createImageEmbedder, type EmbedderKind } from './embedder.ts';
import type { Parameters } from './parameters.ts';

/**
 * Kind `face_embedder`. `align: five_point` warps the five points to the 112-pixel template times `align_scale` plus
 * `align_offset`; `align: none` takes a square of `crop_scale` times the box's longer side around its centre.
 */
export function createFaceEmbedder(model: ModelDescription, parameters: Parameters, infer: Infer): Embedder {
  const align = parameters.choice('align', ['five_point', 'none'], 'five_point');
  const cropScale = parameters.number('crop_scale', { min: 0.1, max: 10, fallback: 1.3 });
  const [offsetX = 0, offsetY = 0] = parameters.numbers('align_offset', 2, [0, 0]);
  const scale = parameters.number('align_scale', { min: 0.01, max: 100, fallback: 1 });
  const template = scaledTemplate(scale, { x: offsetX, y: offsetY });

  const makeKind = (side: { readonly width: number; readonly height: number }): EmbedderKind => ({
    kind: 'face',
    prepare: ({ image, box, landmarks }, target, format) => {
      let similarity: Similarity | undefined;
      if (align === 'five_point') {
        if (landmarks === undefined) throw badCrop(`${model.name} aligns by five points and the crop has none`);
        similarity = fitSimilarity(landmarks, template);
        if (similarity === undefined) throw badCrop('the five points of a face coincide');
      } else {
        const gain = Math.min(side.width, side.height) / (cropScale * Math.max(box.width, box.height, 1));
        const shiftX = side.width / 2 - gain * (box.left + box.width / 2);
        const shiftY = side.height / 2 - gain * (box.top + box.height / 2);
        similarity = { a: gain, b: 0, shiftX, shiftY };
      }
      warpPixels(image, similarity, target, format);
    },
  });

  const defaults = { thresholds: { open: 0.5, keep: 0.42, margin: 0.05 }, cropMargin: 0.5 };
  return createImageEmbedder(model, parameters, makeKind, defaults, infer);
}
