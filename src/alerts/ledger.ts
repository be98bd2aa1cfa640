import type { LedgerReason, LedgerRow } from '../core/alerts.ts';
import type { Match, MatchKind, TrackRef, TrackSummary } from '../core/types.ts';

/** What one track leaves behind about the matches that told nobody: one row per entry and reason. */
export interface TrackLedger {
  note(note: Note): void;
  /** What led up to a decision or an alert needs no explanation: rows of this entry, of one reason or of all. */
  drop(entryId: string, reason?: LedgerReason): void;
  /** Rows gathered since the last call. */
  take(): readonly LedgerRow[];
  /** True when any row was ever noted and not dropped. */
  readonly noted: boolean;
}

export interface Note {
  readonly atMs: number;
  readonly kind: MatchKind;
  readonly reason: LedgerReason;
  readonly match?: Match;
  readonly details: LedgerRow['details'];
}

/** Entries that a track resembles in passing are many; the first ones tell enough. */
const rowsPerTrack = 16;

export function createTrackLedger(track: TrackRef, label: string): TrackLedger {
  const rows = new Map<string, LedgerRow>();
  let taken = 0;
  return {
    note: ({ atMs, kind, reason, match, details }) => {
      const key = `${reason}|${match?.entryId ?? ''}`;
      const before = rows.get(key);
      if (before === undefined && rows.size >= rowsPerTrack) return;
      const better = before?.score === undefined || (match !== undefined && match.score >= before.score);
      rows.set(key, {
        at: before?.at ?? atMs,
        track,
        label,
        kind,
        reason,
        ...(match === undefined ? {} : { entryId: match.entryId, entryName: match.entryName, threshold: match.threshold }),
        ...(match === undefined ? {} : { score: Math.max(match.score, before?.score ?? match.score) }),
        count: (before?.count ?? 0) + 1,
        lastAt: Math.max(before?.lastAt ?? atMs, atMs),
        details: better ? details : before.details,
      });
    },
    drop: (entryId, reason) => {
      for (const [key, row] of rows) if (row.entryId === entryId && row.reason === (reason ?? row.reason)) rows.delete(key);
    },
    take: () => {
      const all = [...rows.values()];
      taken += all.length;
      rows.clear();
      return all;
    },
    get noted() {
      return taken + rows.size > 0;
    },
  };
}

export interface SilentTrack {
  readonly track: TrackRef;
  readonly label: string;
  readonly kind: MatchKind;
  readonly summary: TrackSummary;
  /** Sightings that were compared. */
  readonly sightings: number;
  readonly bestScore: number | undefined;
  /** Whose score that was. */
  readonly nearest: Match | undefined;
  /** Heights below which the camera compares nothing. */
  readonly minHeightPx: number;
  readonly qualityFloor: number;
  /** Somebody was enrolled in the space that was searched. */
  readonly anybodyEnrolled: boolean;
  /** A person on a camera that compares faces, on whom no face was found. */
  readonly faceless: boolean;
}

/** The row of a track that matched nobody: its best numbers, and the stage at which its way ended. */
export function summarise(silent: SilentTrack): LedgerRow {
  const { track, label, kind, summary, nearest } = silent;
  const reason = endedAt(silent);
  return {
    at: summary.firstSeenMs,
    track,
    label,
    kind,
    reason,
    ...(nearest === undefined || silent.bestScore === undefined
      ? {}
      : {
          entryId: nearest.entryId,
          entryName: nearest.entryName,
          score: silent.bestScore,
          threshold: nearest.threshold,
        }),
    count: Math.max(1, silent.sightings),
    lastAt: summary.lastSeenMs,
    details: {
      stage: silent.faceless ? 'no_face' : stageOf(reason),
      frames: summary.frames,
      crops: summary.crops,
      bestHeightPx: Math.round(summary.bestHeightPx),
      minHeightPx: silent.minHeightPx,
      bestQuality: Math.round(summary.bestQuality * 1000) / 1000,
      sightings: silent.sightings,
    },
  };
}

function endedAt(silent: SilentTrack): LedgerReason {
  if (silent.sightings > 0) return silent.anybodyEnrolled ? 'below_threshold' : 'nobody_enrolled';
  if (silent.faceless) return 'never_embedded';
  if (silent.summary.bestHeightPx < silent.minHeightPx) return 'too_small';
  if (silent.summary.crops > 0 && silent.summary.bestQuality < silent.qualityFloor) return 'quality';
  return 'never_embedded';
}

function stageOf(reason: LedgerReason): string {
  if (reason === 'too_small') return 'detected';
  return reason === 'quality' || reason === 'never_embedded' ? 'cropped' : 'matched';
}
