import type { Sighting } from '../core/types.ts';
import { beginComparison, type Comparison } from './track-state.ts';

/** Descriptions that a track is weighed against; those it resembled once and never was make room. */
const mostDescriptions = 8;

/**
 * A sighting beside each description by itself: those that it comes near, and those that the track came near before. Descriptions do
 * not exclude one another as people do, so none speaks against another and there is no margin between them.
 */
export function comparedAlone(
  described: Map<string, Comparison>,
  sighting: Sighting,
  keep: number,
): readonly (readonly [Comparison, Sighting])[] {
  const { top } = sighting.result;
  const near = new Set(top.filter(({ score, threshold }) => score >= Math.min(keep, threshold)).map(({ entryId }) => entryId));
  for (const entryId of near) {
    if (described.has(entryId)) continue;
    if (described.size >= mostDescriptions) {
      const idle = [...described].find(([id, { bound }]) => bound.size === 0 && !near.has(id));
      if (idle === undefined) continue;
      described.delete(idle[0]);
    }
    described.set(entryId, beginComparison('description'));
  }
  return [...described].map(([entryId, comparison]) => {
    const match = top.find((found) => found.entryId === entryId);
    const result = {
      ...sighting.result,
      top: match === undefined ? [] : [match],
      margin: match === undefined ? 0 : match.score + 1,
    };
    return [comparison, { ...sighting, result }];
  });
}
