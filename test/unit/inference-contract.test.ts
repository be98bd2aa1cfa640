import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription, Tensor } from '../../src/core/inference.ts';
import { contractDifferences, type SessionContract } from '../../src/inference/contract.ts';
import { checkInputs } from '../../src/inference/tensor.ts';

const model: ModelDescription = {
  name: 'm',
  version: '1',
  maxBatchSize: 4,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [3, 8, -1] }],
  outputs: [{ name: 'out', datatype: 'FP32', dims: [2] }],
  parameters: {},
};
const network: SessionContract = {
  inputs: [{ name: 'in', datatype: 'FP32', shape: [-1, 3, -1, -1] }],
  outputs: [{ name: 'out', datatype: 'FP32', shape: [-1, 2] }],
};

describe('contract of a model and its network', () => {
  it('lets the description be narrower than the network at the inputs', () => {
    assert.deepEqual(contractDifferences(model, network), []);
  });

  it('names every difference', () => {
    const other: SessionContract = {
      inputs: [
        { name: 'in', datatype: 'FP16', shape: [1, 3, 9, -1] },
        { name: 'more', datatype: 'FP32', shape: [1] },
      ],
      outputs: [{ name: 'score', datatype: 'FP32', shape: [-1, 2] }],
    };
    assert.deepEqual(contractDifferences(model, other), [
      'input "in" is FP16 in the network, FP32 in config.pbtxt',
      'input "in" has shape [1, 3, 9, ?] in the network, [?, 3, 8, ?] in config.pbtxt',
      'input "more" of the network is not in config.pbtxt',
      'the network has no output "out"; it has score',
    ]);
  });

  it('wants output shapes equal and a free batch axis, as a server does', () => {
    const loose = { ...network, outputs: [{ name: 'out', datatype: 'FP32', shape: [-1, -1] }] };
    assert.equal(contractDifferences(model, loose).length, 1);
    const fixed = { ...network, inputs: [{ name: 'in', datatype: 'FP32', shape: [1, 3, 8, 8] }] };
    assert.equal(contractDifferences(model, fixed).length, 1);
  });
});

describe('contract of a request', () => {
  const good: Tensor = { name: 'in', datatype: 'FP32', shape: [2, 3, 8, 5], data: new Float32Array(240) };

  it('accepts what keeps to it', () => {
    checkInputs(model, [good]);
    checkInputs({ ...model, maxBatchSize: 0, inputs: [{ name: 'in', datatype: 'FP32', dims: [-1, 3, 8, -1] }] }, [good]);
  });

  const broken: readonly (readonly [string, readonly Tensor[], RegExp])[] = [
    ['a missing input', [], /input "in" is given 0 times/],
    ['an input given twice', [good, good], /input "in" is given 2 times/],
    ['an unknown input', [good, { ...good, name: 'x' }], /there is no input "x"/],
    ['another type', [{ ...good, datatype: 'FP16' }], /is FP16, not FP32/],
    ['data of another type', [{ ...good, data: new Int32Array(240) }], /data of another type/],
    ['another shape', [{ ...good, shape: [2, 3, 9, 5] }], /has shape \[2, 3, 9, 5\], not \[\?, 3, 8, \?\]/],
    ['too few values', [{ ...good, data: new Float32Array(239) }], /has 239 values for shape/],
    ['a batch that is too large', [{ ...good, shape: [5, 3, 8, 5], data: new Float32Array(600) }], /a batch of 5, at most 4/],
    ['an empty batch', [{ ...good, shape: [0, 3, 8, 5], data: new Float32Array(0) }], /has shape/],
  ];
  for (const [what, inputs, message] of broken) {
    it(`refuses ${what}`, () => {
      assert.throws(() => checkInputs(model, inputs), { code: 'inference.failed', message });
    });
  }
});
