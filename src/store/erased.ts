import type { Database } from 'better-sqlite3';
import type { Alert } from '../core/alerts.ts';

/**
 * Ids of entries erased a short while ago: decisions that were under way about them must not write them back. Ids, nothing else.
 */
export interface Erased {
  ids(): readonly string[];
  has(entryId: string): boolean;
  add(entryId: string, now: number): void;
  delete(entryId: string): void;
  forgetBefore(at: number): void;
}

export function createErased(db: Database): Erased {
  const select = db.prepare<[], { entry_id: string }>('SELECT entry_id FROM erased');
  const insert = db.prepare('INSERT OR REPLACE INTO erased (entry_id, at) VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM erased WHERE entry_id = ?');
  const removeOld = db.prepare('DELETE FROM erased WHERE at < ?');
  const one = db.prepare<[string], { entry_id: string }>('SELECT entry_id FROM erased WHERE entry_id = ?');
  return {
    ids: () => select.all().map((row) => row.entry_id),
    has: (entryId) => one.get(entryId) !== undefined,
    add: (entryId, now) => void insert.run(entryId, now),
    delete: (entryId) => void remove.run(entryId),
    forgetBefore: (at) => void removeOld.run(at),
  };
}

/** What an output still has to hear of an erased entry, so that it can close what it shows: no name, no candidates. */
export function withoutEntry(alert: Alert, entryId: string): Alert {
  const top = alert.top.filter((candidate) => candidate.entryId !== entryId);
  return alert.entry?.id === entryId ? { ...alert, entry: { ...alert.entry, name: '' }, top: [] } : { ...alert, top };
}
