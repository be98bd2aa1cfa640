import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answer, AnswerFile } from './api/route.ts';
import { problem, problemMedia } from './problem.ts';

/** Answers as HTTP has them: entity tags (RFC 9110 section 8.8.3), ranges (section 14), caching. */

/** Data of people: kept by nobody but their own browser, which asks each time whether it is still that. */
export const dataCaching = 'private, no-cache';
export const secretCaching = 'no-store';

export function tagOf(bytes: Uint8Array | string): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
}

/** Whether the caller has it already, by `If-None-Match`. */
function isKnown(request: FastifyRequest, tag: string): boolean {
  const given = request.headers['if-none-match'];
  if (given === undefined) return false;
  return given.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag);
}

/** `undefined`: the whole file. `none`: nothing of it lies there. One range alone is served, as section 14.2 allows. */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'none' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const last = Math.min(Number(to), size);
    return last === 0 ? 'none' : { start: size - last, end: size - 1 };
  }
  const start = Number(from);
  if (to !== '' && Number(to) < start) return undefined;
  return start >= size ? 'none' : { start, end: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

export async function send(answer: Answer, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  switch (answer.kind) {
    case 'empty':
      return reply
        .status(answer.status)
        .headers(answer.headers ?? {})
        .send();
    case 'json':
      return reply
        .status(answer.status)
        .headers(answer.headers ?? {})
        .type('application/json')
        .send(JSON.stringify(answer.value));
    case 'bytes':
      return sendTagged(answer.bytes, answer.media, request, reply);
    case 'text':
      return sendTagged(answer.text, answer.media, request, reply);
    case 'file':
      return await sendFile(answer.file, answer.media, request, reply);
    case 'stream':
      // Without x-accel-buffering nginx keeps events until it has a buffer full of them.
      return reply
        .header('x-accel-buffering', 'no')
        .type(answer.media)
        .send(Readable.from(answer.chunks, { objectMode: false }));
  }
}

function sendTagged(body: Uint8Array | string, media: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const tag = tagOf(body);
  void reply.header('etag', tag);
  if (isKnown(request, tag)) return reply.status(304).send();
  return reply.type(media).send(typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength));
}

async function sendFile(file: AnswerFile, media: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const size = file.bytes;
  const tag = `"${file.tag}"`;
  void reply.headers({ etag: tag, 'accept-ranges': 'bytes' });
  if (isKnown(request, tag)) {
    await file[Symbol.asyncDispose]();
    return reply.status(304).send();
  }
  const fresh = request.headers['if-range'] === undefined || request.headers['if-range'] === tag;
  const range = fresh ? parseRange(request.headers.range, size) : undefined;
  if (range === 'none') {
    await file[Symbol.asyncDispose]();
    return reply
      .status(416)
      .header('content-range', `bytes */${size}`)
      .type(problemMedia)
      .send(
        JSON.stringify(problem(416, 'http.request', `nothing of the file lies there: it has ${size} bytes`, { bytes: size })),
      );
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range !== undefined) void reply.status(206).header('content-range', `bytes ${start}-${end}/${size}`);
  void reply.type(media).header('content-length', String(end - start + 1));
  if (request.method === 'HEAD' || size === 0) {
    await file[Symbol.asyncDispose]();
    return reply.send();
  }
  const stream = Readable.from(file.read(start, end), { objectMode: false });
  // Also when the reader has gone before the first read, which begins no generator. Of closing what was only read nothing can be lost.
  stream.once('close', () => void Promise.resolve(file[Symbol.asyncDispose]()).catch(() => {}));
  return reply.send(stream);
}
