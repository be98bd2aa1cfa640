import { readFile } from 'node:fs/promises';
import { parseHeaderLines, type RequestHeaders } from '../core/request-headers.ts';
import { unreadable } from '../core/setting-files.ts';
import { usage } from './command.ts';

/** The headers in the file of `--header-file`: in arguments everybody on this machine could read them. */
export async function headersOf(file: string | undefined): Promise<RequestHeaders | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw usage(`--header-file ${file}: ${unreadable(error)}`);
  });
  const read = parseHeaderLines(text, file);
  if ('wrong' in read) throw usage(`--header-file ${read.wrong}`);
  return read.headers;
}
