import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { SightlineError } from '../core/errors.ts';
import { unmapped } from '../core/network.ts';
import { packetAt } from './rtp.ts';
import type { Channels } from './rtsp-messages.ts';
import type { MediaTransport } from './rtsp-transport.ts';
import type { PacketisedUnit } from './video-stream.ts';

/**
 * RTP over UDP (RFC 3550): one pair of sockets for all clients that have reached this machine by the same address. A large picture
 * does not leave in one burst, which the buffers on its way would not hold.
 */

/** About 110 Mbit/s once the first packets of a burst are away. */
export const pacing = { burstPackets: 24, packetsPerMs: 10, tickMs: 1 } as const;
/** What the system has not taken of one socket, all its clients together. The rest waits with each client, whose queue is bounded. */
const unsentLimitBytes = 1024 * 1024;
const portTries = 32;

export interface UdpTransport extends MediaTransport {
  readonly serverPorts: Channels;
}

export interface UdpPeer {
  /** Address that the client has connected to, and the client's own. */
  readonly local: string;
  readonly remote: string;
  /** Ports of the client, for RTP and RTCP. */
  readonly ports: Channels;
  /** Something has come to the RTCP port from the client's own. */
  onHeard(): void;
}

export interface UdpDoor extends AsyncDisposable {
  /** Pairs of sockets that are open. */
  readonly pairs: number;
  /** Rejects with `media.unavailable` when no pair of ports can be had. */
  open(peer: UdpPeer): Promise<UdpTransport>;
}

interface Pair {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly ports: Channels;
  /** By address and RTCP port. */
  readonly peers: Map<string, Set<UdpPeer>>;
}

interface Paced {
  /** Sends what may go now; false when nothing waits any more. */
  pump(now: number): boolean;
}

export function createUdpDoor(clock: Clock): UdpDoor {
  const pairs = new Map<string, { readonly opening: Promise<Pair>; users: number }>();
  const busy = new Set<Paced>();
  let ticking: Disposable | undefined;

  function tick(): void {
    const now = clock.mono();
    for (const paced of busy) if (!paced.pump(now)) busy.delete(paced);
    if (busy.size > 0) return;
    ticking?.[Symbol.dispose]();
    ticking = undefined;
  }

  function wait(paced: Paced): void {
    busy.add(paced);
    ticking ??= clock.every(pacing.tickMs, tick);
  }

  /** Counted before it is there, so that nobody closes it meanwhile. */
  async function join(local: string): Promise<Pair> {
    const entry = pairs.get(local) ?? { opening: openPair(local), users: 0 };
    pairs.set(local, entry);
    entry.users += 1;
    try {
      return await entry.opening;
    } catch (error) {
      if (pairs.get(local) === entry) pairs.delete(local);
      throw error;
    }
  }

  function leave(local: string, pair: Pair): void {
    const entry = pairs.get(local);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    pairs.delete(local);
    close(pair);
  }

  return {
    get pairs() {
      return pairs.size;
    },
    async open(peer) {
      const local = unmapped(peer.local);
      const remote = unmapped(peer.remote);
      const pair = await join(local);
      const key = `${remote} ${peer.ports.rtcp}`;
      const peers = pair.peers.get(key) ?? new Set();
      pair.peers.set(key, peers.add(peer));
      const sender = pacedSender(pair, remote, peer.ports, clock, wait);
      let left = false;
      return {
        ...sender.transport,
        get ready() {
          return sender.transport.ready;
        },
        serverPorts: pair.ports,
        [Symbol.dispose]() {
          if (left) return;
          left = true;
          sender.end();
          busy.delete(sender.paced);
          peers.delete(peer);
          if (peers.size === 0) pair.peers.delete(key);
          leave(local, pair);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      ticking?.[Symbol.dispose]();
      ticking = undefined;
      busy.clear();
      const all = [...pairs.values()];
      pairs.clear();
      for (const { opening } of all) {
        const pair = await opening.catch(() => undefined);
        if (pair !== undefined) close(pair);
      }
    },
  };
}

function pacedSender(
  pair: Pair,
  remote: string,
  ports: Channels,
  clock: Clock,
  wait: (paced: Paced) => void,
): {
  readonly paced: Paced;
  readonly transport: Omit<MediaTransport, typeof Symbol.dispose>;
  /** Nothing leaves any more: the sockets may be closed. */
  end(): void;
} {
  let rest: Buffer[] = [];
  let over = false;
  let at = 0;
  let allowed: number = pacing.burstPackets;
  let allowedMono = clock.mono();
  let listener: (() => void) | undefined;

  /** The time it takes to get there earns packets, up to a burst. */
  function earn(now: number): void {
    allowed = Math.min(pacing.burstPackets, allowed + (now - allowedMono) * pacing.packetsPerMs);
    allowedMono = now;
  }

  function drain(): void {
    for (let [bytes] = rest; bytes !== undefined; [bytes] = rest) {
      while (at < bytes.length) {
        if (allowed < 1 || pair.rtp.getSendQueueSize() > unsentLimitBytes) return;
        allowed -= 1;
        const { begin, end } = packetAt(bytes, at);
        pair.rtp.send(bytes, begin, end - begin, ports.rtp, remote);
        at = end;
      }
      rest = rest.slice(1);
      at = 0;
    }
  }

  const paced: Paced = {
    pump(now) {
      earn(now);
      drain();
      // Ready means empty: what the listener adds goes on at once as far as it may.
      if (rest.length === 0) listener?.();
      return rest.length > 0;
    },
  };
  return {
    paced,
    end() {
      over = true;
      rest = [];
      listener = undefined;
    },
    transport: {
      reliable: false,
      get ready() {
        return rest.length === 0;
      },
      onReady(onReady) {
        listener = onReady;
      },
      unit(unit: PacketisedUnit) {
        if (over) return;
        rest.push(unit.bytes);
        earn(clock.mono());
        drain();
        if (rest.length > 0) wait(paced);
      },
      rtcp(packet) {
        // Reports tell of a moment: the next one does as well.
        if (!over && pair.rtcp.getSendQueueSize() <= unsentLimitBytes) pair.rtcp.send(packet, ports.rtcp, remote);
      },
      together(send) {
        send();
      },
    },
  };
}

/** An even port and the one behind it (RFC 3550 section 11), whichever are free. */
async function openPair(local: string): Promise<Pair> {
  const type = isIPv6(local) ? 'udp6' : 'udp4';
  // Addresses are numeric: nothing is looked up.
  const lookup = (host: string, _options: unknown, done: (error: null, address: string, family: number) => void) =>
    done(null, host, type === 'udp6' ? 6 : 4);
  let cause: unknown;
  for (let attempt = 0; attempt < portTries; attempt++) {
    const rtp = createSocket({ type, lookup });
    const rtcp = createSocket({ type, lookup });
    try {
      const port = await bind(rtp, 0, local);
      if (port % 2 !== 0) throw new Error('the port is odd');
      await bind(rtcp, port + 1, local);
      const pair: Pair = { rtp, rtcp, ports: { rtp: port, rtcp: port + 1 }, peers: new Map() };
      rtcp.on('message', (_bytes, { address, port: from }) => {
        for (const peer of pair.peers.get(`${unmapped(address)} ${from}`) ?? []) peer.onHeard();
      });
      // Nothing of a datagram's fate is known here; who is gone is seen by his silence.
      for (const socket of [rtp, rtcp]) socket.on('error', () => {});
      return pair;
    } catch (error) {
      cause = error;
      rtp.close();
      rtcp.close();
    }
  }
  throw new SightlineError('media.unavailable', `no pair of UDP ports can be opened on ${local}`, { cause });
}

function close({ rtp, rtcp }: Pair): void {
  rtp.close();
  rtcp.close();
}

async function bind(socket: Socket, port: number, address: string): Promise<number> {
  const listening = once(socket, 'listening');
  socket.bind(port, address);
  await listening;
  return socket.address().port;
}
