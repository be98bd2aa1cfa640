import { descriptorsText, isSystemError } from '../core/errors.ts';

/**
 * What the codes of CONNACK, PUBACK and DISCONNECT ask of us (MQTT 5.0 section 2.4, MQTT 3.1.1 table 3.1). Pure.
 */

const words: Readonly<Record<number, string>> = {
  128: 'unspecified error',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'implementation specific error',
  132: 'protocol version not supported',
  133: 'client identifier not valid',
  134: 'bad user name or password',
  135: 'not authorized',
  136: 'server unavailable',
  137: 'server busy',
  138: 'banned',
  139: 'server shutting down',
  140: 'bad authentication method',
  141: 'keep alive timeout',
  142: 'session taken over by another client with this client id',
  144: 'topic name invalid',
  145: 'packet identifier in use',
  147: 'receive maximum exceeded',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'administrative action',
  153: 'payload format invalid',
  154: 'retain not supported',
  155: 'quality of service not supported',
  156: 'use another server',
  157: 'server moved',
  159: 'connection rate exceeded',
  160: 'maximum connect time',
};

/** Return codes of MQTT 3.1.1 as their MQTT 5 equivalents. */
const legacyConnack: Readonly<Record<number, number>> = { 1: 132, 2: 133, 3: 136, 4: 134, 5: 135 };

export function codeText(code: number): string {
  return words[code] ?? `code ${code}`;
}

/** Reasons not to let us in that do not go away by trying again soon: settings and credentials. */
const standingAtConnect: ReadonlySet<number> = new Set([
  129, 130, 132, 133, 134, 135, 138, 140, 144, 149, 153, 154, 155, 156, 157,
]);

/**
 * Reasons to throw us out that are about us. All others may be about one message (some brokers answer a forbidden or too large
 * one so): then the connection is made again soon, and the outbox finds the guilty one.
 */
const standingLater: ReadonlySet<number> = new Set([138, 142, 152, 156, 157]);

export const closedText = 'broker closed the connection';

export interface LinkRefusal {
  readonly reason: string;
  /** DISCONNECT said "packet too large". */
  readonly tooLarge?: boolean;
  /** `refused`: a person must act, try slowly. `waiting`: try again with back-off. */
  readonly kind: 'refused' | 'waiting';
}

export function connackRefusal(code: number): LinkRefusal {
  const modern = legacyConnack[code] ?? code;
  return {
    reason: `broker refused the connection: ${codeText(modern)}`,
    kind: standingAtConnect.has(modern) ? 'refused' : 'waiting',
  };
}

export function disconnectReason(code: number): LinkRefusal {
  return {
    reason: `broker ended the connection: ${codeText(code)}`,
    kind: standingLater.has(code) ? 'refused' : 'waiting',
    tooLarge: code === 149,
  };
}

const never: ReadonlySet<number> = new Set([135, 144, 149, 153, 154, 155]);

/** Of a PUBACK at or above 128: will this message never be taken? */
export function pubackVerdict(code: number): { readonly kind: 'refused' | 'retry'; readonly reason: string } {
  return { kind: never.has(code) ? 'refused' : 'retry', reason: codeText(code) };
}

/** OpenSSL and Node names of failures that are a matter of certificates, not of the network. */
const certificateCode =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

export function socketRefusal(error: unknown): LinkRefusal {
  if (isSystemError(error, 'ECONNREFUSED')) return { reason: 'no broker listens there', kind: 'waiting' };
  const descriptors = descriptorsText(error);
  if (descriptors !== undefined) return { reason: descriptors, kind: 'waiting' };
  if (isSystemError(error, 'ENOTFOUND')) return { reason: 'the name of the broker is unknown', kind: 'waiting' };
  if (isSystemError(error, 'ECONNRESET') || isSystemError(error, 'EPIPE')) return { reason: closedText, kind: 'waiting' };
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && certificateCode.test(error.code))
    return { reason: `TLS failed: ${error.message}`, kind: 'refused' };
  return { reason: error instanceof Error && error.message !== '' ? error.message : 'connection failed', kind: 'waiting' };
}
