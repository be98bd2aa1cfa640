import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** Writes figures that the docs may quote to `bench/<name>.last.json`. */
export function publishFigures(name: string, figures: unknown): void {
  publishJson(`bench/${name}.last.json`, figures);
}

/** Writes a file of the repository, `path` from its root, in the house's format. */
export function publishJson(path: string, value: unknown): void {
  const file = join(root, path);
  writeFileSync(file, `${JSON.stringify(value)}\n`);
  const biome = spawnSync(join(root, 'node_modules/.bin/biome'), ['format', '--write', file], { cwd: root, encoding: 'utf8' });
  if (biome.status !== 0) throw new Error(`biome could not format ${file}: ${biome.stderr}`);
}
