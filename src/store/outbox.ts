import type { Database } from 'better-sqlite3';
import type { Alert, AlertEvent, AlertStep } from '../core/alerts.ts';
import { passed } from '../core/checkpoints.ts';
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

/** A row whose message cannot be read any more; the reason says which part and why, without what is in it. */
export interface Unreadable {
  readonly id: number;
  readonly alertId: string;
  readonly reason: string;
}

export interface Page {
  readonly rows: readonly OutboxRow[];
  readonly unreadable: readonly Unreadable[];
}

/** Largest answer of `pending`: each row carries its picture. */
const maxPending = 500;

function readObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The event, or why there is none. The parser's own message is not passed on: it quotes what it read, names included. */
function readEvent(row: Row): AlertEvent | string {
  const alert = readObject(row.alert);
  if (alert === undefined) return 'its alert is no JSON object';
  const step = readObject(row.step);
  if (step === undefined) return 'its step is no JSON object';
  return {
    alert: alert as Alert,
    step: step as AlertStep,
    revision: row.revision,
    ...(row.image === null ? {} : { snapshot: row.image }),
  };
}

function toRow(row: Row, event: AlertEvent): OutboxRow {
  return {
    id: row.id,
    output: row.output,
    alertId: row.alert_id,
    revision: row.revision,
    camera: row.camera,
    createdAt: row.created_at,
    event,
  };
}

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

  const acknowledge = db.transaction((ids: readonly number[]): void => {
    passed('removal begun', ids);
    for (const id of ids) {
      const found = take(id);
      if (found === undefined) continue;
      dropEvent.run(found.event_id);
      dropSnapshots.run(found.alert_id);
    }
    passed('removal written', ids);
  });

  return {
    /** A page is filled with rows that can be read; the others met on the way are named beside them. */
    pending: (output: string, limit: number, afterId = 0): Page => {
      const wanted = Math.max(1, Math.min(maxPending, Math.trunc(limit)));
      const rows: OutboxRow[] = [];
      const unreadable: Unreadable[] = [];
      let cursor = afterId;
      while (rows.length < wanted) {
        const found = pending.all(output, cursor, wanted - rows.length);
        for (const each of found) {
          cursor = each.id;
          const event = readEvent(each);
          if (typeof event === 'string') unreadable.push({ id: each.id, alertId: each.alert_id, reason: event });
          else rows.push(toRow(each, event));
        }
        if (found.length === 0) break;
      }
      return { rows, unreadable };
    },
    /**
     * Does not wait for the disk: after a power cut a message that was taken may be sent once more, as after any lost acknowledgement,
     * and the next commit makes this one durable too. A crash of the process forgets nothing.
     */
    acknowledge: (ids: readonly number[]): void => {
      db.pragma('synchronous = NORMAL');
      try {
        acknowledge.immediate(ids);
      } finally {
        db.pragma('synchronous = FULL');
      }
    },
    deadLetter: db.transaction((id: number, reason: string, now: number): void => {
      const found = take(id);
      if (found !== undefined) bury.run(found.output, found.event_id, reason, now);
    }),
    counts: (): { readonly waiting: number; readonly dead: number } => counts.get() ?? { waiting: 0, dead: 0 },
  };
}
