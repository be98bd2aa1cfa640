import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import type { InferenceEngine } from '../core/inference.ts';
import type { Embedder, TextEmbedder, Thresholds } from '../core/models.ts';
import { readClipVocabulary } from '../models/clip-vocabulary.ts';
import { embedDescription } from '../models/describe.ts';
import { createTextEmbedder } from '../models/kinds.ts';
import type { DescriptionTools } from '../watchlist/photos.ts';
import type { Space } from '../watchlist/spaces.ts';

/** Entries described in words: whether there can be any, and what they are embedded with. */
export interface Descriptions {
  /** The space that descriptions share with bodies; absent where they are off or cannot be had. */
  readonly space?: Space;
  readonly tools?: DescriptionTools;
  /** Why there are none; absent where there can be. */
  readonly missing?: SightlineError;
  /** Of a body beside a description; where there are none nothing is ever like one. */
  thresholds(config: Config['models']): Thresholds;
}

/** A person waits, the first time for the network to load. */
const deadlineMs = 60_000;

/** `appearance` is the embedder of bodies, where there is one. */
export async function createDescriptions(
  { watchlist, models, inference }: Pick<Config, 'watchlist' | 'models' | 'inference'>,
  appearance: Embedder | undefined,
  engine: InferenceEngine,
  ctx: Context,
): Promise<Descriptions> {
  const embedder = watchlist.text ? await found(models, inference.repository, appearance, engine) : off();
  const thresholds = (config: Config['models']): Thresholds => {
    const own = embedder instanceof SightlineError ? { open: 1, keep: 1 } : embedder.thresholds;
    const { open = own.open, keep } = config.thresholds.description;
    return { open, keep: keep ?? Math.min(own.keep, open), margin: 0 };
  };
  if (embedder instanceof SightlineError) return { missing: embedder, thresholds };
  return {
    space: { name: embedder.space, dimensions: embedder.dimensions, threshold: thresholds(models).open },
    tools: {
      embed: async (text, signal) => {
        const options = {
          signal,
          deadlineMs: ctx.clock.mono() + deadlineMs,
          stream: 'enrolment',
          priority: 'background',
        } as const;
        return { vector: await embedDescription(embedder, text, options), space: embedder.space };
      },
    },
    thresholds,
  };
}

function off(): SightlineError {
  return new SightlineError(
    'control.request',
    'entries described in words are off; they are experimental: set watchlist.text to true, models.appearance and models.text to embedders of one space (clip_visual, clip_text), and start the daemon again',
    { details: { setting: 'watchlist.text' } },
  );
}

/** The embedder of texts, or why it cannot be used. */
async function found(
  { text, appearance: setting }: Config['models'],
  repository: string,
  appearance: Embedder | undefined,
  engine: InferenceEngine,
): Promise<TextEmbedder | SightlineError> {
  const why = (reason: string) =>
    new SightlineError('model.missing', `descriptions need models.text and models.appearance in one space: ${reason}`, {
      details: { settings: ['text', 'appearance'] },
    });
  try {
    const read = (name: string) => readClipVocabulary(join(repository, text, name));
    const embedder = createTextEmbedder(await engine.describe(text), read, engine.infer);
    if (appearance === undefined) return why(`${setting} cannot be used`);
    if (embedder.space === appearance.space && embedder.dimensions === appearance.dimensions) return embedder;
    return why(
      `${setting} gives ${appearance.dimensions} numbers of ${appearance.space}, ${text} ${embedder.dimensions} of ${embedder.space}`,
    );
  } catch (error) {
    if (!isSightlineError(error, 'model.unknown') && !isSightlineError(error, 'model.invalid')) throw error;
    return why(error.message);
  }
}
