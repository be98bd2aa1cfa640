import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { errorText, isSystemError } from '../core/errors.ts';
import { ConfigError } from './issues.ts';

/** More than any configuration has. */
const sizeLimit = 4 * 1024 * 1024;

/**
 * The text of a configuration file. Throws `ConfigError` for what is no regular file (reading a pipe or a device would wait
 * for ever), too large or not UTF-8.
 */
export function readConfigText(path: string): string {
  const fail = (message: string): ConfigError => new ConfigError(path, [{ file: path, line: 1, column: 1, path: '', message }]);
  let bytes: Buffer;
  try {
    // Opening a pipe without a writer must not wait either.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = fstatSync(file);
      if (!facts.isFile()) throw fail(`cannot be read: ${facts.isDirectory() ? 'it is a folder' : 'it is not a regular file'}`);
      if (facts.size > sizeLimit) throw fail(`the file is longer than ${sizeLimit} bytes`);
      bytes = readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw error instanceof ConfigError ? error : fail(`cannot be read: ${readFailure(error)}`);
  }
  if (!isUtf8(bytes)) throw fail('is not text in UTF-8; save it in that encoding');
  return bytes.toString('utf8');
}

/** Why a file cannot be read, in words. */
export function readFailure(error: unknown): string {
  if (isSystemError(error, 'ENOENT')) return 'no such file';
  if (isSystemError(error, 'EACCES')) return 'no permission';
  return isSystemError(error, 'EISDIR') ? 'it is a folder' : errorText(error);
}
