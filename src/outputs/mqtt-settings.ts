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

function readSecret(path: string, setting: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new SightlineError('output.refused', `cannot read mqtt.${setting} ${path}`, { cause, details: { path } });
  }
}

/** Read anew for every connection, so that a renewed certificate or password counts without a restart. */
export function clientOptions(config: MqttConfig): IClientOptions {
  const address = brokerAddress(config.url);
  const username = config.username ?? address.username;
  const password =
    config.passwordFile === undefined
      ? (config.password ?? address.password)
      : readSecret(config.passwordFile, 'passwordFile').toString('utf8').split(/\r?\n/, 1)[0];
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
    ...(secured(address) && config.caFile !== undefined ? { ca: readSecret(config.caFile, 'caFile') } : {}),
    ...(secured(address) && config.certFile !== undefined ? { cert: readSecret(config.certFile, 'certFile') } : {}),
    ...(secured(address) && config.keyFile !== undefined ? { key: readSecret(config.keyFile, 'keyFile') } : {}),
  };
}
