import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { Scope } from '../core/scope.ts';
import { bindRoutes } from '../http/api/route.ts';
import { apiRoutes } from '../http/api/routes.ts';
import type { Accounts } from '../http/auth/accounts.ts';
import { hostName } from '../http/auth/addresses.ts';
import { createAuthPart, pagesAt, sayHowToSetUp } from '../http/auth/start.ts';
import { loadTls } from '../http/auth/tls.ts';
import { startHttpServer } from '../http/server.ts';
import { type ApiParts, createApiServices } from './api-services.ts';
import { createDocuments } from './documents.ts';
import type { Keep } from './keep.ts';
import type { Video } from './video.ts';

/** Pages, API and login: the HTTP server put together. */
export interface Web extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  /** Where the pages are, for people. */
  readonly pages: string;
}

export interface WebOptions
  extends Omit<ApiParts, 'keep' | 'audit' | 'hostOf' | 'requireMetrics' | 'documents' | 'clips' | 'door' | 'newestOverlay'> {
  readonly keep: Keep;
  readonly http: Config['http'];
  readonly accounts: Accounts;
  readonly ticketKey: Uint8Array;
  readonly video: Video | undefined;
}

const stopWithinMs = 3000;
const viewer = fileURLToPath(new URL('../http/viewer', import.meta.url));

/** Rejects with `http.unavailable` or `config.invalid`. */
export async function startWeb(options: WebOptions, ctx: Context): Promise<Web> {
  const scope = new Scope({ clock: ctx.clock, log: ctx.log, deadlineMs: stopWithinMs });
  try {
    return await compose(options, scope, ctx);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(options: WebOptions, scope: Scope, ctx: Context): Promise<Web> {
  const { http, accounts, ticketKey, video, keep } = options;
  const tls = await loadTls(http);
  const { auth, routes, ...part } = await createAuthPart({ accounts, store: keep.store, http, ticketKey }, ctx);
  scope.use('login', part);
  const services = createApiServices(
    {
      ...options,
      newestOverlay: (camera) => video?.newest(camera),
      clips: {
        open: (alertId) => keep.clips.open(alertId),
        index: (alertId) => keep.clips.index(alertId),
        absence: (alert) => video?.clips.absence(alert) ?? { reason: 'no video goes through this daemon (media.enabled)' },
      },
      door: () => video?.door,
      audit: auth.audit,
      hostOf: (request) => hostName(auth.seenAs(request).host),
      requireMetrics: (request) => auth.requireMetrics(request),
      documents: createDocuments(),
    },
    ctx,
  );
  const server = scope.use(
    'http',
    await startHttpServer(
      http,
      {
        routes: [...bindRoutes(apiRoutes, services), ...routes],
        gate: auth,
        pages: { directory: viewer },
        ...(tls === undefined ? {} : { tls }),
        ...(video === undefined ? {} : { live: video.door.live }),
      },
      ctx,
    ),
  );
  const pages = pagesAt({ address: server.address, isSecure: tls !== undefined, publicUrl: http.publicUrl });
  await sayHowToSetUp(accounts, pages, ctx);
  return {
    address: server.address,
    pages,
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}
