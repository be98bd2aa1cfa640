import { descriptorsText, isSystemError } from '../core/errors.ts';
import { urlHost } from '../core/url-host.ts';

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

/** Names that OpenSSL and Node give to what goes wrong with TLS, and what to do about it. The first one that fits. */
const tlsTroubles: readonly { readonly code: RegExp; readonly says: string }[] = [
  {
    code: /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|CERT_UNTRUSTED|CERT_SIGNATURE_)/,
    says: "no known authority has signed the broker's certificate; mqtt.caFile must hold the one that did",
  },
  {
    code: /^(ERR_TLS_CERT_ALTNAME_|HOSTNAME_MISMATCH)/,
    says: "the broker's certificate is not made for the host that mqtt.url names",
  },
  { code: /^CERT_HAS_EXPIRED/, says: "the broker's certificate has expired" },
  { code: /^CERT_NOT_YET_VALID/, says: "the broker's certificate is not valid yet; is the clock of this host right?" },
  {
    code: /_ALERT_CERTIFICATE_REQUIRED$/,
    says: 'the broker asks for a client certificate; name one in mqtt.certFile and its key in mqtt.keyFile',
  },
  {
    code: /_ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_|DECRYPT_ERROR|ACCESS_DENIED)/,
    says: 'the broker does not accept the client certificate in mqtt.certFile',
  },
  {
    code: /_ALERT_HANDSHAKE_FAILURE$/,
    says: 'the broker ended the handshake; it may ask for a client certificate (mqtt.certFile, mqtt.keyFile)',
  },
  {
    code: /_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/,
    says: 'what answers does not speak TLS; without it mqtt.url begins with mqtt:// or ws://',
  },
];

const tlsCode = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|ERROR_IN_|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)/;

function tlsRefusal(error: Error, code: string): LinkRefusal | undefined {
  const known = tlsTroubles.find((trouble) => trouble.code.test(code));
  if (known !== undefined) return { reason: `TLS failed: ${known.says}`, kind: 'refused' };
  return tlsCode.test(code) ? { reason: `TLS failed: ${error.message.trim()}`, kind: 'refused' } : undefined;
}

/** A name with several addresses is tried at each, and the errors of all come in one. */
function placeOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof Error) || !('address' in first) || !('port' in first)) return 'there';
  return `at ${urlHost(String(first.address))}:${first.port}`;
}

export function socketRefusal(error: unknown): LinkRefusal {
  if (isSystemError(error, 'ECONNREFUSED')) return { reason: `no broker listens ${placeOf(error)}`, kind: 'waiting' };
  const descriptors = descriptorsText(error);
  if (descriptors !== undefined) return { reason: descriptors, kind: 'waiting' };
  if (isSystemError(error, 'ENOTFOUND')) return { reason: 'the name of the broker is unknown', kind: 'waiting' };
  if (isSystemError(error, 'ECONNRESET') || isSystemError(error, 'EPIPE')) return { reason: closedText, kind: 'waiting' };
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const tls = error instanceof Error ? tlsRefusal(error, code) : undefined;
  if (tls !== undefined) return tls;
  const words = error instanceof Error ? error.message.trim() : '';
  return { reason: words === '' ? 'connection failed' : words, kind: 'waiting' };
}
