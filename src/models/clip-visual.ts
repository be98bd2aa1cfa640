import type { Infer, ModelDescription } from '../core/inference.ts';
import type { Embedder, RgbImage } from '../core/models.ts';
import { createImageEmbedder, type EmbedderKind } from './embedder.ts';
import { roundHalfEven, type Size } from './fit.ts';
import type { Parameters } from './parameters.ts';
import { fillPixels, writePixels } from './pixels.ts';
import { cut, type Interpolation, interpolations, resize } from './resize.ts';

export type ClipResize = 'center_crop' | 'squash' | 'pad';

/**
 * How CLIP's image side sees a picture (https://github.com/openai/CLIP, `_transform`): shorter side to the input's, bicubic with
 * antialias, longer side truncated, centre crop. `squash` and `pad` keep all of a tall crop instead.
 */
export function clipView(
  image: RgbImage,
  side: Size,
  mode: ClipResize,
  interpolation: Interpolation = 'bicubic_antialias',
): { readonly image: RgbImage; readonly left: number; readonly top: number } {
  if (mode === 'squash') return { image: resize(image, side.width, side.height, interpolation), left: 0, top: 0 };
  const wide = side.width * image.height < side.height * image.width;
  const { width, height } =
    wide === (mode === 'pad')
      ? { width: side.width, height: scaleDown(side.width, image.height, image.width) }
      : { width: scaleDown(side.height, image.width, image.height), height: side.height };
  const resized = resize(image, width, height, interpolation);
  const left = roundHalfEven((side.width - width) / 2);
  const top = roundHalfEven((side.height - height) / 2);
  if (mode === 'pad') return { image: resized, left, top };
  const box = {
    left: roundHalfEven((width - side.width) / 2),
    top: roundHalfEven((height - side.height) / 2),
    width: side.width,
    height: side.height,
  };
  return { image: cut(resized, box), left: 0, top: 0 };
}

function scaleDown(side: number, other: number, length: number): number {
  return Math.max(1, Math.trunc((side * other) / length));
}

/** Kind `clip_visual`. Vectors compare appearance; they identify nobody. */
export function createClipVisual(model: ModelDescription, parameters: Parameters, infer: Infer): Embedder {
  const mode = parameters.choice('resize', ['center_crop', 'squash', 'pad'], 'center_crop');
  const interpolation = parameters.choice('interpolation', interpolations, 'bicubic_antialias');
  const padLevel = parameters.number('pad_value', { min: 0, max: 255, fallback: 0 });
  const makeKind = (side: Size): EmbedderKind => ({
    kind: 'appearance',
    prepare: ({ image, box }, target, format) => {
      const view = clipView(cut(image, box), side, mode, interpolation);
      if (mode === 'pad') fillPixels(target, format, padLevel);
      writePixels(view.image, target, format, view.left, view.top);
    },
  });
  const defaults = { thresholds: { open: 0.92, keep: 0.9, margin: 0.02 }, cropMargin: 0.05 };
  return createImageEmbedder(model, parameters, makeKind, defaults, infer);
}
