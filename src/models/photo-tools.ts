import sharp from 'sharp';
import { SightlineError } from '../core/errors.ts';
import type { InferOptions } from '../core/inference.ts';
import type { Detector, Embedder, RgbImage } from '../core/models.ts';
import type { Box, Embedding, FivePoints, Quality } from '../core/types.ts';
import { detectInPhoto } from './detect-photo.ts';
import { decodeImage } from './image.ts';
import { assessCrop } from './quality.ts';
import { cut, resize } from './resize.ts';

/** Faces and bodies on photos: finding them, cutting them out, embedding the cut-outs. What enrolment asks of the models. */

export type SubjectKind = 'face' | 'body';

export interface Subject {
  /** Pixels of the photo, EXIF orientation applied. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
  readonly quality: Quality;
}

export interface Cutout {
  readonly jpeg: Uint8Array;
  /** The subject in pixels of `jpeg`. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
}

/** The models in use; a function because a model may become available while the daemon runs. Each throws the reason it is missing. */
export interface PhotoModels {
  detector(kind: SubjectKind): Promise<Detector>;
  embedder(kind: SubjectKind): Promise<Embedder>;
  /** Options for one network run. */
  options(signal: AbortSignal): InferOptions;
}

export interface PhotoTools {
  analyse(
    photo: Uint8Array,
    kind: SubjectKind,
    signal: AbortSignal,
  ): Promise<{ readonly width: number; readonly height: number; readonly subjects: readonly Subject[] }>;
  cut(photo: Uint8Array, subject: Subject, kind: SubjectKind, signal: AbortSignal): Promise<Cutout>;
  embed(picture: Cutout, kind: SubjectKind, signal: AbortSignal): Promise<Embedding>;
}

const labels = { face: 'face', body: 'person' } as const;
/** Longer side of a kept cut-out: far above every embedder's input. */
const keptSide = 1024;
const keptQuality = 92;
export function createPhotoTools(models: PhotoModels): PhotoTools {
  return {
    analyse: async (photo, kind, signal) => {
      const image = await decodeImage(photo);
      const detector = await models.detector(kind);
      const found = await detectInPhoto(detector, image, models.options(signal));
      const objects = found.filter(({ label }) => label === labels[kind]);
      const subjects = objects.map(({ box, landmarks, score }) => ({
        box,
        score,
        quality: assess(image, box, score, landmarks),
        ...(landmarks === undefined ? {} : { landmarks }),
      }));
      return { width: image.width, height: image.height, subjects };
    },
    cut: async (photo, { box, landmarks }, kind) => {
      const image = await decodeImage(photo);
      const { cropMargin } = await models.embedder(kind);
      const rect = surround(box, cropMargin, image);
      const piece = cut(image, rect);
      const scale = Math.min(1, keptSide / Math.max(piece.width, piece.height));
      const width = Math.max(1, Math.round(piece.width * scale));
      const height = Math.max(1, Math.round(piece.height * scale));
      const kept = scale === 1 ? piece : resize(piece, width, height, 'bilinear_antialias');
      const x = kept.width / piece.width;
      const y = kept.height / piece.height;
      return {
        jpeg: await encode(kept),
        box: { left: (box.left - rect.left) * x, top: (box.top - rect.top) * y, width: box.width * x, height: box.height * y },
        ...(landmarks === undefined ? {} : { landmarks: moved(landmarks, rect, x, y) }),
      };
    },
    embed: async ({ jpeg, box, landmarks }, kind, signal) => {
      const embedder = await models.embedder(kind);
      const image = await decodeImage(jpeg);
      const input = { image, box, ...(landmarks === undefined ? {} : { landmarks }) };
      const [vector] = await embedder.embed([input], models.options(signal));
      if (vector === undefined) throw new SightlineError('inference.failed', `${embedder.model} gave no embedding`);
      return { vector, space: embedder.space };
    },
  };
}

async function encode({ width, height, data }: RgbImage): Promise<Uint8Array> {
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: keptQuality, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

/** Whole pixels around `box`, wider by `margin` of its size on each side, inside the picture. */
function surround(box: Box, margin: number, image: RgbImage): Box {
  const by = margin * Math.max(box.width, box.height);
  const left = Math.max(0, Math.floor(box.left - by));
  const top = Math.max(0, Math.floor(box.top - by));
  const right = Math.min(image.width, Math.ceil(box.left + box.width + by));
  const bottom = Math.min(image.height, Math.ceil(box.top + box.height + by));
  return { left, top, width: right - left, height: bottom - top };
}

function moved([a, b, c, d, e]: FivePoints, rect: Box, x: number, y: number): FivePoints {
  const at = (point: FivePoints[0]) => ({ x: (point.x - rect.left) * x, y: (point.y - rect.top) * y });
  return [at(a), at(b), at(c), at(d), at(e)];
}

function assess(image: RgbImage, box: Box, score: number, landmarks: FivePoints | undefined): Quality {
  const rect = surround(box, 0, image);
  const piece = cut(image, rect);
  const grey = new Uint8Array(piece.width * piece.height);
  // ITU-R BT.601 luma, as the worker's grey.
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] =
      0.299 * (piece.data[3 * at] ?? 0) + 0.587 * (piece.data[3 * at + 1] ?? 0) + 0.114 * (piece.data[3 * at + 2] ?? 0) + 0.5;
  }
  return assessCrop({
    grey,
    width: piece.width,
    height: piece.height,
    box: { left: box.left - rect.left, top: box.top - rect.top, width: box.width, height: box.height },
    score,
    visible: Math.min(1, (rect.width * rect.height) / Math.max(1, Math.ceil(box.width) * Math.ceil(box.height))),
    heightPx: box.height,
    ...(landmarks === undefined ? {} : { landmarks: moved(landmarks, rect, 1, 1) }),
  });
}
