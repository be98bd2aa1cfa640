import type { InferOptions } from '../core/inference.ts';
import type { TextEmbedder } from '../core/models.ts';
import { normalise } from './embedder.ts';
import { failed } from './tensors.ts';

/**
 * Sentences round a description. CLIP learned from captions and answers sentences better than bare words; several are averaged, as its
 * authors do (Radford et al. 2021, section 3.1.4). Attributes stay in one sentence: a picture must resemble all of it.
 */
export const prompts: readonly ((description: string) => string)[] = [
  (description) => `a photo of a person, ${description}.`,
  (description) => `a photo of a person with ${description}.`,
  (description) => `a person seen by a security camera, ${description}.`,
];

/** The unit vector of a description: the mean of the prompts' unit vectors. Rejects with `text.refused`. */
export async function embedDescription(
  embedder: TextEmbedder,
  description: string,
  options: InferOptions,
): Promise<Float32Array> {
  const vectors = await embedder.embed(
    prompts.map((prompt) => prompt(description)),
    options,
  );
  const mean = new Float32Array(embedder.dimensions);
  for (const vector of vectors) for (let at = 0; at < mean.length; at += 1) mean[at] = (mean[at] ?? 0) + (vector[at] ?? 0);
  if (!normalise(mean)) throw failed({ name: embedder.model }, 'the prompts of a description cancel each other');
  return mean;
}
