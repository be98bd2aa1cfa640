import type { Context } from '../core/context.ts';
import { isSightlineError } from '../core/errors.ts';
import type { InferOptions } from '../core/inference.ts';
import { FloodGate } from '../core/log.ts';
import type { Embedder, EmbedInput } from '../core/models.ts';
import { type Trace, traceField } from '../core/trace.ts';
import type { Crop, Embedding } from '../core/types.ts';
import { decodeImage } from './image.ts';

export interface CropEmbedder extends Disposable {
  readonly embedder: Embedder;
  /** Why the model itself gave nothing usable for any crop of the latest run; undefined when it gave something, or had nothing to do. */
  readonly trouble: unknown;
  /**
   * One embedding per crop, in order; undefined for a crop that cannot be decoded or embedded (counted and logged). Rejects when
   * the engine refuses the whole run: `inference.deadline`, `inference.overload`, `inference.closed`, an abort.
   */
  embed(crops: readonly Crop[], options: InferOptions): Promise<readonly (Embedding | undefined)[]>;
}

/** From JPEG crops to unit vectors. A crop that is broken never takes its neighbours with it. */
export function createCropEmbedder(embedder: Embedder, ctx: Context): CropEmbedder {
  const failures = ctx.metrics.counter('sightline_crop_failures_total', 'Crops that gave no embedding, by reason', ['reason']);
  const flood = new FloodGate(ctx.log, ctx.clock);
  let trouble: unknown;

  function reject(reason: 'decode' | 'embed', error: unknown, trace?: Trace): undefined {
    failures.inc({ reason });
    flood.warn('crop gave no embedding', { model: embedder.model, reason, err: error, ...traceField(trace) });
    return undefined;
  }

  async function decode(crop: Crop): Promise<EmbedInput | undefined> {
    try {
      const image = await decodeImage(crop.jpeg, { maxPixels: 16_000_000, name: 'a crop' });
      // The JPEG's real size decides: its points and box are in pixels of the size the worker stated.
      const x = image.width / crop.width;
      const y = image.height / crop.height;
      return { image, ...placed(crop, x, y) };
    } catch (error) {
      return reject('decode', error);
    }
  }

  async function run(inputs: readonly EmbedInput[], options: InferOptions): Promise<readonly (Float32Array | undefined)[]> {
    try {
      return await embedder.embed(inputs, options);
    } catch (error) {
      if (!isSightlineError(error, 'inference.failed')) throw error;
      if (inputs.length === 1) {
        // An error of a crop names no model.
        if (error.details['model'] !== undefined) trouble = error;
        return [reject('embed', error, options.trace)];
      }
    }
    // One of them is broken: each by itself, so that only that one is lost.
    const vectors: (Float32Array | undefined)[] = [];
    for (const input of inputs) vectors.push(...(await run([input], options)));
    return vectors;
  }

  return {
    embedder,
    get trouble() {
      return trouble;
    },
    embed: async (crops, options) => {
      const decoded = await Promise.all(crops.map(decode));
      const usable = decoded.filter((input) => input !== undefined);
      trouble = undefined;
      const vectors = usable.length === 0 ? [] : await run(usable, options);
      if (vectors.some((vector) => vector !== undefined)) trouble = undefined;
      let next = 0;
      return decoded.map((input) => {
        const vector = input === undefined ? undefined : vectors[next++];
        return vector && { vector, space: embedder.space };
      });
    },
    [Symbol.dispose]: () => flood[Symbol.dispose](),
  };
}

function placed({ box, landmarks }: Crop, x: number, y: number): Omit<EmbedInput, 'image'> {
  const moved = landmarks?.map((point) => ({ x: point.x * x, y: point.y * y }));
  const [a, b, c, d, e] = moved ?? [];
  return {
    box: { left: box.left * x, top: box.top * y, width: box.width * x, height: box.height * y },
    ...(a && b && c && d && e ? { landmarks: [a, b, c, d, e] } : {}),
  };
}
