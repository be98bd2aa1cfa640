import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { identityOf } from '../core/file-identity.ts';
import { makeFolder } from '../core/make-folder.ts';
import { type Migration, migrate } from './migrations.ts';

export const databaseName = 'sightline.db';
const ownerName = 'owner.pid';
export const reserveName = 'reserve';
/** A command-line owner that is just finishing is waited for this long. */
const busyTimeoutMs = 1000;

export interface OpenedDatabase {
  readonly db: Database;
  readonly file: string;
  /** As `identityOf` told it when it was opened. */
  readonly identity: string | undefined;
  readonly migrated: { readonly from: number; readonly to: number };
  /** Others may look into the directory and it is not ours to close: it holds other things, or belongs to somebody else. */
  readonly exposed: boolean;
  /** The database was just made, yet these files tell of an earlier one. */
  readonly olderLife: readonly string[];
  close(): void;
}

/** What a store or its daemon leaves in the directory beside the database. */
const tracesOfLife = [ownerName, reserveName, `${databaseName}-wal`, 'control.sock', 'run'];

function refuseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  throw new SightlineError('store.failed', `${path} is a folder, and a file belongs there; move it away`, {
    details: { file: path },
  });
}

/** Makes the directory with mode 0700, or closes one that is empty or holds a store. True when it stays open to others. */
function prepareDirectory(directory: string): boolean {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new SightlineError('store.failed', `${directory} is no folder; move it away or name another dataDir`, {
      details: { directory },
    });
  }
  if (makeFolder(directory, 0o700)) return false;
  if ((statSync(directory).mode & 0o077) === 0) return false;
  const names = readdirSync(directory);
  if (names.length > 0 && !names.includes(databaseName)) return true;
  try {
    chmodSync(directory, 0o700);
    return false;
  } catch (error) {
    if (isSystemError(error, 'EPERM')) return true;
    throw error;
  }
}

/**
 * Opens (makes) `<directory>/sightline.db` for this process alone: SQLite's exclusive lock is held until `close` or the end of the
 * process, however it ends. Throws `daemon.running` with the owner's pid when there is one, `store.schema` for a newer file
 * or one of another program, `store.failed` for one that is no database or damaged.
 */
export function openDatabase(directory: string, steps?: readonly Migration[]): OpenedDatabase {
  const file = join(directory, databaseName);
  const owner = join(directory, ownerName);
  let db: Database | undefined;
  try {
    const exposed = prepareDirectory(directory);
    const before = readdirSync(directory);
    for (const path of [file, owner, join(directory, reserveName)]) refuseFolder(path);
    // SQLite gives its log the mode of the database.
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    db = new Sqlite(file, { timeout: busyTimeoutMs });
    // The guards of `migrations.ts` are measured for it.
    db.pragma('page_size = 4096');
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('secure_delete = ON');
    db.pragma('foreign_keys = ON');
    // Nothing of ours spills into temporary files.
    db.pragma('temp_store = MEMORY');
    db.pragma('journal_size_limit = 16777216');
    db.pragma('trusted_schema = OFF');
    // Takes the lock now rather than at the first use.
    db.exec('BEGIN IMMEDIATE; COMMIT');
    const migrated = migrate(db, file, steps);
    writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 });
    const opened = db;
    return {
      db: opened,
      file,
      identity: identityOf(file),
      migrated,
      exposed,
      olderLife: migrated.from === 0 ? before.filter((name) => tracesOfLife.includes(name) || isCopy(name)) : [],
      close: () => {
        // Where the folder was deleted and made anew it may be somebody else's.
        if (ownerOf(owner) === process.pid) rmSync(owner, { force: true });
        opened.close();
      },
    };
  } catch (error) {
    db?.close();
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw ownedElsewhere(directory, owner, error);
    throw storeError(error, file);
  }
}

function ownerOf(file: string): number | undefined {
  const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : Number.NaN;
  return Number.isNaN(pid) ? undefined : pid;
}

function ownedElsewhere(directory: string, owner: string, cause: unknown): SightlineError {
  const pid = ownerOf(owner);
  return new SightlineError(
    'daemon.running',
    `${directory} is in use by ${pid === undefined ? 'another process' : `process ${pid}`}; talk to it or stop it first`,
    { details: { directory, ...(pid === undefined ? {} : { pid }) }, cause },
  );
}

function sqliteCode(error: unknown): string | undefined {
  return error instanceof Sqlite.SqliteError ? error.code : undefined;
}

/** What was to be written is to blame, or the file: the same call would fail for ever. */
function isLasting(error: unknown): boolean {
  const code = sqliteCode(error) ?? '';
  return /^SQLITE_(CORRUPT|NOTADB|CONSTRAINT|MISMATCH|TOOBIG|RANGE)/.test(code) || error instanceof TypeError;
}

/** SQLite's errors in our words, `details.lasting` where the same call would fail for ever; errors of our own pass. */
export function storeError(error: unknown, file: string): SightlineError {
  if (error instanceof SightlineError) return error;
  const code = sqliteCode(error);
  const text = error instanceof Error ? error.message : String(error);
  const details = {
    file,
    ...(code === undefined ? {} : { sqlite: code }),
    ...(isLasting(error) ? { lasting: true } : {}),
  };
  if (code === 'SQLITE_FULL') {
    return new SightlineError('store.full', `no space left for ${file}; free some or shorten the retention`, {
      details,
      cause: error,
    });
  }
  if (code?.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new SightlineError(
      'store.failed',
      `${file} is damaged (${text}); stop sightline, move the file away or put a backup in its place, start again`,
      { details, cause: error },
    );
  }
  return new SightlineError('store.failed', `${file}: ${text}`, { details, cause: error });
}

function isCopy(name: string): boolean {
  return name.startsWith(`${databaseName}.v`) && name.endsWith('.bak');
}

/** Copies kept by migrations, newest program first or not: all of them. */
export function migrationCopies(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter(isCopy)
    .map((name) => join(directory, name));
}
