import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { type StreamUser, streamRealm } from '../core/media-door.ts';
import { sameSecret } from '../core/same-secret.ts';
import { streamHa1 } from '../core/stream-login.ts';
import { parseTarget } from './rtsp-messages.ts';

/** Logins of RTSP (RFC 2326 section 14, RFC 7616, RFC 7617). Of a password only its HA1 is known here. */

export type LoginResult =
  | { readonly kind: 'ok'; readonly user: StreamUser }
  /** Nothing was offered that is understood here. */
  | { readonly kind: 'none' }
  /** Right, but for a nonce that has expired or is not of this connection; not a failure. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'failed' };

export interface LoginAttempt {
  /** Value of the header Authorization. */
  readonly authorization: string;
  readonly method: string;
  /** As the request has it. */
  readonly uri: string;
}

type Algorithm = 'md5' | 'sha256';
/** The length of a response says how it was made: some clients repeat the wrong algorithm, others none. */
const algorithmOf: Readonly<Record<number, Algorithm>> = { 32: 'md5', 64: 'sha256' };
export const nonceLifeMs = 300_000;
/** A name that nobody has costs the same time as one that somebody has. */
const nobody = { md5: randomBytes(16).toString('hex'), sha256: randomBytes(32).toString('hex') };

function hash(algorithm: Algorithm, text: string): string {
  return createHash(algorithm).update(text, 'utf8').digest('hex');
}

/** Parameters of a header, names in lower case. Header bytes are read as UTF-8: the parser has kept them one by one. */
export function authParameters(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', quoted, token] of text.matchAll(/([\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    const value = quoted === undefined ? token : quoted.replaceAll(/\\(.)/g, '$1');
    found.set(name.toLowerCase(), Buffer.from(value ?? '', 'latin1').toString('utf8'));
  }
  return found;
}

/**
 * The logins of one connection. Its nonces are its own, so that what was overheard opens no other connection, and on this one a
 * count of requests (`nc`) is taken once.
 */
export class ConnectionLogin {
  readonly #clock: Pick<Clock, 'mono'>;
  #nonce = randomBytes(18).toString('base64url');
  #madeMono: number;
  #count = 0;

  constructor(clock: Pick<Clock, 'mono'>) {
    this.#clock = clock;
    this.#madeMono = clock.mono();
  }

  /**
   * Values of WWW-Authenticate. All Digests share a nonce: clients take the first or the last of them, and some compute MD5 whatever
   * they took. FFmpeg takes the last one, and only knows MD5.
   */
  challenges(stale: boolean): readonly string[] {
    if (this.#clock.mono() - this.#madeMono > nonceLifeMs / 2) this.#renew();
    const rest = `realm="${streamRealm}", nonce="${this.#nonce}", qop="auth"${stale ? ', stale=true' : ''}`;
    return [`Digest ${rest}, algorithm=SHA-256`, `Digest ${rest}, algorithm=MD5`, `Basic realm="${streamRealm}"`];
  }

  check(attempt: LoginAttempt, user: (name: string) => StreamUser | undefined): LoginResult {
    const [, scheme = '', rest = ''] = /^[ \t]*([\w-]+)[ \t]+(.*)$/.exec(attempt.authorization) ?? [];
    if (scheme.toLowerCase() === 'basic') {
      const found = basicLogin(rest, user);
      return found === undefined ? { kind: 'failed' } : { kind: 'ok', user: found };
    }
    if (scheme.toLowerCase() === 'digest') return this.#digest(authParameters(rest), attempt, user);
    return { kind: 'none' };
  }

  #renew(): void {
    this.#nonce = randomBytes(18).toString('base64url');
    this.#madeMono = this.#clock.mono();
    this.#count = 0;
  }

  #digest(
    given: ReadonlyMap<string, string>,
    attempt: LoginAttempt,
    find: (name: string) => StreamUser | undefined,
  ): LoginResult {
    const text = (name: string) => given.get(name) ?? '';
    const response = text('response').toLowerCase();
    const algorithm = algorithmOf[response.length];
    const qop = given.get('qop');
    if (algorithm === undefined || text('realm') !== streamRealm) return { kind: 'failed' };
    if (qop !== undefined && qop !== 'auth') return { kind: 'failed' };
    if (!isSameTarget(text('uri'), attempt.uri)) return { kind: 'failed' };
    const user = find(text('username'));
    const ha2 = hash(algorithm, `${attempt.method}:${text('uri')}`);
    const between = qop === undefined ? '' : `${text('nc')}:${text('cnonce')}:auth:`;
    const expected = hash(algorithm, `${(user?.ha1 ?? nobody)[algorithm]}:${text('nonce')}:${between}${ha2}`);
    if (!sameSecret(response, expected) || user === undefined) return { kind: 'failed' };
    if (this.#clock.mono() - this.#madeMono > nonceLifeMs) this.#renew();
    if (text('nonce') !== this.#nonce) return { kind: 'stale' };
    if (qop !== undefined) {
      const count = /^[0-9a-f]{8}$/i.test(text('nc')) ? Number.parseInt(text('nc'), 16) : 0;
      if (count <= this.#count) return { kind: 'failed' };
      this.#count = count;
    }
    return { kind: 'ok', user };
  }
}

/** Whom the credentials of `Authorization: Basic` (RFC 7617), base64, let in. */
export function basicLogin(encoded: string, find: (name: string) => StreamUser | undefined): StreamUser | undefined {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(0, colon));
  const user = colon < 0 ? undefined : find(name);
  const given = streamHa1(name, text.slice(colon + 1)).sha256;
  return sameSecret(given, (user?.ha1 ?? nobody).sha256) ? user : undefined;
}

/** Clients differ in the slash at the end, the track and the host they write. */
function isSameTarget(given: string, requested: string): boolean {
  if (given === requested) return true;
  const one = parseTarget(given.startsWith('/') ? `rtsp://host${given}` : given);
  const other = parseTarget(requested);
  return one !== undefined && other !== undefined && one.stream === other.stream;
}
