import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Principal } from '../core/access.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError } from '../core/errors.ts';
import type { StreamUser } from '../core/media-door.ts';
import { plainAddress } from '../core/network.ts';
import { LoginFailures } from './login-failures.ts';
import { type Replay, replayFor } from './replay.ts';
import { ConnectionLogin } from './rtsp-login.ts';
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
import { interleavedTransport, type MediaTransport } from './rtsp-transport.ts';
import type { UdpDoor } from './rtsp-udp.ts';
import { describeStream, trackControl } from './sdp.ts';
import { rtpInfo, type VideoStream } from './video-stream.ts';

/**
 * One client. Requests are answered in their order; those that come while one of them waits stand in a short line, and the socket
 * is not read while that is full. Its one session lives and dies with the connection, over UDP too: players keep theirs open.
 */

export type Verdict = 'ok' | 'forbidden' | 'unknown';

export interface RtspAccess {
  /** Undefined: there is no such user, or one without a stream password. */
  user(name: string): StreamUser | undefined;
  /** Who somebody is that does not log in; absent: a login is demanded. */
  readonly anonymous?: Principal;
  /** Asked with a path without slashes at its ends; `forbidden` is answered with 403, `unknown` with 404. */
  authorise(principal: Principal, path: string): Verdict;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  find(path: string): VideoStream | undefined;
  /** Absent: everybody may read everything. */
  readonly access?: RtspAccess;
  /** Absent: packets leave inside this connection only. */
  readonly udp?: UdpDoor;
  readonly failures?: LoginFailures;
  readonly cname: string;
  readonly describeTimeoutMs: number;
  /** It is one of those that `established` says. */
  onEstablished(): void;
  onRefused(status: RtspStatus): void;
  onLoginFailed(): void;
  /** It sent too much without a login, and is ended for it. */
  onFlood(): void;
  onDrop(stream: string, units: number): void;
}

export interface Connection {
  readonly playing: boolean;
  /** Its packets leave over UDP: only by what it says is seen that it lives. */
  readonly datagrams: boolean;
  /** Who has logged in last; undefined where nobody has to. */
  readonly user: string | undefined;
  /** It has logged in, or described or set up a stream that it may read. */
  readonly established: boolean;
  /** It has asked something, or sent a packet. */
  readonly spoke: boolean;
  /** CLOCK_MONOTONIC of the last byte or receiver report from the client. */
  readonly heardMono: number;
  /** Resolves when everything of it is gone. */
  readonly closed: Promise<void>;
  /** Whether what it was given could be given to it now. */
  mayStay(): boolean;
  /** To be called every few seconds. */
  idle(): void;
  /** Ends it from our side, at once. */
  destroy(): void;
}

interface Session {
  readonly id: string;
  readonly stream: VideoStream;
  readonly target: RtspTarget;
  readonly player: Player;
  readonly transport: MediaTransport;
}

const methods = ['OPTIONS', 'DESCRIBE', 'SETUP', 'PLAY', 'PAUSE', 'GET_PARAMETER', 'SET_PARAMETER', 'TEARDOWN'];
const otherMethods = ['ANNOUNCE', 'RECORD', 'REDIRECT'];
const publicHeader = { Public: methods.join(', ') };
export const sessionTimeoutSeconds = 60;
const maxPendingRequests = 16;
/** Requests and packets of one that has not shown yet that it may read anything: players need a handful. */
const strangersInputs = 100;
/** So many answers at once; then others have their turn. */
const answersInOneGo = 64;

function refuse(status: RtspStatus, headers?: RtspAnswer['headers']): RtspAnswer {
  return headers === undefined ? { status } : { status, headers };
}

export function serveConnection(options: ConnectionOptions, ctx: Context): Connection {
  const { socket, access } = options;
  const { clock, log } = ctx;
  const address = plainAddress(socket.remoteAddress) ?? '';
  const failures = options.failures ?? new LoginFailures(clock);
  const parser = new RtspParser();
  const login = new ConnectionLogin(clock);
  const gone = new AbortController();
  const closed = Promise.withResolvers<void>();
  const pending: RtspRequest[] = [];
  let session: Session | undefined;
  let user: StreamUser | undefined;
  /** What was described last: its source may have to begin before the client plays. */
  let held: { readonly stream: VideoStream; readonly path: string; readonly hold: Disposable } | undefined;
  /** What comes after DESCRIBE has the address of the answer, which lacks what else the client wrote. */
  let replay: Replay | undefined;
  let heardMono = clock.mono();
  let established = false;
  let inputs = 0;
  let answering = false;
  let leaving = false;

  function establish(): void {
    if (established) return;
    established = true;
    options.onEstablished();
  }

  /** The new one first, so that a stream that is held already does not end in between. */
  function hold(stream: VideoStream, path: string): void {
    if (held?.stream === stream) return;
    establish();
    const before = held;
    held = { stream, path, hold: stream.hold() };
    before?.hold[Symbol.dispose]();
  }

  function release(): void {
    held?.hold[Symbol.dispose]();
    held = undefined;
  }

  function endSession(): void {
    session?.player.pause();
    session?.transport[Symbol.dispose]();
    session = undefined;
    release();
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

  /** Undefined: go on. */
  function checkLogin(request: RtspRequest, target: RtspTarget): RtspAnswer | undefined {
    if (access === undefined) return undefined;
    const demand = (stale: boolean) => refuse(401, { 'WWW-Authenticate': login.challenges(stale) });
    const authorization = request.headers.get('authorization');
    if (authorization === undefined && access.anonymous === undefined) return demand(false);
    if (authorization !== undefined) {
      const { method, uri } = request;
      const result = login.check({ authorization, method, uri }, (name) => access.user(name));
      // Before this one: the limit is what may go wrong. A right login is never made to wait for the wrong ones of its neighbours.
      const blockedMs = result.kind === 'failed' ? failures.blockedMs(address) : 0;
      if (result.kind === 'failed') {
        failures.add(address);
        options.onLoginFailed();
      }
      // Where nobody has to log in, a login that is none of ours does no harm.
      if (result.kind === 'ok') user = result.user;
      else if (access.anonymous === undefined)
        return blockedMs > 0
          ? refuse(503, { 'Retry-After': String(Math.ceil(blockedMs / 1000)) })
          : demand(result.kind === 'stale');
    }
    const principal = user?.principal ?? access.anonymous;
    const verdict = principal === undefined ? 'forbidden' : access.authorise(principal, target.stream);
    if (user !== undefined) establish();
    if (verdict === 'ok') return undefined;
    return refuse(verdict === 'forbidden' ? 403 : 404);
  }

  function sessionHeader(id: string): Readonly<Record<string, string>> {
    return { Session: `${id};timeout=${sessionTimeoutSeconds}` };
  }

  async function describe(request: RtspRequest, target: RtspTarget): Promise<RtspAnswer> {
    const accept = request.headers.get('accept');
    if (accept !== undefined && !/application\/sdp|\*\/\*|application\/\*/i.test(accept)) return refuse(406);
    const refused = checkLogin(request, target);
    if (refused !== undefined) return refused;
    const stream = options.find(target.stream);
    if (stream === undefined) return refuse(404);
    if (session === undefined) hold(stream, target.stream);
    replay = replayFor(request.uri, request.headers.get('user-agent'));
    using limit = clock.deadline(options.describeTimeoutMs, gone.signal);
    try {
      const parameters = await stream.parameters(limit.signal);
      return {
        status: 200,
        headers: { 'Content-Base': target.base, 'Content-Type': 'application/sdp' },
        body: describeStream(stream.name, parameters, address),
      };
    } catch (error) {
      log.debug({ stream: stream.name, err: error }, 'no parameter sets to describe the stream with');
      if (session === undefined) release();
      return refuse(503);
    }
  }

  async function setup(request: RtspRequest, target: RtspTarget): Promise<RtspAnswer> {
    const refused = checkLogin(request, target);
    if (refused !== undefined) return refused;
    if (session !== undefined && !isOurs(request, session)) return refuse(454);
    const stream = options.find(target.stream);
    if (stream === undefined || (target.track ?? trackControl) !== trackControl) return refuse(404);
    if (session !== undefined && session.stream !== stream) return refuse(459);
    if (session?.player.playing === true) return refuse(455);
    const chosen = chooseTransport(request.headers.get('transport') ?? '', {
      free: { rtp: 0, rtcp: 1 },
      ...(options.udp === undefined ? {} : { udpTo: address }),
    });
    if (chosen === undefined) return refuse(461);
    hold(stream, target.stream);
    const id = session?.id ?? randomBytes(8).toString('hex').toUpperCase();
    const ssrc = `ssrc=${stream.ssrc.toString(16).toUpperCase().padStart(8, '0')};mode="PLAY"`;
    let transport: MediaTransport;
    let words: string;
    if (chosen.kind === 'interleaved') {
      const { rtp, rtcp } = chosen.channels;
      transport = interleavedTransport(socket, chosen.channels);
      words = `RTP/AVP/TCP;unicast;interleaved=${rtp}-${rtcp};${ssrc}`;
    } else {
      const opened = await openDatagrams(chosen.ports);
      if (opened === undefined) return refuse(461);
      const { rtp, rtcp } = opened.serverPorts;
      transport = opened;
      words = `RTP/AVP;unicast;client_port=${chosen.ports.rtp}-${chosen.ports.rtcp};server_port=${rtp}-${rtcp};${ssrc}`;
    }
    session?.transport[Symbol.dispose]();
    const player = createPlayer({
      stream,
      transport,
      clock,
      cname: options.cname,
      maxQueuedBytes,
      replay: replay ?? replayFor(request.uri, request.headers.get('user-agent')),
      onDrop: (units) => options.onDrop(stream.name, units),
      onEnd: leave,
    });
    session = { id, stream, target, player, transport };
    return { status: 200, headers: { Transport: words, ...sessionHeader(id) } };
  }

  /** Undefined when there are no ports, and when the client has left meanwhile. */
  async function openDatagrams(ports: { readonly rtp: number; readonly rtcp: number }) {
    try {
      const opened = await options.udp?.open({
        local: socket.localAddress ?? '',
        remote: socket.remoteAddress ?? '',
        ports,
        onHeard() {
          heardMono = clock.mono();
        },
      });
      if (!gone.signal.aborted) return opened;
      opened?.[Symbol.dispose]();
    } catch (error) {
      log.warn({ err: error }, 'no ports for rtp over udp');
    }
    return undefined;
  }

  function isOurs(request: RtspRequest, current: Session): boolean {
    return request.headers.get('session')?.split(';', 1)[0]?.trim() === current.id;
  }

  /** PLAY, PAUSE and TEARDOWN of the session of this connection, which has been let in when it was set up. */
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

  /** Packets begin behind the answer, which names the first of them where it is known; nothing may come between. */
  function play(request: RtspRequest, reply: RtspAnswer, { player, target }: Session): void {
    const first = player.prepare();
    const info = first === undefined ? {} : { 'RTP-Info': rtpInfo(`${target.base}${trackControl}`, first) };
    answer(request, { ...reply, headers: { ...reply.headers, ...info } });
    player.start();
  }

  async function answerAll(): Promise<void> {
    if (answering) return;
    answering = true;
    let answered = 0;
    for (let request = pending.shift(); request !== undefined && !leaving; request = pending.shift()) {
      const reply = await handle(request);
      if (gone.signal.aborted) break;
      if (request.method === 'PLAY' && reply.status === 200 && session !== undefined) play(request, reply, session);
      else answer(request, reply);
      answered += 1;
      if (answered % answersInOneGo === 0) await new Promise<void>((resolve) => setImmediate(resolve));
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
    if (leaving) return;
    heardMono = clock.mono();
    try {
      for (const input of parser.push(bytes)) {
        inputs += 1;
        if (!established && inputs > strangersInputs) {
          options.onFlood();
          socket.destroy();
          return;
        }
        if (input.kind === 'request') pending.push(input.request);
      }
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
  socket.on('end', leave);
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
    get datagrams() {
      return session?.transport.reliable === false;
    },
    get user() {
      return user?.principal.user;
    },
    get heardMono() {
      return heardMono;
    },
    get spoke() {
      return inputs > 0;
    },
    get established() {
      return established;
    },
    closed: closed.promise,
    mayStay() {
      if (access === undefined) return true;
      if (user !== undefined) {
        const now = access.user(user.principal.user);
        if (now === undefined ? user.lent !== true : now.ha1.sha256 !== user.ha1.sha256) return false;
        user = now ?? user;
      }
      if (held === undefined) return true;
      const principal = user?.principal ?? access.anonymous;
      return principal !== undefined && access.authorise(principal, held.path) === 'ok';
    },
    idle: () => session?.player.idle(),
    destroy: () => socket.destroy(),
  };
}
