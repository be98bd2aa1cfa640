import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { IClientOptions } from 'mqtt';
import type { MqttConfig } from '../config/schema.ts';
import { SightlineError } from '../core/errors.ts';

/** The broker's address and credentials as the client library wants them. */

const schemes: Readonly<Record<string, { readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss'; readonly port: number }>> = {
  'mqtt:': { protocol: 'mqtt', port: 1883 },
  'tcp:': { protocol: 'mqtt', port: 1883 },
  'mqtts:': { protocol: 'mqtts', port: 8883 },
  'ssl:': { protocol: 'mqtts', port: 8883 },
  'ws:': { protocol: 'ws', port: 80 },
  'wss:': { protocol: 'wss', port: 443 },
};

export interface BrokerAddress {
  readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly username?: string;
  readonly password?: string;
}

/** Undefined when a percent sign stands alone. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Splits the URL so that credentials in it go no further than the CONNECT packet. Throws `config.invalid`. */
export function brokerAddress(url: string): BrokerAddress {
  const parsed = URL.parse(url);
  const scheme = schemes[parsed?.protocol ?? ''];
  const username = decoded(parsed?.username ?? '');
  const password = decoded(parsed?.password ?? '');
  if (parsed === null || scheme === undefined || parsed.hostname === '' || username === undefined || password === undefined) {
    throw new SightlineError(
      'config.invalid',
      'mqtt.url is not a broker URL; write mqtt://host:port or mqtts://host:port, and % as %25',
    );
  }
  return {
    protocol: scheme.protocol,
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? scheme.port : Number(parsed.port),
    path: parsed.pathname === '' ? '/' : `${parsed.pathname}${parsed.search}`,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function secured(address: BrokerAddress): boolean {
  return address.protocol === 'mqtts' || address.protocol === 'wss';
}

/** What an operator should know at every start, in words. */
export function brokerWarnings(config: MqttConfig): readonly string[] {
  const address = brokerAddress(config.url);
  const login = (config.username ?? address.username) !== undefined || config.certFile !== undefined;
  const warnings: string[] = [];
  if (!isLoopback(address.host)) {
    if (!secured(address))
      warnings.push('alerts and pictures travel unencrypted: the broker is not on this host and its URL is not mqtts://');
    if (!login) warnings.push('the broker is not on this host and is used without a login: anybody there may read alerts');
  }
  if (!secured(address) && (config.caFile ?? config.certFile ?? config.keyFile) !== undefined)
    warnings.push('certificate files are ignored: the broker URL is not mqtts://');
  return warnings;
}

type FileSetting = 'passwordFile' | 'caFile' | 'certFile' | 'keyFile';

export interface FileTrouble {
  readonly setting: FileSetting;
  readonly path: string;
  /** As the rest of a sentence about the file. */
  readonly says: string;
  readonly cause?: unknown;
}

interface Credentials {
  readonly password?: string;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

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

/** The files that the broker's settings name, and what is wrong with them. */
function readCredentials(config: MqttConfig): { readonly credentials: Credentials; readonly troubles: readonly FileTrouble[] } {
  const troubles: FileTrouble[] = [];
  const read = (setting: FileSetting) => {
    const path = config[setting];
    if (path === undefined) return undefined;
    try {
      return { setting, path, bytes: readFileSync(path) };
    } catch (cause) {
      troubles.push({ setting, path, says: 'cannot be read', cause });
      return undefined;
    }
  };
  const password = read('passwordFile')?.bytes.toString('utf8').split(/\r?\n/, 1)[0];
  const withPassword = password === undefined ? {} : { password };
  if (!secured(brokerAddress(config.url))) return { credentials: withPassword, troubles };
  const ca = read('caFile');
  const cert = read('certFile');
  const key = read('keyFile');
  const certificate = cert && certificateIn(cert.bytes);
  const privateKey = key && parsed(() => createPrivateKey(key.bytes));
  for (const file of [ca, cert])
    if (file !== undefined && certificateIn(file.bytes) === undefined)
      troubles.push({ ...file, says: 'holds no certificate in PEM' });
  if (key !== undefined && privateKey === undefined)
    troubles.push({ ...key, says: 'holds no private key in PEM that needs no passphrase' });
  if (key !== undefined && privateKey !== undefined && certificate?.checkPrivateKey(privateKey) === false)
    troubles.push({ ...key, says: 'is not the key of the certificate in mqtt.certFile' });
  const files = { ca: ca?.bytes, cert: cert?.bytes, key: key?.bytes };
  const given = Object.fromEntries(Object.entries(files).filter(([, bytes]) => bytes !== undefined));
  return { credentials: { ...withPassword, ...given }, troubles };
}

/** What is wrong with the files that the settings name, now. */
export function credentialTroubles(config: MqttConfig): readonly FileTrouble[] {
  return parsed(() => brokerAddress(config.url)) === undefined ? [] : readCredentials(config).troubles;
}

/**
 * Read anew for every connection, so that a renewed certificate or password counts without a restart. Throws `output.refused`
 * naming the file that cannot be used.
 */
export function clientOptions(config: MqttConfig): IClientOptions {
  const address = brokerAddress(config.url);
  const username = config.username ?? address.username;
  const { credentials, troubles } = readCredentials(config);
  const [trouble] = troubles;
  if (trouble !== undefined) {
    const { setting, path, says, cause } = trouble;
    throw new SightlineError('output.refused', `mqtt.${setting} ${path} ${says}`, { cause, details: { path } });
  }
  const { password: filePassword, ...tls } = credentials;
  const password = filePassword ?? config.password ?? address.password;
  return {
    protocol: address.protocol,
    host: address.host,
    hostname: address.host,
    port: address.port,
    ...(address.protocol === 'ws' || address.protocol === 'wss' ? { path: address.path } : {}),
    protocolVersion: config.protocol === '5' ? 5 : 4,
    clientId: config.clientId,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...tls,
  };
}
