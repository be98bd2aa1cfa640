import { SightlineError } from '../core/errors.ts';
import type { Infer, ModelDescription } from '../core/inference.ts';
import type { Detector, Embedder, TextEmbedder } from '../core/models.ts';
import { createCenterFace } from './centerface.ts';
import { createClipText, type ReadVocabulary } from './clip-text.ts';
import { createClipVisual } from './clip-visual.ts';
import { createFaceEmbedder } from './face-embedder.ts';
import { Parameters } from './parameters.ts';
import { createPersonEmbedder } from './person-embedder.ts';
import { createYoloEnd2end } from './yolo-end2end.ts';
import { createYolov7 } from './yolov7.ts';
import { createYolov8 } from './yolov8.ts';
import { createYolox } from './yolox.ts';
import { createYunet } from './yunet.ts';

/** The kinds of model that there is code for; `parameters.kind` in a `config.pbtxt` names one. */

const detectors = {
  centerface: createCenterFace,
  yunet: createYunet,
  yolo_end2end: createYoloEnd2end,
  yolov7: createYolov7,
  yolov8: createYolov8,
  yolox: createYolox,
} as const;

const embedders = {
  face_embedder: createFaceEmbedder,
  person_embedder: createPersonEmbedder,
  clip_visual: createClipVisual,
} as const;

const textEmbedders = {
  clip_text: createClipText,
} as const;

type DetectorKindName = keyof typeof detectors;
type EmbedderKindName = keyof typeof embedders;
type TextEmbedderKindName = keyof typeof textEmbedders;

/** Whether a model finds things in frames or turns crops or texts into vectors. Throws `model.invalid` for a kind there is no code for. */
export function modelRole(model: ModelDescription): 'detector' | 'embedder' | 'text_embedder' {
  const kind = kindOf(model, [...names(detectors), ...names(embedders), ...names(textEmbedders)]);
  if (kind in detectors) return 'detector';
  return kind in embedders ? 'embedder' : 'text_embedder';
}

/** Throws `model.invalid` naming the file, what is wrong and what is allowed. */
export function createDetector(model: ModelDescription, infer: Infer): Detector {
  const parameters = new Parameters(model);
  const kind: DetectorKindName = kindOf(model, names(detectors));
  parameters.text('kind');
  const detector = detectors[kind](model, parameters, infer);
  parameters.finish();
  return detector;
}

/** Throws `model.invalid` naming the file, what is wrong and what is allowed. */
export function createEmbedder(model: ModelDescription, infer: Infer): Embedder {
  const parameters = new Parameters(model);
  const kind: EmbedderKindName = kindOf(model, names(embedders));
  parameters.text('kind');
  const embedder = embedders[kind](model, parameters, infer);
  parameters.finish();
  return embedder;
}

/** `readVocabulary` is called with the first text. Throws `model.invalid` naming the file, what is wrong and what is allowed. */
export function createTextEmbedder(model: ModelDescription, readVocabulary: ReadVocabulary, infer: Infer): TextEmbedder {
  const parameters = new Parameters(model);
  const kind: TextEmbedderKindName = kindOf(model, names(textEmbedders));
  parameters.text('kind');
  const embedder = textEmbedders[kind](model, parameters, readVocabulary, infer);
  parameters.finish();
  return embedder;
}

function names<T extends object>(kinds: T): readonly (keyof T)[] {
  return Object.keys(kinds) as (keyof T)[];
}

function kindOf<T extends string>(model: ModelDescription, allowed: readonly T[]): T {
  const kind = model.parameters['kind'];
  const found = allowed.find((name) => name === kind);
  if (found !== undefined) return found;
  throw new SightlineError(
    'model.invalid',
    `${model.name}/config.pbtxt: parameter kind ${kind === undefined ? 'is missing' : `says "${kind}"`}; allowed is ${allowed.join(', ')}`,
    { details: { model: model.name, parameter: 'kind', allowed } },
  );
}
