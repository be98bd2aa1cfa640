import type { DataType, Tensor, TensorData } from '../core/inference.ts';
import { elementCount, shapeText, tensorArrays } from './tensor.ts';
import { BadAnswer } from './triton-failures.ts';
import {
  bytesElementCount,
  bytesType,
  doubleType,
  elementBytes,
  type InferAnswer,
  type InferParameters,
  varintType,
} from './triton-wire.ts';

/** Answers: their tensors are copied once, out of the message. */

/** More would be no model's: what says so could fill memory and keep the loop of events busy for seconds. */
const mostTensors = 256;
const mostAxes = 32;

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
    else if (number === 3 && type === varintType) addTo(output.shape, reader.varint(), mostAxes, 'axes in a shape');
    else if (number === 3 && type === bytesType) {
      const sizes = reader.message();
      while (!sizes.done) addTo(output.shape, sizes.varint(), mostAxes, 'axes in a shape');
    } else return false;
    return true;
  });
  return output;
}

function addTo<T>(list: T[], value: T, most: number, what: string): void {
  if (list.length === most) throw broken(`it has more than ${most} ${what}`);
  list.push(value);
}

function readParameter(reader: Reader): readonly [string, InferParameters[string]] | undefined {
  let key = '';
  let value: InferParameters[string] | undefined;
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
  return value === undefined ? undefined : [key, value];
}

/** Reads a ModelInferResponse. Throws `inference.failed` for what is broken, of an unknown data type or of another size than its shape. */
export function decodeInferAnswer(message: Buffer): InferAnswer {
  const reader = new Reader(message);
  let [model, version, id] = ['', '', ''];
  const parameters: (readonly [string, InferParameters[string]] | undefined)[] = [];
  const heads: OutputHead[] = [];
  const raw: Buffer[] = [];
  reader.each((number, type) => {
    if (type !== bytesType) return false;
    if (number === 1) model = reader.text();
    else if (number === 2) version = reader.text();
    else if (number === 3) id = reader.text();
    else if (number === 4) addTo(parameters, readParameter(reader.message()), mostTensors, 'parameters');
    else if (number === 5) addTo(heads, readOutput(reader.message()), mostTensors, 'outputs');
    else if (number === 6) addTo(raw, reader.bytes(), mostTensors, 'outputs');
    else return false;
    return true;
  });
  const outputs = heads.map((head, index) => outputTensor(model, head, raw[index]));
  return { model, version, id, parameters: Object.fromEntries(parameters.filter((one) => one !== undefined)), outputs };
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
