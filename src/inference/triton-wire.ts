import { SightlineError } from '../core/errors.ts';
import type { DataType, Tensor, TensorData } from '../core/inference.ts';
import { withHead } from '../core/tensor-memory.ts';
import { elementCount, shapeText, tensorArrays } from './tensor.ts';
import { BadAnswer } from './triton-failures.ts';

/**
 * ModelInferRequest and ModelInferResponse of proto/inference/grpc_service.proto by hand: a request is written into one buffer of
 * its final size, so that a tensor is copied once, or not at all where it lies in `tensorMemory`; an answer's tensors are copied
 * once, out of the message. Wire format: https://protobuf.dev/programming-guides/encoding/
 */

/** A `bigint` travels as int64_param, a `number` as double_param. */
export type InferParameters = Readonly<Record<string, boolean | bigint | string | number>>;

/** Where a tensor lies instead of in the message. */
export interface SharedPlace {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

export interface InferRequest {
  readonly model: string;
  /** Absent: the server's choice, the highest. */
  readonly version?: string;
  readonly id?: string;
  readonly parameters?: InferParameters;
  readonly inputs: readonly (Tensor & { readonly shared?: SharedPlace })[];
  /** Names of the outputs that are wanted; absent: all. */
  readonly outputs?: readonly string[];
}

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: InferParameters;
  readonly outputs: readonly Tensor[];
}

/** Triton refuses more than 2 GiB, and so does protobuf. */
const longestMessage = 2 ** 31 - 1;

/** Bytes of the elements of each data type; BYTES have no size of their own. */
const elementBytes = { FP32: 4, FP16: 2, INT32: 4, INT64: 8, UINT8: 1, BOOL: 1, BYTES: 0 } as const satisfies Readonly<
  Record<DataType, number>
>;

// ---- writing ----

const bytesType = 2;
const varintType = 0;
const doubleType = 1;

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

function viewOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
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

// ---- elements of BYTES ----

/** Elements of a BYTES tensor, each behind its length in 4 bytes, as KServe's binary tensor data. */
export function joinBytes(elements: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const parts = elements.map((element) => (typeof element === 'string' ? Buffer.from(element) : element));
  const out = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + 4 + byteLength, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.byteLength, true);
    out.set(part, at + 4);
    at += 4 + part.byteLength;
  }
  return out;
}

/** The elements of a BYTES tensor; undefined where a length leads past the end. */
export function splitBytes(data: TensorData): readonly Uint8Array[] | undefined {
  const bytes = viewOf(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    if (at + 4 > bytes.byteLength) return undefined;
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.byteLength) return undefined;
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

function bytesElementCount(data: TensorData): number | undefined {
  return splitBytes(data)?.length;
}

// ---- reading ----

function broken(what: string): BadAnswer {
  return new BadAnswer(`the server's answer cannot be read: ${what}`);
}

/** Reads a message field by field; `end` and every length are held against what is there. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** A varint of up to 64 bits; negative ones are not expected here and read as large. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
      if (byte === undefined) throw broken('it ends within a number');
      this.#at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw broken('a number is longer than ten bytes');
  }

  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
      if (byte === undefined) throw broken('it ends within a number');
      this.#at += 1;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw broken('a number is longer than ten bytes');
  }

  double(): number {
    this.#need(8);
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  bytes(): Buffer {
    const length = this.varint();
    this.#need(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  message(): Reader {
    return new Reader(this.bytes());
  }

  skip(type: number): void {
    if (type === varintType) this.varint64();
    else if (type === bytesType) this.bytes();
    else if (type === doubleType || type === 5) {
      const length = type === 5 ? 4 : 8;
      this.#need(length);
      this.#at += length;
    } else throw broken(`wire type ${type} is not used in proto3`);
  }

  #need(length: number): void {
    if (length > this.#end - this.#at) throw broken(`a field of ${length} bytes reaches past its end`);
  }

  /** Calls `read` for each field; what it does not take (returns false) is skipped. */
  each(read: (number: number, type: number) => boolean): void {
    while (!this.done) {
      const tag = this.varint();
      const type = tag % 8;
      if (!read(Math.floor(tag / 8), type)) this.skip(type);
    }
  }
}

interface OutputHead {
  name: string;
  datatype: string;
  shape: number[];
}

function readOutput(reader: Reader): OutputHead {
  const output: OutputHead = { name: '', datatype: '', shape: [] };
  reader.each((number, type) => {
    if (number === 1 && type === bytesType) output.name = reader.text();
    else if (number === 2 && type === bytesType) output.datatype = reader.text();
    else if (number === 3 && type === varintType) output.shape.push(reader.varint());
    else if (number === 3 && type === bytesType) {
      const sizes = reader.message();
      while (!sizes.done) output.shape.push(sizes.varint());
    } else return false;
    return true;
  });
  return output;
}

function readParameter(reader: Reader, into: Record<string, boolean | bigint | string | number>): void {
  let key = '';
  let value: boolean | bigint | string | number | undefined;
  reader.each((number, type) => {
    if (number === 1 && type === bytesType) {
      key = reader.text();
      return true;
    }
    if (number !== 2 || type !== bytesType) return false;
    const choice = reader.message();
    choice.each((member, memberType) => {
      if (member === 1 && memberType === varintType) value = choice.varint() !== 0;
      else if ((member === 2 || member === 5) && memberType === varintType) value = choice.varint64();
      else if (member === 3 && memberType === bytesType) value = choice.text();
      else if (member === 4 && memberType === doubleType) value = choice.double();
      else return false;
      return true;
    });
    return true;
  });
  if (value !== undefined) into[key] = value;
}

/** Reads a ModelInferResponse. Throws `inference.failed` for what is broken, of an unknown data type or of another size than its shape. */
export function decodeInferAnswer(message: Buffer): InferAnswer {
  const reader = new Reader(message);
  let [model, version, id] = ['', '', ''];
  const parameters: Record<string, boolean | bigint | string | number> = Object.create(null);
  const heads: OutputHead[] = [];
  const raw: Buffer[] = [];
  reader.each((number, type) => {
    if (type !== bytesType) return false;
    if (number === 1) model = reader.text();
    else if (number === 2) version = reader.text();
    else if (number === 3) id = reader.text();
    else if (number === 4) readParameter(reader.message(), parameters);
    else if (number === 5) heads.push(readOutput(reader.message()));
    else if (number === 6) raw.push(reader.bytes());
    else return false;
    return true;
  });
  const outputs = heads.map((head, index) => outputTensor(model, head, raw[index]));
  return { model, version, id, parameters, outputs };
}

/** Reads a ModelStreamInferResponse: an answer, or the words of an error that concerns the request of that id. */
export function decodeStreamAnswer(
  message: Buffer,
): { readonly answer: InferAnswer } | { readonly error: string; readonly id: string } {
  const reader = new Reader(message);
  let error = '';
  let answer: Buffer | undefined;
  reader.each((number, type) => {
    if (type !== bytesType) return false;
    if (number === 1) error = reader.text();
    else if (number === 2) answer = reader.bytes();
    else return false;
    return true;
  });
  const decoded = decodeInferAnswer(answer ?? Buffer.alloc(0));
  return error === '' ? { answer: decoded } : { error, id: decoded.id };
}

function isDataType(text: string): text is DataType {
  return Object.hasOwn(elementBytes, text);
}

function outputTensor(model: string, head: OutputHead, raw: Buffer | undefined): Tensor {
  const { name, datatype, shape } = head;
  if (!isDataType(datatype))
    throw broken(`output "${name}" of ${model} is ${datatype}; read are ${Object.keys(elementBytes).join(', ')}`);
  if (raw === undefined) throw broken(`output "${name}" of ${model} has no elements in the message`);
  const data = ownElements(datatype, raw);
  const count = datatype === 'BYTES' ? bytesElementCount(data) : raw.byteLength / elementBytes[datatype];
  if (count !== elementCount(shape))
    throw broken(`output "${name}" of ${model} has ${count ?? 'broken'} elements for shape ${shapeText(shape)}`);
  return { name, datatype, shape, data };
}

/** A copy with a buffer of its own: in the message elements lie unaligned and would keep all of it alive. */
function ownElements(datatype: DataType, raw: Buffer): TensorData {
  const bytes = new Uint8Array(raw);
  const size = elementBytes[datatype];
  if (size > 1 && bytes.byteLength % size !== 0) throw broken(`${bytes.byteLength} bytes are no whole ${datatype} elements`);
  return size > 1 ? new tensorArrays[datatype](bytes.buffer) : bytes;
}
