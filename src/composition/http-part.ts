import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { bindRoutes } from '../http/api/route.ts';
import { apiRoutes } from '../http/api/routes.ts';
import type { Accounts } from '../http/auth/accounts.ts';
import { createAuthPart, pagesAt, sayHowToSetUp } from '../http/auth/start.ts';
import { loadTls } from '../http/auth/tls.ts';
import { type HttpNeeds, type HttpServer, startHttpServer } from '../http/server.ts';
import { type ApiParts, createApiServices } from './api-services.ts';
import { createDocuments } from './documents.ts';

/** The HTTP server with its login, its API and its pages, put together for the daemon. */

export interface HttpPartOptions extends Omit<ApiParts, 'audit' | 'requireMetrics' | 'documents'> {
  readonly http: Config['http'];
  readonly accounts: Accounts;
  /** Of `core/tickets.ts`, this run's: the media door has the same. */
  readonly ticketKey: Uint8Array;
  /** Takes WebSocket upgrades; undefined without a media door. */
  readonly live: HttpNeeds['live'];
}

export interface HttpPart extends HttpServer {
  /** Where the pages are, for people. */
  readonly pages: string;
}

/** For `HttpPartOptions.ticketKey`. */
export function newTicketKey(): Uint8Array {
  return randomBytes(32);
}

const viewer = fileURLToPath(new URL('../http/viewer', import.meta.url));

/** Rejects with `http.unavailable` when the address cannot be taken, `config.invalid` when a file that the configuration names cannot be used. */
export async function startHttpPart(options: HttpPartOptions, ctx: Context): Promise<HttpPart> {
  const { http, accounts, ticketKey, keep, live } = options;
  const stack = new AsyncDisposableStack();
  try {
    const tls = await loadTls(http);
    const { auth, routes } = stack.use(await createAuthPart({ accounts, store: keep.store, http, ticketKey }, ctx));
    const services = createApiServices(
      {
        ...options,
        audit: auth.audit,
        requireMetrics: (request) => auth.requireMetrics(request),
        documents: createDocuments(),
      },
      ctx,
    );
    const server = stack.use(
      await startHttpServer(
        http,
        {
          routes: [...routes, ...bindRoutes(apiRoutes, services)],
          gate: auth,
          pages: { directory: viewer },
          ...(tls === undefined ? {} : { tls }),
          ...(live === undefined ? {} : { live }),
        },
        ctx,
      ),
    );
    const pages = pagesAt(server.address, tls !== undefined);
    await sayHowToSetUp(accounts, pages, ctx);
    return { address: server.address, pages, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
