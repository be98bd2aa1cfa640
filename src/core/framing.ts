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

/** Cuts a byte stream into messages; `push` throws `bridge.protocol` on a length that cannot be. Messages are copies. */
export class MessageSplitter {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #buffered = 0;

  constructor(limit = messageLimitBytes) {
    this.#limit = limit;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (true) {
      const head = this.#head();
      if (head === undefined || this.#buffered < head.size + head.length) return;
      this.#take(head.size);
      yield this.#take(head.length);
    }
  }

  #head(): { readonly size: number; readonly length: number } | undefined {
    let length = 0;
    let size = 0;
    for (const chunk of this.#chunks) {
      for (const byte of chunk) {
        length += (byte & 127) * 2 ** (7 * size);
        size += 1;
        if (length > this.#limit || size > 5) {
          throw new SightlineError('bridge.protocol', `a message of more than ${this.#limit} bytes was announced`, {
            details: { limit: this.#limit },
          });
        }
        if (byte < 128) return { size, length };
      }
    }
    return undefined;
  }

  #take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const part = chunk.subarray(0, count - filled);
      taken.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#buffered -= count;
    return taken;
  }
}
