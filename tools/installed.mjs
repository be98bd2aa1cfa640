// Exit 0 when node_modules holds what package-lock.json asks for on this machine, 1 (with the reason) when `npm ci` is needed.
// With --omit=dev what only development needs may be absent, as after `npm ci --omit=dev`.
// npm notes what it installed in node_modules/.package-lock.json. Optional packages of other platforms, and what only they need, are
// absent there by right; our own optional dependencies are not.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
const omitDev = process.argv.includes('--omit=dev');

function reason() {
  const note = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(note)) return 'no node_modules';
  const installed = read(note);
  const { '': own, ...packages } = read(join(root, 'package-lock.json'));
  const direct = new Set(
    Object.keys({ ...own.dependencies, ...own.optionalDependencies }).map((name) => `node_modules/${name}`),
  );
  for (const [path, wanted] of Object.entries(packages)) {
    const found = installed[path];
    if (found === undefined) {
      if (omitDev && wanted.dev) continue;
      if ((wanted.optional || wanted.devOptional) && !direct.has(path)) continue;
      return `${path} is not installed`;
    }
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `${path} is ${found.version}, not ${wanted.version}`;
    }
    if (!existsSync(join(root, path, 'package.json'))) return `${path} is gone`;
  }
  return undefined;
}

const why = reason();
if (why !== undefined) {
  console.log(`setup: npm packages: ${why}`);
  process.exitCode = 1;
}
