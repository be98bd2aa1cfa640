import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isSystemError } from './errors.ts';

/**
 * Makes a folder, and those above it; true when it was not there. Throws the system's error. Node's own `recursive` never ends where the system says ENOENT
 * of a folder in one that exists, as in /proc.
 */
export function makeFolder(path: string, mode = 0o777): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false;
    if (!isSystemError(error, 'ENOENT') || existsSync(dirname(path))) throw error;
  }
  makeFolder(dirname(path), mode);
  mkdirSync(path, { mode });
  return true;
}
