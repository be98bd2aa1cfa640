import type { Database } from 'better-sqlite3';
import { SightlineError } from '../core/errors.ts';
import type { AuditPage, AuditQuery, AuditRow } from '../core/store.ts';

interface Row {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: string;
}

/** Largest answer of `list` and `query`. */
const maxRows = 10_000;

/** Newest first; later rows of one moment before earlier ones. */
function encodeCursor({ at, id }: Row): string {
  return Buffer.from(JSON.stringify([at, id])).toString('base64url');
}

function decodeCursor(cursor: string): { readonly at: number; readonly id: number } {
  try {
    const [at, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Number.isFinite(at) && Number.isSafeInteger(id)) return { at, id };
  } catch {
    // Said below.
  }
  throw new SightlineError('control.request', 'the cursor is not one that a page gave');
}

function toRow({ at, actor, action, subject, details }: Row): AuditRow {
  return { at, actor, action, subject, details: JSON.parse(details) as AuditRow['details'] };
}

export function createAudit(db: Database) {
  const put = db.prepare('INSERT INTO audit (at, actor, action, subject, details) VALUES (?, ?, ?, ?, ?)');
  const select = db.prepare<[Record<string, unknown>], Row>(`
    SELECT id, at, actor, action, subject, details FROM audit
    WHERE at >= @from AND at < @to AND (@actor IS NULL OR actor = @actor) AND (at, id) < (@beforeAt, @beforeId)
    ORDER BY at DESC, id DESC LIMIT @limit`);

  function query({ from, to, actor, limit, cursor }: AuditQuery): AuditPage {
    const rows = Math.max(1, Math.min(maxRows, Math.trunc(limit)));
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const found = select.all({
      from: from ?? 0,
      to: to ?? Number.MAX_VALUE,
      actor: actor ?? null,
      beforeAt: before?.at ?? Number.MAX_VALUE,
      beforeId: before?.id ?? 0,
      limit: rows + 1,
    });
    const last = found[rows - 1];
    const items = found.slice(0, rows).map(toRow);
    return found.length > rows && last !== undefined ? { items, cursor: encodeCursor(last) } : { items };
  }

  return {
    add: (row: AuditRow): void => {
      put.run(row.at, row.actor, row.action, row.subject, JSON.stringify(row.details));
    },
    query,
    list: (limit: number): readonly AuditRow[] => query({ limit }).items,
  };
}
