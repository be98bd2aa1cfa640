import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Where workers find the daemon: a folder of its own, so that a container can be given it and nothing else of the data directory. */

export const socketNames = { bridge: 'bridge.sock', media: 'media.sock' } as const;

export function runFolder(dataDir: string): string {
  return join(dataDir, 'run');
}

export function bridgeSocket(dataDir: string): string {
  return join(runFolder(dataDir), socketNames.bridge);
}

export function mediaSocket(dataDir: string): string {
  return join(runFolder(dataDir), socketNames.media);
}

/** Makes the folder where it is not there; its owner is left as it is. */
export async function makeRunFolder(dataDir: string): Promise<void> {
  await mkdir(runFolder(dataDir), { recursive: true, mode: 0o700 });
}
