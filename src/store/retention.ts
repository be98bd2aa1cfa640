import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Retention } from '../core/store.ts';
import { migrationCopies } from './database.ts';
import type { Erased } from './erased.ts';

const day = 86_400_000;
/** The longest cooldown that a rule may have (`config/schema.ts`). */
const cooldownMs = 7 * day;
/** Who did what, where `Retention` does not say: the default of `retention.audit`. */
const usualAuditMs = 365 * day;
/** Copies of the file made before a migration hold what the file held. */
const copyMs = 7 * day;
/** Decisions under way are done long before. */
const erasedMs = day;
/** Rows of a kind that a transaction deletes at most: commits get their turn in between, and the log stays within the reserve. */
const batch = 50;

export interface Swept {
  readonly alerts: number;
  readonly snapshots: number;
  readonly ledger: number;
  /** Messages that no output took before their alert was too old to keep. */
  readonly outbox: number;
  /** There is more to delete: sweep again. */
  readonly more: boolean;
}

export function createRetention(db: Database, file: string, erased: Erased) {
  const limited = (table: string, where: string) =>
    db.prepare(`DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${where} LIMIT ${batch})`);
  const outbox = limited('outbox', 'event_id IN (SELECT id FROM events WHERE created_at < ?)');
  const deadLetters = limited('dead_letters', 'died_at < ?');
  const events = limited(
    'events',
    `NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = events.id) AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE event_id = events.id)`,
  );
  const alerts = limited('alerts', 'stored_at < ? AND episode_id NOT IN (SELECT id FROM episodes WHERE open = 1)');
  const snapshots = limited('snapshots', 'stored_at < ?');
  const orphans = limited(
    'snapshots',
    `NOT EXISTS (SELECT 1 FROM alerts WHERE snapshot_id = snapshots.id) AND NOT EXISTS (SELECT 1 FROM events WHERE snapshot_id = snapshots.id)`,
  );
  const ledger = limited('ledger', 'stored_at < ?');
  const episodes = limited('episodes', 'open = 0 AND last_seen_at < ?');
  const cooldowns = db.prepare('DELETE FROM cooldowns WHERE at < ?');
  const auditBound = db.prepare('UPDATE audit_bound SET before = max(before, ?)');
  const audit = limited('audit', 'at < ?');

  return {
    sweep: db.transaction((now: number, retention: Retention): Swept => {
      const lost = outbox.run(now - retention.alertsMs).changes;
      const dead = deadLetters.run(now - retention.alertsMs).changes;
      const droppedEvents = events.run().changes;
      const droppedAlerts = alerts.run(now - retention.alertsMs).changes;
      const droppedSnapshots = snapshots.run(now - retention.snapshotsMs).changes + orphans.run().changes;
      const droppedLedger = ledger.run(now - retention.ledgerMs).changes;
      const closed = episodes.run(now - retention.ledgerMs).changes;
      cooldowns.run(now - cooldownMs);
      const auditBefore = now - (retention.auditMs ?? usualAuditMs);
      auditBound.run(auditBefore);
      const audited = audit.run(auditBefore).changes;
      erased.forgetBefore(now - erasedMs);
      const counts = [lost, dead, droppedEvents, droppedAlerts, droppedSnapshots, droppedLedger, closed, audited];
      return {
        alerts: droppedAlerts,
        snapshots: droppedSnapshots,
        ledger: droppedLedger,
        outbox: lost,
        more: counts.some((count) => count >= batch),
      };
    }),
    /** After the last batch: what was deleted leaves the write-ahead log too, and old copies go. */
    finish: (now: number): void => {
      db.pragma('wal_checkpoint(TRUNCATE)');
      for (const copy of migrationCopies(dirname(file))) {
        if (statSync(copy).mtimeMs < now - copyMs) rmSync(copy);
      }
    },
  };
}
