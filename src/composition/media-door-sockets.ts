import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ToDoor } from '../core/media-door.ts';
import { listenOn } from '../core/socket-file.ts';
import { Strangers } from '../core/strangers.ts';

/**
 * Connections on their way from the HTTP server to the media door. One at a time: the channel holds back everything else until a socket
 * has arrived. Afterwards this process has nothing left of it, neither descriptor nor entry among the server's connections.
 */

/** Waiting ones, and those of one place; what comes beyond is told to come again. */
const queueLimit = 512;
const queueLimitOfPlace = 64;
/** What is said to a refused one is small and leaves at once. */
const refuseWithinMs = 2000;

/** Connections of TLS: their video passes through this process, twice encrypted and copied. */
const tunnelLimit = 64;
/** Those of them that have not said hello make room for newer ones, and for anybody where all are taken. */
const strangerTunnels = { all: tunnelLimit, ofPlace: 16 } as const;

/** What the door needs of the request. Cookies and logins stay here. */
const ofTheUpgrade = /^(host|upgrade|connection|sec-websocket-.*)$/;

type LiveMessage = Extract<ToDoor, { type: 'live' }>;

interface Upgrade {
  readonly request: Pick<IncomingMessage, 'url' | 'headers'>;
  readonly socket: Duplex;
  readonly head: Uint8Array;
  /** Where it comes from; undefined where that is not known or speaks for many. */
  readonly place?: string | undefined;
}

export interface SocketHandover {
  offer(upgrade: Upgrade): void;
  /** The door has the socket of this id. */
  taken(id: number): void;
  /** Whoever has the connection of this id has shown a ticket. */
  known(id: number): void;
  /** There is a door. `pass` must call nothing of this. */
  open(pass: (message: LiveMessage, socket: Socket) => void): void;
  /** There is none; who waits is told to come again. */
  close(): void;
}

export interface HandoverOptions {
  tunnelPath(): string;
  readonly log: Logger;
  readonly clock: Clock;
  refused(): void;
  /** How many connections of TLS go through this process. */
  tunnels(open: number): void;
}

export function createSocketHandover(options: HandoverOptions): SocketHandover {
  const waiting: Upgrade[] = [];
  let pass: ((message: LiveMessage, socket: Socket) => void) | undefined;
  let passing: number | undefined;
  /** Of the socket that is being passed on. */
  let underWay: { close(): void } | undefined;
  let lastId = 0;
  /** By id, whoever is at the end of it. */
  const tunnels = new Map<number, Duplex>();
  const strangers = new Strangers<number>(strangerTunnels);

  function refuse({ socket }: Upgrade): void {
    options.refused();
    if (socket.destroyed) return;
    const limit = options.clock.deadline(refuseWithinMs);
    limit.signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('close', () => limit[Symbol.dispose]());
    // A client that keeps its own side open has no socket here.
    socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
      socket.destroy(),
    );
  }

  function next(): void {
    while (pass !== undefined && passing === undefined) {
      const upgrade = waiting.shift();
      if (upgrade === undefined) return;
      if (upgrade.socket.destroyed) continue;
      lastId += 1;
      passing = lastId;
      handOver(upgrade, lastId);
    }
  }

  function fill(id: number): void {
    strangers.delete(id);
    tunnels.delete(id);
    options.tunnels(tunnels.size);
  }

  function sendAway(id: number | undefined): boolean {
    const client = id === undefined ? undefined : tunnels.get(id);
    if (id === undefined || client === undefined) return false;
    fill(id);
    options.refused();
    client.destroy();
    return true;
  }

  /** False: all are taken by people who have shown a ticket. */
  function dig(id: number, { socket, place }: Upgrade): boolean {
    const full = tunnels.size >= tunnelLimit;
    if (!sendAway(strangers.makeRoom(place, full)) && full) return false;
    strangers.add(id, place);
    tunnels.set(id, socket);
    options.tunnels(tunnels.size);
    return true;
  }

  function handOver(upgrade: Upgrade, id: number): void {
    const { socket } = upgrade;
    if (socket instanceof Socket && !(socket instanceof TLSSocket)) {
      send(upgrade, id, socket);
      return;
    }
    if (!dig(id, upgrade)) {
      refuse(upgrade);
      passing = undefined;
      return;
    }
    tunnel(socket, { path: options.tunnelPath(), onEnd: () => fill(id) }).then(
      (plain) => send(upgrade, id, plain),
      (error: unknown) => {
        fill(id);
        options.log.warn({ reason: errorText(error) }, 'live connection cannot be passed on');
        refuse(upgrade);
        if (passing === id) passing = undefined;
        next();
      },
    );
  }

  function send({ request, socket: client, head, place }: Upgrade, id: number, socket: Socket): void {
    if (pass === undefined || passing !== id) {
      client.destroy();
      socket.destroy();
      return;
    }
    // What a hasty client has sent already.
    const early: unknown = socket === client ? socket.read() : null;
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      value === undefined || !ofTheUpgrade.test(name) ? [] : [[name, typeof value === 'string' ? value : value.join(', ')]],
    );
    underWay = handleOf(socket);
    // Node would have a server's close wait until the other process has closed the sockets it was given.
    Object.assign(socket, { server: undefined });
    pass(
      {
        type: 'live',
        id,
        url: request.url ?? '/',
        headers: Object.fromEntries(headers),
        head: early instanceof Buffer ? Buffer.concat([head, early]) : head,
        ...(place === undefined ? {} : { place }),
      },
      socket,
    );
    // Its descriptor is on its way; what is left is the server's count of connections.
    socket.destroy();
  }

  return {
    offer: (upgrade) => {
      upgrade.socket.on('error', () => upgrade.socket.destroy());
      const { place } = upgrade;
      const beside = place === undefined ? [] : waiting.filter((other) => other.place === place);
      if (pass === undefined || waiting.length >= queueLimit || beside.length >= queueLimitOfPlace) {
        refuse(upgrade);
        return;
      }
      waiting.push(upgrade);
      next();
    },
    taken: (id) => {
      if (passing !== id) return;
      passing = undefined;
      underWay = undefined;
      next();
    },
    known: (id) => void strangers.delete(id),
    open: (to) => {
      pass = to;
      passing = undefined;
      next();
    },
    close: () => {
      pass = undefined;
      passing = undefined;
      underWay?.close();
      underWay = undefined;
      for (const upgrade of waiting.splice(0)) refuse(upgrade);
    },
  };
}

/**
 * The descriptor behind a socket. Node 24 takes it from the socket that is sent and closes it once the other process has said that it
 * has it; where that process dies before, it keeps it for ever. Closing twice does nothing.
 */
function handleOf(socket: Socket): { close(): void } | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const close: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'close') : undefined;
  return typeof close === 'function' ? { close: () => void Reflect.apply(close, handle, []) } : undefined;
}

/**
 * A socket that can be passed on, for one that cannot: what TLS takes apart and puts together stays in this process. `onEnd` is for one
 * that came to be.
 */
async function tunnel(client: Duplex, { path, onEnd }: { readonly path: string; readonly onEnd: () => void }): Promise<Socket> {
  await rm(path, { force: true });
  const server = createServer({ pauseOnConnect: true });
  try {
    await listenOn(server, path);
    const accepted = once(server, 'connection');
    const near = connect(path);
    near.on('error', () => {});
    const [far] = await accepted;
    if (!(far instanceof Socket)) throw new TypeError('a server gave something else than a socket');
    far.on('error', () => {});
    // Whichever side ends, both do.
    pipeline(client, near, client, () => {
      near.destroy();
      client.destroy();
      onEnd();
    });
    return far;
  } finally {
    server.close();
  }
}
