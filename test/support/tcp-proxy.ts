import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { pause } from './until.ts';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Where new connections lead. */
  targetPort: number;
  /** While true nothing that the server says reaches the client; it is lost. */
  deaf: boolean;
  /** While set, a client that has sent this text hears nothing more on that connection. */
  deafAfter: string | undefined;
  /** While set, a client whose bytes contain this text is cut off before they reach the server. */
  poison: string | undefined;
  /** How often the server has said something since to a client that hears nothing more. */
  readonly unheard: number;
  /** Milliseconds by which all that the server says comes later. */
  delayMs: number;
  /** While true new connections are ended at once. */
  refuse: boolean;
  /** Connections made so far. */
  readonly connections: number;
  /** Ends all connections at once, without a goodbye. */
  cut(): void;
}

/** Stands between a client and a server on loopback and misbehaves as told. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  let unheard = 0;
  const server = createServer((client) => {
    connections += 1;
    if (proxy.refuse) {
      client.destroy();
      return;
    }
    const target = connect(proxy.targetPort, '127.0.0.1');
    const pair = [client, target] as const;
    let heard = true;
    let said = Promise.resolve();
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      target.destroy();
    };
    for (const socket of pair) socket.on('close', end).on('error', end);
    client.on('data', (bytes) => {
      if (proxy.poison !== undefined && bytes.includes(proxy.poison)) end();
      else {
        heard &&= proxy.deafAfter === undefined || !bytes.includes(proxy.deafAfter);
        target.write(bytes);
      }
    });
    target.on('data', (bytes) => {
      if (!heard) unheard += 1;
      if (!heard || proxy.deaf) return;
      const due = performance.now() + proxy.delayMs;
      // Nothing overtakes what waits, however the delay is changed.
      said = said.then(async () => {
        const leftMs = due - performance.now();
        if (leftMs > 0) await pause(leftMs);
        if (client.writable) client.write(bytes);
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const proxy: TcpProxy = {
    port: address.port,
    targetPort,
    deaf: false,
    deafAfter: undefined,
    delayMs: 0,
    poison: undefined,
    refuse: false,
    get connections() {
      return connections;
    },
    get unheard() {
      return unheard;
    },
    cut() {
      for (const [client, target] of pairs) {
        client.destroy();
        target.destroy();
      }
    },
    async [Symbol.asyncDispose]() {
      proxy.cut();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
