import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { packI420, rgbFromI420 } from '../../src/software-worker/pixels.ts';

/** One 2x2 picture of one colour. */
function flat(y: number, u: number, v: number): Uint8Array {
  return Uint8Array.from([y, y, y, y, u, v]);
}

describe('I420 to RGB', () => {
  /** Studio levels of the 75 % colour bars, worked out from ITU-R BT.601 and BT.709. */
  const bars = [
    ['bt601', [180, 128, 128], [191, 191, 191]],
    ['bt601', [162, 44, 142], [191, 191, 0]],
    ['bt601', [65, 100, 212], [191, 0, 0]],
    ['bt601', [35, 212, 114], [0, 0, 191]],
    ['bt709', [134, 63, 52], [0, 191, 0]],
    ['bt709', [51, 109, 212], [191, 0, 0]],
    ['bt709', [28, 212, 120], [0, 0, 191]],
  ] as const;

  test('reads the colour bars of both matrices in limited range', () => {
    for (const [matrix, [y, u, v], expected] of bars) {
      const [r, g, b] = rgbFromI420(flat(y, u, v), 2, 2, { matrix, fullRange: false });
      for (const [index, value] of [r, g, b].entries()) {
        assert.ok(Math.abs((value ?? -9) - (expected[index] ?? 0)) <= 2, `${matrix} ${y},${u},${v}: ${r},${g},${b}`);
      }
    }
  });

  test('stretches limited range to all of black and white, and leaves full range alone', () => {
    const limited = { matrix: 'bt601', fullRange: false } as const;
    assert.deepEqual([...rgbFromI420(flat(16, 128, 128), 2, 2, limited)], Array(12).fill(0));
    assert.deepEqual([...rgbFromI420(flat(235, 128, 128), 2, 2, limited)], Array(12).fill(255));
    assert.deepEqual([...rgbFromI420(flat(16, 128, 128), 2, 2, { ...limited, fullRange: true })], Array(12).fill(16));
    assert.deepEqual([...rgbFromI420(flat(0, 128, 128), 2, 2, limited)], Array(12).fill(0), 'a mask is black in either');
  });

  test('keeps pixels where they are, with chroma of odd sides', () => {
    const rgb = rgbFromI420(Uint8Array.from([10, 20, 30, 40, 50, 60, 70, 80, 90, ...Array(8).fill(128)]), 3, 3, {
      matrix: 'bt601',
      fullRange: true,
    });
    assert.deepEqual([...rgb.filter((_, index) => index % 3 === 0)], [10, 20, 30, 40, 50, 60, 70, 80, 90]);
  });
});

describe('a piece of I420 planes', () => {
  test('has the pixels of its place, chroma at half of it, and no padding', () => {
    const plane = (width: number, height: number, stride: number, sign: number) => ({
      stride,
      data: Uint8Array.from({ length: stride * height }, (_, at) =>
        at % stride < width ? sign + 10 * Math.floor(at / stride) + (at % stride) : 255,
      ),
    });
    const planes = [plane(8, 6, 11, 0), plane(4, 3, 6, 100), plane(4, 3, 6, 150)];
    const packed = packI420(planes, { left: 2, top: 2, width: 4, height: 2 });
    assert.deepEqual([...packed], [22, 23, 24, 25, 32, 33, 34, 35, 111, 112, 161, 162]);
    const odd = packI420(planes, { left: 0, top: 4, width: 3, height: 1 });
    assert.deepEqual([...odd], [40, 41, 42, 120, 121, 170, 171]);
  });
});
