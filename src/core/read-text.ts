import { readFile } from 'node:fs/promises';
import { isSystemError } from './errors.ts';

/** The text of a file; undefined where the system answers with one of the codes of `absent`. */
export async function readTextIfThere(path: string, absent: readonly string[] = ['ENOENT']): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (absent.some((code) => isSystemError(error, code))) return undefined;
    throw error;
  }
}
