import type { InferOptions } from './inference.ts';
import type { Box, CropKind, FivePoints } from './types.ts';

/** Detectors and embedders as their users see them; `models/` makes them from a model's description. */

/** RGB, 8 bit, interleaved, rows without padding: `data.length === width * height * 3`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface DetectedObject {
  readonly label: string;
  /** 0 to 1. */
  readonly score: number;
  /** Source pixels, clipped to the frame. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
}

export interface DetectOptions extends InferOptions {
  /** Overrides the model's own cut. */
  readonly minScore?: number;
}

export interface Detector {
  readonly model: string;
  readonly labels: readonly string[];
  /** Whether it gives five points, so that face embedders can be fed from it. */
  readonly landmarks: boolean;
  /**
   * Size to which a source frame is scaled before `detect`: the whole input for models that stretch, the fitted content for
   * models that letterbox (`detect` adds the padding). `width` overrides the model's own input width.
   */
  contentSize(
    source: { readonly width: number; readonly height: number },
    width?: number,
  ): { readonly width: number; readonly height: number };
  /** `image` has `contentSize`; boxes come back in pixels of `source`. */
  detect(
    image: RgbImage,
    source: { readonly width: number; readonly height: number },
    options: DetectOptions,
  ): Promise<readonly DetectedObject[]>;
}

/** A crop to embed: pixels, the object's box and, for faces, its five points, all in pixels of `image`. */
export interface EmbedInput {
  readonly image: RgbImage;
  readonly box: Box;
  readonly landmarks?: FivePoints;
}

export interface Thresholds {
  /** Cosine from which a sighting speaks for an entry. */
  readonly open: number;
  /** Cosine that keeps an open episode. */
  readonly keep: number;
  /** Least distance to the next other entry. */
  readonly margin: number;
}

export interface Embedder {
  readonly model: string;
  readonly kind: CropKind;
  /** Name of the embedding space, e.g. `mobilefacenet@1`. */
  readonly space: string;
  readonly dimensions: number;
  readonly thresholds: Thresholds;
  /** Share of the box's size by which a crop must be wider on each side so that the warp stays inside it. */
  readonly cropMargin: number;
  /** Unit-length vectors, one per input, in order. Splits at the model's batch ceiling. */
  embed(inputs: readonly EmbedInput[], options: InferOptions): Promise<readonly Float32Array[]>;
}

/** Turns descriptions into vectors of an embedder's space. What it matches is a resemblance to words, never anybody's identity. */
export interface TextEmbedder {
  readonly model: string;
  /** That of the embedder of pictures that its vectors may be compared with. */
  readonly space: string;
  readonly dimensions: number;
  /** Of a text beside a picture; those of two pictures are far higher. */
  readonly thresholds: Thresholds;
  /** Unit-length vectors, one per text, in order. Rejects with `text.refused` for a text that is empty or too long. */
  embed(texts: readonly string[], options: InferOptions): Promise<readonly Float32Array[]>;
}
