import type { Box, FivePoints, Quality } from '../core/types.ts';
import type { PhotoTools } from './photos.ts';
import { choose, inReadingOrder, judge } from './quality.ts';
import type { PhotoKind } from './spaces.ts';

/** What enrolling a photo would say of it, found out without keeping anything. */
export interface PhotoCheck {
  /** Pixels of the photo as its viewer sees it. */
  readonly width: number;
  readonly height: number;
  /** Of the photo as a whole, in words: nobody is on it, or several of whom one must be picked. */
  readonly refusals: readonly string[];
  /** From left to right, as `pick` counts them. */
  readonly subjects: readonly {
    readonly box: Box;
    readonly landmarks?: FivePoints;
    readonly quality: Quality;
    /** In words; empty when it will do. */
    readonly refusals: readonly string[];
  }[];
}

/** Throws `photo.undecodable`, and what the models throw. */
export async function checkPhoto(
  photos: Pick<PhotoTools, 'analyse'>,
  photo: Uint8Array,
  kind: PhotoKind,
  signal: AbortSignal,
): Promise<PhotoCheck> {
  const analysis = await photos.analyse(photo, kind, signal);
  const chosen = choose(analysis, kind);
  return {
    width: analysis.width,
    height: analysis.height,
    refusals: 'reason' in chosen ? [chosen.message] : [],
    subjects: inReadingOrder(analysis.subjects).map(({ box, landmarks, quality }) => ({
      box,
      ...(landmarks === undefined ? {} : { landmarks }),
      quality,
      refusals: judge(quality, kind).map(({ message }) => message),
    })),
  };
}
