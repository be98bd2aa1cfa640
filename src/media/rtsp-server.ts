import { createServer, type Server, type Socket } from 'node:net';
import { type Context, childContext } from '../core/context.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import { urlHost } from '../core/url-host.ts';
import { type Connection, serveConnection, sessionTimeoutSeconds } from './rtsp-connection.ts';
import type { VideoStream } from './video-stream.ts';

/**
 * An RTSP 1.0 server (RFC 2326) for H.264 over TCP interleaved. UDP and multicast are refused with 461, on which clients go over
 * to TCP. A client that reads too slowly loses its own frames only.
 */

export interface RtspServerOptions {
  /** Loopback unless there is a reason. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The stream of a path, without leading slash. */
  readonly streams: ReadonlyMap<string, VideoStream>;
  readonly tuning?: Partial<RtspTuning>;
}

export interface RtspTuning {
  readonly maxClients: number;
  /** DESCRIBE waits this long for parameter sets. */
  readonly describeTimeoutMs: number;
  /** A playing client that takes no byte for this long is gone. */
  readonly stallTimeoutMs: number;
  readonly sweepEveryMs: number;
}

export const rtspTuning: RtspTuning = { maxClients: 256, describeTimeoutMs: 5000, stallTimeoutMs: 30_000, sweepEveryMs: 5000 };

export interface RtspServer extends AsyncDisposable {
  readonly port: number;
  /** Connections, playing or not. */
  readonly clients: number;
  url(stream: string): string;
}

interface Client {
  readonly connection: Connection;
  readonly socket: Socket;
  /** Bytes that had left for the client when it was last seen taking some. */
  taken: number;
  takenMono: number;
}

/** Throws `media.unavailable` with the address in words when it cannot listen there. */
export async function startRtspServer(options: RtspServerOptions, ctx: Context): Promise<RtspServer> {
  ctx.signal.throwIfAborted();
  const tuning = { ...rtspTuning, ...options.tuning };
  const { clock, metrics } = ctx;
  const room = childContext(ctx, { room: 'media' });
  const clients = new Set<Client>();
  const connected = metrics.gauge('sightline_rtsp_clients', 'RTSP connections');
  const refused = metrics.counter('sightline_rtsp_refused_total', 'RTSP requests that were not answered with 200', ['status']);
  const dropped = metrics.counter('sightline_rtsp_units_dropped_total', 'Access units that slow clients lost', ['stream']);
  const turnedAway = metrics.counter('sightline_rtsp_turned_away_total', 'Connections beyond the limit');

  function accept(socket: Socket): void {
    if (clients.size >= tuning.maxClients) {
      turnedAway.inc();
      flood.warn('rtsp client turned away', { limit: tuning.maxClients });
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const connection = serveConnection(
      {
        socket,
        find: (stream) => options.streams.get(stream),
        cname: 'sightline',
        describeTimeoutMs: tuning.describeTimeoutMs,
        onRefused: (status) => refused.inc({ status: String(status) }),
        onDrop(stream) {
          dropped.inc({ stream });
          flood.warn('rtsp client reads too slowly', { stream });
        },
      },
      room,
    );
    const client: Client = { connection, socket, taken: 0, takenMono: clock.mono() };
    clients.add(client);
    connected.set(clients.size);
    void connection.closed.then(() => {
      clients.delete(client);
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
      const silent = !connection.playing && now - connection.heardMono > sessionTimeoutSeconds * 1000;
      if (stalled || silent) {
        room.log.info({ stalled }, 'rtsp client is gone');
        connection.destroy();
      }
    }
  }

  const server = createServer({ allowHalfOpen: true }, accept);
  const port = await listen(server, options);
  const flood = new FloodGate(room.log, clock);
  const sweeping = clock.every(tuning.sweepEveryMs, sweep);
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    sweeping[Symbol.dispose]();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const { connection } of clients) connection.destroy();
    await closed;
    flood[Symbol.dispose]();
  }

  const host = urlHost(options.host);
  return {
    port,
    get clients() {
      return clients.size;
    },
    url: (stream) => `rtsp://${host}:${port}/${stream}`,
    [Symbol.asyncDispose]() {
      stopping ??= stop();
      return stopping;
    },
  };
}

function listen(server: Server, { host, port }: RtspServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const why = isSystemError(cause, 'EADDRINUSE') ? 'the port is taken' : 'that address cannot be used';
      reject(new SightlineError('media.unavailable', `cannot serve rtsp on ${host}:${port}: ${why}`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(address === null || typeof address === 'string' ? port : address.port);
    });
  });
}
