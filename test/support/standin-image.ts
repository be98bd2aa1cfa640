import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './directory.ts';
import { buildImage, type Image } from './docker.ts';
import { buildStandin, standinBuild } from './standin.ts';

const deepstream = resolve(import.meta.dirname, '../../deepstream');

/**
 * The image of `Dockerfile.standin` with what this machine has built: seconds instead of minutes. The machine has to be of the image's
 * release of Debian, as its libraries go into the image.
 */
export async function buildStandinImage(): Promise<Image> {
  await buildStandin();
  await using directory = await temporaryDirectory();
  await promisify(execFile)(join(deepstream, 'collect-standin'), [standinBuild, join(directory.path, 'rootfs')]);
  const whole = await readFile(join(deepstream, 'Dockerfile.standin'), 'utf8');
  const file = join(directory.path, 'Dockerfile');
  await writeFile(file, lastStage(whole).replace('--from=build /rootfs', 'rootfs'));
  return await buildImage({ file, context: directory.path });
}

function lastStage(dockerfile: string): string {
  const base = /^ARG BASE=.*$/m.exec(dockerfile)?.[0];
  return `${base}\n${dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))}`;
}
