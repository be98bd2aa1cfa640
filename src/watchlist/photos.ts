import { SightlineError } from '../core/errors.ts';
import type { Box, Embedding, FivePoints, Quality } from '../core/types.ts';
import { type EntryKind, ofSpace, type PhotoKind, type Space } from './spaces.ts';

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
  analyse(photo: Uint8Array, kind: PhotoKind, signal: AbortSignal): Promise<PhotoAnalysis>;
  /** Cuts one out, wide enough for the embedder, as JPEG. */
  cut(photo: Uint8Array, subject: PhotoSubject, kind: PhotoKind, signal: AbortSignal): Promise<ReferencePicture>;
  /** Embeds a cut-out; at enrolment the very one that is kept, so that embedding it again gives the same. */
  embed(picture: ReferencePicture, kind: PhotoKind, signal: AbortSignal): Promise<Embedding>;
}

/** Turns words into vectors that may be compared with those of bodies. */
export interface DescriptionTools {
  embed(text: string, signal: AbortSignal): Promise<Embedding>;
}

export interface Embedders {
  readonly photos: Pick<PhotoTools, 'embed'>;
  /** Absent while descriptions are off, or cannot be had. */
  readonly descriptions?: DescriptionTools | undefined;
}

/** What there is of a reference that can be embedded. */
export type ReferenceSource = Omit<ReferencePicture, 'jpeg'> & { readonly text?: string };

/**
 * The unit vector of a reference, by its words or else by its cut-out. Throws `watchlist.dimension` when the embedder's space is not the
 * one expected.
 */
export async function embedReference(
  { photos, descriptions }: Embedders,
  { text, box, landmarks }: ReferenceSource,
  jpeg: Uint8Array,
  kind: EntryKind,
  space: Space,
  signal: AbortSignal,
): Promise<Float32Array> {
  if (kind !== 'description') {
    const picture = { jpeg, box, ...(landmarks === undefined ? {} : { landmarks }) };
    return ofSpace(await photos.embed(picture, kind, signal), space);
  }
  if (descriptions === undefined || text === undefined)
    throw new SightlineError('model.missing', 'a description cannot be embedded: there is no embedder of texts, or no text');
  return ofSpace(await descriptions.embed(text, signal), space);
}
