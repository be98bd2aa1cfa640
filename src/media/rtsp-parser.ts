import { SightlineError } from '../core/errors.ts';

/**
 * What an RTSP client sends (RFC 2326): requests, and between them interleaved packets (`$`, channel, 16-bit length). Bytes go in
 * as they arrive; memory is bounded by the limits, and packets are counted but never held. Pure.
 */
export const rtspLimits = {
  lineBytes: 4096,
  addressBytes: 2048,
  headBytes: 16_384,
  headers: 64,
  bodyBytes: 8192,
  blankLines: 8,
} as const;

export interface RtspRequest {
  readonly method: string;
  readonly uri: string;
  /** Names in lower case; values of a repeated name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export type RtspInput =
  | { readonly kind: 'request'; readonly request: RtspRequest }
  | { readonly kind: 'packet'; readonly channel: number; readonly bytes: number };

const longAddress = /^[A-Z_]{1,32} \S{2049}/;
const requestLine = /^([A-Z_]{1,32}) (\S{1,2048}) RTSP\/(\d)\.(\d)$/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})[ \t]*:[ \t]*(.*?)[ \t]*$/;

interface Head {
  readonly method: string;
  readonly uri: string;
  readonly headers: Map<string, string>;
  last: string | undefined;
  bytes: number;
}

function malformed(message: string, details: Readonly<Record<string, unknown>> = {}): SightlineError {
  return new SightlineError('media.protocol', message, { details: { status: 400, ...details } });
}

function refuseLongAddress(text: string): void {
  if (longAddress.test(text)) throw malformed(`an address has more than ${rtspLimits.addressBytes} bytes`, { status: 414 });
}

/** `push` throws `media.protocol` (`details.status` is what to answer) on input that no client sends; the connection is then to be closed. */
export class RtspParser {
  #rest: Buffer = Buffer.alloc(0);
  #head: Head | undefined;
  #bodyBytes: number | undefined;
  #skip = 0;
  #blankLines = 0;
  #broken = false;

  *push(chunk: Uint8Array): Generator<RtspInput> {
    if (this.#broken) throw malformed('nothing is read after malformed input');
    this.#broken = true;
    let bytes =
      this.#rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([this.#rest, chunk]);
    while (bytes.length > 0) {
      const step = this.#step(bytes);
      if (step === undefined) break;
      bytes = bytes.subarray(step.used);
      if (step.input !== undefined) yield step.input;
    }
    this.#rest = Buffer.from(bytes);
    this.#broken = false;
  }

  /** Undefined when more bytes are needed. */
  #step(bytes: Buffer): { readonly used: number; readonly input?: RtspInput } | undefined {
    if (this.#skip > 0) {
      const used = Math.min(this.#skip, bytes.length);
      this.#skip -= used;
      return { used };
    }
    if (this.#bodyBytes !== undefined) return this.#body(bytes, this.#bodyBytes);
    if (this.#head === undefined && bytes[0] === 0x24) {
      if (bytes.length < 4) return undefined;
      this.#skip = bytes.readUInt16BE(2);
      return { used: 4, input: { kind: 'packet', channel: bytes[1] ?? 0, bytes: this.#skip } };
    }
    return this.#line(bytes);
  }

  #line(bytes: Buffer): { readonly used: number; readonly input?: RtspInput } | undefined {
    const end = bytes.indexOf(10);
    if (end > rtspLimits.lineBytes || (end < 0 && bytes.length > rtspLimits.lineBytes)) {
      if (this.#head === undefined) refuseLongAddress(bytes.toString('latin1', 0, rtspLimits.lineBytes));
      throw malformed(`a line has more than ${rtspLimits.lineBytes} bytes`);
    }
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', 0, end > 0 && bytes[end - 1] === 13 ? end - 1 : end);
    const used = end + 1;
    const head = this.#head;
    if (head === undefined) {
      this.#begin(text);
      return { used };
    }
    head.bytes += used;
    if (head.bytes > rtspLimits.headBytes) throw malformed(`the headers have more than ${rtspLimits.headBytes} bytes`);
    if (text !== '') {
      this.#header(head, text);
      return { used };
    }
    const length = head.headers.get('content-length');
    if (length !== undefined && !/^\d{1,9}$/.test(length)) throw malformed('the content length is not a number');
    const bodyBytes = Number(length ?? 0);
    if (bodyBytes > rtspLimits.bodyBytes) {
      throw malformed(`a body of more than ${rtspLimits.bodyBytes} bytes was announced`, { status: 413 });
    }
    this.#bodyBytes = bodyBytes;
    return bodyBytes === 0 ? this.#body(bytes.subarray(used), 0, used) : { used };
  }

  #begin(text: string): void {
    if (text === '') {
      this.#blankLines += 1;
      if (this.#blankLines > rtspLimits.blankLines) throw malformed('only blank lines are sent');
      return;
    }
    refuseLongAddress(text);
    const [, method, uri, major] = requestLine.exec(text) ?? [];
    if (method === undefined || uri === undefined) throw malformed('the first line is not that of an RTSP request');
    if (major !== '1') throw malformed('only RTSP 1.0 is spoken', { status: 505 });
    this.#blankLines = 0;
    this.#head = { method, uri, headers: new Map(), last: undefined, bytes: text.length };
  }

  #header(head: Head, text: string): void {
    // Some readers take it for the end of a line, and parts of a request are repeated in the answer.
    if (text.includes('\r')) throw malformed('a header has a carriage return inside');
    if (/^[ \t]/.test(text)) {
      // A folded line continues the one before (RFC 2326 section 4.2, by RFC 2068).
      const value = head.last === undefined ? undefined : head.headers.get(head.last);
      if (head.last === undefined || value === undefined) throw malformed('a header begins with a blank');
      head.headers.set(head.last, `${value} ${text.trim()}`);
      return;
    }
    const [, name, value] = headerLine.exec(text) ?? [];
    if (name === undefined || value === undefined) throw malformed('a header line has no name');
    const key = name.toLowerCase();
    const known = head.headers.get(key);
    if (known === undefined && head.headers.size >= rtspLimits.headers) {
      throw malformed(`a request has more than ${rtspLimits.headers} headers`);
    }
    head.headers.set(key, known === undefined ? value : `${known},${value}`);
    head.last = key;
  }

  #body(bytes: Buffer, length: number, usedBefore = 0): { readonly used: number; readonly input?: RtspInput } | undefined {
    const head = this.#head;
    if (head === undefined || bytes.length < length) return undefined;
    this.#head = undefined;
    this.#bodyBytes = undefined;
    const { method, uri, headers } = head;
    const body = Buffer.from(bytes.subarray(0, length));
    return { used: usedBefore + length, input: { kind: 'request', request: { method, uri, headers, body } } };
  }
}
