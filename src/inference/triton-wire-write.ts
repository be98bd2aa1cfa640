import { SightlineError } from '../core/errors.ts';
import type { Tensor } from '../core/inference.ts';
import { withHead } from '../core/tensor-memory.ts';
import { elementCount, shapeText } from './tensor.ts';
import {
  bytesElementCount,
  bytesType,
  doubleType,
  elementBytes,
  type InferParameters,
  type InferRequest,
  type SharedPlace,
  varintType,
  viewOf,
} from './triton-wire.ts';

/** Requests: each in one buffer of its final size, so that a tensor is copied once, or not at all where it lies in `tensorMemory`. */

/** Triton refuses more than 2 GiB, and so does protobuf. */
const longestMessage = 2 ** 31 - 1;

/** One pass counts, the next writes: both run the same code. */
interface Sink {
  varint(value: number | bigint): void;
  text(value: string): void;
  double(value: number): void;
  bytes(value: Uint8Array): void;
}

class Counter implements Sink {
  size = 0;
  varint(value: number | bigint): void {
    this.size += varintSize(value);
  }
  text(value: string): void {
    this.size += Buffer.byteLength(value);
  }
  double(): void {
    this.size += 8;
  }
  bytes(value: Uint8Array): void {
    this.size += value.byteLength;
  }
}

class Writer implements Sink {
  readonly #out: Buffer;
  at: number;
  constructor(out: Buffer, at: number) {
    this.#out = out;
    this.at = at;
  }
  varint(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) {
      let rest = value;
      while (rest > 127) {
        this.#out[this.at++] = (rest % 128) + 128;
        rest = Math.floor(rest / 128);
      }
      this.#out[this.at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#out[this.at++] = Number(rest & 127n) + 128;
      rest >>= 7n;
    }
    this.#out[this.at++] = Number(rest);
  }
  text(value: string): void {
    this.at += this.#out.write(value, this.at, 'utf8');
  }
  double(value: number): void {
    this.at = this.#out.writeDoubleLE(value, this.at);
  }
  bytes(value: Uint8Array): void {
    this.#out.set(value, this.at);
    this.at += value.byteLength;
  }
}

function varintSize(value: number | bigint): number {
  if (typeof value === 'number' && value >= 0) {
    let size = 1;
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size += 1;
    return size;
  }
  let size = 1;
  for (let rest = BigInt.asUintN(64, BigInt(value)); rest > 127n; rest >>= 7n) size += 1;
  return size;
}

function measured(write: (sink: Sink) => void): number {
  const counter = new Counter();
  write(counter);
  return counter.size;
}

function field(sink: Sink, number: number, type: number): void {
  sink.varint(number * 8 + type);
}

function textField(sink: Sink, number: number, value: string): void {
  if (value === '') return;
  field(sink, number, bytesType);
  sink.varint(Buffer.byteLength(value));
  sink.text(value);
}

function messageField(sink: Sink, number: number, write: (sink: Sink) => void): void {
  field(sink, number, bytesType);
  sink.varint(measured(write));
  write(sink);
}

function parameterFields(sink: Sink, number: number, parameters: InferParameters): void {
  for (const [key, value] of Object.entries(parameters)) {
    messageField(sink, number, (entry) => {
      textField(entry, 1, key);
      messageField(entry, 2, (choice) => {
        if (typeof value === 'boolean') {
          field(choice, 1, varintType);
          choice.varint(value ? 1 : 0);
        } else if (typeof value === 'bigint') {
          field(choice, 2, varintType);
          choice.varint(value);
        } else if (typeof value === 'number') {
          field(choice, 4, doubleType);
          choice.double(value);
        } else {
          // A member of a oneof is written even when it is empty.
          field(choice, 3, bytesType);
          choice.varint(Buffer.byteLength(value));
          choice.text(value);
        }
      });
    });
  }
}

function inputField(sink: Sink, input: InferRequest['inputs'][number]): void {
  messageField(sink, 5, (tensor) => {
    textField(tensor, 1, input.name);
    textField(tensor, 2, input.datatype);
    if (input.shape.length > 0) {
      messageField(tensor, 3, (shape) => {
        for (const size of input.shape) shape.varint(size);
      });
    }
    const { shared } = input;
    if (shared === undefined) return;
    parameterFields(tensor, 4, {
      shared_memory_region: shared.region,
      shared_memory_byte_size: BigInt(shared.byteSize),
      ...(shared.offset === 0 ? {} : { shared_memory_offset: BigInt(shared.offset) }),
    });
  });
}

/**
 * The message, with `room` bytes in front of it for whoever frames it. Throws `inference.failed` when a tensor's bytes are not what its
 * shape says, before anything is sent.
 */
export function encodeInferRequest(request: InferRequest, room = 0): Buffer {
  for (const input of request.inputs) checkBytes(request.model, input);
  const raw = request.inputs.filter(({ shared }) => shared === undefined).map(({ data }) => viewOf(data));
  const last = raw.at(-1);
  /** Everything but the elements of the last tensor. */
  const writeHead = (sink: Sink): void => {
    textField(sink, 1, request.model);
    textField(sink, 2, request.version ?? '');
    textField(sink, 3, request.id ?? '');
    parameterFields(sink, 4, request.parameters ?? {});
    for (const input of request.inputs) inputField(sink, input);
    for (const output of request.outputs ?? []) messageField(sink, 6, (wanted) => textField(wanted, 1, output));
    for (const [index, bytes] of raw.entries()) {
      field(sink, 7, bytesType);
      sink.varint(bytes.byteLength);
      if (index < raw.length - 1) sink.bytes(bytes);
    }
  };
  const headBytes = room + measured(writeHead);
  const size = headBytes + (last?.byteLength ?? 0);
  if (size > longestMessage)
    throw new SightlineError(
      'inference.failed',
      `a request to ${request.model} of ${size} bytes is too large; at most ${longestMessage} bytes are sent`,
      { details: { model: request.model, size, limit: longestMessage } },
    );
  const inPlace = last === undefined ? undefined : withHead(last, headBytes);
  const message =
    inPlace === undefined ? Buffer.allocUnsafeSlow(size) : Buffer.from(inPlace.buffer, inPlace.byteOffset, inPlace.byteLength);
  const writer = new Writer(message, room);
  writeHead(writer);
  if (inPlace === undefined && last !== undefined) writer.bytes(last);
  return message;
}

function checkBytes(model: string, tensor: Tensor & { readonly shared?: SharedPlace }): void {
  const { name, datatype, shape, data, shared } = tensor;
  if (shared !== undefined) return;
  const count = elementCount(shape);
  const found = datatype === 'BYTES' ? bytesElementCount(data) : data.byteLength / elementBytes[datatype];
  if (found === count) return;
  throw new SightlineError(
    'inference.failed',
    `${model}: tensor "${name}" has ${found ?? 'broken'} elements for shape ${shapeText(shape)}`,
    { details: { model, tensor: name } },
  );
}
