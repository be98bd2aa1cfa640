import { statSync } from 'node:fs';

/** Tells the file at a path from any other that may come to lie there; undefined where there is none. */
export function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}
