import { stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Context } from '../core/context.ts';
import { errorText, isAbort, isSightlineError } from '../core/errors.ts';
import { networkOf, peerOf } from '../core/network.ts';
import { type CertificateFiles, readCertificate } from '../core/pem-files.ts';
import { Strangers } from '../core/strangers.ts';
import { listen } from './listen.ts';

/**
 * The listener of RTSPS: TLS, before anything of RTSP is said. Who is in a handshake has not been heard by the server behind it, and is
 * limited here, in number and in time. Where it cannot be opened it says why and is tried again: RTSP does not depend on it.
 */

export interface RtspsOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly files: CertificateFiles;
  /** Handshakes at once, and of one network; beyond these one makes room for each that comes. */
  readonly handshakes: { readonly all: number; readonly ofPlace: number };
  readonly handshakeTimeoutMs: number;
  /** The handshake is over. */
  onConnection(socket: Socket): void;
  onHandshakeFailed(): void;
  /** A handshake made room for a newer one. */
  onTurnedAway(): void;
  /** `port` or `trouble` has become another, some time after the start. */
  onChange(): void;
}

export interface Rtsps extends AsyncDisposable {
  /** Undefined while it is not open. */
  readonly port: number | undefined;
  /** Why it is not open, for people; undefined while it is. */
  readonly trouble: string | undefined;
}

interface Listener extends AsyncDisposable {
  readonly port: number;
}

const setting = 'media.rtsp.tls';
const minVersion = 'TLSv1.2';
const renewEveryMs = 60_000;
const againMs = 5000;

export async function startRtsps(options: RtspsOptions, ctx: Context): Promise<Rtsps> {
  const { clock, log } = ctx;
  const stopping = new AbortController();
  let listener: Listener | undefined;
  let trouble: string | undefined;

  async function open(): Promise<void> {
    try {
      listener = await openListener(options, ctx);
      if (trouble !== undefined) log.info({ port: listener.port }, 'rtsps is open');
      trouble = undefined;
    } catch (error) {
      const reason = isSightlineError(error, 'config.invalid') ? error.message : errorText(error);
      const words = `${reason}; rtsp is served meanwhile, rtsps as soon as this is mended`;
      if (words !== trouble) log.error({ reason, retryInMs: againMs }, 'rtsps is not open');
      trouble = words;
    }
  }

  async function keepTrying(): Promise<void> {
    while (listener === undefined) {
      await clock.sleep(againMs, stopping.signal);
      const before = trouble;
      await open();
      if (trouble !== before) options.onChange();
    }
  }

  await open();
  const trying = keepTrying().catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });
  return {
    get port() {
      return listener?.port;
    },
    get trouble() {
      return trouble;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new DOMException('the RTSP server stops', 'AbortError'));
      await trying;
      await listener?.[Symbol.asyncDispose]();
    },
  };
}

/** Rejects with `config.invalid`, which says what is wrong with the files, or `media.unavailable`: it cannot listen there. */
async function openListener(options: RtspsOptions, { clock, log }: Context): Promise<Listener> {
  const { files } = options;
  let seen = await stampOf(files);
  const certificate = await readCertificate(setting, files);
  const server = createServer({ ...certificate, minVersion, handshakeTimeout: options.handshakeTimeoutMs });
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
    const network = networkOf(socket.remoteAddress ?? '');
    const leaving = handshakes.makeRoom(network);
    handshakes.add(socket, network);
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
    const stamp = await stampOf(files);
    if (stamp === undefined || stamp === seen) return;
    seen = stamp;
    try {
      server.setSecureContext({ ...(await readCertificate(setting, files)), minVersion });
      log.info('rtsps has a new certificate');
    } catch (error) {
      log.error({ reason: errorText(error) }, 'rtsps keeps its certificate, the new one cannot be used');
    }
  }

  const port = await listen(server, { scheme: 'rtsps', host: options.host, port: options.port });
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

/** Changes with the files and with who may read them; undefined while one of them is not there. */
async function stampOf({ certFile, keyFile }: CertificateFiles): Promise<string | undefined> {
  try {
    const found = await Promise.all([stat(certFile), stat(keyFile)]);
    return found.map(({ ino, size, ctimeMs }) => `${ino} ${size} ${ctimeMs}`).join();
  } catch {
    return undefined;
  }
}
