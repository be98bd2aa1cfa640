import type { CropKind, Embedding, MatchResult } from '../core/types.ts';
import type { Watchlist } from '../watchlist/watchlist.ts';

/** Descriptions do not exclude one another: so many of the best may fit one body. */
const descriptionsPerCrop = 16;

/** Embedded crops beside those who are enrolled, in order: faces with faces, bodies with bodies and with what was described in words. */
export async function matchCrops(
  watchlist: Pick<Watchlist, 'search' | 'hasDescriptions'>,
  crops: readonly { readonly kind: CropKind; readonly embedding: Embedding }[],
  k: number,
): Promise<readonly (readonly MatchResult[])[]> {
  const results = await watchlist.search(crops, k);
  const bodies = watchlist.hasDescriptions ? [...crops.keys()].filter((at) => crops[at]?.kind === 'appearance') : [];
  const queries = bodies.flatMap((at) => {
    const embedding = crops[at]?.embedding;
    return embedding === undefined ? [] : [{ kind: 'description' as const, embedding }];
  });
  const described = await watchlist.search(queries, descriptionsPerCrop);
  const byCrop = new Map(bodies.map((at, place) => [at, described[place]]));
  return results.map((result, at) => {
    const also = byCrop.get(at);
    return also === undefined ? [result] : [result, also];
  });
}
