import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor } from '../../src/core/inference.ts';
import { alike, cutInputs, cutOutputs, joinInputs, joinOutputs } from '../../src/inference/batches.ts';

const rows = (values: readonly number[], name = 'in'): Tensor => ({
  name,
  datatype: 'INT64',
  shape: [values.length, 1],
  data: BigInt64Array.from(values.map(BigInt)),
});

describe('batches', () => {
  it('join what is alike but for its rows', () => {
    assert.equal(alike([rows([1])], [rows([2, 3])]), true);
    assert.equal(alike([rows([1])], [rows([2], 'other')]), false);
    assert.equal(alike([rows([1])], [{ ...rows([1]), shape: [1, 1, 1] }]), false);
    assert.equal(alike([rows([1])], [rows([1]), rows([1], 'second')]), false);
    assert.deepEqual(
      joinInputs([
        [rows([1]), rows([4], 'b')],
        [rows([2, 3]), rows([5, 6], 'b')],
      ]),
      [rows([1, 2, 3]), rows([4, 5, 6], 'b')],
    );
  });

  it('are cut into parts and their answers joined again', () => {
    const parts = [0, 2, 4].map((from) => cutInputs([rows([1, 2, 3, 4, 5])], from, Math.min(2, 5 - from)));
    assert.deepEqual(parts, [[rows([1, 2])], [rows([3, 4])], [rows([5])]]);
    const answers = parts.map((part) => new Map((part ?? []).map((tensor) => ['out', { ...tensor, name: 'out' }])));
    assert.deepEqual(joinOutputs(answers), new Map([['out', rows([1, 2, 3, 4, 5], 'out')]]));
    const texts: Tensor = { name: 't', datatype: 'BYTES', shape: [1], data: new Uint8Array(4) };
    assert.equal(cutInputs([texts], 0, 1), undefined, 'elements of any length have no rows');
  });

  it('are taken apart into rows of their own, and refused when an answer has another number', () => {
    const outputs = new Map([['out', rows([1, 2, 3], 'out')]]);
    const cut = cutOutputs('m', outputs, 1, 2, 3).get('out');
    assert.deepEqual(cut, rows([2, 3], 'out'));
    assert.notEqual(cut?.data.buffer, outputs.get('out')?.data.buffer);
    assert.throws(() => cutOutputs('m', outputs, 0, 1, 4), /"out" has 3 rows for a batch of 4/);
  });
});
