import type { PhotoCheck } from '../core/photo-check.ts';
import type { PhotoTools } from './photos.ts';
import { choose, inReadingOrder, judge } from './quality.ts';
import type { PhotoKind } from './spaces.ts';

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
