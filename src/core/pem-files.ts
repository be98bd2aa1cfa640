import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The certificates that a section of the configuration names by its files. */

export type PemSetting = 'caFile' | 'certFile' | 'keyFile';

export interface FileTrouble<Setting extends string = PemSetting> {
  readonly setting: Setting;
  readonly path: string;
  /** As the rest of a sentence about the file. */
  readonly says: string;
  readonly cause?: unknown;
}

/** What the files hold, as they are. */
export interface PemTexts {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export type PemFiles = { readonly [Setting in PemSetting]?: string | undefined };

function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** A file holds PEM when the TLS library would find something in it: of a CA file without any it says nothing. */
function certificateIn(pem: Buffer): X509Certificate | undefined {
  return pem.includes('-----BEGIN') ? parsed(() => new X509Certificate(pem)) : undefined;
}

/** Reads what is named and says what is wrong with it. `section` is that of the configuration, for messages. */
export function readPemFiles(
  files: PemFiles,
  section: string,
): { readonly texts: PemTexts; readonly troubles: readonly FileTrouble[] } {
  const troubles: FileTrouble[] = [];
  const read = (setting: PemSetting) => {
    const path = files[setting];
    if (path === undefined) return undefined;
    try {
      return { setting, path, bytes: readFileSync(path) };
    } catch (cause) {
      troubles.push({ setting, path, says: 'cannot be read', cause });
      return undefined;
    }
  };
  const ca = read('caFile');
  const cert = read('certFile');
  const key = read('keyFile');
  const certificate = cert && certificateIn(cert.bytes);
  const privateKey = key && parsed(() => createPrivateKey(key.bytes));
  const trouble = ({ setting, path }: { setting: PemSetting; path: string }, says: string) =>
    troubles.push({ setting, path, says });
  for (const file of [ca, cert])
    if (file !== undefined && certificateIn(file.bytes) === undefined) trouble(file, 'holds no certificate in PEM');
  if (key !== undefined && privateKey === undefined) trouble(key, 'holds no private key in PEM that needs no passphrase');
  if (key !== undefined && privateKey !== undefined && certificate?.checkPrivateKey(privateKey) === false)
    trouble(key, `is not the key of the certificate in ${section}.certFile`);
  const texts: PemTexts = {
    ...(ca === undefined ? {} : { ca: ca.bytes }),
    ...(cert === undefined ? {} : { cert: cert.bytes }),
    ...(key === undefined ? {} : { key: key.bytes }),
  };
  return { texts, troubles };
}
