import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { missingTool } from './data.ts';

const root = resolve(import.meta.dirname, '../..');
const answers = (...args: readonly string[]) => spawnSync('docker', args, { stdio: 'ignore', timeout: 20_000 }).status === 0;

/** Without an engine that answers, the reason to skip. */
export function missingEngine(): string | false {
  return missingTool(answers('version'), 'a running Docker engine');
}

/** What every container, network and volume of a test carries. */
export const testLabel: readonly string[] = ['--label', 'sightline.test=1'];

/** The engine's command line, in the repository's root; gives what it says without the last line's end. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', args, { cwd: root, maxBuffer: 1 << 26 });
  return stdout.trim();
}

/** Without a way to a registry of images there is a base that was made on this machine. */
const localBase = 'sightline/debian:bookworm';

export interface Image extends AsyncDisposable {
  readonly name: string;
}

/** Builds an image that is gone when disposed; by default the one of the Dockerfile. */
export async function buildImage(place: { readonly file?: string; readonly context?: string } = {}): Promise<Image> {
  const name = `sightline/test:${randomUUID()}`;
  const base = answers('image', 'inspect', localBase) ? ['--build-arg', `BASE=${localBase}`] : [];
  const file = place.file === undefined ? [] : ['--file', place.file];
  await docker('build', '--network', 'host', ...base, ...testLabel, ...file, '--tag', name, place.context ?? '.');
  return {
    name,
    async [Symbol.asyncDispose]() {
      await docker('image', 'rm', '--force', name);
    },
  };
}
