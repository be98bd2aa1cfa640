import { hostname } from 'node:os';
import type { Config } from '../../config/schema.ts';
import type { Context } from '../../core/context.ts';
import { isSightlineError } from '../../core/errors.ts';
import type { Store } from '../../core/store.ts';
import { urlHost } from '../../core/url-host.ts';
import { type BoundRoute, bindRoutes } from '../api/route.ts';
import type { Accounts } from './accounts.ts';
import { type Auth, createAuth } from './auth.ts';
import { createLogin } from './login.ts';
import { authRoutes } from './routes.ts';
import { readProxySecret } from './tls.ts';

/** Logging in, put together for the HTTP server. */

export interface AuthPart extends Disposable {
  /** The server's gate, too. */
  readonly auth: Auth;
  readonly routes: readonly BoundRoute[];
}

export interface AuthPartOptions {
  readonly accounts: Accounts;
  readonly store: Pick<Store, 'audit'>;
  readonly http: Pick<Config['http'], 'metrics' | 'trustedProxy'>;
  /** Of `core/tickets.ts`, of this run. */
  readonly ticketKey: Uint8Array;
}

/** Rejects with `config.invalid` for a proxy's secret or addresses that are none. */
export async function createAuthPart({ accounts, store, http, ticketKey }: AuthPartOptions, ctx: Context): Promise<AuthPart> {
  const auth = createAuth({ accounts, http, proxySecret: await readProxySecret(http) }, ctx);
  const login = createLogin(auth, ctx);
  const now = () => ctx.clock.now();
  return {
    auth,
    routes: bindRoutes(authRoutes, { auth, login, accounts, audit: store.audit, ticketKey, now, mono: () => ctx.clock.mono() }),
    [Symbol.dispose]: () => {
      login[Symbol.dispose]();
      auth[Symbol.dispose]();
    },
  };
}

export interface ServedAt {
  /** What the server listens on. */
  readonly address: { readonly host: string; readonly port: number };
  readonly isSecure: boolean;
  readonly publicUrl: string | undefined;
}

/**
 * Where the server is reached, for people: `http://127.0.0.1:8080`. Of a server on every address, by the name of this machine, unless the
 * configuration says where.
 */
export function pagesAt({ address, isSecure, publicUrl }: ServedAt): string {
  if (publicUrl !== undefined) return publicUrl.replace(/\/$/, '');
  const isAny = address.host === '0.0.0.0' || address.host === '::';
  return `${isSecure ? 'https' : 'http'}://${urlHost(isAny ? hostname() : address.host)}:${address.port}`;
}

/** What comes after # is sent to nobody: no server, no proxy and no log of theirs learns it. */
export function setupLink(pages: string, secret: string): string {
  return `${pages}/setup#${secret}`;
}

/**
 * Says the set-up link where there is no user yet, once. It is the one secret that the log is given: who reads the log of a daemon that is not set
 * up may set it up. A store that takes no writes leaves it out, and says so.
 */
export async function sayHowToSetUp(accounts: Accounts, pages: string, ctx: Context): Promise<void> {
  if (!accounts.needsSetup) return;
  try {
    const link = setupLink(pages, await accounts.offerSetup());
    ctx.log.warn({ link }, 'nobody can log in yet: open this link within a day to make the first admin');
  } catch (error) {
    if (isSightlineError(error, 'user.exists')) return;
    ctx.log.error({ err: error }, 'nobody can log in yet, and no set-up link could be made');
  }
}
