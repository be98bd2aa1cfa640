import { type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isSystemError } from './errors.ts';

/** Tells the file at a path from any other that may come to lie there; undefined where there is none. Waits for the disk: for threads. */
export function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? undefined : toText(found);
}

/** The same without waiting. */
export async function findIdentity(file: string): Promise<string | undefined> {
  try {
    return toText(await stat(file));
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

function toText({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}
