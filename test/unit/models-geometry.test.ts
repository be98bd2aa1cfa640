import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FivePoints } from '../../src/core/types.ts';
import { faceTemplate112, fitSimilarity, type Similarity, scaledTemplate, warpPixels } from '../../src/models/align.ts';
import { planFit, roundHalfEven, roundUp } from '../../src/models/fit.ts';
import { suppress } from '../../src/models/nms.ts';
import { cut, type Interpolation, resize } from '../../src/models/resize.ts';
import { goldenPicture, readGolden } from '../support/golden.ts';

type Pair = readonly [number, number];

function near(actual: number | undefined, expected: number | undefined, tolerance: number, what = ''): void {
  const difference = Math.abs((actual ?? Number.NaN) - (expected ?? Number.NaN));
  assert.ok(difference <= tolerance, `${what}: ${actual} is not within ${tolerance} of ${expected}`);
}

function five(points: readonly (readonly number[])[]): FivePoints {
  const [a, b, c, d, e] = points.map(([x = 0, y = 0]) => ({ x, y }));
  assert.ok(a && b && c && d && e);
  return [a, b, c, d, e];
}

describe('fitting a frame into an input', () => {
  interface Case {
    readonly source: Pair;
    readonly side: number;
    readonly gain: number;
    readonly content: Pair;
    readonly left_right: Pair;
    readonly top_bottom: Pair;
    readonly points: readonly { readonly input: Pair; readonly source: Pair }[];
  }
  const { cases } = readGolden<{ cases: readonly Case[] }>('letterbox');

  for (const golden of cases) {
    const [width, height] = golden.source;
    it(`letterboxes ${width} x ${height} like the reference`, () => {
      const fit = planFit('letterbox', { width, height }, { width: golden.side, height: golden.side });
      assert.deepEqual([fit.content.width, fit.content.height], golden.content);
      assert.deepEqual([fit.left, golden.side - fit.content.width - fit.left], golden.left_right);
      assert.deepEqual([fit.top, golden.side - fit.content.height - fit.top], golden.top_bottom);
      for (const point of golden.points) {
        const clip = (value: number, limit: number) => Math.min(limit, Math.max(0, value));
        near(clip((point.input[0] - fit.shiftX) * fit.scaleX, width), point.source[0], 1e-6, 'x');
        near(clip((point.input[1] - fit.shiftY) * fit.scaleY, height), point.source[1], 1e-6, 'y');
      }
    });
  }

  it('stretches each axis by itself', () => {
    const fit = planFit('stretch', { width: 1920, height: 1080 }, { width: 640, height: 384 });
    assert.deepEqual(fit.content, { width: 640, height: 384 });
    assert.deepEqual([fit.scaleX, fit.scaleY, fit.left, fit.top, fit.shiftX, fit.shiftY], [3, 2.8125, 0, 0, 0, 0]);
  });

  it('rounds halves to even and sizes up to a multiple', () => {
    assert.deepEqual([0.5, 1.5, 2.5, -0.5, 2.4, 2.6].map(roundHalfEven), [0, 2, 2, 0, 2, 3]);
    assert.deepEqual(
      [0, 1, 32, 33, 360].map((value) => roundUp(value, 32)),
      [32, 32, 32, 64, 384],
    );
  });
});

describe('suppression', () => {
  interface Golden {
    readonly boxes: readonly (readonly number[])[];
    readonly scores: readonly number[];
    readonly kept: readonly { readonly iou: number; readonly extra: number; readonly kept: readonly number[] }[];
  }
  const golden = readGolden<Golden>('suppression');

  for (const { iou, extra, kept } of golden.kept) {
    it(`keeps the same boxes as the reference at IoU ${iou} with ${extra} added`, () => {
      assert.deepEqual(suppress(golden.boxes.flat(), golden.scores, { iou, extra }), kept);
    });
  }

  it('lets boxes of different classes lie over each other', () => {
    const boxes = [0, 0, 10, 10, 0, 0, 10, 10, 1, 1, 11, 11];
    assert.deepEqual(suppress(boxes, [0.5, 0.9, 0.8], { iou: 0.3, classes: [0, 1, 1] }), [1, 0]);
  });

  it('keeps at most as many as asked, the best ones', () => {
    const boxes = [0, 0, 9, 9, 20, 0, 29, 9, 40, 0, 49, 9];
    assert.deepEqual(suppress(boxes, [0.1, 0.3, 0.2], { iou: 0.5, limit: 2 }), [1, 2]);
  });

  it('removes nothing when boxes have no area', () => {
    assert.deepEqual(suppress([5, 5, 5, 5, 5, 5, 5, 5], [1, 0.5], { iou: 0.1 }), [0, 1]);
  });
});

describe('face alignment', () => {
  interface Golden {
    readonly template224: readonly (readonly number[])[];
    readonly matrices: readonly {
      readonly points: readonly (readonly number[])[];
      readonly to112: readonly (readonly number[])[];
      readonly to224: readonly (readonly number[])[];
    }[];
    readonly warps: readonly {
      readonly picture: string;
      readonly size: Pair;
      readonly points: readonly (readonly number[])[];
      readonly mean: readonly number[];
      readonly samples: readonly (readonly number[])[];
    }[];
  }
  const golden = readGolden<Golden>('alignment');
  const plain = { gain: [1, 1, 1], bias: [0, 0, 0], colour: 'rgb', layout: 'nhwc' } as const;

  function matrix({ a, b, shiftX, shiftY }: Similarity): readonly number[] {
    return [a, -b, shiftX, b, a, shiftY];
  }

  it('finds the same transform as the singular value decomposition, mirrored faces included', () => {
    const template224 = scaledTemplate(172 / 112, { x: 26, y: 17 });
    for (const [index, { x, y }] of template224.entries()) {
      near(x, golden.template224[index]?.[0], 1e-4);
      near(y, golden.template224[index]?.[1], 1e-4);
    }
    for (const { points, to112, to224 } of golden.matrices) {
      for (const [template, expected] of [
        [faceTemplate112, to112],
        [template224, to224],
      ] as const) {
        const found = fitSimilarity(five(points), template);
        assert.ok(found);
        for (const [index, value] of matrix(found).entries()) near(value, expected.flat()[index], 2e-4, `value ${index}`);
      }
    }
  });

  it('never mirrors: eyes given the wrong way round do not fit', () => {
    const [left, right, nose, mouthLeft, mouthRight] = faceTemplate112;
    const straight = fitSimilarity(faceTemplate112, faceTemplate112);
    const swapped = fitSimilarity([right, left, nose, mouthRight, mouthLeft], faceTemplate112);
    near(straight?.a, 1, 1e-12);
    assert.ok((swapped?.a ?? 1) < 0.7);
  });

  it('recovers any rotation, scale and shift exactly', () => {
    const value = (min: number, max: number) => fc.double({ min, max, noNaN: true });
    fc.assert(
      fc.property(value(-3.1, 3.1), value(0.1, 9), value(-500, 500), value(-500, 500), (angle, scale, shiftX, shiftY) => {
        const a = scale * Math.cos(angle);
        const b = scale * Math.sin(angle);
        const moved = faceTemplate112.map(({ x, y }) => [a * x - b * y + shiftX, b * x + a * y + shiftY]);
        const found = fitSimilarity(faceTemplate112, five(moved));
        assert.ok(found);
        for (const [index, expected] of [a, -b, shiftX, b, a, shiftY].entries()) near(matrix(found)[index], expected, 1e-6);
      }),
    );
  });

  it('gives nothing for points that coincide or are not numbers', () => {
    const spot = { x: 7, y: 7 };
    assert.equal(fitSimilarity([spot, spot, spot, spot, spot], faceTemplate112), undefined);
    assert.equal(fitSimilarity([{ x: Number.NaN, y: 0 }, spot, spot, spot, spot], faceTemplate112), undefined);
  });

  it('warps like OpenCV, black outside the picture', () => {
    for (const { picture, size, points, mean, samples } of golden.warps) {
      const similarity = fitSimilarity(five(points), faceTemplate112);
      assert.ok(similarity);
      const target = { data: new Float32Array(3 * 112 * 112), offset: 0, width: 112, height: 112 };
      warpPixels(goldenPicture(picture, ...size), similarity, target, plain);
      for (const [x = 0, y = 0, ...expected] of samples) {
        // OpenCV rounds the place of a sample to 1/32 pixel.
        for (const channel of [0, 1, 2])
          near(target.data[3 * (112 * y + x) + channel], expected[channel], 3, `${x}, ${y} of ${points[0]}`);
      }
      for (const channel of [0, 1, 2]) {
        let sum = 0;
        for (let at = channel; at < target.data.length; at += 3) sum += target.data[at] ?? 0;
        near(sum / 112 / 112, mean[channel], 0.2, 'mean');
      }
    }
  });

  it('copies pixels unchanged when nothing moves, and mixes with black by share at the border', () => {
    const image = goldenPicture('noisy', 8, 8);
    const target = { data: new Float32Array(3 * 64), offset: 0, width: 8, height: 8 };
    warpPixels(image, { a: 1, b: 0, shiftX: 0, shiftY: 0 }, target, plain);
    assert.deepEqual([...target.data], [...image.data]);
    warpPixels(image, { a: 1, b: 0, shiftX: 0.25, shiftY: 0 }, target, plain);
    near(target.data[0], 0.75 * (image.data[0] ?? 0), 1e-3);
    warpPixels(image, { a: 1, b: 0, shiftX: 20, shiftY: 0 }, target, plain);
    assert.ok(target.data.every((value) => value === 0));
  });
});

describe('resizing', () => {
  interface Golden {
    readonly antialias: readonly {
      readonly picture: string;
      readonly from: Pair;
      readonly to: Pair;
      readonly interpolation: Interpolation;
      readonly sha256: string;
      readonly first: readonly number[];
    }[];
    readonly bilinear: readonly {
      readonly picture: string;
      readonly from: Pair;
      readonly to: Pair;
      readonly samples: readonly (readonly number[])[];
    }[];
  }
  const golden = readGolden<Golden>('resize');

  for (const { picture, from, to, interpolation, sha256, first } of golden.antialias) {
    it(`equals Pillow bit for bit: ${picture}, ${from} to ${to}, ${interpolation}`, () => {
      const { data } = resize(goldenPicture(picture, ...from), ...to, interpolation);
      assert.deepEqual([...data.subarray(0, 3)], first);
      assert.equal(createHash('sha256').update(data).digest('hex'), sha256);
    });
  }

  for (const { picture, from, to, samples } of golden.bilinear) {
    it(`equals OpenCV's bilinear: ${picture}, ${from} to ${to}`, () => {
      const { data, width } = resize(goldenPicture(picture, ...from), ...to, 'bilinear');
      for (const [x = 0, y = 0, ...expected] of samples) {
        for (const channel of [0, 1, 2]) near(data[3 * (width * y + x) + channel], expected[channel], 0.51, `${x}, ${y}`);
      }
    });
  }

  it('cuts whole pixels, inside the picture, at least one', () => {
    const image = goldenPicture('noisy', 10, 6);
    const part = cut(image, { left: 2.4, top: 1.5, width: 3, height: 2 });
    assert.deepEqual([part.width, part.height], [3, 2]);
    assert.deepEqual([...part.data.subarray(0, 3)], [...image.data.subarray(3 * (2 * 10 + 2), 3 * (2 * 10 + 2) + 3)]);
    const beyond = cut(image, { left: -5, top: -5, width: 100, height: 100 });
    assert.deepEqual([...beyond.data], [...image.data]);
    const outside = cut(image, { left: 50, top: 50, width: 5, height: 5 });
    assert.deepEqual([outside.width, outside.height], [1, 1]);
  });
});
