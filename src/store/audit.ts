import type { Database } from 'better-sqlite3';
import type { AuditRow } from '../core/store.ts';

interface Row {
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: string;
}

/** Largest answer of `list`. */
const maxRows = 10_000;

export function createAudit(db: Database) {
  const put = db.prepare('INSERT INTO audit (at, actor, action, subject, details) VALUES (?, ?, ?, ?, ?)');
  const select = db.prepare<[number], Row>(
    'SELECT at, actor, action, subject, details FROM audit ORDER BY at DESC, id DESC LIMIT ?',
  );
  return {
    add: (row: AuditRow): void => {
      put.run(row.at, row.actor, row.action, row.subject, JSON.stringify(row.details));
    },
    list: (limit: number): readonly AuditRow[] =>
      select
        .all(Math.max(1, Math.min(maxRows, Math.trunc(limit))))
        .map((row) => ({ ...row, details: JSON.parse(row.details) as AuditRow['details'] })),
  };
}
