import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The checks of `make test` that need no test run. All of them run, then the ones that failed are named. */
const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);

const colours = process.stdout.isTTY ? '--colors=force' : '--colors=off';

const checks: readonly { readonly name: string; readonly command: string; readonly args: readonly string[] }[] = [
  { name: 'format, lint rules and import order (make format)', command: bin('biome'), args: ['ci', colours, '.'] },
  { name: 'types (make types)', command: bin('tsc'), args: [] },
  { name: "types of the viewer's player", command: bin('tsc'), args: ['-p', 'tsconfig.viewer.json'] },
  { name: 'generated files (make gen)', command: process.execPath, args: ['tools/generate.mjs', '--check'] },
];

const failed = checks.filter(({ name, command, args }) => {
  const start = performance.now();
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) console.log(error.message);
  const ok = status === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}  ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return !ok;
});
if (failed.length > 0) process.exitCode = 1;
