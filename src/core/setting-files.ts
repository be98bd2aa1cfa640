import { readFile } from 'node:fs/promises';
import { errorText, isSystemError, SightlineError } from './errors.ts';

/** Files that settings name. Errors are `config.invalid` and name setting and file. */

export function refuseFile(setting: string, file: string, reason: string, cause?: unknown): SightlineError {
  const words = `${setting}: ${file}: ${reason}`;
  return new SightlineError('config.invalid', words, { details: { issues: [words], file }, cause });
}

/** Why a file cannot be read, for people. */
export function unreadable(cause: unknown): string {
  if (isSystemError(cause, 'ENOENT')) return 'there is no such file';
  if (isSystemError(cause, 'EISDIR')) return 'it is a folder';
  return isSystemError(cause, 'EACCES') ? 'it may not be read by the user that sightline runs as' : errorText(cause);
}

export async function readSettingFile(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw refuseFile(setting, file, unreadable(cause), cause);
  }
}
