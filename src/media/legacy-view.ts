import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { type WebSocket, WebSocketServer } from 'ws';
import { mayWatch, type Principal } from '../core/access.ts';
import { systemClock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { FromLegacyView, ToLegacyView } from '../core/legacy-view.ts';
import type { StreamUser } from '../core/media-door.ts';
import { cameraPage, listPage, pageHeaders, pageScript } from './legacy-page.ts';
import { LoginFailures } from './login-failures.ts';
import { basicLogin } from './rtsp-login.ts';

/**
 * The legacy view, a program of its own: MPEG-1 over WebSocket by rtsp-relay, from our own annotated RTSP streams, for browsers that
 * can neither WebCodecs nor MSE. Off by default: it decodes and encodes each watched camera once more (about a core at 1080p), has no
 * back-pressure, and its ffmpeg's address stands in the process list, which is why that login is good for one connection only.
 *
 * Started by the daemon, told everything over the channel; ends with it. People log in with HTTP Basic and their stream password.
 */

type Configure = Extract<ToLegacyView, { type: 'configure' }>;
/** What is used of rtsp-relay. */
type Relay = (
  app: unknown,
  server: unknown,
) => {
  proxy(options: {
    readonly url: string;
    readonly transport: 'tcp';
    readonly useNativeFFmpeg: true;
    readonly additionalFlags: readonly string[];
  }): (socket: WebSocket) => void;
};

const loginWithinMs = 5000;
/** rtsp-relay does not say that its ffmpeg has ended: viewers of a stream that falls silent are sent away, and come again. */
const silentMs = 10_000;
/** A viewer with this much waiting is sent away: rtsp-relay sends on whether it reads or not. */
const waitingBytes = 8 * 1024 * 1024;
const maxViewers = 32;
const tellFailedEveryMs = 1000;
/** For pages; its package exports only what is for bundlers. */
const playerFile = 'node_modules/@cycjimmy/jsmpeg-player/dist/jsmpeg-player.umd.min.js';
const quality = ['-q:v', '6', '-an'];

interface Watched {
  readonly handle: Promise<(socket: WebSocket) => void>;
  readonly viewers: Set<WebSocket>;
}

const users = new Map<string, StreamUser>();
const asked = new Map<number, (login: { readonly user: string; readonly password: string }) => void>();
const watched = new Map<string, Watched>();
const failures = new LoginFailures(systemClock);
/** Wrong logins since they were last told. */
let loginsFailed = 0;
let cameras: readonly string[] = [];
let nextId = 1;

function tell(message: FromLegacyView): void {
  process.send?.(message);
}

async function login(camera: string): Promise<{ readonly user: string; readonly password: string }> {
  const id = nextId++;
  using limit = systemClock.deadline(loginWithinMs);
  return await new Promise((resolve, reject) => {
    asked.set(id, resolve);
    limit.signal.addEventListener('abort', () => reject(new Error('the daemon gave no login in time')), { once: true });
    tell({ type: 'ask', id, camera });
  }).then(
    (found) => {
      asked.delete(id);
      return found as { readonly user: string; readonly password: string };
    },
    (error: unknown) => {
      asked.delete(id);
      throw error;
    },
  );
}

function watch(camera: string, socket: WebSocket, relay: ReturnType<Relay>, rtspPort: number): void {
  const known = watched.get(camera) ?? {
    handle: login(camera).then(({ user, password }) =>
      relay.proxy({
        url: `rtsp://${user}:${password}@127.0.0.1:${rtspPort}/${camera}/annotated`,
        transport: 'tcp',
        useNativeFFmpeg: true,
        additionalFlags: quality,
      }),
    ),
    viewers: new Set<WebSocket>(),
  };
  watched.set(camera, known);
  known.viewers.add(socket);
  let sentMono = systemClock.mono();
  const send = socket.send.bind(socket);
  socket.send = ((...parts: Parameters<typeof send>) => {
    sentMono = systemClock.mono();
    if (socket.bufferedAmount > waitingBytes) socket.terminate();
    else send(...parts);
  }) as typeof socket.send;
  const watching = systemClock.every(1000, () => {
    if (systemClock.mono() - sentMono > silentMs) for (const viewer of known.viewers) viewer.terminate();
  });
  socket.on('error', () => socket.terminate());
  socket.once('close', () => {
    watching[Symbol.dispose]();
    known.viewers.delete(socket);
    if (known.viewers.size === 0 && watched.get(camera) === known) watched.delete(camera);
  });
  known.handle.then(
    (handle) => {
      if (socket.readyState === socket.OPEN) handle(socket);
    },
    (error: unknown) => {
      process.stderr.write(`legacy view of ${camera}: ${errorText(error)}\n`);
      watched.delete(camera);
      for (const viewer of known.viewers) viewer.terminate();
    },
  );
}

function allowed(principal: Principal): readonly string[] {
  return cameras.filter((camera) => mayWatch(principal, camera, { variant: 'annotated', masked: false }));
}

/** `status`: what a request without a right login is answered. */
interface Caller {
  readonly principal: Principal | undefined;
  readonly status: 401 | 503;
  readonly headers: Readonly<Record<string, string>>;
}

function callerOf({ headers, socket }: IncomingMessage): Caller {
  const credentials = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1];
  const principal = credentials === undefined ? undefined : basicLogin(credentials, (name) => users.get(name))?.principal;
  const asked = {
    principal,
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="sightline", charset="UTF-8"' },
  } as const;
  if (credentials === undefined || principal !== undefined) return asked;
  const address = socket.remoteAddress ?? '';
  const blockedMs = failures.blockedMs(address);
  failures.add(address);
  loginsFailed += 1;
  return blockedMs > 0 ? { principal, status: 503, headers: { 'retry-after': String(Math.ceil(blockedMs / 1000)) } } : asked;
}

/** A browser sends the login of the page along with the WebSocket of any page, of any site, and says whose it is (RFC 6455, section 10.2). */
function isOurPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase());
}

function pathOf(request: IncomingMessage): readonly string[] | undefined {
  try {
    const { pathname } = new URL(request.url ?? '', 'http://legacy');
    return pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

async function serve({ host, port, rtspPort, modules }: Configure): Promise<number> {
  const require = createRequire(join(modules, 'package.json'));
  const relay = (require('rtsp-relay') as Relay)(require('express')(), createServer());
  const player = await readFile(join(modules, playerFile));
  await promisify(execFile)('ffmpeg', ['-version']);

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { principal, ...refusal } = callerOf(request);
    const end = (status: number, type: string, body: string | Buffer, headers: Record<string, string> = {}) =>
      response.writeHead(status, { ...pageHeaders, 'content-type': type, ...headers }).end(body);
    if (principal === undefined)
      end(refusal.status, 'text/plain; charset=utf-8', 'A user and their stream password, please.\n', refusal.headers);
    else if (request.method !== 'GET' && request.method !== 'HEAD')
      end(405, 'text/plain', 'GET and HEAD only.\n', { allow: 'GET, HEAD' });
    else {
      const [first, ...rest] = pathOf(request) ?? ['/'];
      if (first === undefined) end(200, 'text/html; charset=utf-8', listPage(allowed(principal)));
      else if (first === 'jsmpeg.js' && rest.length === 0) end(200, 'text/javascript', player);
      else if (first === 'legacy.js' && rest.length === 0) end(200, 'text/javascript', pageScript);
      else if (rest.length === 0 && allowed(principal).includes(first)) end(200, 'text/html; charset=utf-8', cameraPage(first));
      else end(404, 'text/plain; charset=utf-8', 'There is no such page, or it is not for this user.\n');
    }
  }

  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024, perMessageDeflate: false });
  const server = createServer(answer);
  server.requestTimeout = 10_000;
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const { principal, ...refusal } = callerOf(request);
    const [camera, last, ...rest] = pathOf(request) ?? [];
    const known =
      camera !== undefined &&
      last === 'stream' &&
      rest.length === 0 &&
      principal !== undefined &&
      isOurPage(request) &&
      allowed(principal).includes(camera);
    if (!known || sockets.clients.size >= maxViewers) {
      const status = principal === undefined ? refusal.status : known ? 503 : 404;
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n\r\n`, () => socket.destroy());
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => watch(camera, opened, relay, rtspPort));
  });
  server.listen(port, host);
  await once(server, 'listening');
  systemClock.every(tellFailedEveryMs, () => {
    if (loginsFailed > 0) tell({ type: 'loginsFailed', count: loginsFailed });
    loginsFailed = 0;
  });
  return (server.address() as AddressInfo).port;
}

process.on('message', (message: ToLegacyView) => {
  switch (message.type) {
    case 'configure':
      serve(message).then(
        (port) => tell({ type: 'ready', port }),
        (error: unknown) => tell({ type: 'failed', reason: errorText(error) }),
      );
      return;
    case 'users':
      users.clear();
      for (const user of message.users) users.set(user.principal.user, user);
      // Whoever may no longer watch comes again only if they may.
      for (const { viewers } of watched.values()) for (const viewer of viewers) viewer.close(1001);
      return;
    case 'cameras':
      cameras = message.cameras;
      return;
    case 'login':
      asked.get(message.id)?.(message);
  }
});
// It must not outlive the daemon; its ffmpegs end with their pipes.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});
