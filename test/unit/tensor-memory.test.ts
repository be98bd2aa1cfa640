import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { giveTensorBack, tensorMemory, withHead } from '../../src/core/tensor-memory.ts';

const mib = 2 ** 20;

describe('memory of tensors', () => {
  it('is lent again once it was given back, zeroed', () => {
    const first = tensorMemory(48).fill(7);
    const { buffer } = first;
    giveTensorBack(new Float32Array(buffer, first.byteOffset, 12));
    const again = tensorMemory(48);
    assert.equal(again.buffer, buffer);
    assert.ok(again.every((value) => value === 0));
    assert.notEqual(tensorMemory(48).buffer, buffer, 'it is lent once only');
  });

  it('takes back a whole tensor once, and nothing else', () => {
    const one = tensorMemory(56);
    giveTensorBack(one.subarray(8));
    giveTensorBack(new Uint8Array(56));
    giveTensorBack(new Uint8Array(new SharedArrayBuffer(56)));
    assert.notEqual(tensorMemory(56).buffer, one.buffer);
    giveTensorBack(one);
    giveTensorBack(one);
    const [again, other] = [tensorMemory(56), tensorMemory(56)];
    assert.equal(again.buffer, one.buffer);
    assert.notEqual(other.buffer, one.buffer);
  });

  it('has no room for a head any more once it was given back', () => {
    const one = tensorMemory(64);
    assert.equal(withHead(one, 100)?.byteLength, 164);
    giveTensorBack(one);
    assert.equal(withHead(one, 100), undefined);
  });

  it('keeps a bounded part of what it gets, of the sizes that were used last', () => {
    const large = Array.from({ length: 7 }, (_, at) => tensorMemory(6 * mib + at));
    for (const one of large) giveTensorBack(one);
    const again = large.map((_, at) => tensorMemory(6 * mib + at));
    const same = large.map((one, at) => again[at]?.buffer === one.buffer);
    assert.deepEqual(same, [false, false, true, true, true, true, true]);
    const huge = tensorMemory(40 * mib);
    giveTensorBack(huge);
    assert.notEqual(tensorMemory(40 * mib).buffer, huge.buffer);
  });
});
