import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTracer, traceField } from '../../src/core/trace.ts';

/** The example of https://www.w3.org/TR/trace-context/#examples-of-http-traceparent-headers, but for the two bits that are always set. */
const [exampleId, exampleSpan] = ['4bf92f3577b34da6a3ce929d0e0e4736', '01f067aa0ba902b7'];

describe('trace ids', () => {
  it('travel as version, id, span and the sampled flag', () => {
    const begin = createTracer(1, () => Buffer.from('4af92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7', 'hex'));
    assert.deepEqual(begin(), { id: exampleId, traceparent: `00-${exampleId}-${exampleSpan}-01` });
    assert.deepEqual(traceField(begin()), { trace: exampleId });
  });

  it('are never nothing but zeros, and never twice the same', () => {
    assert.match(createTracer(1, (size) => Buffer.alloc(size))()?.traceparent ?? '', /^00-010{30}-010{14}-01$/);
    const begin = createTracer(1);
    const many = new Set(Array.from({ length: 1000 }, () => begin()?.traceparent));
    assert.equal(many.size, 1000);
    for (const one of many) assert.match(one ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  it('are given to the share that is asked for, by the id itself', () => {
    const from = (hex: string) => (size: number) => Buffer.from(hex.padStart(32, '0').padEnd(2 * size, '0'), 'hex');
    assert.notEqual(createTracer(0.5, from('7fffffffffff'))(), undefined);
    assert.equal(createTracer(0.5, from('800000000000'))(), undefined);
    assert.notEqual(createTracer(1, from('ffffffffffff'))(), undefined);
    let asked = 0;
    const none = createTracer(0, (size) => {
      asked += 1;
      return Buffer.alloc(size);
    });
    assert.deepEqual([none(), asked], [undefined, 0], 'what is off costs no randomness');
    assert.deepEqual(traceField(none()), {});
  });
});
