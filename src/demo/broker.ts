import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';

/**
 * A broker for trials, in this process: MQTT 3.1.1 on loopback, no logins, nothing kept on disk and nothing for clients that are
 * away. It is no broker for a site: whoever has an account on this machine may read along.
 */
export interface DemoBroker extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

const host = '127.0.0.1';
/** A client that has not said CONNECT by then is none. */
const connectTimeoutMs = 10_000;
const maxConnections = 64;
const stopWithinMs = 1000;

/** Takes `port` where it is free, else any other. Rejects with `demo.failed` when none can be had. */
export async function startDemoBroker({ port }: { readonly port: number }, ctx: Context): Promise<DemoBroker> {
  ctx.signal.throwIfAborted();
  const aedes = await Aedes.createBroker({
    connectTimeout: connectTimeoutMs,
    // Messages for an absent client would pile up in memory.
    preConnect: (_client, packet, done) => {
      packet.clean = true;
      done(null, true);
    },
  });
  aedes.on('clientError', (client, error) => ctx.log.debug({ client: client.id, err: error }, 'mqtt client failed'));
  aedes.on('connectionError', (_client, error) => ctx.log.debug({ err: error }, 'mqtt connection failed'));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  server.maxConnections = maxConnections;
  let taken: number;
  try {
    taken = await listen(server, port);
  } catch (error) {
    await new Promise<void>((done) => aedes.close(done));
    throw error;
  }
  server.on('error', (error) => ctx.log.error({ err: error }, 'the broker cannot take connections'));
  const flood = new FloodGate(ctx.log, ctx.clock);
  let refused = 0;
  // Nobody else would notice those: the system closes them before there is a socket.
  server.on('drop', () => {
    refused += 1;
    flood.warn('the broker refuses connections: it has as many as it takes', { refused, limit: maxConnections });
  });
  return {
    host,
    port: taken,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      using limit = ctx.clock.deadline(stopWithinMs);
      const expired = aborted(limit.signal);
      await Promise.race([new Promise<void>((done) => aedes.close(done)), expired]);
      for (const socket of sockets) socket.destroy();
      await closed;
      flood[Symbol.dispose]();
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    return await tryPort(server, port);
  } catch (error) {
    if (!isSystemError(error, 'EADDRINUSE') && !isSystemError(error, 'EACCES')) throw failed(error);
  }
  try {
    return await tryPort(server, 0);
  } catch (error) {
    throw failed(error);
  }
}

function failed(cause: unknown): SightlineError {
  return new SightlineError('demo.failed', `the demo's broker cannot listen on ${host}`, { cause });
}

/** Rejects with what the system says. */
export function tryPort(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(address === null || typeof address === 'string' ? port : address.port);
    });
  });
}

/** Whether somebody could listen there now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await tryPort(server, port);
    return true;
  } catch (error) {
    if (isSystemError(error, 'EADDRINUSE') || isSystemError(error, 'EACCES')) return false;
    throw error;
  } finally {
    await new Promise<void>((done) => server.close(() => done()));
  }
}
