import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Config } from '../../config/schema.ts';
import { errorText, isSystemError, SightlineError } from '../../core/errors.ts';

/** Files that the HTTP server is secured with. Errors are `config.invalid` and name setting and file. */

function refuse(setting: string, file: string, reason: string, cause?: unknown): SightlineError {
  const words = `${setting}: ${file}: ${reason}`;
  return new SightlineError('config.invalid', words, { details: { issues: [words], file }, cause });
}

async function read(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT')
      ? 'there is no such file'
      : isSystemError(cause, 'EACCES')
        ? 'it may not be read by the user that sightline runs as'
        : errorText(cause);
    throw refuse(setting, file, reason, cause);
  }
}

/** Certificate with its chain and key, PEM; undefined without `http.tls`. */
export async function loadTls(
  http: Pick<Config['http'], 'tls'>,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  if (http.tls === undefined) return undefined;
  const { certFile, keyFile } = http.tls;
  const [cert, key] = await Promise.all([read('http.tls.certFile', certFile), read('http.tls.keyFile', keyFile)]);
  if (!cert.includes('-----BEGIN CERTIFICATE-----'))
    throw refuse('http.tls.certFile', certFile, 'it holds no certificate in PEM form');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key)) throw refuse('http.tls.keyFile', keyFile, 'it holds no key in PEM form');
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw refuse('http.tls', `${certFile} and ${keyFile}`, `they cannot be used together: ${errorText(cause)}`, cause);
  }
  return { cert, key };
}

/** The secret of `http.trustedProxy.secretFile`: its first line. Undefined without a trusted proxy. */
export async function readProxySecret(http: Pick<Config['http'], 'trustedProxy'>): Promise<string | undefined> {
  if (http.trustedProxy === undefined) return undefined;
  const file = http.trustedProxy.secretFile;
  const [first = ''] = (await read('http.trustedProxy.secretFile', file)).split(/\r?\n/);
  const secret = first.trim();
  if (secret.length >= 16) return secret;
  throw refuse(
    'http.trustedProxy.secretFile',
    file,
    `its first line has ${secret.length} characters; at least 16 are needed, as "openssl rand -hex 32" makes them`,
  );
}
