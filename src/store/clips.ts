import type { Database } from 'better-sqlite3';
import type { ClipRecord } from '../core/store.ts';
import type { Erased } from './erased.ts';

interface ClipRow {
  readonly alert_id: string;
  readonly camera: string;
  readonly bytes: number;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly stored_at: number;
}

/** What `surplus` gives at most: the next call gives the rest. */
const batch = 500;

export function createClips(db: Database, erased: Erased) {
  const alertOf = db.prepare<[string], { entry_id: string | null }>('SELECT entry_id FROM alerts WHERE id = ?');
  const put = db.prepare(`
    INSERT OR REPLACE INTO clips (alert_id, camera, bytes, from_ms, to_ms, stored_at)
    VALUES (@alertId, @camera, @bytes, @fromMs, @toMs, @storedAt)`);
  const putEntry = db.prepare('INSERT OR IGNORE INTO clip_entries (alert_id, entry_id) VALUES (?, ?)');
  const one = db.prepare<[string], ClipRow>('SELECT * FROM clips WHERE alert_id = ?');
  const named = db
    .prepare<[Record<string, string>], string>(`
      SELECT alert_id FROM clip_entries WHERE entry_id = @id
      UNION SELECT alert_id FROM clips JOIN alerts ON alerts.id = alert_id WHERE entry_id = @id`)
    .pluck();
  const all = db.prepare<[], string>('SELECT alert_id FROM clips').pluck();
  const surplus = db
    .prepare<[Record<string, number>], string>(`
      SELECT alert_id FROM (
        SELECT alert_id, stored_at, sum(bytes) OVER (ORDER BY stored_at DESC, alert_id DESC) AS with_newer FROM clips
      )
      WHERE stored_at < @storedBefore OR with_newer > @bytes OR NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = alert_id)
      ORDER BY stored_at, alert_id LIMIT ${batch}`)
    .pluck();
  const drop = db.prepare('DELETE FROM clips WHERE alert_id = ?');
  const totals = db.prepare<[], { clips: number; bytes: number }>(
    'SELECT count(*) AS clips, coalesce(sum(bytes), 0) AS bytes FROM clips',
  );

  return {
    add: db.transaction((clip: ClipRecord, entries: readonly string[]): boolean => {
      const alert = alertOf.get(clip.alertId);
      if (alert === undefined || entries.some((id) => erased.has(id))) return false;
      put.run(clip);
      for (const entryId of new Set([...entries, ...(alert.entry_id === null ? [] : [alert.entry_id])])) {
        putEntry.run(clip.alertId, entryId);
      }
      return true;
    }),
    get: (alertId: string): ClipRecord | undefined => {
      const row = one.get(alertId);
      if (row === undefined) return undefined;
      const { camera, bytes, from_ms: fromMs, to_ms: toMs, stored_at: storedAt } = row;
      return { alertId, camera, bytes, fromMs, toMs, storedAt };
    },
    ofEntry: (entryId: string): readonly string[] => named.all({ id: entryId }),
    ids: (): readonly string[] => all.all(),
    surplus: (keep: { readonly storedBefore: number; readonly bytes: number }): readonly string[] => surplus.all({ ...keep }),
    remove: db.transaction((alertIds: readonly string[]): void => {
      for (const alertId of alertIds) drop.run(alertId);
    }),
    totals: (): { readonly clips: number; readonly bytes: number } => totals.get() ?? { clips: 0, bytes: 0 },
  };
}
