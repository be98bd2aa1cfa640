import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Alert } from '../core/alerts.ts';
import { SightlineError } from '../core/errors.ts';
import type { EntryRecord, LoadedWatchlist, ReferenceHead, ReferenceRecord } from '../core/store.ts';
import { migrationCopies } from './database.ts';
import { type Erased, withoutEntry } from './erased.ts';

interface EntryRow {
  readonly id: string;
  readonly name: string;
  readonly list: string;
  readonly kind: EntryRecord['kind'];
  readonly notes: string;
  readonly reason: string;
  readonly added_by: string;
  readonly added_at: number;
  readonly expires_at: number | null;
  readonly threshold: number | null;
}

interface ReferenceRow {
  readonly id: string;
  readonly entry_id: string;
  readonly negative: number;
  readonly space: string;
  readonly quality: number;
  readonly accepted: number;
  readonly source: string;
  readonly added_at: number;
  readonly geometry: string;
  readonly text: string | null;
  readonly vector: Uint8Array;
}

/** Up to this size an erasure rewrites the file at once, at most some tenths of a second; above, at the next start. */
const compactUpToBytes = 64 * 1024 * 1024;
const compactFlag = 'compact';

/** Float32 in the order of this machine, as SQLite files do not travel between kinds of machines here. */
function vectorBytes(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

function bytesVector(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

function toReference(row: ReferenceRow): ReferenceHead {
  return {
    id: row.id,
    entryId: row.entry_id,
    negative: row.negative === 1,
    space: row.space,
    vector: bytesVector(row.vector),
    quality: row.quality,
    accepted: row.accepted === 1,
    source: row.source,
    addedAt: row.added_at,
    ...(row.text === null ? {} : { text: row.text }),
    ...(JSON.parse(row.geometry) as Pick<ReferenceRecord, 'box' | 'landmarks'>),
  };
}

function toEntry(row: EntryRow): EntryRecord {
  return {
    id: row.id,
    name: row.name,
    list: row.list,
    kind: row.kind,
    notes: row.notes,
    reason: row.reason,
    addedBy: row.added_by,
    addedAt: row.added_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.threshold === null ? {} : { threshold: row.threshold }),
  };
}

/** The alert as JSON without the entry; undefined when it cannot be read, so that nothing of the entry can be told apart in it. */
function cleanedAlert(text: string, entryId: string): string | undefined {
  try {
    return JSON.stringify(withoutEntry(JSON.parse(text) as Alert, entryId));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function createWatchlist(
  db: Database,
  file: string,
  erased: Erased,
  options: { readonly compactUpToBytes?: number } = {},
) {
  const directory = dirname(file);
  const entries = db.prepare<[], EntryRow>(
    'SELECT * FROM entries WHERE id NOT IN (SELECT entry_id FROM removals) ORDER BY added_at, id',
  );
  const references = db.prepare<[], ReferenceRow>(`
    SELECT id, entry_id, negative, space, quality, accepted, source, added_at, geometry, text, vector
    FROM entry_references WHERE entry_id NOT IN (SELECT entry_id FROM removals) ORDER BY added_at, id`);
  const removals = db.prepare<[], EntryRow>(
    'SELECT entries.* FROM entries JOIN removals ON entry_id = entries.id ORDER BY added_at, id',
  );
  const markRemoved = db.prepare('INSERT OR IGNORE INTO removals (entry_id) SELECT id FROM entries WHERE id = ?');
  const image = db.prepare<[string], { image: Uint8Array }>('SELECT image FROM entry_references WHERE id = ?');
  const putEntry = db.prepare(`
    INSERT INTO entries (id, name, list, kind, notes, reason, added_by, added_at, expires_at, threshold)
    VALUES (@id, @name, @list, @kind, @notes, @reason, @addedBy, @addedAt, @expiresAt, @threshold)
    ON CONFLICT (id) DO UPDATE SET name = @name, list = @list, kind = @kind, notes = @notes, reason = @reason,
      added_by = @addedBy, added_at = @addedAt, expires_at = @expiresAt, threshold = @threshold`);
  const putReference = db.prepare(`
    INSERT INTO entry_references (id, entry_id, negative, space, quality, accepted, source, added_at, geometry, guard, text, vector, image)
    VALUES (@id, @entryId, @negative, @space, @quality, @accepted, @source, @addedAt, @geometry, zeroblob(4096), @text, @vector, @image)
    ON CONFLICT (id) DO UPDATE SET negative = @negative, space = @space, quality = @quality, accepted = @accepted,
      source = @source, geometry = @geometry, text = @text, vector = @vector, image = @image`);
  const putVector = db.prepare('UPDATE entry_references SET space = ?, vector = ? WHERE id = ?');
  const dropReference = db.prepare('DELETE FROM entry_references WHERE id = ?');
  const flag = db.prepare('INSERT OR IGNORE INTO flags (name) VALUES (?)');
  const unflag = db.prepare('DELETE FROM flags WHERE name = ?');
  const flagged = db.prepare<[string], { name: string }>('SELECT name FROM flags WHERE name = ?');
  const mentions = db.prepare<[string], { id: string; alert: string }>(
    'SELECT id, alert FROM alerts WHERE instr(alert, ?) > 0',
  );
  const rewriteAlert = db.prepare('UPDATE alerts SET alert = ? WHERE id = ?');
  const eventMentions = db.prepare<[string], { id: number; alert: string }>(
    'SELECT id, alert FROM events WHERE instr(alert, ?) > 0',
  );
  const rewriteEvent = db.prepare('UPDATE events SET alert = ? WHERE id = ?');
  const dropAlert = db.prepare('DELETE FROM alerts WHERE id = ?');
  const dropEvent = db.prepare('DELETE FROM events WHERE id = ?');
  const erasures = [
    'DELETE FROM dead_letters WHERE event_id IN (SELECT id FROM events WHERE entry_id = @id)',
    'DELETE FROM events WHERE entry_id = @id AND (final = 0 OR NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = events.id))',
    'UPDATE events SET snapshot_id = NULL WHERE entry_id = @id',
    `DELETE FROM snapshots WHERE alert_id IN (SELECT id FROM alerts WHERE entry_id = @id
       UNION SELECT alert_id FROM events WHERE entry_id = @id)`,
    `DELETE FROM clips WHERE alert_id IN (SELECT id FROM alerts WHERE entry_id = @id
       UNION SELECT alert_id FROM clip_entries WHERE entry_id = @id)`,
    'DELETE FROM alerts WHERE entry_id = @id',
    'DELETE FROM episodes WHERE entry_id = @id',
    'DELETE FROM cooldowns WHERE instr(key, @id) > 0',
    'DELETE FROM ledger WHERE entry_id = @id',
    'DELETE FROM entry_references WHERE entry_id = @id',
    'DELETE FROM entries WHERE id = @id',
  ].map((sql) => db.prepare(sql));

  const eraseRows = db.transaction((entryId: string, now: number): void => {
    flag.run(compactFlag);
    erased.add(entryId, now);
    for (const erasure of erasures) erasure.run({ id: entryId });
    for (const { id, alert } of mentions.all(entryId)) {
      const cleaned = cleanedAlert(alert, entryId);
      if (cleaned === undefined) dropAlert.run(id);
      else rewriteAlert.run(cleaned, id);
    }
    for (const { id, alert } of eventMentions.all(entryId)) {
      const cleaned = cleanedAlert(alert, entryId);
      if (cleaned === undefined) dropEvent.run(id);
      else rewriteEvent.run(cleaned, id);
    }
  });

  const removeRows = db.transaction((referenceId: string): void => {
    flag.run(compactFlag);
    dropReference.run(referenceId);
  });

  /** Empties the write-ahead log, where older pages lie, and removes copies made by migrations. */
  function scrub(): void {
    db.pragma('wal_checkpoint(TRUNCATE)');
    for (const copy of migrationCopies(directory)) rmSync(copy);
  }

  function finish(): void {
    scrub();
    if (statSync(file).size <= (options.compactUpToBytes ?? compactUpToBytes)) compact();
  }

  /** Rewrites the file without the slack of its pages, where short texts such as names may have been left behind. */
  function compact(): void {
    db.exec('VACUUM');
    unflag.run(compactFlag);
    db.pragma('wal_checkpoint(TRUNCATE)');
  }

  return {
    load: (): LoadedWatchlist => ({
      entries: entries.all().map(toEntry),
      removed: removals.all().map(toEntry),
      references: references.all().map(toReference),
    }),
    image: (referenceId: string): Uint8Array | undefined => image.get(referenceId)?.image,
    put: db.transaction((entry: EntryRecord, added: readonly ReferenceRecord[]): void => {
      erased.delete(entry.id);
      putEntry.run({ ...entry, expiresAt: entry.expiresAt ?? null, threshold: entry.threshold ?? null });
      for (const reference of added) {
        if (reference.entryId !== entry.id)
          throw new SightlineError(
            'store.failed',
            `reference ${reference.id} belongs to ${reference.entryId}, not to ${entry.id}`,
          );
        putReference.run({
          id: reference.id,
          entryId: reference.entryId,
          negative: reference.negative ? 1 : 0,
          space: reference.space,
          quality: reference.quality,
          accepted: reference.accepted ? 1 : 0,
          source: reference.source,
          addedAt: reference.addedAt,
          geometry: JSON.stringify({
            box: reference.box,
            ...(reference.landmarks === undefined ? {} : { landmarks: reference.landmarks }),
          }),
          text: reference.text ?? null,
          vector: vectorBytes(reference.vector),
          image: Buffer.from(reference.image),
        });
      }
    }),
    replaceVector: db.transaction((referenceId: string, space: string, vector: Float32Array): void => {
      putVector.run(space, vectorBytes(vector), referenceId);
    }),
    markRemoved: (entryId: string): void => void markRemoved.run(entryId),
    removeReference: (referenceId: string): void => {
      removeRows(referenceId);
      finish();
    },
    erase: (entryId: string, now: number): void => {
      eraseRows(entryId, now);
      finish();
    },
    /** There is an erasure left to finish: the file was too large, the disk full, or the process ended in between. */
    hasUnfinished: (): boolean => flagged.get(compactFlag) !== undefined,
    finish: (): void => {
      scrub();
      compact();
    },
  };
}
