import type { Database } from 'better-sqlite3';

/** The latest wall clock that was believed, in one row. */
export function createTrusted(db: Database) {
  const select = db.prepare<[], { at: number }>('SELECT at FROM trusted_clock');
  const put = db.prepare('INSERT INTO trusted_clock (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at');
  return {
    get: (): number | undefined => select.get()?.at,
    put: (at: number): void => void put.run(at),
  };
}
