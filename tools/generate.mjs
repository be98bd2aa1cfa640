// Writes everything that follows from something else: src/gen from proto/, and from src/config/schema.ts the documentation, the
// JSON Schema and the example file. Run it after changing either; a test fails when what is committed differs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceFiles } from '../src/config/reference.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
for (const { path, text } of referenceFiles()) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
execFileSync(join(root, 'node_modules/.bin/buf'), ['generate'], { cwd: root, stdio: 'inherit' });
