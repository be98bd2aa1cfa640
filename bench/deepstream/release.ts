import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { progress } from '../support/table.ts';

const source = join(import.meta.dirname, '../../deepstream');
const release = join(source, 'build-release');

/** The C++ of deepstream/ as it is built for a card, but against its stand-in; `targets` are its files. */
export function buildRelease(...targets: readonly string[]): (target: string) => string {
  mkdirSync(release, { recursive: true });
  const run = (command: string, ...args: readonly string[]) =>
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (!existsSync(join(release, 'build.ninja'))) {
    progress('the first build of deepstream/ takes a minute or two');
    run('meson', 'setup', '--buildtype=release', release, source);
  }
  run('ninja', '-C', release, ...targets);
  return (target) => join(release, target);
}
