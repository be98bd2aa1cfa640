import { readFile, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Context } from '../core/context.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import { networkOf, peerOf } from '../core/network.ts';
import { Strangers } from '../core/strangers.ts';
import { listen } from './listen.ts';

/**
 * The listener of RTSPS: TLS, before anything of RTSP is said. Who is in a handshake has not been heard by the server behind it, and is
 * limited here, in number and in time.
 */

export interface RtspsFiles {
  /** PEM. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface RtspsOptions extends RtspsFiles {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Handshakes at once, and of one network; beyond these the oldest makes room. */
  readonly handshakes: { readonly all: number; readonly ofPlace: number };
  readonly handshakeTimeoutMs: number;
  /** The handshake is over. */
  onConnection(socket: Socket): void;
  onHandshakeFailed(): void;
  /** A handshake made room for a newer one. */
  onTurnedAway(): void;
}

export interface Rtsps extends AsyncDisposable {
  readonly port: number;
}

const minVersion = 'TLSv1.2';
const renewEveryMs = 60_000;

/** Rejects with `media.unavailable`: the address and why it cannot listen there, or the file and why it is of no use. */
export async function startRtsps(options: RtspsOptions, { clock, log }: Context): Promise<Rtsps> {
  const { handshakeTimeoutMs } = options;
  let seen = await stampOf(options);
  const server = createServer({ ...(await readCertificate(options)), minVersion, handshakeTimeout: handshakeTimeoutMs });
  /** All of them, by peer: what TLS gives out is another object. */
  const sockets = new Map<string, Socket>();
  const handshakes = new Strangers<Socket>(options.handshakes);

  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    if (peer === undefined) return;
    sockets.set(peer, socket);
    socket.once('close', () => {
      handshakes.delete(socket);
      if (sockets.get(peer) === socket) sockets.delete(peer);
    });
    const leaving = handshakes.add(socket, networkOf(socket.remoteAddress ?? ''));
    if (leaving === undefined) return;
    options.onTurnedAway();
    leaving.destroy();
  });
  server.on('secureConnection', (socket) => {
    const raw = sockets.get(peerOf(socket) ?? '');
    if (raw !== undefined) handshakes.delete(raw);
    options.onConnection(socket);
  });
  server.on('tlsClientError', (error, socket) => {
    options.onHandshakeFailed();
    log.debug({ err: error }, 'rtsps handshake failed');
    socket.destroy();
  });

  /** Certificates are replaced while video plays; connections keep theirs. */
  async function renew(): Promise<void> {
    const stamp = await stampOf(options);
    if (stamp === undefined || stamp === seen) return;
    seen = stamp;
    try {
      server.setSecureContext({ ...(await readCertificate(options)), minVersion });
      log.info('rtsps has a new certificate');
    } catch (error) {
      log.error({ reason: errorText(error) }, 'rtsps keeps its certificate, the new one cannot be used');
    }
  }

  const port = await listen(server, { ...options, scheme: 'rtsps' });
  server.on('error', (error) => log.error({ err: error }, 'rtsps server failed'));
  const renewing = clock.every(renewEveryMs, renew);
  return {
    port,
    async [Symbol.asyncDispose]() {
      renewing[Symbol.dispose]();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  };
}

/** Changes with the files; undefined while one of them is not there. */
async function stampOf(files: RtspsFiles): Promise<string | undefined> {
  try {
    const found = await Promise.all([stat(files.certFile), stat(files.keyFile)]);
    return found.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join();
  } catch {
    return undefined;
  }
}

async function readCertificate({ certFile, keyFile }: RtspsFiles): Promise<{ readonly cert: Buffer; readonly key: Buffer }> {
  async function read(file: string): Promise<Buffer> {
    try {
      return await readFile(file);
    } catch (cause) {
      throw new SightlineError('media.unavailable', `cannot serve rtsps: ${file} cannot be read`, { cause });
    }
  }
  const certificate = { cert: await read(certFile), key: await read(keyFile) };
  try {
    createServer(certificate).close();
  } catch (cause) {
    const message = `cannot serve rtsps: ${certFile} and ${keyFile} are no certificate and its key, PEM`;
    throw new SightlineError('media.unavailable', message, { cause });
  }
  return certificate;
}
