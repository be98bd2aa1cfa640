import { SightlineError } from '../core/errors.ts';
import type { Embedding, MatchKind } from '../core/types.ts';

/** Of an entry that has pictures. */
export type PhotoKind = 'face' | 'body';
export type EntryKind = PhotoKind | 'description';

/** An embedding space in use. */
export interface Space {
  /** Model and version. */
  readonly name: string;
  readonly dimensions: number;
  /** Cosine from which a sighting speaks for an entry that has no threshold of its own. */
  readonly threshold: number;
}

export type Spaces = Readonly<Partial<Record<MatchKind, Space>>>;

export const matchKinds: Readonly<Record<EntryKind, MatchKind>> = {
  face: 'face',
  body: 'appearance',
  description: 'description',
};

/** Throws `watchlist.dimension` for an embedding of another space. */
export function ofSpace({ vector, space: found }: Embedding, space: Space): Float32Array {
  if (found === space.name) return unitVector(vector, space);
  throw new SightlineError('watchlist.dimension', `the embedder gave a vector of ${found}, the watchlist uses ${space.name}`, {
    details: { space: found, expected: space.name },
  });
}

/** The vector at unit length. Throws `watchlist.dimension` for one of another length, with values that are no numbers, or zero. */
export function unitVector(vector: Float32Array, space: Space): Float32Array {
  let squares = 0;
  for (let at = 0; at < vector.length; at += 1) squares += (vector[at] ?? 0) ** 2;
  const norm = Math.sqrt(squares);
  if (vector.length !== space.dimensions || !Number.isFinite(norm) || norm === 0) {
    throw new SightlineError(
      'watchlist.dimension',
      `a vector of ${vector.length} values and norm ${norm} is none of ${space.name}, which has ${space.dimensions} values and norm 1`,
      { details: { space: space.name, values: vector.length, dimensions: space.dimensions } },
    );
  }
  const unit = new Float32Array(vector.length);
  for (let at = 0; at < vector.length; at += 1) unit[at] = (vector[at] ?? 0) / norm;
  return unit;
}
