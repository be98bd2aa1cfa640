import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Corner, createMask } from '../../src/software-worker/masks.ts';

function blackRgb(polygons: readonly (readonly Corner[])[], width: number, height: number): boolean[] {
  const data = new Uint8Array(width * height * 3).fill(200);
  createMask(polygons, width, height).blackenRgb(data);
  return Array.from({ length: width * height }, (_, i) => {
    const values = [data[3 * i], data[3 * i + 1], data[3 * i + 2]];
    assert.ok(values.every((value) => value === 0) || values.every((value) => value === 200));
    return values[0] === 0;
  });
}

/** Even-odd test of a point. */
function inside(corners: readonly Corner[], x: number, y: number): boolean {
  let odd = false;
  for (const [i, [ax, ay]] of corners.entries()) {
    const [bx, by] = corners[(i + 1) % corners.length] ?? [ax, ay];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const polygon = fc.array(fc.tuple(fraction, fraction), { minLength: 3, maxLength: 8 });

describe('mask', () => {
  it('blackens exactly a rectangle on even pixels', () => {
    const black = blackRgb(
      [
        [
          [0, 0],
          [0.2, 0],
          [0.2, 1],
          [0, 1],
        ],
      ],
      20,
      10,
    );
    assert.deepEqual(
      black,
      Array.from({ length: 200 }, (_, i) => i % 20 < 4),
    );
  });

  it('blackens every pixel that any polygon touches, crossing itself or not', () => {
    fc.assert(
      fc.property(
        fc.array(polygon, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 3, max: 41 }),
        fc.integer({ min: 3, max: 33 }),
        fc.array(fc.tuple(fraction, fraction), { minLength: 200, maxLength: 200 }),
        (polygons, width, height, points) => {
          const black = blackRgb(polygons, width, height);
          for (const [x, y] of points) {
            if (!polygons.some((corners) => inside(corners, x, y))) continue;
            const pixel = Math.min(height - 1, Math.floor(y * height)) * width + Math.min(width - 1, Math.floor(x * width));
            assert.ok(black[pixel], `${x * width} ${y * height} of ${width}x${height}`);
          }
        },
      ),
    );
  });

  it('blackens every pixel along the edges', () => {
    fc.assert(
      fc.property(polygon, fc.integer({ min: 3, max: 41 }), fc.integer({ min: 3, max: 33 }), (corners, width, height) => {
        const black = blackRgb([corners], width, height);
        for (const [i, [ax, ay]] of corners.entries()) {
          const [bx, by] = corners[(i + 1) % corners.length] ?? [ax, ay];
          for (let t = 0; t <= 1; t += 1 / 64) {
            for (const [dx, dy] of [
              [1, 1],
              [1, -1],
              [-1, 1],
              [-1, -1],
            ] as const) {
              const x = ax + t * (bx - ax) + (dx * 1e-4) / width;
              const y = ay + t * (by - ay) + (dy * 1e-4) / height;
              if (x < 0 || y < 0 || x >= 1 || y >= 1 || !inside(corners, x, y)) continue;
              assert.ok(black[Math.floor(y * height) * width + Math.floor(x * width)], `${x * width} ${y * height}`);
            }
          }
        }
      }),
    );
  });

  it('blackens what a line drawn across itself encloses, the middle of a star too', () => {
    const star = [0, 2, 4, 1, 3].map((i): Corner => {
      const angle = (i * 2 * Math.PI) / 5 - Math.PI / 2;
      return [0.5 + 0.5 * Math.cos(angle), 0.5 + 0.5 * Math.sin(angle)];
    });
    assert.equal(inside(star, 0.5, 0.5), false);
    assert.equal(blackRgb([star], 100, 100)[50 * 100 + 50], true);
  });

  it('is larger than the polygon by less than two pixels', () => {
    const black = blackRgb(
      [
        [
          [0.25, 0.25],
          [0.75, 0.25],
          [0.5, 0.75],
        ],
      ],
      64,
      64,
    );
    const area = black.filter(Boolean).length;
    assert.ok(area >= (32 * 32) / 2 && area < (36 * 36) / 2 + 2 * 36, `${area} pixels`);
    assert.equal(black[0], false);
  });

  it('covers the same blocks in I420 and NV12 as in RGB, with strides and odd sizes', () => {
    fc.assert(
      fc.property(
        polygon,
        fc.integer({ min: 2, max: 31 }),
        fc.integer({ min: 2, max: 23 }),
        fc.integer({ min: 0, max: 9 }),
        (corners, width, height, pad) => {
          const black = blackRgb([corners], width, height);
          const halfWidth = Math.ceil(width / 2);
          const halfHeight = Math.ceil(height / 2);
          const plane = (w: number, h: number) => ({ data: new Uint8Array((w + pad) * h).fill(77), stride: w + pad });
          const i420 = [plane(width, height), plane(halfWidth, halfHeight), plane(halfWidth, halfHeight)] as const;
          const nv12 = [plane(width, height), plane(2 * halfWidth, halfHeight)] as const;
          const mask = createMask([corners], width, height);
          mask.blackenI420(i420);
          mask.blackenNv12(nv12);
          assert.equal(mask.empty, !black.includes(true));
          for (let y = 0; y < height; y += 1) {
            for (let x = 0; x < width + pad; x += 1) {
              const expected = x < width && black[y * width + x] ? 0 : 77;
              assert.equal(i420[0].data[y * i420[0].stride + x], expected);
              assert.equal(nv12[0].data[y * nv12[0].stride + x], expected);
            }
          }
          for (let y = 0; y < halfHeight; y += 1) {
            for (let x = 0; x < halfWidth + pad; x += 1) {
              const expected = x < halfWidth && black[2 * y * width + 2 * x] ? 128 : 77;
              assert.equal(i420[1].data[y * i420[1].stride + x], expected);
              assert.equal(i420[2].data[y * i420[2].stride + x], expected);
              if (x < halfWidth) {
                assert.equal(nv12[1].data[y * nv12[1].stride + 2 * x], expected);
                assert.equal(nv12[1].data[y * nv12[1].stride + 2 * x + 1], expected);
              }
            }
          }
        },
      ),
    );
  });

  it('does nothing without polygons', () => {
    const mask = createMask([], 8, 8);
    assert.equal(mask.empty, true);
    const data = new Uint8Array(192).fill(9);
    mask.blackenRgb(data);
    assert.ok(data.every((value) => value === 9));
  });
});
