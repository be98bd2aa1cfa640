import type { LedgerRow } from '../core/alerts.ts';
import type { DemoSilence } from '../core/demo.ts';
import { trackKey } from '../core/types.ts';

/** From ledger rows to the few that are worth a line in the demo: the look-alike and the one on the ignore list. Pure. */

/** Below this share of the threshold it is a stranger like any other, not somebody who looks alike. */
const alikeShare = 0.8;
/** One blink looks like anybody. */
const alikeLooks = 3;
/** Tracks of one visit follow each other; what was said of the first holds for the next. */
const sameVisitMs = 20_000;
/** Before the first and after the last good look somebody is seen worse. */
const aroundVisitMs = 1500;
const rememberedTracks = 10_000;

/** Somebody of whom was told: where, and from when to when in event time. */
export interface ToldVisit {
  readonly cameras: readonly string[];
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What the rows of the ledger say that has not been said before. The same question may be put again and again. */
export interface Silences {
  /** `ignored`: names on ignore lists; nobody asks who looks like them. */
  from(rows: readonly LedgerRow[], visits: readonly ToldVisit[], ignored: readonly string[]): readonly DemoSilence[];
}

export function createSilences(): Silences {
  const tracks = new Set<string>();
  /** Event time of the last row, by what was said. */
  const said = new Map<string, number>();

  function isNew(row: LedgerRow, { why, camera, nearest }: DemoSilence): boolean {
    const key = trackKey(row.track);
    if (tracks.has(key)) return false;
    tracks.add(key);
    for (const oldest of tracks) {
      if (tracks.size <= rememberedTracks) break;
      tracks.delete(oldest);
    }
    const text = `${why}/${camera}/${nearest}`;
    const before = said.get(text);
    said.set(text, Math.max(before ?? 0, row.lastAt));
    return before === undefined || row.at - before > sameVisitMs;
  }

  return {
    from: (rows, visits, ignored) =>
      rows
        .toSorted((a, b) => a.at - b.at)
        .flatMap((row) => {
          const silence = silenceOf(row, visits, ignored);
          return silence !== undefined && isNew(row, silence) ? [silence] : [];
        }),
  };
}

function silenceOf(row: LedgerRow, visits: readonly ToldVisit[], ignored: readonly string[]): DemoSilence | undefined {
  const { entryName: nearest, score: similarity, threshold } = row;
  if (nearest === undefined || similarity === undefined || threshold === undefined) return undefined;
  const { camera } = row.track;
  if (row.reason === 'ignored') return { why: 'ignored', camera, nearest, list: String(row.details['list'] ?? '') };
  const alike = row.reason === 'below_threshold' && row.count >= alikeLooks && similarity >= alikeShare * threshold;
  if (!alike || ignored.includes(nearest)) return undefined;
  const same = visits.some(({ name, cameras, from, to }) => {
    if (name !== nearest || !cameras.includes(camera)) return false;
    return 2 * (Math.min(row.lastAt, to + aroundVisitMs) - Math.max(row.at, from - aroundVisitMs)) > row.lastAt - row.at;
  });
  // A poor track of somebody who was told of meanwhile is most likely that same person.
  return same ? undefined : { why: 'unlike', camera, nearest, similarity, threshold };
}
