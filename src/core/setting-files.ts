import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorText, isSystemError, SightlineError } from './errors.ts';

/** Files that settings name. Errors are `config.invalid` and name setting and file. */

export function refuseFile(setting: string, file: string, reason: string, cause?: unknown): SightlineError {
  const words = `${setting}: ${file}: ${reason}`;
  return new SightlineError('config.invalid', words, { details: { issues: [words], file }, cause });
}

export async function readSettingFile(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT')
      ? 'there is no such file'
      : isSystemError(cause, 'EACCES')
        ? 'it may not be read by the user that sightline runs as'
        : errorText(cause);
    throw refuseFile(setting, file, reason, cause);
  }
}

export interface CertificateFiles {
  /** PEM. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificate {
  /** With its chain. */
  readonly cert: string;
  readonly key: string;
}

/** `setting` has the two files below it. */
export async function readCertificate(setting: string, { certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    readSettingFile(`${setting}.certFile`, certFile),
    readSettingFile(`${setting}.keyFile`, keyFile),
  ]);
  if (!cert.includes('-----BEGIN CERTIFICATE-----'))
    throw refuseFile(`${setting}.certFile`, certFile, 'it holds no certificate in PEM form');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key))
    throw refuseFile(`${setting}.keyFile`, keyFile, 'it holds no key in PEM form');
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw refuseFile(setting, `${certFile} and ${keyFile}`, `they cannot be used together: ${errorText(cause)}`, cause);
  }
  return { cert, key };
}
