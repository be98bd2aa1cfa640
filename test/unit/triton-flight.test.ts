import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription, Tensor } from '../../src/core/inference.ts';
import { isTensorMemory, tensorMemory } from '../../src/core/tensor-memory.ts';
import { fly } from '../../src/inference/triton-flight.ts';
import type { PoolServer } from '../../src/inference/triton-pool.ts';
import type { InferRequest } from '../../src/inference/triton-wire.ts';

/** Where the tensors lie that a client is given. The client is a stand-in that only looks at them. */

const count = 20_000;
const model: ModelDescription = {
  name: 'm',
  version: '1',
  maxBatchSize: 8,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [count] }],
  outputs: [],
  parameters: {},
};

async function sent(data: Float32Array, fails = false) {
  const seen: InferRequest['inputs'][number][] = [];
  const infer = async (request: InferRequest) => {
    seen.push(...request.inputs);
    if (fails) throw new Error('no answer');
    return { model: 'm', version: '1', id: '', parameters: {}, outputs: [] };
  };
  const inputs: Tensor[] = [{ name: 'in', datatype: 'FP32', shape: [1, data.length], data }];
  const cargo = { model, requests: [{ inputs, rows: 1 }], timeoutMs: 1000, signal: new AbortController().signal };
  const server = { name: 'a:1', client: { infer } } as unknown as PoolServer;
  await fly(cargo, server, undefined, () => {}).catch(() => {});
  const [tensor] = seen;
  assert.ok(tensor);
  return tensor.data;
}

const shared = () => new Float32Array(new SharedArrayBuffer(4 * count)).fill(3);

describe('a request to a server', () => {
  it('goes out of memory that takes the head of its message, which is lent again once it was answered', async () => {
    const data = await sent(shared());
    assert.deepEqual([...data.slice(0, 2)], [3, 3]);
    assert.ok(!isTensorMemory(data), 'it was given back');
    assert.equal(tensorMemory(4 * count).buffer, data.buffer);
  });

  it('keeps that memory when nobody knows whether it is still read', async () => {
    const data = await sent(shared(), true);
    assert.ok(isTensorMemory(data));
  });

  it('is not copied where it lies well, or is small', async () => {
    const memory = tensorMemory(4 * count);
    const well = new Float32Array(memory.buffer, memory.byteOffset, count);
    assert.equal(await sent(well), well);
    assert.ok(isTensorMemory(well), 'it is its owner who gives it back');
    const small = new Float32Array(100);
    assert.equal(await sent(small), small);
  });
});
