// Writes everything that follows from something else: src/gen from proto/, from src/config/schema.ts the documentation, the JSON
// Schema and the example file, from src/outputs/topics.ts docs/mqtt.md, from the table
// of routes docs/api.md and docs/openapi.json, with the topics and the live messages docs/asyncapi.json. Run it after changing one of them. With --check it writes
// nothing, names what differs and exits 1.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { documentFiles } from '../src/composition/documents.ts';
import { referenceFiles } from '../src/config/reference.ts';
import { mqttReference } from '../src/outputs/reference.ts';

const root = join(import.meta.dirname, '..');

function protocolFiles() {
  const scratch = mkdtempSync(join(tmpdir(), 'sightline-generate-'));
  try {
    execFileSync(join(root, 'node_modules/.bin/buf'), ['generate', '--output', scratch], { cwd: root, stdio: 'inherit' });
    return filesUnder(scratch, 'src/gen').map((path) => ({ path, text: readFileSync(join(scratch, path), 'utf8') }));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function filesUnder(base, directory) {
  return readdirSync(join(base, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(base.length + 1));
}

function committed(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const wanted = [...protocolFiles(), ...referenceFiles(), ...mqttReference(), ...documentFiles()];
const surplus = filesUnder(root, 'src/gen').filter((path) => !wanted.some((file) => file.path === path));
const stale = wanted.filter(({ path, text }) => committed(path) !== text);

if (process.argv.includes('--check')) {
  for (const path of [...stale.map((file) => file.path), ...surplus])
    console.log(`${path} is not what its source gives; run: make gen`);
  if (stale.length + surplus.length > 0) process.exitCode = 1;
} else {
  for (const path of surplus) rmSync(join(root, path));
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
