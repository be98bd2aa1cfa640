import type { Database } from 'better-sqlite3';
import type { Alert, AlertStep } from '../core/alerts.ts';
import type { OutboxRow } from '../core/store.ts';

interface Row {
  readonly id: number;
  readonly output: string;
  readonly alert_id: string;
  readonly revision: number;
  readonly camera: string;
  readonly created_at: number;
  readonly alert: string;
  readonly step: string;
  readonly image: Uint8Array | null;
}

/** Largest answer of `pending`: each row carries its picture. */
const maxPending = 500;

export function createOutbox(db: Database) {
  const pending = db.prepare<[string, number, number], Row>(`
    SELECT outbox.id, output, events.alert_id, revision, camera, created_at, alert, step, image
    FROM outbox JOIN events ON events.id = event_id LEFT JOIN snapshots ON snapshots.id = snapshot_id
    WHERE output = ? AND outbox.id > ? ORDER BY outbox.id LIMIT ?`);
  const row = db.prepare<[number], { event_id: number; output: string; alert_id: string }>(
    'SELECT event_id, output, alert_id FROM outbox JOIN events ON events.id = event_id WHERE outbox.id = ?',
  );
  const remove = db.prepare('DELETE FROM outbox WHERE id = ?');
  const bury = db.prepare('INSERT INTO dead_letters (output, event_id, reason, died_at) VALUES (?, ?, ?, ?)');
  const dropEvent = db.prepare(`
    DELETE FROM events WHERE id = ?
      AND NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = events.id)
      AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE event_id = events.id)`);
  const dropSnapshots = db.prepare(`
    DELETE FROM snapshots WHERE alert_id = ?
      AND NOT EXISTS (SELECT 1 FROM alerts WHERE snapshot_id = snapshots.id)
      AND NOT EXISTS (SELECT 1 FROM events WHERE snapshot_id = snapshots.id)`);
  const counts = db.prepare<[], { waiting: number; dead: number }>(
    'SELECT (SELECT count(*) FROM outbox) AS waiting, (SELECT count(*) FROM dead_letters) AS dead',
  );

  function take(id: number): { readonly event_id: number; readonly output: string; readonly alert_id: string } | undefined {
    const found = row.get(id);
    if (found !== undefined) remove.run(id);
    return found;
  }

  return {
    pending: (output: string, limit: number, afterId = 0): readonly OutboxRow[] =>
      pending.all(output, afterId, Math.max(1, Math.min(maxPending, Math.trunc(limit)))).map((found) => ({
        id: found.id,
        output: found.output,
        alertId: found.alert_id,
        revision: found.revision,
        camera: found.camera,
        createdAt: found.created_at,
        event: {
          alert: JSON.parse(found.alert) as Alert,
          step: JSON.parse(found.step) as AlertStep,
          revision: found.revision,
          ...(found.image === null ? {} : { snapshot: found.image }),
        },
      })),
    acknowledge: db.transaction((ids: readonly number[]): void => {
      for (const id of ids) {
        const found = take(id);
        if (found === undefined) continue;
        dropEvent.run(found.event_id);
        dropSnapshots.run(found.alert_id);
      }
    }),
    deadLetter: db.transaction((id: number, reason: string, now: number): void => {
      const found = take(id);
      if (found !== undefined) bury.run(found.output, found.event_id, reason, now);
    }),
    counts: (): { readonly waiting: number; readonly dead: number } => counts.get() ?? { waiting: 0, dead: 0 },
  };
}
