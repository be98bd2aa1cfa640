import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { fastify } from 'fastify';
import type { Context } from '../core/context.ts';
import {
  type ControlHandlers,
  type ControlMethod,
  controlMethods,
  controlVersion,
  parseControlRequest,
} from '../core/control.ts';
import { isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import { keepSocket, makeWay } from '../core/socket-file.ts';
import { requireSocketPath } from '../core/socket-path.ts';
import { unreadableRequests } from './unreadable.ts';

/**
 * The control socket: `POST /v1/<method>` with a JSON body on a Unix socket that only its owner can open. Answers are JSON, streams
 * are lines of JSON. The caller is whoever may open the file, so there is no login.
 *
 * Answers: `{"value": …}` or `{"error": {code, message, details}}`. Streams: an empty line once nothing will be missed any more,
 * then lines of the same two forms; the stream is complete when `{"end": true}` has come.
 */

export interface ControlServer extends AsyncDisposable {
  readonly socketPath: string;
}

/** A whole request must have arrived by then. */
const requestTimeoutMs = 60_000;

/**
 * Listens on `socketPath`. A socket that an earlier process left is replaced; one that answers belongs to a running daemon:
 * `daemon.running`. Its folder is made with mode 0700.
 */
export async function startControlServer(
  config: { readonly socketPath: string; readonly handlers: ControlHandlers },
  ctx: Context,
): Promise<ControlServer> {
  const { socketPath, handlers } = config;
  const stopped = new AbortController();
  const stopping = AbortSignal.any([ctx.signal, stopped.signal]);
  const requests = ctx.metrics.counter('sightline_control_requests_total', 'Requests on the control socket.', [
    'method',
    'result',
  ]);
  await prepare(socketPath, ctx);

  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: requestTimeoutMs,
    exposeHeadRoutes: false,
    ...unreadableRequests((message) => {
      requests.inc({ method: 'unknown', result: 'control.request' });
      return { error: { code: 'control.request', message, details: {} } };
    }),
  });
  app.setErrorHandler((error, request, reply) => {
    const method = request.url.split('/').at(-1) ?? '';
    const answer = toWire(error);
    requests.inc({ method: Object.hasOwn(controlMethods, method) ? method : 'unknown', result: answer.code });
    if (answer.code === 'control.failed') ctx.log.error({ err: error, method }, 'control request failed');
    return reply.status(statusOf(answer.code)).send({ error: answer });
  });
  app.setNotFoundHandler((request) => {
    throw new SightlineError('control.request', `there is no ${request.method} ${request.url}`, {
      details: { methods: Object.keys(controlMethods) },
    });
  });

  function route(method: ControlMethod): void {
    const { kind, bodyLimitBytes } = controlMethods[method];
    app.post(`/v${controlVersion}/${method}`, { bodyLimit: bodyLimitBytes }, async (request, reply) => {
      const body = parseControlRequest(method, request.body);
      const gone = new AbortController();
      reply.raw.on('close', () => gone.abort());
      const signal = AbortSignal.any([stopping, gone.signal]);
      // One handler table, one loop over its keys: the pairing of method and body is what `parseControlRequest` has checked.
      const handler = handlers[method] as (body: unknown, signal: AbortSignal) => unknown;
      if (kind === 'unary') {
        const value = await handler(body, signal);
        requests.inc({ method, result: 'ok' });
        return { value };
      }
      const items = handler(body, signal) as AsyncIterable<unknown>;
      requests.inc({ method, result: 'ok' });
      return reply.type('application/x-ndjson').send(Readable.from(lines(items, signal, ctx), { objectMode: false }));
    });
  }
  for (const method of Object.keys(controlMethods)) route(method as ControlMethod);

  try {
    await app.listen({ path: socketPath });
    await chmod(socketPath, 0o600);
  } catch (error) {
    await app.close();
    throw error;
  }
  const keeping = await keepSocket(app.server, socketPath, ctx);
  ctx.log.info({ socket: socketPath }, 'control socket open');
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    keeping[Symbol.dispose]();
    stopped.abort();
    await app.close();
  }
  return {
    socketPath,
    [Symbol.asyncDispose]: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Refuses a path that cannot be bound or that a living process serves; removes what a dead one left. */
async function prepare(socketPath: string, ctx: Context): Promise<void> {
  requireSocketPath(socketPath, 'choose a shorter dataDir');
  const folder = dirname(socketPath);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (((await stat(folder)).mode & 0o077) !== 0) {
    await chmod(folder, 0o700).catch((error: unknown) => {
      ctx.log.warn({ err: error, folder }, 'data directory is open to other users and cannot be closed');
    });
  }
  await makeWay(socketPath);
}

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** What went wrong inside is in the log, not on the wire. */
function toWire(error: unknown): WireError {
  if (isSightlineError(error)) return { code: error.code, message: error.message, details: error.details };
  const known =
    error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500;
  if (known) return { code: 'control.request', message: `the request cannot be read: ${error.message}`, details: {} };
  return { code: 'control.failed', message: 'the daemon failed to answer; its log says why', details: {} };
}

function statusOf(code: string): number {
  if (code === 'control.request') return 400;
  if (code.endsWith('.unknown')) return 404;
  if (code === 'alert.transition' || code === 'user.exists') return 409;
  return code.startsWith('photo.') || code === 'user.refused' ? 422 : 500;
}

async function* lines(items: AsyncIterable<unknown>, signal: AbortSignal, ctx: Context): AsyncGenerator<string> {
  const iterator = items[Symbol.asyncIterator]();
  // Asked before the empty line is sent: handlers that are generators begin to listen with it.
  let next = iterator.next();
  next.catch(() => {});
  try {
    yield '\n';
    while (true) {
      const { done, value } = await next;
      if (done === true) break;
      yield `${JSON.stringify({ value })}\n`;
      next = iterator.next();
    }
    if (!signal.aborted) yield `${JSON.stringify({ end: true })}\n`;
  } catch (error) {
    if (signal.aborted || isAbort(error)) return;
    const answer = toWire(error);
    if (answer.code === 'control.failed') ctx.log.error({ err: error }, 'control stream failed');
    yield `${JSON.stringify({ error: answer })}\n`;
  } finally {
    await iterator.return?.();
  }
}
