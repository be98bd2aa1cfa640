import type { Infer, ModelDescription } from '../core/inference.ts';
import type { Embedder } from '../core/models.ts';
import { createImageEmbedder, type EmbedderKind } from './embedder.ts';
import type { Size } from './fit.ts';
import type { Parameters } from './parameters.ts';
import { writePixels } from './pixels.ts';
import { cut, interpolations, resize } from './resize.ts';

/** Kind `person_embedder`: the box, squashed to the input's size. */
export function createPersonEmbedder(model: ModelDescription, parameters: Parameters, infer: Infer): Embedder {
  const interpolation = parameters.choice('interpolation', interpolations, 'bilinear');
  const makeKind = (side: Size): EmbedderKind => ({
    kind: 'appearance',
    prepare: ({ image, box }, target, format) =>
      writePixels(resize(cut(image, box), side.width, side.height, interpolation), target, format),
  });
  const defaults = { thresholds: { open: 0.85, keep: 0.8, margin: 0.02 }, cropMargin: 0.05 };
  return createImageEmbedder(model, parameters, makeKind, defaults, infer);
}
