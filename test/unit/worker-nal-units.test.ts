import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parameterSetsOf, readConfiguration, toAnnexB } from '../../src/software-worker/nal-units.ts';

const code = [0, 0, 0, 1];
const sps = [0x67, 0x42, 0xc0, 0x1e, 9];
const pps = [0x68, 0xce, 7];
const vps = [0x40, 1, 1];
const sps265 = [0x42, 1, 2, 3];
const pps265 = [0x44, 1, 4];
const sei265 = [0x4e, 1, 5];

describe('nal units', () => {
  it('of H.264: parameter sets and the size of lengths from avcC', () => {
    const avcc = Buffer.from([1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 5, ...sps, 1, 0, 3, ...pps]);
    assert.deepEqual(readConfiguration(avcc, 'h264'), {
      parameterSets: Buffer.from([...code, ...sps, ...code, ...pps]),
      lengthBytes: 4,
    });
  });

  it('of H.265: parameter sets and nothing else from hvcC', () => {
    const head = [1, ...new Array(20).fill(0), 0xfe, 4];
    const array = (type: number, unit: readonly number[]) => [0x80 | type, 0, 1, 0, unit.length, ...unit];
    const hvcc = Buffer.from([...head, ...array(32, vps), ...array(33, sps265), ...array(39, sei265), ...array(34, pps265)]);
    assert.deepEqual(readConfiguration(hvcc, 'h265'), {
      parameterSets: Buffer.from([...code, ...vps, ...code, ...sps265, ...code, ...pps265]),
      lengthBytes: 3,
    });
  });

  it('are left as they are where a source has start codes already, with or without parameter sets aside', () => {
    const annexB = Buffer.from([0, 0, 1, ...sps, 0, 0, 0, 1, ...pps]);
    assert.deepEqual(readConfiguration(annexB, 'h264'), {
      parameterSets: Buffer.from([...code, ...sps, ...code, ...pps]),
      lengthBytes: undefined,
    });
    assert.deepEqual(readConfiguration(null, 'h264'), { parameterSets: Buffer.alloc(0), lengthBytes: undefined });
    assert.deepEqual(toAnnexB(annexB, undefined), annexB);
  });

  it('that are not what they say are refused, and never read beyond their end', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom('h264', 'h265'),
        fc.integer({ min: 1, max: 4 }),
        (bytes, coding, n) => {
          const found = readConfiguration(Buffer.from(bytes), coding);
          assert.ok(found === undefined || found.parameterSets.length <= 8 * bytes.length);
          toAnnexB(bytes, n);
          parameterSetsOf(Buffer.from(bytes), coding);
        },
      ),
    );
    assert.equal(readConfiguration(Buffer.from([1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 50, ...sps]), 'h264'), undefined);
    assert.equal(toAnnexB(Uint8Array.from([0, 0, 0, 9, 1]), 4), undefined);
  });

  it('with lengths of any size become Annex B, and the source keeps its bytes', () => {
    for (const lengthBytes of [1, 2, 3, 4]) {
      const length = (n: number) => [...new Array(lengthBytes - 1).fill(0), n];
      const source = Uint8Array.from([...length(3), 0x65, 1, 2, ...length(2), 0x41, 3]);
      const before = Uint8Array.from(source);
      assert.deepEqual(toAnnexB(source, lengthBytes), Buffer.from([...code, 0x65, 1, 2, ...code, 0x41, 3]));
      assert.deepEqual(source, before);
    }
  });

  it('parameter sets stand before the first slice, behind start codes of either length', () => {
    const unit = Buffer.from([
      0,
      0,
      1,
      9,
      0xf0,
      0,
      0,
      0,
      1,
      ...sps,
      0,
      0,
      1,
      ...pps,
      0,
      0,
      1,
      6,
      5,
      1,
      0,
      0,
      1,
      0x65,
      8,
      0,
      0,
      1,
      ...sps,
    ]);
    assert.deepEqual(parameterSetsOf(unit, 'h264'), Buffer.from([...code, ...sps, ...code, ...pps]));
    assert.equal(parameterSetsOf(Buffer.from([...code, 0x41, 1, 2]), 'h264').length, 0);
    const hevc = Buffer.from([...code, ...vps, ...code, ...sps265, ...code, ...pps265, ...code, 0x26, 1, 7]);
    assert.deepEqual(parameterSetsOf(hevc, 'h265'), hevc.subarray(0, hevc.length - 7));
  });
});
