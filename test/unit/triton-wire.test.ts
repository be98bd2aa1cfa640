import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataType, Tensor } from '../../src/core/inference.ts';
import { tensorMemory } from '../../src/core/tensor-memory.ts';
import { tensorArrays } from '../../src/inference/tensor.ts';
import { type InferRequest, joinBytes, splitBytes } from '../../src/inference/triton-wire.ts';
import { decodeInferAnswer, decodeStreamAnswer } from '../../src/inference/triton-wire-read.ts';
import { encodeInferRequest } from '../../src/inference/triton-wire-write.ts';
import { readGolden } from '../support/golden.ts';

interface WireGolden {
  readonly raw: Readonly<Record<DataType, string>>;
  readonly shapes: Readonly<Record<DataType, readonly number[]>>;
  readonly requests: Readonly<Record<string, { readonly base64: string; readonly zeros: number }>>;
  readonly answers: Readonly<Record<string, string>>;
  readonly streamed: Readonly<Record<string, string>>;
}

const golden = readGolden<WireGolden>('triton-wire');
const dataTypes = Object.keys(golden.raw) as DataType[];

function tensor(datatype: DataType, prefix = 'in_'): Tensor {
  const bytes = new Uint8Array(Buffer.from(golden.raw[datatype], 'base64'));
  return { name: prefix + datatype, datatype, shape: golden.shapes[datatype], data: new tensorArrays[datatype](bytes.buffer) };
}

function goldenRequest(name: string): Buffer {
  const { base64, zeros } = golden.requests[name] ?? { base64: '', zeros: 0 };
  assert.notEqual(base64, '', name);
  return Buffer.concat([Buffer.from(base64, 'base64'), Buffer.alloc(zeros)]);
}

function zeros(count: number): InferRequest {
  return { model: 'm', inputs: [{ name: 'pixels', datatype: 'UINT8', shape: [count], data: new Uint8Array(count) }] };
}

describe('requests on the wire', () => {
  const parameters: Readonly<Record<string, boolean | bigint | string | number>> = {
    timeout: 250_000n,
    negative: -5n,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    empty: '',
    sequence_end: true,
    off: false,
    weight: -0.1,
  };
  const requests: Readonly<Record<string, InferRequest>> = {
    'one input': { model: 'm', inputs: [tensor('FP32')] },
    'every data type': { model: 'all', version: '3', id: 'request-1', inputs: dataTypes.map((type) => tensor(type)) },
    'chosen outputs': { model: 'm', id: 'x', inputs: [tensor('UINT8')], outputs: ['boxes', 'scores'] },
    'an input in shared memory': {
      model: 'm',
      inputs: [{ ...tensor('FP32'), shared: { region: 'sightline-1', offset: 4096, byteSize: 24 } }, tensor('INT32')],
    },
    ...Object.fromEntries(
      Object.entries(parameters).map(([key, value]) => [
        `parameter ${key}`,
        { model: 'm', inputs: [tensor('BOOL')], parameters: { [key]: value } },
      ]),
    ),
    ...Object.fromEntries([127, 128, 16_384, 2_097_152].map((count) => [`${count} zeros`, zeros(count)])),
  };
  for (const [name, request] of Object.entries(requests)) {
    it(`are those of Python's protobuf: ${name}`, () => {
      assertMessage(encodeInferRequest(request), goldenRequest(name), request);
    });
  }

  it('cover every golden request', () => {
    assert.deepEqual(Object.keys(requests).sort(), Object.keys(golden.requests).sort());
  });

  it('take a tensor where it lies when there is room in front of it', () => {
    const memory = tensorMemory(24);
    const { data, ...head } = tensor('FP32');
    memory.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const placed = new Float32Array(memory.buffer, memory.byteOffset, 6);
    const request = { model: 'm', inputs: [{ ...head, data: placed }] };
    const message = encodeInferRequest(request);
    assert.equal(message.buffer, memory.buffer);
    assert.deepEqual(message, goldenRequest('one input'));
    assert.deepEqual(encodeInferRequest(request), message, 'once more, as for another server');
    assert.deepEqual(placed, data);
    const long = encodeInferRequest({ ...request, id: 'i'.repeat(1000) });
    assert.notEqual(long.buffer, memory.buffer, 'a head that does not fit');
    const part = encodeInferRequest({ model: 'm', inputs: [{ ...head, shape: [5], data: placed.subarray(1) }] });
    assert.notEqual(part.buffer, memory.buffer, 'a part of the memory');
  });

  it('read a tensor from shared memory', () => {
    const shared = new Float32Array(new SharedArrayBuffer(24));
    shared.set(tensor('FP32').data as Float32Array);
    assert.deepEqual(
      encodeInferRequest({ model: 'm', inputs: [{ ...tensor('FP32'), data: shared }] }),
      goldenRequest('one input'),
    );
  });

  it('refuse a tensor whose bytes are not what its shape says', () => {
    const wrong = { ...tensor('FP32'), shape: [2, 4] };
    assert.throws(() => encodeInferRequest({ model: 'm', inputs: [wrong] }), /"in_FP32" has 6 elements for shape \[2, 4\]/);
    const cut = { ...tensor('BYTES'), data: new Uint8Array([9, 0, 0, 0, 1]) };
    assert.throws(() => encodeInferRequest({ model: 'm', inputs: [cut] }), /broken elements/);
  });
});

describe('answers on the wire', () => {
  it('give every data type of Python’s protobuf', () => {
    const answer = decodeInferAnswer(goldenAnswer('every data type'));
    assert.deepEqual({ ...answer.parameters }, { triton_final_response: true });
    const { model, version, id } = answer;
    assert.deepEqual({ model, version, id }, { model: 'all', version: '12', id: 'request-1' });
    assert.deepEqual(
      answer.outputs,
      dataTypes.map((type) => tensor(type, 'out_')),
    );
    for (const { data } of answer.outputs) assert.equal(data.byteLength, data.buffer.byteLength, 'a buffer of its own');
  });

  it('may hold no outputs, and outputs without rows', () => {
    const flag = decodeInferAnswer(goldenAnswer('nothing but a flag'));
    assert.deepEqual([flag.outputs, flag.id, flag.parameters['triton_final_response']], [[], '7', true]);
    const [none] = decodeInferAnswer(goldenAnswer('no rows')).outputs;
    assert.deepEqual([none?.shape, none?.data.length], [[0, 4], 0]);
  });

  it('are refused in words when they cannot be used', () => {
    assert.throws(() => decodeInferAnswer(goldenAnswer('a data type that is not read')), /"out" of odd is FP64; read are FP32/);
    assert.throws(
      () => decodeInferAnswer(goldenAnswer('fewer elements than its shape says')),
      /"out" of short has 1 elements for shape \[2\]/,
    );
  });

  it('are refused with an error of ours wherever they are cut or changed', () => {
    const whole = goldenAnswer('every data type');
    for (let length = 0; length < whole.length; length += 1) readOrRefuse(whole.subarray(0, length));
    for (let at = 0; at < whole.length; at += 1) {
      for (const flip of [1, 0x80, 0xff]) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ flip;
        readOrRefuse(changed);
      }
    }
  });

  it('are refused when they have more parts than any model has', () => {
    const many = (part: Uint8Array) => Buffer.concat(Array.from({ length: 300 }, () => part));
    const shape = many(Uint8Array.of(1));
    const head = Uint8Array.of(0x1a, (shape.length % 128) + 128, Math.floor(shape.length / 128), ...shape);
    const bombs: readonly (readonly [Buffer, RegExp])[] = [
      [many(Uint8Array.of(0x2a, 0)), /more than 256 outputs/],
      [many(Uint8Array.of(0x32, 0)), /more than 256 outputs/],
      [many(Uint8Array.of(0x22, 0)), /more than 256 parameters/],
      [Buffer.concat([Uint8Array.of(0x2a, (head.length % 128) + 128, Math.floor(head.length / 128)), head]), /32 axes/],
      [Buffer.concat([Uint8Array.of(0x2a, 80), many(Uint8Array.of(0x18, 1)).subarray(0, 80)]), /32 axes/],
    ];
    for (const [message, words] of bombs)
      assert.throws(() => decodeInferAnswer(message), { code: 'inference.failed', message: words });
  });

  it('of a stream are an answer or an error with the id of its request', () => {
    assert.deepEqual(decodeStreamAnswer(Buffer.from(golden.streamed['an error'] ?? '', 'base64')), {
      error: 'no such thing',
      id: '5',
    });
    const streamed = decodeStreamAnswer(Buffer.from(golden.streamed['an answer'] ?? '', 'base64'));
    assert.ok('answer' in streamed);
    assert.equal(streamed.answer.id, '6');
  });
});

describe('elements of BYTES', () => {
  it('are joined and split as Triton does', () => {
    const elements = ['', 'grün', Uint8Array.of(0, 255)];
    const joined = joinBytes(elements);
    assert.equal(Buffer.from(joined).toString('base64'), golden.raw.BYTES);
    assert.deepEqual(
      splitBytes(joined)?.map((element) => Buffer.from(element).toString('latin1')),
      ['', Buffer.from('grün').toString('latin1'), '\x00\xff'],
    );
    assert.equal(splitBytes(joined.subarray(0, joined.length - 1)), undefined);
  });
});

function goldenAnswer(name: string): Buffer {
  const text = golden.answers[name];
  assert.ok(text !== undefined, name);
  return Buffer.from(text, 'base64');
}

function readOrRefuse(message: Buffer): void {
  try {
    decodeInferAnswer(message);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'inference.failed', String(error));
  }
}

/** Parameters of a map may come in any order: Python sorts them. Sets of a few bytes are compared instead. */
function assertMessage(found: Buffer, wanted: Buffer, request: InferRequest): void {
  const sorted = request.inputs.some(({ shared }) => shared !== undefined);
  if (sorted) assert.deepEqual([...found].sort(), [...wanted].sort());
  else assert.ok(found.equals(wanted), `${found.subarray(0, 200).toString('hex')}\n${wanted.subarray(0, 200).toString('hex')}`);
}
