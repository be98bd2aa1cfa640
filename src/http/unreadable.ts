import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Requests that fail before any route: what is not HTTP, comes too slowly, or has an address that cannot be decoded. Fastify would
 * answer them in a form of its own; `body` gives ours, of the media type `media`.
 */
export function unreadableRequests(body: (message: string, status: number) => object, media = 'application/json') {
  return {
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      const status = error.statusCode ?? 400;
      void reply
        .status(status)
        .type(media)
        .send(JSON.stringify(body(`the request cannot be read: ${error.message}`, status)));
    },
    clientErrorHandler: (error: Error & { readonly code?: string }, socket: Socket) => {
      // A caller that has gone hears no answer.
      if (error.code === 'ECONNRESET' || !socket.writable) {
        socket.destroy();
        return;
      }
      const { status, words } = brokenHttp(error.code);
      const text = JSON.stringify(body(`the request cannot be read: ${words}`, status));
      const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${media}`;
      socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`, () => socket.destroy());
    },
  };
}

function brokenHttp(code: string | undefined): { readonly status: number; readonly words: string } {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { status: 408, words: 'it did not come in time' };
  if (code === 'HPE_HEADER_OVERFLOW') return { status: 431, words: 'its headers are too long' };
  return { status: 400, words: `it is not HTTP${code === undefined ? '' : ` (${code})`}` };
}
