import type { Database } from 'better-sqlite3';
import type { LedgerReason, LedgerRow } from '../core/alerts.ts';
import type { LedgerQuery } from '../core/store.ts';
import type { MatchKind } from '../core/types.ts';

interface Row {
  readonly camera: string;
  readonly epoch: number;
  readonly track_id: number;
  readonly kind: MatchKind;
  readonly reason: LedgerReason;
  /** Empty where nobody was near: part of the unique key. */
  readonly entry_id: string;
  readonly entry_name: string | null;
  readonly label: string;
  readonly score: number | null;
  readonly threshold: number | null;
  readonly count: number;
  readonly at: number;
  readonly last_at: number;
  readonly details: string;
}

/** Largest answer of `query`. */
const maxRows = 10_000;

export function createLedger(db: Database) {
  const put = db.prepare(`
    INSERT INTO ledger (camera, epoch, track_id, kind, reason, entry_id, entry_name, label, score, threshold, count, at, last_at,
      stored_at, details)
    VALUES (@camera, @epoch, @trackId, @kind, @reason, @entryId, @entryName, @label, @score, @threshold, @count, @at, @lastAt,
      @now, @details)
    ON CONFLICT (camera, epoch, track_id, kind, reason, entry_id) DO UPDATE SET
      count = count + @count, at = min(at, @at), last_at = max(last_at, @lastAt), stored_at = @now,
      details = CASE WHEN coalesce(@score, -2) >= coalesce(score, -2) THEN @details ELSE details END,
      score = CASE WHEN coalesce(@score, -2) >= coalesce(score, -2) THEN @score ELSE score END,
      threshold = coalesce(@threshold, threshold)`);
  const select = db.prepare<[Record<string, unknown>], Row>(`
    SELECT * FROM ledger WHERE last_at >= @from AND at < @to AND (@camera IS NULL OR camera = @camera)
      AND (@ofCameras IS NULL OR camera IN (SELECT value FROM json_each(@ofCameras)))
      AND (@reason IS NULL OR reason = @reason) ORDER BY at, id LIMIT @limit`);
  return {
    /** Runs inside the caller's transaction. */
    add: (rows: readonly LedgerRow[], now: number): void => {
      for (const row of rows) {
        put.run({
          camera: row.track.camera,
          epoch: row.track.epoch,
          trackId: row.track.trackId,
          kind: row.kind,
          reason: row.reason,
          entryId: row.entryId ?? '',
          entryName: row.entryName ?? null,
          label: row.label,
          score: row.score ?? null,
          threshold: row.threshold ?? null,
          count: row.count,
          at: row.at,
          lastAt: row.lastAt,
          now,
          details: JSON.stringify(row.details),
        });
      }
    },
    query: (query: LedgerQuery): readonly LedgerRow[] =>
      select
        .all({
          from: query.from,
          to: query.to,
          camera: query.camera ?? null,
          ofCameras: query.ofCameras === undefined ? null : JSON.stringify(query.ofCameras),
          reason: query.reason ?? null,
          limit: Math.max(1, Math.min(maxRows, Math.trunc(query.limit))),
        })
        .map((row) => ({
          at: row.at,
          track: { camera: row.camera, epoch: row.epoch, trackId: row.track_id },
          label: row.label,
          kind: row.kind,
          reason: row.reason,
          ...(row.entry_id === '' ? {} : { entryId: row.entry_id }),
          ...(row.entry_name === null ? {} : { entryName: row.entry_name }),
          ...(row.score === null ? {} : { score: row.score }),
          ...(row.threshold === null ? {} : { threshold: row.threshold }),
          count: row.count,
          lastAt: row.last_at,
          details: JSON.parse(row.details) as LedgerRow['details'],
        })),
  };
}
