import type { Socket } from 'node:net';
import type { Context } from '../core/context.ts';
import { FloodGate } from '../core/log.ts';
import { peerOf } from '../core/network.ts';
import { Strangers } from '../core/strangers.ts';

/**
 * Who may be connected at once. A connection is a stranger until a request on it came from somebody who is logged in. Strangers take each
 * other's places and nobody else's, so that they can close the server neither to those who are logged in nor to `/healthz`.
 */

export interface ConnectionLimits {
  /** Of those logged in; what comes beyond remains a stranger. */
  readonly known: number;
  readonly knownOfPlace: number;
  readonly strangers: number;
  readonly strangersOfPlace: number;
}

/** 2000 in all: pages, streams and pictures of some hundred people. Before a login a browser opens six. */
export const connectionLimits: ConnectionLimits = { known: 1500, knownOfPlace: 750, strangers: 500, strangersOfPlace: 256 };

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** What counts as one place; undefined: one that speaks for many. */
  placeOf(peer: string | undefined): string | undefined;
}

export interface Connections extends Disposable {
  /** A new one. */
  accept(socket: Socket): void;
  /** Somebody who is logged in has asked on it. */
  known(socket: Socket): void;
}

interface Connection {
  readonly socket: Socket;
  readonly place: string | undefined;
}

export function createConnections({ limits, placeOf }: ConnectionsOptions, { log, clock, metrics }: Context): Connections {
  const turnedAway = metrics.counter(
    'sightline_http_turned_away_total',
    'Connections on which nobody had logged in and that made room for newer ones.',
  );
  const flood = new FloodGate(log, clock);
  const strangers = new Strangers<Connection>({ all: limits.strangers, ofPlace: limits.strangersOfPlace });
  const connections = new Map<string, Connection>();
  const known = new Map<Connection, string | undefined>();

  function turnAway({ socket, place }: Connection): void {
    turnedAway.inc();
    flood.warn('http connection made room for a newer one', { strangers: limits.strangers, place });
    socket.destroy();
  }

  return {
    accept: (socket) => {
      const peer = peerOf(socket);
      if (peer === undefined) return;
      const connection: Connection = { socket, place: placeOf(socket.remoteAddress) };
      connections.set(peer, connection);
      socket.once('close', () => {
        strangers.delete(connection);
        known.delete(connection);
        if (connections.get(peer) === connection) connections.delete(peer);
      });
      const leaving = strangers.makeRoom(connection.place);
      strangers.add(connection, connection.place);
      if (leaving !== undefined) turnAway(leaving);
    },
    known: (socket) => {
      const connection = connections.get(peerOf(socket) ?? '');
      if (connection === undefined || known.has(connection) || known.size >= limits.known) return;
      const { place } = connection;
      if (place !== undefined) {
        const there = known.values().reduce((sum, other) => sum + (other === place ? 1 : 0), 0);
        if (there >= limits.knownOfPlace) return;
      }
      if (strangers.delete(connection)) known.set(connection, place);
    },
    [Symbol.dispose]: () => flood[Symbol.dispose](),
  };
}
