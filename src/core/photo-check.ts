import type { Box, FivePoints, Quality } from './types.ts';

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
