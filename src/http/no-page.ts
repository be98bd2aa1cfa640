import type { FastifyReply, FastifyRequest } from 'fastify';
import { contentPolicy } from './pages.ts';

/** What somebody sees who has gone to an address of no page: a way back, where a program gets a problem. */

export function wantsPage({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>, path: string): boolean {
  return (method === 'GET' || method === 'HEAD') && !path.startsWith('/api/') && /\btext\/html\b/.test(headers.accept ?? '');
}

/** Addressed relative to where it is, so that a prefix of a proxy before it changes nothing. */
export function sendNoPage(reply: FastifyReply, path: string): FastifyReply {
  const first = '../'.repeat(Math.max(0, path.split('/').length - 2)) || './';
  return reply
    .status(404)
    .headers({ 'content-security-policy': contentPolicy(''), 'cache-control': 'no-store' })
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>No such page · Sightline</title>
    <link rel="icon" href="${first}css/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="${first}css/base.css">
    <link rel="stylesheet" href="${first}css/forms.css">
  </head>
  <body>
    <main>
      <div class="small">
        <h1>There is no such page</h1>
        <p class="panel"><a href="${first}">To the live page</a></p>
      </div>
    </main>
  </body>
</html>
`);
}
