import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type FastifyInstance, fastify } from 'fastify';
import type { Context } from '../core/context.ts';
import { errorText, isSystemError, SightlineError } from '../core/errors.ts';
import type { Certificate } from '../core/pem-files.ts';
import type { BoundRoute } from './api/route.ts';
import { type ConnectionLimits, type Connections, connectionLimits, createConnections } from './connections.ts';
import type { Gate } from './gate.ts';
import { type PagesOptions, servePages } from './pages.ts';
import { problem, problemMedia } from './problem.ts';
import { serveRoutes } from './serving.ts';
import { unreadableRequests } from './unreadable.ts';

/**
 * The HTTP server: the routes of the API, health and metrics for machines, the pages of the viewer, and the door to the live feed,
 * whose sockets are handed on. Without a login there are only pages (which hold no data) and `/healthz`.
 */

export interface HttpConfig {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface HttpNeeds {
  readonly routes: readonly BoundRoute[];
  readonly gate: Gate;
  /** PEM; HTTPS instead of HTTP. */
  readonly tls?: Certificate;
  /** Takes the connection of a WebSocket upgrade whatever happens. Absent: there is no live feed. */
  readonly live?: (
    request: Pick<IncomingMessage, 'url' | 'headers'>,
    socket: Duplex,
    head: Uint8Array,
    place: string | undefined,
  ) => void;
  /** `connectionLimits` unless it is said. */
  readonly limits?: ConnectionLimits;
  readonly pages?: PagesOptions;
  /** Plugins and hooks before any route. */
  readonly register?: (app: FastifyInstance) => Promise<void>;
}

export interface HttpServer extends AsyncDisposable {
  /** Where it really listens. */
  readonly address: { readonly host: string; readonly port: number };
}

/** A photo of 20 MB over a slow line takes its time; the head of a request does not. */
const requestTimeoutMs = 120_000;
const headersTimeoutMs = 15_000;
const handshakeTimeoutMs = 10_000;
/** So much later than those limits a connection may end. Node's own would be half a minute. */
const checkConnectionsEveryMs = 2000;
const livePath = '/api/v1/live';

/** Rejects with `http.unavailable` when the address or the certificate cannot be taken. */
export async function startHttpServer(config: HttpConfig, needs: HttpNeeds, ctx: Context): Promise<HttpServer> {
  const stopped = new AbortController();
  const room: Context = { ...ctx, signal: AbortSignal.any([ctx.signal, stopped.signal]) };
  const connections = createConnections(
    { limits: needs.limits ?? connectionLimits, placeOf: (peer) => needs.gate.placeOf(peer) },
    room,
  );
  let app: FastifyInstance;
  try {
    app = await build(config, needs, connections, room);
  } catch (error) {
    connections[Symbol.dispose]();
    throw error;
  }
  app.server.on('connection', (socket: Socket) => connections.accept(socket));
  app.server.headersTimeout = headersTimeoutMs;
  takeUpgrades(app, needs, room);
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (cause) {
    await app.close();
    connections[Symbol.dispose]();
    throw unavailable(config, isSystemError(cause, 'EADDRINUSE') ? 'the port is taken' : errorText(cause), cause);
  }
  const bound = app.server.address();
  const address =
    bound === null || typeof bound === 'string'
      ? { host: config.host, port: config.port }
      : { host: bound.address, port: bound.port };
  ctx.log.info({ ...address, ...(needs.tls === undefined ? {} : { tls: true }) }, 'http server open');
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    stopped.abort();
    await app.close();
    connections[Symbol.dispose]();
  }
  return {
    address,
    [Symbol.asyncDispose]: () => {
      closing ??= close();
      return closing;
    },
  };
}

function unavailable(config: HttpConfig, reason: string, cause: unknown): SightlineError {
  return new SightlineError(
    'http.unavailable',
    `cannot listen on ${config.host}:${config.port}: ${reason}; set http.port or http.host`,
    { details: { host: config.host, port: config.port }, cause },
  );
}

async function build(config: HttpConfig, needs: HttpNeeds, connections: Connections, ctx: Context): Promise<FastifyInstance> {
  let app: FastifyInstance;
  try {
    const options = {
      logger: false,
      forceCloseConnections: true,
      exposeHeadRoutes: false,
      requestTimeout: requestTimeoutMs,
      connectionTimeout: 0,
      routerOptions: { maxParamLength: 200 },
      ...unreadableRequests((message, status) => problem(status, 'http.request', message), problemMedia),
    } as const;
    const upgrading = { shouldUpgradeCallback: asksForWebSocket, connectionsCheckingInterval: checkConnectionsEveryMs };
    // Of the two kinds of server Fastify makes the same things known.
    app =
      needs.tls === undefined
        ? fastify({ ...options, http: upgrading })
        : (fastify({
            ...options,
            https: { ...needs.tls, ...upgrading, handshakeTimeout: handshakeTimeoutMs },
          }) as unknown as FastifyInstance);
  } catch (cause) {
    throw unavailable(config, `the certificate of http.tls cannot be used: ${errorText(cause)}`, cause);
  }
  app.addHook('onRequest', async ({ raw }) => {
    if (!hasOneHost(raw)) throw new SightlineError('http.request', severalHosts);
  });
  app.addHook('onSend', async (_request, reply) => {
    void reply.headers({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      // Another port of this machine is the same site: its pages' requests carry our cookie, and could show our pictures.
      'cross-origin-resource-policy': 'same-origin',
    });
    if (reply.getHeader('content-security-policy') === undefined)
      void reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  });
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  // A body that may be left out is often sent as nothing with the type of something.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else if (isFewValues(body)) void parse(request, body, done);
    else done(new SightlineError('http.request', `of a body only a photo may be longer than ${valuesLimit} characters`));
  });
  await needs.register?.(app);
  serveRoutes(app, { ...needs, onKnown: (socket) => connections.known(socket) }, ctx);
  if (needs.pages !== undefined) await servePages(app, needs.pages);
  return app;
}

/** Of a body everything but what is long in base64. */
const valuesLimit = 96 * 1024;
const longFrom = 1000;

/**
 * Whether it is worth parsing. Lists in lists, as large as a photo may be, hold the loop for many seconds and take a gigabyte. What is as
 * long as a photo and in its characters holds neither brackets nor quotes, whatever comes before it.
 */
function isFewValues(body: string): boolean {
  let values = 0;
  let at = 0;
  if (body.length <= valuesLimit) return true;
  for (const { 0: run, index } of body.matchAll(/[A-Za-z0-9+/=]+/g)) {
    values += index - at + (run.length < longFrom ? run.length : 0);
    if (values > valuesLimit) return false;
    at = index + run.length;
  }
  return values + body.length - at <= valuesLimit;
}

const severalHosts = 'a request has one Host header, and this one has several';

/** Of several, proxies and we might take different ones (RFC 9112 section 3.2). Node shows the first alone. */
function hasOneHost({ rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'host').length <= 1;
}

/** To any other protocol, such as h2c, nobody is obliged to change: the request is answered as if it did not ask (RFC 9110 section 7.8). */
function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Upgrades to the live feed are handed on with their sockets; others are refused. */
function takeUpgrades(app: FastifyInstance, needs: HttpNeeds, ctx: Context): void {
  const upgrades = ctx.metrics.counter('sightline_http_upgrades_total', 'Connections that asked for another protocol.', [
    'result',
  ]);
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = request.url?.split('?', 1)[0];
    if (path === livePath && needs.live !== undefined && asksForWebSocket(request) && hasOneHost(request)) {
      upgrades.inc({ result: 'live' });
      needs.live(request, socket, head, needs.gate.placeOf(request.socket.remoteAddress, request.headers));
      return;
    }
    upgrades.inc({ result: 'refused' });
    const answer = !hasOneHost(request)
      ? problem(400, 'http.request', severalHosts)
      : path === livePath && needs.live === undefined
        ? problem(503, 'media.unavailable', 'there is no live feed: media is off in the configuration')
        : problem(404, 'http.unknown', `there is nothing to upgrade to but WebSocket at ${livePath}`);
    const text = JSON.stringify(answer);
    socket.on('error', () => socket.destroy());
    socket.end(
      `HTTP/1.1 ${answer.status} ${answer.title}\r\nConnection: close\r\nContent-Type: ${problemMedia}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      () => socket.destroy(),
    );
  });
}
