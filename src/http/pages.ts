import { readdir } from 'node:fs/promises';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** The pages of the viewer: static files without data, so they are open. Whoever looks at one logs in for what it shows. */

export interface PagesOptions {
  /** Folder of the files: `index.html` is the first page, `NAME.html` the page `/NAME`. */
  readonly directory: string;
}

/** Pages by address; the first file of each that is there. */
const pages: Readonly<Record<string, readonly string[]>> = {
  '/': ['index.html'],
  '/login': ['login.html', 'index.html'],
  '/setup': ['setup.html', 'login.html', 'index.html'],
  '/watchlist': ['watchlist.html', 'index.html'],
  '/health': ['health.html', 'index.html'],
  '/users': ['users.html', 'index.html'],
  '/alerts/:id': ['alert.html', 'alerts.html', 'index.html'],
};

/** Nothing runs that is not a file of ours, nothing is asked of anybody else, and nobody else puts the page into a frame. */
export function contentPolicy(host: string): string {
  // Older browsers do not take a WebSocket of the same host for 'self'.
  const sockets = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? ` ws://${host} wss://${host}` : '';
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "font-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    `connect-src 'self'${sockets}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  ].join('; ');
}

/** Rejects when the folder cannot be read. */
export async function servePages(app: FastifyInstance, { directory }: PagesOptions): Promise<void> {
  const files = new Set(await readdir(directory));
  await app.register(async (scope) => {
    scope.addHook('onSend', async (request, reply) => {
      void reply.headers({
        'content-security-policy': contentPolicy(request.host),
        'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
        'cache-control': 'no-cache',
      });
    });
    // One route a file, so that the table of routes stays whole: what is no file is not found.
    await scope.register(fastifyStatic, {
      root: directory,
      wildcard: false,
      index: false,
      cacheControl: false,
      dotfiles: 'ignore',
    });
    for (const [path, candidates] of Object.entries(pages)) {
      const file = candidates.find((name) => files.has(name));
      if (file === undefined) continue;
      scope.route({ method: ['GET', 'HEAD'], url: path, handler: (_request, reply) => reply.sendFile(file) });
    }
  });
}
