import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { systemClock } from '../core/clock.ts';
import type { PemTexts } from '../core/pem-files.ts';
import type { RequestHeaders } from '../core/request-headers.ts';
import { abortReason } from './refusals.ts';
import { addressText, type TritonAddress } from './triton-address.ts';
import { secureContext } from './triton-credentials.ts';
import { grpcCodes, TritonStatus } from './triton-failures.ts';

/**
 * Unary calls of gRPC on one HTTP/2 connection, for requests that are large and many. A message is sent from the memory where it lies:
 * grpc-js copies each into new memory, and collecting that costs more than sending it (docs/decisions/triton-connection.md).
 * Protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

/** Bytes in front of a message: whether it is compressed, and its length. */
export const framePrefix = 5;

/** With 64 KiB, as HTTP/2 begins, an answer of 8 MB takes twice as long. */
export const windowBytes = 8 * 2 ** 20;
/** Of `grpc-timeout`: eight digits. */
const longestTimeoutMs = 99_999_999;

export interface ConnectionOptions {
  readonly tls?: PemTexts;
  readonly headers: RequestHeaders;
  /** Longest answer in bytes. */
  readonly receiveLimit: number;
}

export interface UnaryCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** The message behind `framePrefix` bytes, which are written here. Nobody else may write there before the call is over. */
  readonly frame: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Session {
  readonly http2: ClientHttp2Session;
  /** The other end has said something: it speaks HTTP/2 and takes who we are. */
  made: boolean;
  readonly socket: Socket;
  /** Calls on it that are not over. */
  calls: number;
  /** What ended it. */
  error?: Error;
}

export class UnaryConnection implements Disposable {
  readonly #address: TritonAddress;
  readonly #options: ConnectionOptions;
  readonly #authority: string;
  #secure: SecureContext | undefined;
  #session: Session | undefined;
  /** Connections before that calls are still on. */
  readonly #old = new Set<Session>();
  #closed = false;

  /** Connects with the first call. Throws when the certificates cannot be used. */
  constructor(address: TritonAddress, options: ConnectionOptions) {
    this.#address = address;
    this.#options = options;
    const { host, port } = address;
    this.#authority = isIP(host) === 0 ? `${host}:${port}` : addressText(address);
    this.#secure = secureContext(address, options.tls);
  }

  /** The next call makes a new connection, with these certificates. Calls on the old one go on, where there is one. */
  reconnect(tls: PemTexts | undefined): void {
    this.#secure = secureContext(this.#address, tls);
    const old = this.#session;
    this.#session = undefined;
    if (old === undefined) return;
    if (old.calls === 0) end(old);
    else this.#old.add(old);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const session of [...this.#old, ...(this.#session === undefined ? [] : [this.#session])]) end(session);
    this.#old.clear();
  }

  /**
   * The answer's message; it may share its memory with others. Rejects with `TritonStatus`, or with the signal's reason.
   */
  call(call: UnaryCall): Promise<Buffer> {
    const { signal, frame } = call;
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    if (this.#closed) return Promise.reject(new TritonStatus(grpcCodes.unavailable, 'the connection is closed'));
    frame[0] = 0;
    frame.writeUInt32BE(frame.byteLength - framePrefix, 1);
    const session = this.#connected();
    const timeoutMs = Math.min(longestTimeoutMs, Math.max(1, Math.ceil(call.timeoutMs)));
    const stream = session.http2.request({
      ':method': 'POST',
      ':authority': this.#authority,
      ':path': call.path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-timeout': `${timeoutMs}m`,
      ...this.#options.headers,
      ...call.headers,
    });
    session.calls += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const answer = new Answer(this.#options.receiveLimit);
    let settled = false;
    const settle = (outcome: Buffer | Error | undefined) => {
      if (settled || outcome === undefined) return;
      settled = true;
      limit[Symbol.dispose]();
      // Given up, or refused before the server has said all.
      if (!answer.over) stream.close(constants.NGHTTP2_CANCEL);
      session.calls -= 1;
      if (session.calls === 0 && this.#old.delete(session)) end(session);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    // As the deadlines of grpc-js this is the machine's time.
    const limit = systemClock.deadline(timeoutMs, signal);
    limit.signal.addEventListener('abort', () => {
      if (signal?.aborted) settle(abortReason(signal));
      else settle(new TritonStatus(grpcCodes.deadlineExceeded, `no answer within ${timeoutMs} ms`));
    });
    let failure: Error | undefined;
    stream.on('error', (error) => {
      failure = error;
    });
    stream.on('response', (headers) => {
      answer.head(headers);
      settle(answer.outcome());
    });
    stream.on('data', (bytes: Buffer) => {
      answer.data(bytes);
      settle(answer.outcome());
    });
    stream.on('trailers', (headers) => {
      answer.trailers(headers);
      settle(answer.outcome());
    });
    stream.on('close', () => {
      if (settled) return;
      if (answer.over) settle(new TritonStatus(grpcCodes.internal, 'the answer is not whole'));
      else settle(session.http2.destroyed ? lostConnection(session, failure) : brokenStream(stream.rstCode));
    });
    stream.end(frame);
    return promise;
  }

  #connected(): Session {
    const now = this.#session;
    if (now !== undefined && !now.http2.closed && !now.http2.destroyed) return now;
    // One that the server took leave of: calls on it go on.
    if (now !== undefined && now.calls > 0) this.#old.add(now);
    const { host, ip, port } = this.#address;
    const byName = isIP(host) === 0;
    const secure = this.#secure;
    const socket =
      secure === undefined
        ? connectTcp({ host: ip, port, noDelay: true })
        : connectTls({
            host: ip,
            port,
            ALPNProtocols: ['h2'],
            secureContext: secure,
            ...(byName ? { servername: host } : {}),
          });
    if (secure !== undefined) socket.setNoDelay();
    const session: Session = {
      made: false,
      socket,
      calls: 0,
      // By the address: a name may be none to a URL (`triton.1`). Calls say which name is meant.
      http2: connect(`${secure === undefined ? 'http' : 'https'}://${addressText(this.#address)}`, {
        createConnection: () => socket,
        // Requests are bounded by whoever sends them; one above Node's 10 MB would be refused.
        maxSessionMemory: Number.MAX_SAFE_INTEGER,
        settings: { enablePush: false, initialWindowSize: windowBytes },
      }),
    };
    session.http2.on('connect', () => {
      if (!session.http2.destroyed) session.http2.setLocalWindowSize(windowBytes);
    });
    session.http2.on('remoteSettings', () => {
      session.made = true;
    });
    session.http2.on('error', (error) => {
      session.error ??= error;
    });
    this.#session = session;
    return session;
  }
}

/** HTTP/2 takes leave of the other end first, which one that hangs never answers. */
function end({ http2, socket }: Session): void {
  http2.destroy();
  socket.destroy();
}

/** Puts together what comes. */
class Answer {
  readonly #limit: number;
  #httpStatus = 200;
  #status: { readonly code: number; readonly text: string } | undefined;
  /** Bytes before the length of the message is known. */
  #first: Buffer = Buffer.alloc(0);
  #message: Buffer | undefined;
  #filled = 0;
  #broken: TritonStatus | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The server has said all. */
  get over(): boolean {
    return this.#status !== undefined;
  }

  head(headers: IncomingHttpHeaders): void {
    this.#httpStatus = Number(headers[':status'] ?? 0);
    this.trailers(headers);
  }

  trailers(headers: IncomingHttpHeaders): void {
    const code = headers['grpc-status'];
    if (code === undefined) return;
    this.#status = { code: Number(code), text: statusText(headers['grpc-message']) };
  }

  data(bytes: Buffer): void {
    if (this.#broken !== undefined || this.#httpStatus !== 200) return;
    if (this.#message !== undefined) {
      this.#fill(bytes);
      return;
    }
    const all = this.#first.byteLength === 0 ? bytes : Buffer.concat([this.#first, bytes]);
    if (all.byteLength < framePrefix) {
      this.#first = all;
      return;
    }
    const length = all.readUInt32BE(1);
    if (all[0] !== 0) {
      this.#broken = new TritonStatus(grpcCodes.internal, 'the answer is compressed, which was not asked for');
    } else if (length > this.#limit) {
      const text = `Received message larger than max (${length} vs. ${this.#limit})`;
      this.#broken = new TritonStatus(grpcCodes.resourceExhausted, text);
    } else if (all.byteLength >= framePrefix + length) {
      this.#message = all.subarray(framePrefix, framePrefix + length);
      this.#filled = length;
    } else {
      this.#message = Buffer.allocUnsafeSlow(length);
      this.#fill(all.subarray(framePrefix));
    }
  }

  #fill(bytes: Buffer): void {
    if (this.#message === undefined) return;
    this.#filled += bytes.copy(this.#message, this.#filled);
  }

  /** The message, or what went wrong; undefined while more is to come. */
  outcome(): Buffer | TritonStatus | undefined {
    if (this.#broken !== undefined) return this.#broken;
    const status = this.#status;
    if (status === undefined)
      return this.#httpStatus === 200 ? undefined : new TritonStatus(codeOfHttp(this.#httpStatus), `HTTP ${this.#httpStatus}`);
    if (status.code !== 0)
      return new TritonStatus(Number.isInteger(status.code) ? status.code : grpcCodes.unknown, status.text);
    return this.#message !== undefined && this.#filled === this.#message.byteLength ? this.#message : undefined;
  }
}

function lostConnection(session: Session, failure: Error | undefined): TritonStatus {
  const error = session.error ?? (failure?.cause instanceof Error ? failure.cause : failure);
  const cause = error === undefined ? '' : `: ${error.message}`;
  return new TritonStatus(grpcCodes.unavailable, `${session.made ? 'connection lost' : 'no connection'}${cause}`);
}

/** A stream that ended without a status: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors */
function brokenStream(rstCode: number): TritonStatus {
  const { NGHTTP2_REFUSED_STREAM, NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM } = constants;
  switch (rstCode) {
    case NGHTTP2_REFUSED_STREAM:
      return new TritonStatus(grpcCodes.unavailable, 'the server refused the stream');
    case NGHTTP2_CANCEL:
      return new TritonStatus(grpcCodes.cancelled, 'the server cancelled the call');
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return new TritonStatus(grpcCodes.resourceExhausted, 'the server asks for fewer calls');
    default:
      return new TritonStatus(grpcCodes.internal, `Received RST_STREAM with code ${rstCode}, no status`);
  }
}

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
function codeOfHttp(status: number): number {
  switch (status) {
    case 400:
      return grpcCodes.internal;
    case 401:
      return grpcCodes.unauthenticated;
    case 403:
      return grpcCodes.permissionDenied;
    case 404:
      return grpcCodes.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return grpcCodes.unavailable;
    default:
      return grpcCodes.unknown;
  }
}

/** `grpc-message` is percent-encoded; what is not is taken as it is. */
function statusText(header: string | string[] | undefined): string {
  const text = Array.isArray(header) ? header.join(', ') : (header ?? '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
