import { createServer, type Socket } from 'node:net';
import { type Context, childContext } from '../core/context.ts';
import { FloodGate } from '../core/log.ts';
import type { RtspCounters } from '../core/media-door.ts';
import { networkOf } from '../core/network.ts';
import type { CertificateFiles } from '../core/pem-files.ts';
import { crowd, Strangers } from '../core/strangers.ts';
import { urlHost } from '../core/url-host.ts';
import { listen } from './listen.ts';
import { LoginFailures } from './login-failures.ts';
import { type Connection, type RtspAccess, serveConnection, sessionTimeoutSeconds } from './rtsp-connection.ts';
import { createUdpDoor } from './rtsp-udp.ts';
import { type Rtsps, startRtsps } from './rtsps.ts';
import type { VideoStream } from './video-stream.ts';

/**
 * An RTSP 1.0 server (RFC 2326) for H.264 and H.265, over TCP interleaved and UDP, and RTSPS where packets stay inside the
 * connection. Multicast is refused with 461. A client that reads too slowly loses its own frames only.
 */

export interface RtspServerOptions {
  /** Loopback unless there is a reason. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The stream of a path without slashes at its ends, `lobby` or `lobby/annotated`. */
  find(path: string): VideoStream | undefined;
  /** Absent: everybody may read everything. */
  readonly access?: RtspAccess;
  /** Media over UDP too; it is when this is absent. */
  readonly udp?: boolean;
  /** RTSPS on a port of its own; 0 takes a free one. */
  readonly tls?: CertificateFiles & { readonly port: number };
  /** `tlsPort` or `tlsTrouble` has become another, some time after the start. */
  onTlsChange?(): void;
  /** Connections at once, playing or not; more are closed. */
  readonly maxReaders?: number;
  readonly tuning?: Partial<RtspTuning>;
}

export interface RtspTuning {
  /** DESCRIBE waits this long for parameter sets. */
  readonly describeTimeoutMs: number;
  /** A playing client that takes no byte for this long is gone. */
  readonly stallTimeoutMs: number;
  readonly sweepEveryMs: number;
  readonly handshakeTimeoutMs: number;
  /** Who has not described or set up a stream by then, nor logged in, is ended. */
  readonly strangerTimeoutMs: number;
  /** So long a stranger's place is not given to somebody else, unless many come from where he does and there are no others. */
  readonly introductionMs: number;
}

export const rtspTuning: RtspTuning = {
  describeTimeoutMs: 5000,
  stallTimeoutMs: 30_000,
  sweepEveryMs: 5000,
  handshakeTimeoutMs: 10_000,
  strangerTimeoutMs: 15_000,
  introductionMs: 1000,
};
const maxReadersDefault = 256;
/** Beyond these, strangers take each other's places: a share of all, and never so few that two players at once are too many. */
const strangersShare = 1 / 4;
const leastStrangers = crowd;

export interface RtspServer extends AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number | undefined;
  /** Why RTSPS, which was asked for, is not served yet; it is tried again and again. */
  readonly tlsTrouble: string | undefined;
  /** Connections, playing or not. */
  readonly clients: number;
  /** Those that play. */
  readonly readers: number;
  readonly counters: RtspCounters;
  url(path: string): string;
  /** Ends every connection that this user has logged in on, at once; says how many. */
  revoke(user: string): number;
  /** Ends, after a change of users or cameras, every connection that would not be let in now; says how many. */
  recheck(): number;
}

interface Client {
  readonly connection: Connection;
  readonly socket: Socket;
  readonly openedMono: number;
  /** Bytes that had left for the client when it was last seen taking some. */
  taken: number;
  takenMono: number;
}

/** Rejects with `media.unavailable`, which names the address of RTSP and says why it cannot listen there. */
export async function startRtspServer(options: RtspServerOptions, ctx: Context): Promise<RtspServer> {
  ctx.signal.throwIfAborted();
  const tuning = { ...rtspTuning, ...options.tuning };
  const maxReaders = options.maxReaders ?? maxReadersDefault;
  const strangersLimit = Math.max(leastStrangers, Math.floor(maxReaders * strangersShare));
  const { clock, metrics } = ctx;
  const room = childContext(ctx, { room: 'media' });
  const clients = new Set<Client>();
  const strangers = new Strangers<Client>({
    all: strangersLimit,
    introductionMs: tuning.introductionMs,
    spoke: ({ connection }) => connection.spoke,
    mono: () => clock.mono(),
  });
  const connected = metrics.gauge('sightline_rtsp_clients', 'RTSP connections');
  const refused = metrics.counter('sightline_rtsp_refused_total', 'RTSP requests that were not answered with 200', ['status']);
  const turnedAway = metrics.counter('sightline_rtsp_turned_away_total', 'Connections beyond the limit');
  const loginsFailed = metrics.counter('sightline_rtsp_logins_failed_total', 'RTSP logins with a wrong name or password');
  const flooded = metrics.counter('sightline_rtsp_flooded_total', 'RTSP connections ended for what they sent without a login');
  const counts = { turnedAway: 0, flooded: 0, loginsFailed: 0, handshakesFailed: 0 };
  const refusedBy: Record<string, number> = {};
  const handshakesFailed = metrics.counter('sightline_rtsp_handshakes_failed_total', 'RTSPS connections without a handshake');
  const udp = options.udp === false ? undefined : createUdpDoor(clock);
  const failures = new LoginFailures(clock);
  const flood = new FloodGate(room.log, clock);
  /** A gate has one line a second: slow clients of one stream do not hide those of another. */
  const slow = new Map<string, FloodGate>();

  function tellSlow(stream: string, units: number): void {
    let gate = slow.get(stream);
    if (gate === undefined) {
      gate = new FloodGate(room.log, clock);
      slow.set(stream, gate);
    }
    gate.warn('rtsp client reads too slowly', { stream, units });
  }

  function turnAway(): void {
    turnedAway.inc();
    counts.turnedAway += 1;
    flood.warn('rtsp client turned away', { limit: maxReaders });
  }

  function makeRoom(network: string): void {
    const leaving = strangers.makeRoom(network, clients.size >= maxReaders);
    if (leaving === undefined) return;
    turnAway();
    clients.delete(leaving);
    leaving.connection.destroy();
  }

  function accept(socket: Socket, encrypted: boolean): void {
    const network = networkOf(socket.remoteAddress ?? '');
    makeRoom(network);
    if (clients.size >= maxReaders) {
      turnAway();
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const connection = serveConnection(
      {
        socket,
        find: (path) => options.find(path),
        ...(options.access === undefined ? {} : { access: options.access }),
        // Packets beside an encrypted connection would not be.
        ...(udp === undefined || encrypted ? {} : { udp }),
        failures,
        cname: 'sightline',
        describeTimeoutMs: tuning.describeTimeoutMs,
        onEstablished: () => void strangers.delete(client),
        onRefused(status) {
          refused.inc({ status: String(status) });
          refusedBy[status] = (refusedBy[status] ?? 0) + 1;
        },
        onLoginFailed() {
          loginsFailed.inc();
          counts.loginsFailed += 1;
          flood.warn('rtsp login failed', { address: socket.remoteAddress });
        },
        onFlood() {
          flooded.inc();
          counts.flooded += 1;
          flood.warn('rtsp client floods without a login', { address: socket.remoteAddress });
        },
        onDrop: tellSlow,
      },
      room,
    );
    const client: Client = {
      connection,
      socket,
      openedMono: clock.mono(),
      taken: 0,
      takenMono: clock.mono(),
    };
    clients.add(client);
    strangers.add(client, network);
    connected.set(clients.size);
    void connection.closed.then(() => {
      clients.delete(client);
      strangers.delete(client);
      connected.set(clients.size);
    });
  }

  /** Ends clients that are gone without having said so. */
  function sweep(): void {
    const now = clock.mono();
    for (const client of clients) {
      const { connection, socket } = client;
      const taken = socket.bytesWritten - socket.writableLength;
      if (taken !== client.taken || socket.writableLength === 0) {
        client.taken = taken;
        client.takenMono = now;
      }
      const stalled = now - client.takenMono > tuning.stallTimeoutMs;
      const heard = connection.playing && !connection.datagrams;
      const silent = !heard && now - connection.heardMono > sessionTimeoutSeconds * 1000;
      const stranger = !connection.established && now - client.openedMono > tuning.strangerTimeoutMs;
      if (stranger) connection.destroy();
      else if (stalled || silent) {
        room.log.info({ stalled }, 'rtsp client is gone');
        connection.destroy();
      } else connection.idle();
    }
  }

  const plain = createServer({ allowHalfOpen: true }, (socket) => accept(socket, false));
  let rtsps: Rtsps | undefined;
  let sweeping: Disposable | undefined;
  let stopping: Promise<void> | undefined;

  function openEncrypted(tls: NonNullable<RtspServerOptions['tls']>): Promise<Rtsps> {
    return startRtsps(
      {
        host: options.host,
        port: tls.port,
        files: tls,
        handshakes: { all: maxReaders, ofPlace: strangersLimit },
        handshakeTimeoutMs: tuning.handshakeTimeoutMs,
        onConnection: (socket) => accept(socket, true),
        onHandshakeFailed() {
          handshakesFailed.inc();
          counts.handshakesFailed += 1;
        },
        onTurnedAway: turnAway,
        onChange: () => options.onTlsChange?.(),
      },
      room,
    );
  }

  async function stop(): Promise<void> {
    sweeping?.[Symbol.dispose]();
    const closed = new Promise<void>((resolve) => plain.close(() => resolve()));
    for (const { connection } of clients) connection.destroy();
    await Promise.all([closed, rtsps?.[Symbol.asyncDispose](), udp?.[Symbol.asyncDispose]()]);
    for (const gate of [flood, ...slow.values()]) gate[Symbol.dispose]();
  }

  function endThose(leaves: (connection: Connection) => boolean): number {
    const leaving = [...clients].filter(({ connection }) => leaves(connection));
    for (const { connection } of leaving) connection.destroy();
    return leaving.length;
  }

  const host = urlHost(options.host);
  let port: number;
  try {
    port = await listen(plain, { scheme: 'rtsp', host: options.host, port: options.port });
    if (options.tls !== undefined) rtsps = await openEncrypted(options.tls);
  } catch (error) {
    await stop();
    throw error;
  }
  plain.on('error', (error) => room.log.error({ err: error }, 'rtsp server failed'));
  sweeping = clock.every(tuning.sweepEveryMs, sweep);
  return {
    port,
    get tlsPort() {
      return rtsps?.port;
    },
    get tlsTrouble() {
      return rtsps?.trouble;
    },
    get clients() {
      return clients.size;
    },
    get readers() {
      return [...clients].filter(({ connection }) => connection.playing).length;
    },
    get counters() {
      return { clients: clients.size, ...counts, refused: { ...refusedBy } };
    },
    url: (path) => `rtsp://${host}:${port}/${path}`,
    revoke: (user) => endThose((connection) => connection.user === user),
    recheck: () => endThose((connection) => !connection.mayStay()),
    [Symbol.asyncDispose]() {
      stopping ??= stop();
      return stopping;
    },
  };
}
