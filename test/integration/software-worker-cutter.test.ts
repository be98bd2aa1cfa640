import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  type AVColorRange,
  type AVColorSpace,
  type AVPixelFormat,
} from 'node-av/constants';
import { Frame, Rational } from 'node-av/lib';
import sharp from 'sharp';
import { blacken, createCutter, createGateEye, intoPiece, pointsIntoPiece } from '../../src/software-worker/cutter.ts';
import { createMask } from '../../src/software-worker/masks.ts';

const width = 64;
const height = 48;

/** Left half one colour, right half another, as Y, U, V. */
function halves(
  [left, right]: readonly [readonly [number, number, number], readonly [number, number, number]],
  kind: { readonly format?: AVPixelFormat; readonly range?: AVColorRange; readonly space?: AVColorSpace } = {},
): Frame {
  const plane = (w: number, h: number, index: 0 | 1 | 2) =>
    Buffer.from(Uint8Array.from({ length: w * h }, (_, at) => (at % w < w / 2 ? left : right)[index]));
  const packed = Buffer.concat([plane(width, height, 0), plane(width / 2, height / 2, 1), plane(width / 2, height / 2, 2)]);
  const frame = Frame.fromVideoBuffer(packed, { width, height, format: kind.format ?? AV_PIX_FMT_YUV420P });
  frame.timeBase = new Rational(1, 90_000);
  frame.colorRange = kind.range ?? AVCOL_RANGE_MPEG;
  frame.colorSpace = kind.space ?? AVCOL_SPC_SMPTE170M;
  return frame;
}

function near(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  for (const [index, value] of expected.entries()) {
    assert.ok(Math.abs((actual[index] ?? -99) - value) <= 4, `${what}: ${Array.from(actual)} is not ${expected}`);
  }
}

describe('what is cut from a frame', () => {
  const red601 = [65, 100, 212] as const;
  const red709 = [51, 109, 212] as const;
  const white = [235, 128, 128] as const;

  test('has the colours of the scene, whatever range and matrix the camera uses', async () => {
    using cutter = createCutter();
    const cases = [
      { name: 'limited BT.601', colours: [red601, white] as const, kind: {} },
      { name: 'limited BT.709', colours: [red709, white] as const, kind: { space: AVCOL_SPC_BT709 } },
      {
        name: 'full range BT.709',
        colours: [
          [41, 106, 224],
          [255, 128, 128],
        ] as const,
        kind: { range: AVCOL_RANGE_JPEG, space: AVCOL_SPC_BT709 },
      },
      {
        name: 'full range by its flag',
        colours: [
          [57, 96, 224],
          [255, 128, 128],
        ] as const,
        kind: { range: AVCOL_RANGE_JPEG },
      },
      {
        name: 'full range by its format',
        colours: [
          [57, 96, 224],
          [255, 128, 128],
        ] as const,
        kind: { format: AV_PIX_FMT_YUVJ420P, range: AVCOL_RANGE_JPEG },
      },
    ];
    for (const { name, colours, kind } of cases) {
      using frame = halves(colours, kind);
      const piece = await cutter.cut(frame, { left: 16, top: 8, width: 32, height: 24 }, 512);
      const { data, info } = await sharp(await cutter.jpeg(piece, 95))
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.deepEqual([info.width, info.height], [32, 24]);
      near(data.subarray(3 * (12 * 32 + 4), 3 * (12 * 32 + 4) + 3), [191, 0, 0], `${name}, left`);
      near(data.subarray(3 * (12 * 32 + 28), 3 * (12 * 32 + 28) + 3), [255, 255, 255], `${name}, right`);
      near(piece.grey.subarray(12 * 32 + 28, 12 * 32 + 29), [255], `${name}, brightness`);
      const scaled = await cutter.scale(frame, { width: 32, height: 24 });
      assert.equal(scaled.data.length, 3 * 32 * 24);
      near(scaled.data.subarray(3 * (12 * 32 + 4), 3 * (12 * 32 + 4) + 3), [191, 0, 0], `${name}, left, for detectors`);
      near(scaled.data.subarray(3 * (12 * 32 + 28), 3 * (12 * 32 + 28) + 3), [255, 255, 255], `${name}, right, for detectors`);
    }
  });

  test('is shrunk to the longest side asked for, and boxes and points with it', async () => {
    using cutter = createCutter();
    using frame = halves([red601, white]);
    const piece = await cutter.cut(frame, { left: 16, top: 0, width: 48, height: 48 }, 24);
    assert.deepEqual([piece.width, piece.height, piece.grey.length], [24, 24, 576]);
    assert.deepEqual(intoPiece(piece, { left: 32, top: 24, width: 16, height: 8 }), { left: 8, top: 12, width: 8, height: 4 });
    const points = pointsIntoPiece(piece, [
      { x: 16, y: 0 },
      { x: 64, y: 48 },
      { x: 40, y: 24 },
      { x: 0, y: 10 },
      { x: 17, y: 1 },
    ]);
    assert.deepEqual(
      points.map(({ x, y }) => [x, y]),
      [
        [0, 0],
        [24, 24],
        [12, 12],
        [-8, 5],
        [0.5, 0.5],
      ],
    );
  });

  test('and what detectors and the motion gate see is black where a mask is', async () => {
    using cutter = createCutter();
    using frame = halves([white, white]);
    using other = halves([white, white]);
    using shared = frame.clone() ?? other;
    const mask = createMask(
      [
        [
          [0, 0],
          [0.5, 0],
          [0.5, 1],
          [0, 1],
        ],
      ],
      width,
      height,
    );
    blacken(frame, mask);
    const { data } = await cutter.scale(frame, { width: 32, height: 24 });
    near(data.subarray(3 * 4, 3 * 4 + 3), [0, 0, 0], 'masked');
    near(data.subarray(3 * 28, 3 * 28 + 3), [255, 255, 255], 'not masked');
    using eye = createGateEye();
    const { grey } = eye.look(frame);
    assert.deepEqual([grey[0], grey[79]], [0, 235]);
    assert.equal(eye.look(shared).grey[0], 235, 'the decoder keeps its own picture');
  });
});

describe('the picture of the motion gate', () => {
  test('is the mean of each part of the luma plane, whatever the size, the range and the matrix', () => {
    using eye = createGateEye();
    for (const [width, height] of [
      [640, 360],
      [3840, 2160],
      [480, 270],
      [90, 50],
      [34, 18],
    ] as const) {
      for (const range of [AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG]) {
        const luma = Uint8Array.from({ length: width * height }, (_, at) => (at % width < width / 2 ? 40 : 200) + (at % 2));
        const packed = Buffer.concat([luma, Buffer.alloc(width * height * 0.5, 128)]);
        using frame = Frame.fromVideoBuffer(packed, { width, height, format: AV_PIX_FMT_YUV420P });
        frame.colorRange = range;
        frame.colorSpace = AVCOL_SPC_BT709;
        const { grey, ...size } = eye.look(frame);
        assert.deepEqual([grey.length, size], [80 * 45, { width: 80, height: 45 }]);
        for (const [at, level] of [
          [0, 40],
          [79, 200],
          [44 * 80, 40],
          [44 * 80 + 79, 200],
        ] as const) {
          assert.ok(Math.abs((grey[at] ?? 0) - level - 0.5) <= 2, `${width}x${height}, range ${range}: ${grey[at]} at ${at}`);
        }
      }
    }
  });
});
