import { fastify } from 'fastify';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText, isSystemError, SightlineError } from '../core/errors.ts';
import { isLoopback } from '../core/loopback.ts';
import { unreadableRequests } from './unreadable.ts';

/**
 * Health and metrics for machines: `/healthz` (alive), `/readyz` (which part is not ready), `/metrics` (Prometheus text). On a
 * loopback address also the pictures that MQTT messages refer to; there is no login yet, so they are served nowhere else.
 */

export interface HttpConfig {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface HttpNeeds {
  /** Every part of the daemon, asked at each request; quick and without side effects. */
  parts(): readonly PartState[];
  /** JPEG of an alert's latest sighting; undefined when there is no such alert or its picture is past its retention. */
  snapshot(alertId: string): Promise<Uint8Array | undefined>;
}

export interface HttpServer extends AsyncDisposable {
  /** Where it really listens. */
  readonly address: { readonly host: string; readonly port: number };
}

/** Rejects with `http.unavailable` when the address cannot be taken. */
export async function startHttpServer(config: HttpConfig, needs: HttpNeeds, ctx: Context): Promise<HttpServer> {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: 1024,
    requestTimeout: 10_000,
    connectionTimeout: 60_000,
    ...unreadableRequests((message) => ({ error: message })),
  });
  const failures = ctx.metrics.counter('sightline_http_failures_total', 'Requests to the HTTP server that failed inside.');
  app.addHook('onSend', async (_request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  app.setErrorHandler((error, request, reply) => {
    const status =
      error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
    if (status >= 500) {
      failures.inc();
      ctx.log.error({ err: error, path: request.url }, 'http request failed');
    }
    return reply.status(status).send({ error: status >= 500 ? 'failed; the log says why' : errorText(error) });
  });
  const pictures = isLoopback(config.host);
  const paths = `/healthz, /readyz, /metrics${pictures ? ' and /api/v1/alerts/ID/snapshot' : ''}`;
  app.setNotFoundHandler((_request, reply) => reply.status(404).send({ error: `not found; there are ${paths}` }));

  app.get('/healthz', () => ({ status: 'alive' }));
  app.get('/readyz', (_request, reply) => {
    const parts = needs.parts();
    const ready = parts.every((part) => part.ready);
    return reply.status(ready ? 200 : 503).send({ ready, parts });
  });
  app.get('/metrics', async (_request, reply) => {
    const { registry } = ctx.metrics;
    return reply.type(registry.contentType).send(await registry.metrics());
  });

  if (pictures) {
    app.get<{ Params: { readonly id: string } }>('/api/v1/alerts/:id/snapshot', async ({ params: { id } }, reply) => {
      const jpeg = await needs.snapshot(id);
      if (jpeg === undefined)
        return reply.status(404).send({ error: 'there is no such alert, or its picture is past its retention' });
      return reply.type('image/jpeg').send(Buffer.from(jpeg));
    });
  }

  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (cause) {
    await app.close();
    const reason = isSystemError(cause, 'EADDRINUSE') ? 'the port is taken' : errorText(cause);
    throw new SightlineError(
      'http.unavailable',
      `cannot listen on ${config.host}:${config.port}: ${reason}; set http.port or http.host`,
      {
        details: { ...config },
        cause,
      },
    );
  }
  const bound = app.server.address();
  const address =
    bound === null || typeof bound === 'string'
      ? { host: config.host, port: config.port }
      : { host: bound.address, port: bound.port };
  ctx.log.info({ ...address }, 'http server open');
  let closing: Promise<void> | undefined;
  return {
    address,
    [Symbol.asyncDispose]: () => {
      closing ??= app.close();
      return closing;
    },
  };
}
