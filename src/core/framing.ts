import { SightlineError } from './errors.ts';

/**
 * Size-delimited protobuf: a base-128 varint of the length, then the message
 * (https://protobuf.dev/programming-guides/techniques/#streaming). Messages above `limit` bytes end the stream.
 */
export const messageLimitBytes = 16 * 1024 * 1024;

export function frameMessage(message: Uint8Array): Uint8Array {
  const head: number[] = [];
  let length = message.length;
  while (length > 127) {
    head.push((length & 127) | 128);
    length >>>= 7;
  }
  head.push(length);
  const framed = new Uint8Array(head.length + message.length);
  framed.set(head);
  framed.set(message, head.length);
  return framed;
}

/**
 * Cuts a byte stream into messages; `push` throws `bridge.protocol` on a length that cannot be. Messages are copies: nothing of a chunk
 * is kept, so that a message which comes byte by byte takes no more than its length.
 */
export class MessageSplitter {
  #limit: number;
  /** Of the length that is being read. */
  #length = 0;
  #lengthBytes = 0;
  /** The one that is being read, once its length is known. */
  #message: Uint8Array | undefined;
  #filled = 0;

  constructor(limit = messageLimitBytes) {
    this.#limit = limit;
  }

  /** For the messages after the one that was yielded last: whoever has not introduced himself may say less. */
  set limit(bytes: number) {
    this.#limit = bytes;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (true) {
      while (this.#message === undefined) {
        const byte = chunk[at];
        if (byte === undefined) return;
        at += 1;
        this.#head(byte);
      }
      const message = this.#message;
      const part = chunk.subarray(at, at + message.length - this.#filled);
      message.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < message.length) return;
      this.#message = undefined;
      yield message;
    }
  }

  #head(byte: number): void {
    this.#length += (byte & 127) * 2 ** (7 * this.#lengthBytes);
    this.#lengthBytes += 1;
    if (this.#length > this.#limit || this.#lengthBytes > 5) {
      throw new SightlineError('bridge.protocol', `a message of more than ${this.#limit} bytes was announced`, {
        details: { limit: this.#limit },
      });
    }
    if (byte > 127) return;
    this.#message = new Uint8Array(this.#length);
    this.#filled = 0;
    this.#length = 0;
    this.#lengthBytes = 0;
  }
}
