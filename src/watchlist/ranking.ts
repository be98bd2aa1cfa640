import type { Match, MatchKind, MatchResult } from '../core/types.ts';
import type { Neighbours } from './vector-index.ts';

/** What a ranking knows of a reference; undefined for one that is gone or whose entry has expired. */
export interface Ranked {
  readonly entryId: string;
  readonly entryName: string;
  readonly list: string;
  readonly negative: boolean;
  readonly accepted: boolean;
  /** The entry's own threshold or the space's. */
  readonly threshold: number;
}

/**
 * Cosine by which the threshold rises where the best reference is one that was enrolled although its photo was refused. Poor
 * pictures lie close to the poor crops of anybody: with the default face embedder the 99th percentile of 166 impostor cosines
 * against blurred or small crops rose from 0.24 for good references to between 0.40 and 0.50 for blurred ones and ones of 24 to
 * 30 px, while genuine cosines of 40 px references against good crops stayed at 0.65 and more.
 */
export const acceptedRaise = 0.15;

export interface Ranking {
  readonly matches: readonly Match[];
  /** False when a deeper search could change the answer. */
  readonly settled: boolean;
}

/**
 * Entries by falling score from references by falling score.
 *
 * - An entry counts once, by its best reference. Where that one was accepted despite its quality, another one that is worse by less
 *   than the raise speaks for it instead, at the plain threshold.
 * - An entry whose negative example is closer than its best reference is left out.
 *
 * `whole` says that the neighbours are all there are; otherwise the answer is settled when `count` entries are found and no
 * reference below the last neighbour could change them.
 */
export function rank(
  neighbours: Neighbours,
  lookup: (id: string) => Ranked | undefined,
  count: number,
  whole: boolean,
): Ranking {
  const entries = new Map<string, { match: Match; raised: boolean } | 'left out'>();
  for (const [place, id] of neighbours.ids.entries()) {
    const score = neighbours.scores[place] ?? -1;
    const reference = lookup(id);
    if (reference === undefined) continue;
    const { entryId, entryName, list, negative, accepted, threshold } = reference;
    const seen = entries.get(entryId);
    const match: Match = {
      entryId,
      entryName,
      list,
      referenceId: id,
      score,
      threshold: accepted ? threshold + acceptedRaise : threshold,
    };
    if (seen === undefined) entries.set(entryId, negative ? 'left out' : { match, raised: accepted });
    else if (seen !== 'left out' && seen.raised && !negative && !accepted) {
      entries.set(entryId, score > seen.match.score - acceptedRaise ? { match, raised: false } : { ...seen, raised: false });
    }
  }
  const found = [...entries.values()].filter((entry) => entry !== 'left out');
  const lowest = neighbours.scores.at(-1) ?? Number.NEGATIVE_INFINITY;
  const settled =
    whole || (found.length >= count && found.every(({ match, raised }) => !raised || lowest <= match.score - acceptedRaise));
  return { matches: found.map(({ match }) => match).sort((a, b) => b.score - a.score), settled };
}

/** `matches` must hold at least two entries where there are two, so that the margin is right. */
export function toResult(kind: MatchKind, space: string, matches: readonly Match[], k: number): MatchResult {
  const [best, next] = matches;
  return { kind, space, top: matches.slice(0, k), margin: best === undefined ? 0 : best.score - (next?.score ?? -1) };
}
