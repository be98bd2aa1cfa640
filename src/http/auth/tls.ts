import type { Config } from '../../config/schema.ts';
import { type Certificate, readCertificate } from '../../core/pem-files.ts';
import { readSettingFile, refuseFile } from '../../core/setting-files.ts';

/** Files that the HTTP server is secured with. Errors are `config.invalid` and name setting and file. */

/** Undefined without `http.tls`. */
export async function loadTls(http: Pick<Config['http'], 'tls'>): Promise<Certificate | undefined> {
  return http.tls === undefined ? undefined : await readCertificate('http.tls', http.tls);
}

/** The secret of `http.trustedProxy.secretFile`: its first line. Undefined without a trusted proxy. */
export async function readProxySecret(http: Pick<Config['http'], 'trustedProxy'>): Promise<string | undefined> {
  if (http.trustedProxy === undefined) return undefined;
  const setting = 'http.trustedProxy.secretFile';
  const file = http.trustedProxy.secretFile;
  const [first = ''] = (await readSettingFile(setting, file)).split(/\r?\n/);
  const secret = first.trim();
  if (secret.length >= 16) return secret;
  throw refuseFile(
    setting,
    file,
    `its first line has ${secret.length} characters; at least 16 are needed, as "openssl rand -hex 32" makes them`,
  );
}
