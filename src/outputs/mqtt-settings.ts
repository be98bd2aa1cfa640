import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { IClientOptions } from 'mqtt';
import type { MqttConfig } from '../config/schema.ts';
import { SightlineError } from '../core/errors.ts';
import { type FileTrouble, type PemSetting, type PemTexts, readPemFiles } from '../core/pem-files.ts';
import { unreadable } from '../core/setting-files.ts';

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

function isBrokerAddress(url: string): boolean {
  try {
    brokerAddress(url);
    return true;
  } catch {
    return false;
  }
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

type BrokerFileTrouble = FileTrouble<PemSetting | 'passwordFile'>;

interface Credentials extends PemTexts {
  readonly password?: string;
}

/** The files that the broker's settings name, and what is wrong with them. */
async function readCredentials(config: MqttConfig): Promise<{
  readonly credentials: Credentials;
  readonly troubles: readonly BrokerFileTrouble[];
}> {
  const troubles: BrokerFileTrouble[] = [];
  const credentials: { -readonly [Name in keyof Credentials]: Credentials[Name] } = {};
  const { passwordFile } = config;
  if (passwordFile !== undefined) {
    try {
      credentials.password = (await readFile(passwordFile, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
    } catch (cause) {
      troubles.push({ setting: 'passwordFile', path: passwordFile, says: unreadable(cause) });
    }
  }
  if (!secured(brokerAddress(config.url))) return { credentials, troubles };
  const pem = await readPemFiles(config, (setting) => `mqtt.${setting}`);
  return { credentials: { ...credentials, ...pem.texts }, troubles: [...troubles, ...pem.troubles] };
}

/** What is wrong with the files that the settings name, now. */
export async function credentialTroubles(config: MqttConfig): Promise<readonly BrokerFileTrouble[]> {
  return isBrokerAddress(config.url) ? (await readCredentials(config)).troubles : [];
}

/**
 * Read anew for every connection, so that a renewed certificate or password counts without a restart. Rejects with `output.refused`
 * naming the file that cannot be used.
 */
export async function clientOptions(config: MqttConfig): Promise<IClientOptions> {
  const address = brokerAddress(config.url);
  const username = config.username ?? address.username;
  const { credentials, troubles } = await readCredentials(config);
  const [trouble] = troubles;
  if (trouble !== undefined) {
    const { setting, path, says } = trouble;
    throw new SightlineError('output.refused', `mqtt.${setting}: ${path}: ${says}`, { details: { path } });
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
