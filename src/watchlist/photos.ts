import { SightlineError } from '../core/errors.ts';
import type { Box, Embedding, FivePoints, Quality } from '../core/types.ts';
import { type EntryKind, type Space, unitVector } from './spaces.ts';

/** What enrolment needs of image decoding and models; whoever wires the daemon provides it. */

/** A face or a body on a photo, in pixels of the photo as its viewer sees it (EXIF orientation applied). */
export interface PhotoSubject {
  readonly box: Box;
  readonly landmarks?: FivePoints;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
  readonly quality: Quality;
}

export interface PhotoAnalysis {
  readonly width: number;
  readonly height: number;
  readonly subjects: readonly PhotoSubject[];
}

/** A cut-out as it is kept: enough to embed it again with another model. */
export interface ReferencePicture {
  readonly jpeg: Uint8Array;
  /** The subject in pixels of `jpeg`. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
}

export interface PhotoTools {
  /** Finds the faces or bodies of a photo. Throws `photo.undecodable` for bytes that are no picture. */
  analyse(photo: Uint8Array, kind: EntryKind, signal: AbortSignal): Promise<PhotoAnalysis>;
  /** Cuts one out, wide enough for the embedder, as JPEG. */
  cut(photo: Uint8Array, subject: PhotoSubject, kind: EntryKind, signal: AbortSignal): Promise<ReferencePicture>;
  /** Embeds a cut-out; at enrolment the very one that is kept, so that embedding it again gives the same. */
  embed(picture: ReferencePicture, kind: EntryKind, signal: AbortSignal): Promise<Embedding>;
}

/** The unit vector of a cut-out. Throws `watchlist.dimension` when the embedder's space is not the one expected. */
export async function embedPicture(
  photos: PhotoTools,
  picture: ReferencePicture,
  kind: EntryKind,
  space: Space,
  signal: AbortSignal,
): Promise<Float32Array> {
  const embedding = await photos.embed(picture, kind, signal);
  if (embedding.space !== space.name) {
    throw new SightlineError(
      'watchlist.dimension',
      `the embedder gave a vector of ${embedding.space}, the watchlist uses ${space.name}`,
      { details: { space: embedding.space, expected: space.name } },
    );
  }
  return unitVector(embedding.vector, space);
}
