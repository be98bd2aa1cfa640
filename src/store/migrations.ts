import { copyFileSync, existsSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { SightlineError } from '../core/errors.ts';

/** One step of the schema; `sql` runs in the transaction that also sets `user_version`. */
export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/**
 * Where biometric bytes lie: `secure_delete` zeroes freed overflow pages, but when SQLite rebalances a page it may leave copies of
 * inline cells in the page's slack. At most 4061 bytes of a row are inline with 4096-byte pages, so a `guard` of 4096 zeros before
 * each picture and vector keeps them in overflow pages, which never move and are zeroed when freed.
 * Formula: https://www.sqlite.org/fileformat2.html, "cell payload overflow pages".
 */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE flags (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
      CREATE TABLE erased (entry_id TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY,
        alert_id TEXT NOT NULL,
        stored_at REAL NOT NULL,
        guard BLOB NOT NULL,
        image BLOB NOT NULL
      ) STRICT;
      CREATE INDEX snapshots_by_alert ON snapshots (alert_id);
      CREATE INDEX snapshots_by_age ON snapshots (stored_at);

      CREATE TABLE alerts (
        id TEXT PRIMARY KEY,
        episode_id TEXT NOT NULL,
        entry_id TEXT,
        open INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        first_seen_at REAL NOT NULL,
        last_seen_at REAL NOT NULL,
        stored_at REAL NOT NULL,
        alert TEXT NOT NULL,
        snapshot_id INTEGER REFERENCES snapshots (id) ON DELETE SET NULL
      ) STRICT;
      CREATE INDEX alerts_by_time ON alerts (first_seen_at, id);
      CREATE INDEX alerts_by_entry ON alerts (entry_id, first_seen_at) WHERE entry_id IS NOT NULL;
      CREATE INDEX alerts_by_episode ON alerts (episode_id);
      CREATE INDEX alerts_by_age ON alerts (stored_at);
      CREATE INDEX alerts_open ON alerts (open) WHERE open = 1;
      CREATE INDEX alerts_by_snapshot ON alerts (snapshot_id) WHERE snapshot_id IS NOT NULL;

      CREATE TABLE alert_cameras (
        alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
        camera TEXT NOT NULL,
        PRIMARY KEY (alert_id, camera)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        alert_id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        entry_id TEXT,
        final INTEGER NOT NULL,
        camera TEXT NOT NULL,
        created_at REAL NOT NULL,
        alert TEXT NOT NULL,
        step TEXT NOT NULL,
        snapshot_id INTEGER REFERENCES snapshots (id) ON DELETE SET NULL,
        UNIQUE (alert_id, revision)
      ) STRICT;
      CREATE INDEX events_by_entry ON events (entry_id) WHERE entry_id IS NOT NULL;
      CREATE INDEX events_by_snapshot ON events (snapshot_id) WHERE snapshot_id IS NOT NULL;

      CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        output TEXT NOT NULL,
        event_id INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        UNIQUE (event_id, output)
      ) STRICT;
      CREATE INDEX outbox_by_output ON outbox (output, id);

      CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY,
        output TEXT NOT NULL,
        event_id INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        reason TEXT NOT NULL,
        died_at REAL NOT NULL
      ) STRICT;
      CREATE INDEX dead_letters_by_event ON dead_letters (event_id);

      CREATE TABLE episodes (
        id TEXT PRIMARY KEY,
        entry_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        open INTEGER NOT NULL,
        started_at REAL NOT NULL,
        last_seen_at REAL NOT NULL,
        state TEXT NOT NULL
      ) STRICT;
      CREATE INDEX episodes_by_entry ON episodes (entry_id);
      CREATE INDEX episodes_by_open ON episodes (open, last_seen_at);

      CREATE TABLE cooldowns (key TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE ledger (
        id INTEGER PRIMARY KEY,
        camera TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        track_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        entry_id TEXT NOT NULL,
        entry_name TEXT,
        label TEXT NOT NULL,
        score REAL,
        threshold REAL,
        count INTEGER NOT NULL,
        at REAL NOT NULL,
        last_at REAL NOT NULL,
        stored_at REAL NOT NULL,
        details TEXT NOT NULL,
        UNIQUE (camera, epoch, track_id, kind, reason, entry_id)
      ) STRICT;
      CREATE INDEX ledger_by_time ON ledger (last_at);
      CREATE INDEX ledger_by_age ON ledger (stored_at);
      CREATE INDEX ledger_by_entry ON ledger (entry_id);

      CREATE TABLE entries (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        list TEXT NOT NULL,
        kind TEXT NOT NULL,
        notes TEXT NOT NULL,
        reason TEXT NOT NULL,
        added_by TEXT NOT NULL,
        added_at REAL NOT NULL,
        expires_at REAL,
        threshold REAL
      ) STRICT;

      CREATE TABLE entry_references (
        id TEXT PRIMARY KEY,
        entry_id TEXT NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
        negative INTEGER NOT NULL,
        space TEXT NOT NULL,
        quality REAL NOT NULL,
        accepted INTEGER NOT NULL,
        source TEXT NOT NULL,
        added_at REAL NOT NULL,
        geometry TEXT NOT NULL,
        guard BLOB NOT NULL,
        vector BLOB NOT NULL,
        image BLOB NOT NULL
      ) STRICT;
      CREATE INDEX references_by_entry ON entry_references (entry_id);

      CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        details TEXT NOT NULL
      ) STRICT;
      CREATE INDEX audit_by_time ON audit (at);

      CREATE TABLE epochs (camera TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
  {
    version: 2,
    // The newest time that is stored stands for the clock that was believed.
    sql: `
      CREATE TABLE trusted_clock (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL) STRICT;
      INSERT INTO trusted_clock (id, at)
        SELECT 1, max(at) FROM (
          SELECT max(stored_at) AS at FROM alerts UNION ALL SELECT max(stored_at) FROM snapshots
          UNION ALL SELECT max(created_at) FROM events UNION ALL SELECT max(stored_at) FROM ledger
          UNION ALL SELECT max(at) FROM audit UNION ALL SELECT max(added_at) FROM entries
        ) HAVING max(at) IS NOT NULL;

      CREATE TABLE removals (
        entry_id TEXT PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    version: 3,
    // Rows of the audit trail are never changed, and deleted only where retention has moved its bound beyond them.
    sql: `
      CREATE TABLE users (
        name TEXT PRIMARY KEY COLLATE NOCASE,
        role TEXT NOT NULL,
        cameras TEXT NOT NULL,
        pictures INTEGER NOT NULL,
        disabled INTEGER NOT NULL,
        password_hash TEXT NOT NULL,
        stream_md5 TEXT,
        stream_sha256 TEXT,
        created_at REAL NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE sessions (
        hash TEXT PRIMARY KEY,
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users (name) ON DELETE CASCADE,
        created_at REAL NOT NULL,
        last_seen_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        address_kind TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX sessions_by_user ON sessions (user);

      CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        hash TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        scopes TEXT NOT NULL,
        cameras TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        last_used_at REAL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE setup_link (id INTEGER PRIMARY KEY CHECK (id = 1), hash TEXT NOT NULL, expires_at REAL NOT NULL) STRICT;

      CREATE TABLE audit_bound (id INTEGER PRIMARY KEY CHECK (id = 1), before REAL NOT NULL) STRICT;
      INSERT INTO audit_bound (id, before) VALUES (1, 0);
      CREATE INDEX audit_by_actor ON audit (actor, at);
      CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN
        SELECT raise(ABORT, 'the audit trail is only added to');
      END;
      CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN old.at >= (SELECT before FROM audit_bound) BEGIN
        SELECT raise(ABORT, 'the audit trail is only added to');
      END;
    `,
  },
  {
    version: 4,
    // The videos are files. A row outlives its alert until they are deleted; entries are whoever is named in them.
    sql: `
      CREATE TABLE clips (
        alert_id TEXT PRIMARY KEY,
        camera TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        from_ms REAL NOT NULL,
        to_ms REAL NOT NULL,
        stored_at REAL NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX clips_by_age ON clips (stored_at);

      CREATE TABLE clip_entries (
        alert_id TEXT NOT NULL REFERENCES clips (alert_id) ON DELETE CASCADE,
        entry_id TEXT NOT NULL,
        PRIMARY KEY (alert_id, entry_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX clip_entries_by_entry ON clip_entries (entry_id);
    `,
  },
  {
    version: 5,
    // Sessions end and their rows go; that somebody was there is still asked for.
    sql: `
      ALTER TABLE users ADD COLUMN last_seen_at REAL;
      UPDATE users SET last_seen_at = (SELECT max(last_seen_at) FROM sessions WHERE user = name);
    `,
  },
  {
    version: 6,
    // Entries of kind description: words instead of a picture, which is then empty.
    sql: 'ALTER TABLE entry_references ADD COLUMN text TEXT',
  },
];

/** `sightline.db.v1.bak`: the file as it was before it was taken beyond that version. */
export function copyName(file: string, version: number): string {
  return `${file}.v${version}.bak`;
}

/**
 * Takes the schema to the newest version. A file that already holds data is copied first (`copyName`); all steps share one
 * transaction. Throws `store.schema` for a file of a newer program, or of another one, and leaves it as it is.
 */
export function migrate(db: Database, file: string, steps: readonly Migration[] = migrations): { from: number; to: number } {
  const from = Number(db.pragma('user_version', { simple: true }));
  const to = steps.at(-1)?.version ?? 0;
  if (from > to) {
    throw new SightlineError(
      'store.schema',
      `${file} has schema ${from}, this program knows ${to}; use the program that wrote it or restore a copy made before its upgrade`,
      { details: { file, found: from, known: to } },
    );
  }
  refuseForeign(db, file, from, steps);
  if (from === to) return { from, to };
  if (from > 0) {
    db.pragma('wal_checkpoint(TRUNCATE)');
    const copy = copyName(file, from);
    if (!existsSync(copy)) copyFileSync(file, copy);
  }
  db.transaction(() => {
    for (const { version, sql } of steps) {
      if (version > from) db.exec(sql);
    }
    db.pragma(`user_version = ${to}`);
  }).immediate();
  return { from, to };
}

/** A database that has not the tables of its version, or tables before its first one, was never ours. */
function refuseForeign(db: Database, file: string, version: number, steps: readonly Migration[]): void {
  const there = db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
  const first = version === 0 ? undefined : steps[0];
  const wanted = [...(first?.sql.matchAll(/CREATE TABLE (\w+)/g) ?? [])].map(([, name]) => name);
  const ours = version === 0 ? there.length === 0 : wanted.every((name) => name !== undefined && there.includes(name));
  if (ours) return;
  throw new SightlineError(
    'store.schema',
    `${file} is a database of another program (its tables: ${there.slice(0, 5).join(', ') || 'none'}); move it away or name another dataDir`,
    { details: { file, found: version } },
  );
}
