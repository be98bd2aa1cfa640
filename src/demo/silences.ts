import type { LedgerRow } from '../core/alerts.ts';
import type { DemoSilence } from '../core/demo.ts';
import { trackKey } from '../core/types.ts';

/** From ledger rows to the few that are worth a line in the demo: the look-alike and the one on the ignore list. Pure. */

/** Below this share of the threshold it is a stranger like any other, not somebody who looks alike. */
const alikeShare = 0.6;
/** A track of somebody who was told of at about the same time is that same person. */
const sameVisitMs = 6000;

export interface ToldVisit {
  readonly camera: string;
  readonly name: string;
  readonly at: number;
}

/** What `rows` say of tracks that are not among `told`; those told of are added to it. */
export function silencesOf(
  rows: readonly LedgerRow[],
  visits: readonly ToldVisit[],
  told: Set<string>,
): readonly DemoSilence[] {
  const silences: DemoSilence[] = [];
  for (const row of rows) {
    const key = trackKey(row.track);
    if (told.has(key)) continue;
    const silence = silenceOf(row, visits);
    if (silence === undefined) continue;
    told.add(key);
    silences.push(silence);
  }
  return silences;
}

function silenceOf(row: LedgerRow, visits: readonly ToldVisit[]): DemoSilence | undefined {
  const { entryName: nearest, score: similarity, threshold } = row;
  if (nearest === undefined || similarity === undefined || threshold === undefined) return undefined;
  const { camera } = row.track;
  if (row.reason === 'ignored') return { why: 'ignored', camera, nearest, list: String(row.details['list'] ?? '') };
  if (row.reason !== 'below_threshold' || similarity < alikeShare * threshold) return undefined;
  const visiting = visits.some(
    (visit) =>
      visit.name === nearest &&
      visit.camera === camera &&
      visit.at > row.at - sameVisitMs &&
      visit.at < row.lastAt + 2 * sameVisitMs,
  );
  return visiting ? undefined : { why: 'unlike', camera, nearest, similarity, threshold };
}
