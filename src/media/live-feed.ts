import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { mayWatch, type Principal } from '../core/access.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import {
  type LiveRequest,
  liveHelloWithinMs,
  liveMessageLimitBytes,
  liveProtocol,
  liveRenewGraceMs,
  maxLiveStreams,
  readLiveRequest,
} from '../core/live-messages.ts';
import { FloodGate } from '../core/log.ts';
import type { ToDoor } from '../core/media-door.ts';
import { Strangers } from '../core/strangers.ts';
import { readTicket, type Ticket, ticketLifeMs } from '../core/tickets.ts';
import type { CameraId } from '../core/types.ts';
import type { Hub } from './hub.ts';
import type { StreamVariant } from './intake-wire.ts';
import { LiveConnection, type Subscription } from './live-connection.ts';
import { VideoPace } from './live-pace.ts';
import { textFrame } from './websocket-frame.ts';

/**
 * The live feed (`core/live-messages.ts`): WebSockets whose upgrade the HTTP server has read and handed over. A ticket opens a
 * connection; it lives for as long as its client renews that, until the client or the daemon (`revoke`) ends it.
 */

/** Connections of those who have said hello, and those that have not, which make room for newer ones. */
const connectionsLimit = 768;
const strangersLimits = { all: 256, ofPlace: 16 } as const;
/** What is said to a refused one is small and leaves at once. */
const refuseWithinMs = 2000;
/** Messages, pings and pongs of one client in one second; one that is long counts for as many as it has parts of this length. */
const messagesASecond = 200;
const messagePartBytes = 4096;
/** What each costs is more than its message: what is kept of a stream is sent anew. As many at once as a wall of pictures has. */
const subscribesASecond = 20;
const pingEveryMs = 15_000;
/** A client that answers no ping for so long is gone, or so slow that what waits for it is of no use. */
const silentMs = 120_000;

export type Handover = Omit<Extract<ToDoor, { type: 'live' }>, 'type'>;

export interface LiveFeedOptions {
  readonly hub: Hub;
  /** The connection of this handover has said hello with a ticket that is right. */
  onKnown(id: number): void;
}

export interface LiveFeed extends AsyncDisposable {
  take(request: Handover, socket: Socket): void;
  /** Whose key tickets are written with; before it nobody is let in. */
  setTicketKey(key: Uint8Array): void;
  /** Ends the user's connections; tickets from before `atMono` (CLOCK_MONOTONIC) are worth nothing. */
  revoke(user: string, atMono: number): void;
  /** Those who have said hello. */
  readonly subscribers: number;
  /** Connections that were not taken, or that made room for newer ones before their hello. */
  readonly refused: number;
  /** Metadata that slow subscribers lost, all together. */
  readonly framesLost: number;
}

function principalOf({ user, role, cameras, pictures }: Ticket): Principal {
  return { user, role, cameras, pictures, via: 'ticket' };
}

/** Ends it from our side: a client that keeps its own side open has no socket here. */
function refuseUpgrade(socket: Socket, status: string, clock: Clock): void {
  const limit = clock.deadline(refuseWithinMs);
  limit.signal.addEventListener('abort', () => socket.destroy(), { once: true });
  socket.on('error', () => {});
  socket.once('close', () => limit[Symbol.dispose]());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

export function createLiveFeed({ hub, onKnown }: LiveFeedOptions, ctx: Context): LiveFeed {
  const { clock } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // An answer that nobody reads must not wait without a bound.
    autoPong: false,
    maxPayload: liveMessageLimitBytes,
    handleProtocols: () => liveProtocol,
  });
  const connections = new Set<LiveConnection>();
  const strangers = new Strangers<LiveConnection>(strangersLimits);
  const metadata = new Map<CameraId, Set<LiveConnection>>();
  const video = new Map<string, Map<Subscription, LiveConnection>>();
  /** By user: tickets issued until then are void. */
  const revoked = new Map<string, number>();
  let ticketKey: Uint8Array | undefined;
  let refused = 0;
  let framesLost = 0;

  const path = (camera: CameraId, variant: StreamVariant) => `${variant}/${camera}`;

  function admitted(given: string): Ticket | string {
    if (ticketKey === undefined) return 'the media door is not ready';
    let ticket: Ticket;
    try {
      ticket = readTicket(given, ticketKey, clock.mono());
    } catch (error) {
      return isSightlineError(error) ? error.message : 'the ticket cannot be read';
    }
    const until = revoked.get(ticket.user);
    return until !== undefined && ticket.issuedMono <= until ? 'the ticket was revoked; ask for a new one' : ticket;
  }

  /** Why not, with its code; undefined when this may be watched. */
  function refusal(
    principal: Principal,
    { camera, variant, video: wantsVideo }: Pick<Subscription, 'camera' | 'variant' | 'video'>,
  ): { readonly code: string; readonly message: string } | undefined {
    const info = hub.camera(camera);
    // Boxes show nothing of what masks hide.
    const stream = { variant: wantsVideo ? variant : 'annotated', masked: info?.masked ?? false } as const;
    if (!mayWatch(principal, camera, stream)) {
      const why = mayWatch(principal, camera, { ...stream, masked: false })
        ? 'its picture is masked: the clean stream is for admins, the annotated one for everybody'
        : `${principal.user} may not watch it`;
      return { code: 'http.forbidden', message: `camera ${camera}: ${why}` };
    }
    return info === undefined ? { code: 'http.unknown', message: `there is no camera ${camera}` } : undefined;
  }

  function subscribe(
    connection: LiveConnection,
    principal: Principal,
    { stream, ...wish }: Extract<LiveRequest, { type: 'subscribe' }>,
  ): void {
    const problem =
      refusal(principal, wish) ??
      (connection.subscriptions.has(stream)
        ? { code: 'media.protocol', message: `stream ${stream} is in use; unsubscribe it first or take another number` }
        : undefined) ??
      (connection.subscriptions.size >= maxLiveStreams
        ? { code: 'media.protocol', message: `a connection has ${maxLiveStreams} streams at most` }
        : undefined);
    if (problem !== undefined) {
      connection.say({ type: 'error', ...problem, stream });
      return;
    }
    const { camera, variant } = wish;
    const subscription: Subscription = {
      stream,
      camera,
      variant,
      video: wish.video,
      metadata: wish.metadata,
      pace: new VideoPace(),
      lostFrames: 0,
      configured: false,
    };
    connection.add(subscription);
    const state = hub.stateOf(camera);
    if (state !== undefined) connection.say(state);
    const channel = hub.channel(camera, variant);
    const kept = wish.video ? (channel?.kept ?? []) : [];
    if (wish.metadata) {
      for (const frame of hub.framesFrom(camera, kept[0]?.pts)) connection.frame(camera, textFrame(JSON.stringify(frame)));
      const watchers = metadata.get(camera) ?? new Set();
      metadata.set(camera, watchers.add(connection));
    }
    if (wish.video) {
      if (channel?.config !== undefined) connection.configure(subscription, channel.config);
      for (const unit of kept) connection.unit(subscription, unit);
      const watchers = video.get(path(camera, variant)) ?? new Map();
      video.set(path(camera, variant), watchers.set(subscription, connection));
      hub.watch(camera, variant, 1);
    }
  }

  function unsubscribe(connection: LiveConnection, subscription: Subscription): void {
    const { camera, variant } = subscription;
    connection.remove(subscription);
    if (subscription.video && video.get(path(camera, variant))?.delete(subscription)) hub.watch(camera, variant, -1);
    if (connection.subscriptions.values().some((other) => other.camera === camera && other.metadata)) return;
    const watchers = metadata.get(camera);
    watchers?.delete(connection);
    if (watchers?.size === 0) metadata.delete(camera);
  }

  function recheck(connection: LiveConnection): void {
    const { principal } = connection;
    if (principal === undefined) return;
    for (const subscription of [...connection.subscriptions.values()]) {
      const problem = refusal(principal, subscription);
      if (problem === undefined) continue;
      unsubscribe(connection, subscription);
      connection.say({ type: 'unsubscribed', stream: subscription.stream, reason: problem.message });
    }
  }

  function receive(connection: LiveConnection, request: LiveRequest): void {
    const { principal } = connection;
    if (principal === undefined && request.type !== 'hello') {
      connection.end('http.auth', 'the first message was not hello');
      return;
    }
    if (request.type === 'hello' || request.type === 'renew') {
      const ticket = admitted(request.ticket);
      if (typeof ticket === 'string') connection.end('http.auth', ticket);
      else if (principal !== undefined && (request.type === 'hello' || principal.user !== ticket.user))
        connection.end('media.protocol', `${request.type} does not belong here: this connection is ${principal.user}'s`);
      else {
        connection.principal = principalOf(ticket);
        connection.endsMono = ticket.issuedMono + ticketLifeMs + liveRenewGraceMs;
        connection.say({ type: 'welcome', user: ticket.user, now: clock.now(), expiresAt: ticket.expiresAt });
        recheck(connection);
      }
      return;
    }
    if (principal === undefined) return;
    if (request.type === 'subscribe') subscribe(connection, principal, request);
    else {
      const subscription = connection.subscriptions.get(request.stream);
      if (subscription === undefined) return;
      unsubscribe(connection, subscription);
      connection.say({ type: 'unsubscribed', stream: request.stream, reason: 'it was asked for' });
    }
  }

  function attach({ id, place }: Handover, socket: Socket, webSocket: WebSocket): void {
    const connection = new LiveConnection(socket, webSocket, clock);
    connections.add(connection);
    const leaving = strangers.makeRoom(place);
    strangers.add(connection, place);
    if (leaving !== undefined) {
      flood.warn('live connection made room for a newer one', { strangers: strangers.size, place });
      refused += 1;
      connections.delete(leaving);
      leaving.terminate();
    }
    const helloTimer = clock.deadline(liveHelloWithinMs);
    helloTimer.signal.addEventListener(
      'abort',
      () => {
        if (connection.principal === undefined)
          connection.end('http.auth', `no hello came within ${liveHelloWithinMs / 1000} s`);
      },
      { once: true },
    );
    let second = 0;
    let messages = 0;
    let subscribes: number = maxLiveStreams;
    /** Whether it may say so much. */
    function hear(bytes: number): boolean {
      if (!connection.open) return false;
      const mono = clock.mono();
      subscribes = Math.min(maxLiveStreams, subscribes + ((mono - connection.heardMono) / 1000) * subscribesASecond);
      connection.heardMono = mono;
      const now = Math.floor(mono / 1000);
      messages = (now === second ? messages : 0) + Math.max(1, Math.ceil(bytes / messagePartBytes));
      second = now;
      if (messages > messagesASecond)
        connection.end('media.protocol', `more than ${messagesASecond} messages came in a second`);
      return messages <= messagesASecond;
    }
    webSocket.on('message', (data, isBinary) => {
      if (!hear(lengthOf(data))) return;
      const read = isBinary ? { wrong: 'it is bytes; clients send text' } : readLiveRequest(data.toString());
      if ('wrong' in read) {
        connection.end('media.protocol', `a message is none that docs/asyncapi.json has: ${read.wrong}`);
        return;
      }
      const { request } = read;
      if (request.type === 'subscribe' && subscribes < 1)
        connection.end('media.protocol', `more than ${subscribesASecond} subscriptions came in a second`);
      else {
        if (request.type === 'subscribe') subscribes -= 1;
        receive(connection, request);
      }
      if (connection.principal === undefined) return;
      helloTimer[Symbol.dispose]();
      if (strangers.delete(connection)) onKnown(id);
    });
    webSocket.on('pong', () => hear(0));
    webSocket.on('ping', (data) => {
      if (hear(data.length)) connection.pong(data);
    });
    // What is wrong with the connection ends it; ws says so to the client where it still can.
    webSocket.on('error', (error) => ctx.log.debug({ reason: errorText(error) }, 'live connection failed'));
    webSocket.on('close', () => {
      helloTimer[Symbol.dispose]();
      connections.delete(connection);
      strangers.delete(connection);
      for (const subscription of [...connection.subscriptions.values()]) unsubscribe(connection, subscription);
    });
  }

  const keepingUp = clock.every(pingEveryMs, () => {
    const mono = clock.mono();
    for (const connection of connections) {
      if (mono - connection.heardMono > silentMs) connection.terminate();
      else if (mono > connection.endsMono)
        connection.end('http.auth', 'the ticket is over, and no renew came; ask for a new one');
      else connection.ping();
    }
    for (const [user, at] of revoked) if (at + ticketLifeMs < mono) revoked.delete(user);
  });

  hub.listen({
    configured: (camera, variant) => {
      const config = hub.channel(camera, variant)?.config;
      if (config === undefined) return;
      for (const [subscription, connection] of video.get(path(camera, variant)) ?? [])
        connection.configure(subscription, config);
    },
    unit: (camera, variant, unit) => {
      const watchers = video.get(path(camera, variant));
      const channel = hub.channel(camera, variant);
      if (watchers === undefined || channel?.config === undefined) return;
      for (const [subscription, connection] of watchers) if (connection.unit(subscription, unit)) channel.lost += 1;
    },
    cut: (camera, variant, withdrawn) => {
      for (const [subscription, connection] of video.get(path(camera, variant)) ?? []) {
        subscription.pace.cut();
        // What waits in its socket cannot be taken back.
        if (withdrawn && connection.waits) connection.terminate();
      }
    },
    frame: (frame) => {
      const watchers = metadata.get(frame.camera);
      if (watchers === undefined) return;
      const bytes = textFrame(JSON.stringify(frame));
      for (const connection of watchers) if (connection.frame(frame.camera, bytes)) framesLost += 1;
    },
    state: (state) => {
      for (const connection of connections)
        if (connection.subscriptions.values().some(({ camera }) => camera === state.camera)) connection.say(state);
    },
    cameras: () => {
      for (const connection of connections) recheck(connection);
    },
  });

  return {
    take: (given, socket) => {
      const { url, headers, head } = given;
      if (connections.size - strangers.size >= connectionsLimit) {
        flood.warn('live connection refused', { connections: connections.size, strangers: strangers.size });
        refused += 1;
        refuseUpgrade(socket, '503 Service Unavailable', clock);
        return;
      }
      const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
      if (!offered.includes(liveProtocol)) {
        refused += 1;
        refuseUpgrade(socket, '400 Bad Request', clock);
        return;
      }
      const request = new IncomingMessage(socket);
      Object.assign(request, { method: 'GET', url, headers: { ...headers } });
      // Unit by unit and frame by frame: each is worth a packet of its own.
      socket.setNoDelay(true);
      server.handleUpgrade(request, socket, Buffer.from(head), (webSocket) => attach(given, socket, webSocket));
    },
    setTicketKey: (key) => {
      ticketKey = key;
    },
    revoke: (user, atMono) => {
      revoked.set(user, Math.max(atMono, revoked.get(user) ?? 0));
      for (const connection of connections)
        if (connection.principal?.user === user)
          connection.end('http.auth', 'the access was revoked or has changed; log in again');
    },
    get refused() {
      return refused;
    },
    get framesLost() {
      return framesLost;
    },
    get subscribers() {
      return connections.size - strangers.size;
    },
    [Symbol.asyncDispose]: async () => {
      keepingUp[Symbol.dispose]();
      for (const connection of [...connections]) connection.terminate();
      server.close();
      flood[Symbol.dispose]();
    },
  };
}

function lengthOf(data: WebSocket.RawData): number {
  return Array.isArray(data) ? data.reduce((sum, { length }) => sum + length, 0) : data.byteLength;
}
