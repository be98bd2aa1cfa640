import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../../config/schema.ts';
import { may, type Permission, type Principal } from '../../core/access.ts';
import type { Context } from '../../core/context.ts';
import { SightlineError } from '../../core/errors.ts';
import { FloodGate } from '../../core/log.ts';
import { plainAddress } from '../../core/network.ts';
import { sameSecret } from '../../core/same-secret.ts';
import { type Accounts, userPrincipal } from './accounts.ts';
import { addressKind, addressList, headerText, isLoopbackHost, isSameSite, placeOf, type Seen, seenAs } from './addresses.ts';
import type { AuditNotes } from './audit.ts';
import { readCookie, writeCookie } from './cookie.ts';
import { csrfToken } from './secrets.ts';
import { tokenPrincipal } from './tokens.ts';

/**
 * Who asks. A Bearer token counts before what a trusted proxy says, and that before the cookie. What a browser sends by itself, cookie and
 * proxy, needs the CSRF token for methods that change something, and comes from our own pages.
 */

export interface Caller {
  readonly principal: Principal;
  /** Fires as soon as they may no longer see what they asked for: what goes on for them ends. */
  readonly signal: AbortSignal;
  /** What they send as `X-CSRF`; undefined where none is asked for. */
  readonly csrf: string | undefined;
  /** Of the session's id, where it is one. */
  readonly session: string | undefined;
  /** When that session ends at the latest, wall clock. */
  readonly expiresAt?: number;
}

export interface Auth extends Disposable {
  readonly audit: AuditNotes;
  readonly accounts: Accounts;
  /**
   * Undefined: nobody, or a session that is over. Errors: `http.auth` for a token that is none or over, `http.forbidden` for what comes from
   * another site or without its CSRF token, for a proxy without its secret or with a user who is unknown here or disabled.
   */
  identify(request: FastifyRequest): Promise<Caller | undefined>;
  /** Throws `http.forbidden` when a method that changes something comes from another site. */
  requireSameSite(request: FastifyRequest): void;
  /** The same, and throws `http.auth` for nobody, `http.forbidden` for somebody who may not; undefined: whoever is logged in. */
  require(request: FastifyRequest, permission: Permission | undefined): Promise<Caller>;
  /** For `/metrics`, as `http.metrics` has it. */
  requireMetrics(request: FastifyRequest): Promise<void>;
  /** Whoever `identify` found. */
  callerOf(request: FastifyRequest): Caller | undefined;
  /** The session whose cookie came along, by its hash, whether it counts here or not. */
  sessionIn(request: FastifyRequest): string | undefined;
  seenAs(request: FastifyRequest): Seen;
  /** As `Gate` has it. */
  placeOf(peer: string | undefined, headers?: IncomingHttpHeaders): string | undefined;
  /** The value of a Set-Cookie header; without a session one that takes the cookie away. */
  cookie(request: FastifyRequest, session: { readonly id: string; readonly expiresAt: number } | undefined): string;
}

export interface AuthOptions {
  readonly accounts: Accounts;
  readonly http: Pick<Config['http'], 'metrics' | 'trustedProxy'>;
  /** Of `readProxySecret`. */
  readonly proxySecret: string | undefined;
}

const csrfHeader = 'x-csrf';
const safeMethods = ['GET', 'HEAD', 'OPTIONS'];
const forwarded = ['x-forwarded-for', 'x-real-ip', 'forwarded'];

type Refusal = 'site' | 'csrf' | 'token' | 'proxy_secret' | 'proxy_user';

export function createAuth({ accounts, http, proxySecret }: AuthOptions, ctx: Context): Auth {
  const proxy = http.trustedProxy;
  const isProxy = proxy === undefined ? () => false : addressList(proxy.addresses, 'http.trustedProxy.addresses');
  const { clock, metrics } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const refused = metrics.counter('sightline_auth_refused_total', 'Requests whose credentials were refused.', ['reason']);
  const callers = new WeakMap<FastifyRequest, Caller>();

  function refuse(reason: Refusal, code: 'http.auth' | 'http.forbidden', words: string): SightlineError {
    refused.inc({ reason });
    return new SightlineError(code, words, { details: { reason } });
  }

  function peerOf(request: FastifyRequest): string {
    return plainAddress(request.raw.socket.remoteAddress) ?? '';
  }

  function seen(request: FastifyRequest): Seen {
    const encrypted = 'encrypted' in request.raw.socket && request.raw.socket.encrypted === true;
    return seenAs({ peer: peerOf(request), encrypted, headers: request.headers }, isProxy);
  }

  function isUnsafe(request: FastifyRequest): boolean {
    return !safeMethods.includes(request.method);
  }

  function requireSameSite(request: FastifyRequest): void {
    if (!isUnsafe(request)) return;
    if (isSameSite(request.headers, [seen(request).host, request.headers.host ?? ''])) return;
    const from = headerText(request.headers['origin']) ?? headerText(request.headers['sec-fetch-site']) ?? '';
    const { host } = seen(request);
    flood.warn('request from another site was refused', { origin: from, host, path: request.routeOptions.url ?? '' });
    throw refuse('site', 'http.forbidden', `this comes from another site (${from}); this server is known as ${host}`);
  }

  function bearer(request: FastifyRequest): Caller | undefined {
    const [, token] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) return undefined;
    const found = accounts.tokens.use(token, clock.now());
    if (found === undefined) throw refuse('token', 'http.auth', 'the token is none of this server, or is over');
    return { principal: tokenPrincipal(found.record), signal: found.signal, csrf: undefined, session: undefined };
  }

  function proxied(request: FastifyRequest): Caller | undefined {
    if (proxy === undefined || proxySecret === undefined) return undefined;
    const peer = peerOf(request);
    const name = headerText(request.headers[proxy.userHeader.toLowerCase()])?.trim();
    if (name === undefined || name === '' || peer === '' || !isProxy(peer)) return undefined;
    const secret = headerText(request.headers[proxy.secretHeader.toLowerCase()]) ?? '';
    if (!sameSecret(secret, proxySecret)) {
      flood.warn('proxy without its secret was refused', { peer, header: proxy.secretHeader });
      throw refuse(
        'proxy_secret',
        'http.forbidden',
        `the proxy sends a user without the right secret in ${proxy.secretHeader}`,
      );
    }
    const user = accounts.user(name);
    if (user === undefined || user.disabled) {
      const shown = name.slice(0, 64);
      const why = user === undefined ? 'is no user of sightline; an admin adds users, written exactly so' : 'is disabled';
      throw refuse('proxy_user', 'http.forbidden', `the proxy has let ${shown} in, who ${why}`);
    }
    return {
      principal: userPrincipal(user, 'proxy'),
      signal: accounts.rightsOf(name),
      csrf: csrfToken(`${proxySecret}\n${name}`),
      session: undefined,
    };
  }

  function cookied(request: FastifyRequest): Caller | undefined {
    const id = readCookie(request.headers.cookie);
    if (id === undefined) return undefined;
    const session = accounts.sessions.use(id, clock.now());
    const user = session === undefined ? undefined : accounts.user(session.record.user);
    if (session === undefined || user === undefined || user.disabled) return undefined;
    const { record, signal } = session;
    return {
      principal: userPrincipal(user, 'session'),
      signal,
      csrf: csrfToken(id),
      session: record.hash,
      expiresAt: record.expiresAt,
    };
  }

  function find(request: FastifyRequest): Caller | undefined {
    const program = bearer(request);
    if (program !== undefined) return program;
    const caller = proxied(request) ?? cookied(request);
    if (caller?.csrf === undefined || !isUnsafe(request)) return caller;
    requireSameSite(request);
    if (!sameSecret(headerText(request.headers[csrfHeader]) ?? '', caller.csrf))
      throw refuse('csrf', 'http.forbidden', 'X-CSRF is missing or wrong; GET /api/v1/session gives the right one');
    return caller;
  }

  async function identify(request: FastifyRequest): Promise<Caller | undefined> {
    const known = callers.get(request);
    if (known !== undefined) return known;
    const caller = find(request);
    if (caller !== undefined) callers.set(request, caller);
    return caller;
  }

  async function require(request: FastifyRequest, permission: Permission | undefined): Promise<Caller> {
    const caller = await identify(request);
    if (caller === undefined) throw new SightlineError('http.auth', 'log in first');
    if (permission !== undefined && !may(caller.principal, permission))
      throw new SightlineError('http.forbidden', `${caller.principal.user} does not have the permission ${permission}`, {
        details: { permission },
      });
    return caller;
  }

  return {
    accounts,
    audit: accounts.audit,
    identify,
    requireSameSite,
    require,
    requireMetrics: async (request) => {
      const peer = peerOf(request);
      const isHere =
        peer !== '' &&
        addressKind(peer) === 'loopback' &&
        isLoopbackHost(request.headers.host ?? '') &&
        forwarded.every((name) => request.headers[name] === undefined);
      if (http.metrics === 'loopback' && isHere) return;
      await require(request, 'metrics.read');
    },
    callerOf: (request) => callers.get(request),
    sessionIn: (request) => {
      const id = readCookie(request.headers.cookie);
      return id === undefined ? undefined : accounts.sessions.use(id, clock.now())?.record.hash;
    },
    seenAs: seen,
    placeOf: (peer, headers = {}) => {
      const plain = plainAddress(peer);
      if (plain === undefined) return undefined;
      const { address } = seenAs({ peer: plain, encrypted: false, headers }, isProxy);
      return isProxy(address) ? undefined : placeOf(address);
    },
    cookie: (request, session) =>
      writeCookie(session?.id ?? '', {
        secure: seen(request).https,
        maxAgeS: session === undefined ? 0 : Math.max(0, Math.ceil((session.expiresAt - clock.now()) / 1000)),
      }),
    [Symbol.dispose]: () => flood[Symbol.dispose](),
  };
}
