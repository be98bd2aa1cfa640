import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeepStreamConfig } from '../config/schema.ts';

/**
 * Device files of a Jetson's GPU, decoder and encoder: the runtime nvidia puts them into the container as they are on the machine, where
 * groups such as video and render have them. A card's are everybody's.
 */
const deviceName = /^(nvhost|nvmap$|nvgpu|nvsciipc$|v4l2-nv)/;
const renderNode = /^renderD\d+$/;
const groupMayWrite = 0o020;
const othersMayWrite = 0o002;

/** Those of a container's user besides its own. With a card its driver's files are everybody's. */
export async function containerGroups({ gpuAccess, groups }: DeepStreamConfig): Promise<readonly number[]> {
  return gpuAccess === 'runtime' ? (groups ?? (await deviceGroups())) : [];
}

/** Numbers of the groups that a process must be in to use the devices under `folder`, sorted; names are another matter in each image. */
export async function deviceGroups(folder = '/dev'): Promise<readonly number[]> {
  const paths = [
    ...(await namesIn(folder)).filter((name) => deviceName.test(name)).map((name) => join(folder, name)),
    ...(await namesIn(join(folder, 'dri'))).filter((name) => renderNode.test(name)).map((name) => join(folder, 'dri', name)),
  ];
  // One that is gone meanwhile needs nothing.
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return groupsOf(found.filter((facts) => facts !== undefined));
}

export function groupsOf(devices: readonly Pick<Stats, 'gid' | 'mode'>[]): readonly number[] {
  const needed = devices.filter(({ gid, mode }) => gid !== 0 && (mode & groupMayWrite) !== 0 && (mode & othersMayWrite) === 0);
  return [...new Set(needed.map(({ gid }) => gid))].sort((a, b) => a - b);
}

/** None where there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
