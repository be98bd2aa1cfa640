import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Context } from '../core/context.ts';
import { isSightlineError } from '../core/errors.ts';
import {
  chooseTransport,
  formatAnswer,
  isRtspStatus,
  parseTarget,
  type RtspAnswer,
  type RtspStatus,
  type RtspTarget,
} from './rtsp-messages.ts';
import { RtspParser, type RtspRequest } from './rtsp-parser.ts';
import { createPlayer, maxQueuedBytes, type Player } from './rtsp-player.ts';
import { describeStream, trackControl } from './sdp.ts';
import type { VideoStream } from './video-stream.ts';

/**
 * One client. Requests are answered in their order; those that come while DESCRIBE waits stand in a short line, and the socket
 * is not read while that is full. Its one session lives and dies with the connection, as interleaved transport does.
 */

export interface ConnectionOptions {
  readonly socket: Socket;
  find(stream: string): VideoStream | undefined;
  readonly cname: string;
  readonly describeTimeoutMs: number;
  onRefused(status: RtspStatus): void;
  onDrop(stream: string): void;
}

export interface Connection {
  readonly playing: boolean;
  /** CLOCK_MONOTONIC of the last byte from the client. */
  readonly heardMono: number;
  /** Resolves when everything of it is gone. */
  readonly closed: Promise<void>;
  /** Ends it from our side, at once. */
  destroy(): void;
}

interface Session {
  readonly id: string;
  readonly stream: VideoStream;
  readonly player: Player;
}

const methods = ['OPTIONS', 'DESCRIBE', 'SETUP', 'PLAY', 'PAUSE', 'GET_PARAMETER', 'SET_PARAMETER', 'TEARDOWN'];
const otherMethods = ['ANNOUNCE', 'RECORD', 'REDIRECT'];
const publicHeader = { Public: methods.join(', ') };
export const sessionTimeoutSeconds = 60;
const maxPendingRequests = 16;

function refuse(status: RtspStatus, headers?: Readonly<Record<string, string>>): RtspAnswer {
  return headers === undefined ? { status } : { status, headers };
}

export function serveConnection(options: ConnectionOptions, ctx: Context): Connection {
  const { socket } = options;
  const { clock, log } = ctx;
  const parser = new RtspParser();
  const gone = new AbortController();
  const closed = Promise.withResolvers<void>();
  const pending: RtspRequest[] = [];
  let session: Session | undefined;
  let heardMono = clock.mono();
  let answering = false;
  let leaving = false;

  function endSession(): void {
    session?.player.pause();
    session = undefined;
  }

  function answer(request: RtspRequest | undefined, reply: RtspAnswer): void {
    if (reply.status !== 200) options.onRefused(reply.status);
    if (socket.writableLength > 2 * maxQueuedBytes) {
      log.info('rtsp client asks on without reading the answers');
      socket.destroy();
      return;
    }
    socket.write(formatAnswer(reply, request?.headers.get('cseq')));
  }

  function findStream(target: RtspTarget): VideoStream | undefined {
    return options.find(target.stream);
  }

  function sessionHeader(id: string): Readonly<Record<string, string>> {
    return { Session: `${id};timeout=${sessionTimeoutSeconds}` };
  }

  async function describe(request: RtspRequest, target: RtspTarget): Promise<RtspAnswer> {
    const accept = request.headers.get('accept');
    if (accept !== undefined && !/application\/sdp|\*\/\*|application\/\*/i.test(accept)) return refuse(406);
    const stream = findStream(target);
    if (stream === undefined) return refuse(404);
    using limit = clock.deadline(options.describeTimeoutMs, gone.signal);
    try {
      const parameters = await stream.parameters(limit.signal);
      return {
        status: 200,
        headers: { 'Content-Base': target.base, 'Content-Type': 'application/sdp' },
        body: describeStream(stream.name, parameters),
      };
    } catch (error) {
      log.debug({ stream: stream.name, err: error }, 'no parameter sets to describe the stream with');
      return refuse(503);
    }
  }

  function setup(request: RtspRequest, target: RtspTarget): RtspAnswer {
    if (session !== undefined && !isOurs(request, session)) return refuse(454);
    const stream = findStream(target);
    if (stream === undefined || (target.track ?? trackControl) !== trackControl) return refuse(404);
    if (session !== undefined && session.stream !== stream) return refuse(459);
    if (session?.player.playing === true) return refuse(455);
    const channels = chooseTransport(request.headers.get('transport') ?? '', { rtp: 0, rtcp: 1 });
    if (channels === undefined) return refuse(461);
    const id = session?.id ?? randomBytes(8).toString('hex').toUpperCase();
    const player = createPlayer({
      socket,
      stream,
      channels,
      clock,
      cname: options.cname,
      onDrop: () => options.onDrop(stream.name),
      onEnd: () => leave(),
    });
    session = { id, stream, player };
    const ssrc = stream.ssrc.toString(16).toUpperCase().padStart(8, '0');
    const transport = `RTP/AVP/TCP;unicast;interleaved=${channels.rtp}-${channels.rtcp};ssrc=${ssrc};mode="PLAY"`;
    return { status: 200, headers: { Transport: transport, ...sessionHeader(id) } };
  }

  function isOurs(request: RtspRequest, current: Session): boolean {
    return request.headers.get('session')?.split(';', 1)[0]?.trim() === current.id;
  }

  /** PLAY, PAUSE and TEARDOWN of the session of this connection. */
  function control(request: RtspRequest): RtspAnswer {
    if (session === undefined) return refuse(request.headers.has('session') ? 454 : 455);
    if (!isOurs(request, session)) return refuse(454);
    const headers = sessionHeader(session.id);
    if (request.method === 'PLAY') return { status: 200, headers: { ...headers, Range: 'npt=now-' } };
    if (request.method === 'PAUSE') session.player.pause();
    else endSession();
    return { status: 200, headers: request.method === 'PAUSE' ? headers : {} };
  }

  /** Used to keep a session alive; there are no parameters (RFC 2326 sections 10.8 and 10.9). */
  function parameter(request: RtspRequest): RtspAnswer {
    if (request.headers.has('session') && (session === undefined || !isOurs(request, session))) return refuse(454);
    if (request.body.length > 0) return refuse(451);
    return session === undefined ? { status: 200 } : { status: 200, headers: sessionHeader(session.id) };
  }

  async function handle(request: RtspRequest): Promise<RtspAnswer> {
    const { method, uri, headers } = request;
    if (!/^\d{1,10}$/.test(headers.get('cseq') ?? '')) return refuse(400);
    const required = headers.get('require') ?? headers.get('proxy-require');
    if (required !== undefined) return refuse(551, { Unsupported: required });
    if (otherMethods.includes(method)) return refuse(405, { Allow: publicHeader.Public });
    if (!methods.includes(method)) return refuse(501, publicHeader);
    if (method === 'OPTIONS') return { status: 200, headers: publicHeader };
    if (method === 'GET_PARAMETER' || method === 'SET_PARAMETER') return parameter(request);
    const target = parseTarget(uri);
    if (target === undefined) return refuse(400);
    if (method === 'DESCRIBE') return describe(request, target);
    return method === 'SETUP' ? setup(request, target) : control(request);
  }

  async function answerAll(): Promise<void> {
    if (answering) return;
    answering = true;
    for (let request = pending.shift(); request !== undefined && !leaving; request = pending.shift()) {
      const reply = await handle(request);
      if (gone.signal.aborted) break;
      answer(request, reply);
      // Packets begin behind the answer.
      if (request.method === 'PLAY' && reply.status === 200) session?.player.play();
    }
    answering = false;
    if (!leaving) socket.resume();
  }

  /** Everything written so far still reaches the client. */
  function leave(): void {
    leaving = true;
    endSession();
    socket.end();
  }

  socket.on('data', (bytes) => {
    heardMono = clock.mono();
    if (leaving) return;
    try {
      for (const input of parser.push(bytes)) if (input.kind === 'request') pending.push(input.request);
    } catch (error) {
      if (!isSightlineError(error, 'media.protocol')) throw error;
      log.debug({ err: error }, 'rtsp client sends what is not rtsp');
      pending.length = 0;
      answer(undefined, refuse(isRtspStatus(error.details['status']) ? error.details['status'] : 400));
      leave();
      return;
    }
    if (pending.length >= maxPendingRequests) socket.pause();
    void answerAll();
  });
  socket.on('end', () => leave());
  socket.on('error', (error) => log.debug({ err: error }, 'rtsp connection broke'));
  socket.on('close', () => {
    gone.abort();
    endSession();
    closed.resolve();
  });

  return {
    get playing() {
      return session?.player.playing === true;
    },
    get heardMono() {
      return heardMono;
    },
    closed: closed.promise,
    destroy: () => socket.destroy(),
  };
}
