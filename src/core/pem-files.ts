import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorText } from './errors.ts';
import { refuseFile, unreadable } from './setting-files.ts';

/** The certificates that a section of the configuration names by its files. */

export type PemSetting = 'caFile' | 'certFile' | 'keyFile';

export interface FileTrouble<Setting extends string = PemSetting> {
  readonly setting: Setting;
  readonly path: string;
  /** Of the file, as a sentence: `there is no such file`. */
  readonly says: string;
}

/** What the files hold, as they are. */
export interface PemTexts {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export type PemFiles = { readonly [Setting in PemSetting]?: string | undefined };

const optionOf = { caFile: 'ca', certFile: 'cert', keyFile: 'key' } as const satisfies Record<PemSetting, keyof PemTexts>;

function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** All certificates of a file, undefined for what is none: the TLS library says nothing of those of an authority, and takes the others. */
function certificatesIn(pem: Buffer): readonly (X509Certificate | undefined)[] {
  const parts = pem.toString('latin1').split(/(?=-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----)/);
  return parts.filter((part) => part.startsWith('-----BEGIN')).map((part) => parsed(() => new X509Certificate(part)));
}

function certificateTrouble(pem: Buffer): string | undefined {
  const found = certificatesIn(pem);
  if (found.every((certificate) => certificate === undefined)) return 'it holds no certificate in PEM';
  const broken = found.indexOf(undefined);
  return broken < 0 ? undefined : `certificate ${broken + 1} of ${found.length} in it cannot be read`;
}

/**
 * Reads what is named and says what is wrong with it; never rejects. Whoever has no troubles has texts that a TLS connection can be made
 * with. `nameOf` says what a file's setting is called where people wrote it, for messages.
 */
export async function readPemFiles(
  files: PemFiles,
  nameOf: (setting: PemSetting) => string,
): Promise<{ readonly texts: PemTexts; readonly troubles: readonly FileTrouble[] }> {
  const troubles: FileTrouble[] = [];
  const read = async (setting: PemSetting) => {
    const path = files[setting];
    if (path === undefined) return undefined;
    try {
      // Reading a pipe may never end, and a device goes on for ever.
      const found = await stat(path);
      if (!found.isFile() && !found.isDirectory()) throw new TypeError('it is no regular file');
      return { setting, path, bytes: await readFile(path) };
    } catch (cause) {
      troubles.push({ setting, path, says: unreadable(cause) });
      return undefined;
    }
  };
  const ca = await read('caFile');
  const cert = await read('certFile');
  const key = await read('keyFile');
  const [certificate] = cert === undefined ? [] : certificatesIn(cert.bytes);
  const privateKey = key && parsed(() => createPrivateKey(key.bytes));
  const trouble = ({ setting, path }: { setting: PemSetting; path: string }, says: string) =>
    troubles.push({ setting, path, says });
  for (const file of [ca, cert].filter((one) => one !== undefined)) {
    const says = certificateTrouble(file.bytes);
    if (says !== undefined) trouble(file, says);
  }
  if (key !== undefined && privateKey === undefined) trouble(key, 'it holds no private key in PEM that needs no passphrase');
  if (key !== undefined && privateKey !== undefined && certificate?.checkPrivateKey(privateKey) === false)
    trouble(key, `it is not the key of the certificate in ${nameOf('certFile')}`);
  const there = [ca, cert, key].filter((file) => file !== undefined);
  const texts: PemTexts = Object.fromEntries(there.map(({ setting, bytes }) => [optionOf[setting], bytes]));
  const [first] = cert === undefined ? there : [cert];
  if (troubles.length === 0 && first !== undefined) {
    try {
      createSecureContext(texts);
    } catch (error) {
      trouble(first, `it cannot be used: ${errorText(error)}`);
    }
  }
  return { texts, troubles };
}

export interface CertificateFiles {
  /** PEM. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificate {
  /** With its chain. */
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What a server of ours shows. `setting` has the two files below it. Rejects with `config.invalid`, which names one. */
export async function readCertificate(setting: string, { certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const nameOf = (file: PemSetting) => `${setting}.${file}`;
  const { texts, troubles } = await readPemFiles({ certFile, keyFile }, nameOf);
  const [trouble] = troubles;
  if (trouble !== undefined) throw refuseFile(nameOf(trouble.setting), trouble.path, trouble.says);
  const { cert, key } = texts;
  if (cert === undefined || key === undefined) throw new TypeError(`${setting} names a certificate and its key`);
  return { cert, key };
}
