import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { may } from '../core/access.ts';
import type { Context } from '../core/context.ts';
import { isAbort, SightlineError } from '../core/errors.ts';
import { dataCaching, secretCaching, send } from './answering.ts';
import { type BoundRoute, type Method, routeName } from './api/route.ts';
import type { Caller, Gate } from './gate.ts';
import { sendNoPage, wantsPage } from './no-page.ts';
import { problem, problemMedia, problemOf, wrongRequest } from './problem.ts';

/** The table of routes as Fastify takes it: who asks, what they ask, what they get. */

export interface ServingOptions {
  readonly routes: readonly BoundRoute[];
  readonly gate: Gate;
  /** Somebody who is logged in has asked on this connection. */
  readonly onKnown: (socket: Socket) => void;
}

const unsafe: ReadonlySet<Method> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export function serveRoutes(app: FastifyInstance, { routes, gate, onKnown }: ServingOptions, ctx: Context): void {
  const requests = ctx.metrics.counter('sightline_http_requests_total', 'Requests to the routes of the HTTP server.', [
    'route',
    'status',
  ]);
  const failures = ctx.metrics.counter('sightline_http_failures_total', 'Requests to the HTTP server that failed inside.');
  const callers = new WeakMap<FastifyRequest, Caller>();

  async function identify(route: BoundRoute, request: FastifyRequest): Promise<Caller | undefined> {
    if (route.access !== 'open' && route.access !== 'metrics.read') return await gate.identify(request);
    if (route.access === 'metrics.read') await gate.requireMetrics(request);
    else if (unsafe.has(route.method)) gate.requireSameSite(request);
    try {
      return await gate.identify(request);
    } catch {
      // A login that is over must keep nobody from what is open: logging in, above all.
      return undefined;
    }
  }

  async function admit(route: BoundRoute, request: FastifyRequest): Promise<void> {
    const caller = await identify(route, request);
    if (caller !== undefined) {
      callers.set(request, caller);
      onKnown(request.raw.socket);
    }
    const { access } = route;
    if (access === 'open' || access === 'metrics.read') return;
    if (caller === undefined) throw new SightlineError('http.auth', 'log in, or send a token as Authorization: Bearer');
    if (access !== 'any' && !may(caller.principal, access))
      throw new SightlineError('http.forbidden', `${caller.principal.user} does not have the permission ${access}`, {
        details: { permission: access },
      });
  }

  for (const route of routes) {
    const name = routeName(route);
    const reads = route.method === 'GET' && !route.upgrade;
    const streams = Object.values(route.answers).some(
      ({ media }) => media === 'text/event-stream' || media === 'application/x-ndjson',
    );
    app.route({
      method: reads && !streams ? ['GET', 'HEAD'] : route.method,
      url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      bodyLimit: route.bodyLimitBytes,
      exposeHeadRoute: false,
      // Before the body is read: who may not ask sends none.
      onRequest: async (request, reply) => {
        void reply.header('cache-control', route.secret ? secretCaching : dataCaching);
        await admit(route, request);
      },
      onResponse: async (_request, reply) => {
        requests.inc({ route: name, status: String(reply.statusCode) });
      },
      handler: async (request, reply) => {
        const params = checked('path', route.params, request.params);
        const query = checked('query', route.query, request.query);
        const body = checked('body', route.body, request.body);
        const gone = new AbortController();
        reply.raw.once('close', () => gone.abort());
        const caller = callers.get(request);
        if (route.access !== 'open' && route.access !== 'metrics.read') requireStill(caller);
        const signal = AbortSignal.any([ctx.signal, gone.signal, ...(caller === undefined ? [] : [caller.signal])]);
        // `admit` has seen to it that routes which are not open have a caller.
        const principal = caller?.principal as NonNullable<typeof caller>['principal'];
        return await send(await route.handle({ principal, params, query, body, signal, raw: request, reply }), request, reply);
      },
    });
  }

  app.setErrorHandler((error, request, reply) => {
    if (reply.raw.headersSent || (isAbort(error) && reply.raw.destroyed)) {
      reply.raw.destroy();
      return reply;
    }
    const { problem: answer, headers } = problemOf(error);
    if (answer.status >= 500 && answer.code === 'http.failed') {
      failures.inc();
      ctx.log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'http request failed');
    }
    return sendProblem(reply.headers(headers), answer);
  });

  const paths = routes.map(({ path, method }) => ({
    pattern: new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    method,
  }));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = [...new Set(paths.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
    if (allowed.length === 0 && wantsPage(request, path)) return sendNoPage(reply, path);
    if (allowed.length === 0)
      return sendProblem(
        reply,
        problem(404, 'http.unknown', `there is no ${request.method} ${path.slice(0, 200)}; docs/api.md has what there is`),
      );
    return sendProblem(
      reply.header('allow', allowed.join(', ')),
      problem(405, 'http.request', `${path.slice(0, 200)} takes ${allowed.join(', ')}, not ${request.method}`, { allowed }),
    );
  });
}

/** A caller has two minutes for the body. Whoever was let in at its beginning may have been removed by its end. */
function requireStill(caller: Caller | undefined): void {
  if (caller?.signal.aborted !== true) return;
  const { user } = caller.principal;
  throw new SightlineError('http.forbidden', `${user} has lost rights since this was asked for, and it was not done`, {
    details: { name: user },
  });
}

function sendProblem(reply: FastifyReply, answer: ReturnType<typeof problem>): FastifyReply {
  return reply.status(answer.status).header('cache-control', 'no-store').type(problemMedia).send(JSON.stringify(answer));
}

function checked(where: 'path' | 'query' | 'body', schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw wrongRequest(where, parsed.error);
}
