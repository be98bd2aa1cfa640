import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allFinite } from '../../src/inference/tensor.ts';

describe('values of a tensor', () => {
  const large = 3.4e38;
  for (const [values, finite] of [
    [[], true],
    [[0, -1.5, large, large], true],
    [[1, Number.NaN, 2], false],
    [[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], false],
  ] as const)
    it(`of 32 bits [${values.join(', ')}] are ${finite ? 'all' : 'not all'} finite`, () =>
      assert.equal(allFinite({ datatype: 'FP32', data: Float32Array.from(values) }), finite));

  // IEEE 754 binary16: 65504 is the largest number, then come infinity and what is none.
  for (const [bits, finite] of [
    [[0x0000, 0x8000, 0x3c00, 0x7bff, 0xfbff], true],
    [[0x3c00, 0x7c00], false],
    [[0xfc00], false],
    [[0x7e00], false],
  ] as const)
    it(`of 16 bits [${bits.map((value) => value.toString(16)).join(', ')}] are ${finite ? 'all' : 'not all'} finite`, () =>
      assert.equal(allFinite({ datatype: 'FP16', data: Uint16Array.from(bits) }), finite));

  it('of whole numbers are', () => assert.ok(allFinite({ datatype: 'INT32', data: Int32Array.of(0x7f800000, -1) })));
});
