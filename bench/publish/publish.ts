import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Writes figures that the docs may quote to `bench/<name>.last.json`, in the house's format. */
export function publishFigures(name: string, figures: unknown): void {
  const root = resolve(import.meta.dirname, '../..');
  const file = join(root, `bench/${name}.last.json`);
  writeFileSync(file, `${JSON.stringify(figures)}\n`);
  const biome = spawnSync(join(root, 'node_modules/.bin/biome'), ['format', '--write', file], { cwd: root, encoding: 'utf8' });
  if (biome.status !== 0) throw new Error(`biome could not format ${file}: ${biome.stderr}`);
}
