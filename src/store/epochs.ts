import type { Database } from 'better-sqlite3';

export function createEpochs(db: Database) {
  const advance = db.prepare<[string], { epoch: number }>(`
    INSERT INTO epochs (camera, epoch) VALUES (?, 1) ON CONFLICT (camera) DO UPDATE SET epoch = epoch + 1 RETURNING epoch`);
  return {
    next: (camera: string): number => {
      const row = advance.get(camera);
      if (row === undefined) throw new Error('no epoch was returned');
      return row.epoch;
    },
  };
}
