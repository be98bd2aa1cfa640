import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Box, FivePoints, Point } from '../../src/core/types.ts';
import { createCropPolicy, cropRect } from '../../src/software-worker/crops.ts';
import type { TrackedObject } from '../../src/software-worker/track.ts';

const options = { faces: true, bodies: true, minFaceHeight: 24, minBodyHeight: 64, refreshMs: 2000, betterBy: 0.15 };

function track(changes: Partial<TrackedObject> = {}, height = 50): TrackedObject {
  return {
    trackId: 1,
    label: 'face',
    model: 'm',
    score: 0.9,
    predicted: false,
    box: { left: 0, top: 0, width: 40, height },
    ...changes,
  };
}

describe('crop policy', () => {
  it('wants every detected frame of a track until it is decided', () => {
    const policy = createCropPolicy(options);
    for (const ms of [0, 200, 400]) {
      assert.equal(policy.wants(track(), 0.3, ms), true);
      policy.cropped(1, 0.3, ms);
    }
  });

  it('wants a decided track again when it is clearly better or too old', () => {
    const policy = createCropPolicy(options);
    policy.cropped(1, 0.5, 0);
    policy.decided(1, true);
    assert.equal(policy.wants(track(), 0.6, 1000), false);
    assert.equal(policy.wants(track(), 0.65, 1000), true);
    assert.equal(policy.wants(track(), 0.1, 2000), true);
    policy.cropped(1, 0.1, 2000);
    assert.equal(policy.wants(track(), 0.6, 3000), false, 'better is measured against the best so far');
    policy.decided(1, false);
    assert.equal(policy.wants(track(), 0.1, 3001), true);
  });

  it('wants no prediction, nothing small, and no label that is not compared', () => {
    const policy = createCropPolicy(options);
    assert.equal(policy.wants(track({ predicted: true }), 1, 0), false);
    assert.equal(policy.wants(track({}, 23.9), 1, 0), false);
    assert.equal(policy.wants(track({}, 24), 1, 0), true);
    assert.equal(policy.wants(track({ label: 'person' }, 63), 1, 0), false);
    assert.equal(policy.wants(track({ label: 'person' }, 64), 1, 0), true);
    assert.equal(policy.wants(track({ label: 'dog' }, 300), 1, 0), false);
    const bodies = createCropPolicy({ ...options, faces: false });
    assert.equal(bodies.wants(track(), 1, 0), false);
    const faces = createCropPolicy({ ...options, bodies: false });
    assert.equal(faces.wants(track({ label: 'person' }, 300), 1, 0), false);
  });

  it('forgets ended tracks', () => {
    const policy = createCropPolicy(options);
    policy.cropped(1, 0.5, 0);
    policy.decided(1, true);
    policy.ended([1]);
    policy.decided(1, true);
    assert.equal(policy.wants(track(), 0.1, 100), true);
  });
});

/** The 112 template and its 224 variant, as the embedders state them. */
const template = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
] as const;
const variant = template.map(([x, y]) => [(x * 172) / 112 + 26, (y * 172) / 112 + 17] as const);

interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly x: number;
  readonly y: number;
}

function apply({ a, b, x, y }: Similarity, px: number, py: number): Point {
  return { x: a * px - b * py + x, y: b * px + a * py + y };
}

function boundsOf(points: readonly Point[]): Box {
  const left = Math.min(...points.map((p) => p.x));
  const top = Math.min(...points.map((p) => p.y));
  return {
    left,
    top,
    width: Math.max(...points.map((p) => p.x)) - left,
    height: Math.max(...points.map((p) => p.y)) - top,
  };
}

describe('crop rectangle', () => {
  for (const [name, points, side] of [
    ['112 template', template, 112],
    ['224 variant', variant, 224],
  ] as const) {
    it(`holds the whole warp square of the ${name}, however the head is turned`, () => {
      fc.assert(
        fc.property(
          fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
          fc.double({ min: 10, max: 400, noNaN: true }),
          (angle, facePixels) => {
            // A head whose points are exactly the template's, turned and scaled, far from the frame's edges.
            const scale = facePixels / side;
            const map = { a: scale * Math.cos(angle), b: scale * Math.sin(angle), x: 2000, y: 2000 };
            const landmarks = points.map(([x, y]) => apply(map, x, y)) as unknown as FivePoints;
            const rect = cropRect(boundsOf(landmarks), landmarks, { width: 4000, height: 4000 });
            for (const [x, y] of [
              [0, 0],
              [side, 0],
              [0, side],
              [side, side],
            ] as const) {
              const corner = apply(map, x, y);
              assert.ok(
                corner.x >= rect.left + 1 && corner.x <= rect.left + rect.width - 1,
                `x ${corner.x} in ${JSON.stringify(rect)}`,
              );
              assert.ok(
                corner.y >= rect.top + 1 && corner.y <= rect.top + rect.height - 1,
                `y ${corner.y} in ${JSON.stringify(rect)}`,
              );
            }
          },
        ),
      );
    });
  }

  it('is even, inside the frame and never empty, wherever the box is', () => {
    const coordinate = fc.double({ min: -300, max: 2300, noNaN: true });
    const size = fc.double({ min: 0, max: 1500, noNaN: true });
    fc.assert(
      fc.property(
        coordinate,
        coordinate,
        size,
        size,
        fc.integer({ min: 2, max: 2001 }),
        fc.integer({ min: 2, max: 1201 }),
        (left, top, w, h, width, height) => {
          const rect = cropRect({ left, top, width: w, height: h }, undefined, { width, height });
          for (const value of [rect.left, rect.top, rect.width, rect.height])
            assert.ok(Number.isInteger(value) && value % 2 === 0);
          assert.ok(rect.left >= 0 && rect.top >= 0 && rect.width >= 2 && rect.height >= 2);
          assert.ok(rect.left + rect.width <= width && rect.top + rect.height <= height);
        },
      ),
    );
  });

  it('holds the box and the square of 1.3 times its side that unaligned face embedders take', () => {
    const landmarks: FivePoints = [
      { x: 515, y: 520 },
      { x: 545, y: 520 },
      { x: 530, y: 535 },
      { x: 518, y: 550 },
      { x: 542, y: 550 },
    ];
    const rect = cropRect({ left: 490, top: 480, width: 80, height: 100 }, landmarks, { width: 1000, height: 1000 });
    assert.ok(rect.left <= 465 && rect.left + rect.width >= 595);
    assert.ok(rect.top <= 465 && rect.top + rect.height >= 595);
  });

  it('gives a body a little room', () => {
    assert.deepEqual(cropRect({ left: 100, top: 100, width: 100, height: 300 }, undefined, { width: 1000, height: 1000 }), {
      left: 88,
      top: 68,
      width: 124,
      height: 364,
    });
  });
});
