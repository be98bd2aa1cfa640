import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Real models, photos and clips for tests; never copied into the repository. */
export const dataDirectory = resolve(process.env['SIGHTLINE_DATA'] ?? join(import.meta.dirname, '../../../shared/data'));

/**
 * `false` when the file is there, otherwise the reason to skip: `{ skip: missingData('models/x.onnx') }`. Under
 * SIGHTLINE_REQUIRE_DATA=1 a missing file is a failure instead.
 */
export function missingData(...files: readonly string[]): string | false {
  const missing = ['manifest.json', ...files].filter((file) => !existsSync(join(dataDirectory, file)));
  if (missing.length === 0) return false;
  const reason = `no test data at ${process.env['SIGHTLINE_DATA'] ?? '../shared/data'}: ${missing[0]}`;
  if (process.env['SIGHTLINE_REQUIRE_DATA'] === '1') throw new Error(reason);
  return reason;
}

/** The same for a program or package the machine may lack. */
export function missingTool(present: boolean, what: string): string | false {
  if (present) return false;
  if (process.env['SIGHTLINE_REQUIRE_DATA'] === '1') throw new Error(`missing: ${what}`);
  return `missing: ${what}`;
}

export function dataPath(file: string): string {
  return join(dataDirectory, file);
}

export function readDataJson(file: string): unknown {
  return JSON.parse(readFileSync(dataPath(file), 'utf8'));
}
