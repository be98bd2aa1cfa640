import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { placeLabels as placeInViewer } from '../../src/http/viewer/live/label-places.js';
import { placeLabels, type WantedLabel } from '../../src/software-worker/label-places.ts';

const picture = { left: 0, top: 0, width: 640, height: 360 };

/** A face of 40 x 50 pixels with a label of 120 x 20. */
function face(track: number, left: number, top: number, listed = false): WantedLabel {
  return { track, box: { left, top, width: 40, height: 50 }, width: 120, height: 20, listed };
}

const spotsOf = (places: ReturnType<typeof placeLabels>) => new Map([...places].map(([track, { spot }]) => [track, spot]));

for (const [where, place] of [
  ['annotated video', placeLabels],
  ['the viewer', placeInViewer],
] as const) {
  const places = (labels: readonly WantedLabel[], before: ReadonlyMap<number, number> = new Map()) =>
    place(labels, picture, before, 1);
  const at = (labels: readonly WantedLabel[], track: number) => {
    const { left, top } = places(labels).get(track) ?? {};
    return [left, top];
  };

  describe(`labels in ${where}`, () => {
    it('stand on their boxes, inside the picture', () => {
      assert.deepEqual(at([face(1, 200, 100)], 1), [200, 80]);
      assert.deepEqual(at([face(1, 600, 100)], 1), [520, 80]);
      assert.deepEqual(at([face(1, -10, 100)], 1), [0, 80]);
      assert.deepEqual(at([face(1, 200, 12)], 1), [200, 62], 'below where there is no room above');
      assert.deepEqual(at([{ ...face(1, 200, 10), box: { left: 200, top: 10, width: 40, height: 345 } }], 1), [200, 335]);
      assert.deepEqual(at([{ ...face(1, 10, 100), width: 900 }], 1), [0, 80], 'one that is wider than the picture');
    });

    it('of people side by side do not cover each other: the one on the left ends where its box ends', () => {
      assert.deepEqual(at([face(1, 300, 100), face(2, 250, 100)], 2), [170, 80]);
      assert.deepEqual(at([face(1, 250, 100), face(2, 300, 100)], 2), [300, 150], 'the one on the right stands below');
    });

    it('of people on a list have their places first, then those who came first', () => {
      const crowd = [face(3, 300, 100), face(1, 310, 100), face(2, 305, 100, true)];
      assert.deepEqual([...places(crowd).keys()], [2, 1, 3]);
      assert.deepEqual(at(crowd, 2), [305, 80]);
      assert.deepEqual(places(crowd), places(crowd.toReversed()));
    });

    it('stay where they are while people pass each other, and go back once there is room to spare', () => {
      let spots: ReadonlyMap<number, number> = new Map();
      const seen: number[] = [];
      // The second walks past the first from right to left, his box trembling by 3 pixels.
      for (let step = 0; step < 400; step += 1) {
        const trembling = [0, 3, -3, 2, -1][step % 5] ?? 0;
        const placed = places([face(1, 300, 100), face(2, 520 - step + trembling, 100)], spots);
        spots = spotsOf(placed);
        const spot = placed.get(2)?.spot ?? -1;
        if (seen.at(-1) !== spot) seen.push(spot);
      }
      assert.deepEqual(seen, [0, 2, 1, 0]);
    });

    it('of a trembling box at the edge of the picture do not tremble up and down', () => {
      let spots: ReadonlyMap<number, number> = new Map();
      const seen = new Set<number | undefined>();
      for (let step = 0; step < 50; step += 1) {
        const placed = places([face(1, 300, 20 + (step % 5) - 2)], spots);
        spots = spotsOf(placed);
        if (step > 5) seen.add(placed.get(1)?.spot);
      }
      assert.equal(seen.size, 1);
    });
  });
}

it('labels stand at the same places in annotated video and in the viewer, as even as asked, and cover each other only in a crowd', () => {
  const label = fc.record({
    track: fc.integer({ min: 1, max: 40 }),
    box: fc.record({
      left: fc.double({ min: 0, max: 640, noNaN: true }),
      top: fc.double({ min: 0, max: 360, noNaN: true }),
      width: fc.double({ min: 1, max: 200, noNaN: true }),
      height: fc.double({ min: 1, max: 300, noNaN: true }),
    }),
    width: fc.integer({ min: 10, max: 110 }).map((half) => 2 * half),
    height: fc.integer({ min: 6, max: 20 }).map((half) => 2 * half),
    listed: fc.boolean(),
  });
  const frame = fc.uniqueArray(label, { selector: ({ track }) => track, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.constantFrom(1, 2), (frames, step) => {
      let before: ReadonlyMap<number, number> = new Map();
      for (const labels of frames) {
        const places = placeLabels(labels, picture, before, step);
        assert.deepEqual([...placeInViewer(labels, picture, before, step)], [...places]);
        const boxes = [...places].map(([track, { left, top }]) => ({
          ...labels.find((one) => one.track === track),
          left,
          top,
        }));
        assert.equal(boxes.length, labels.length);
        for (const { left, top, width = 0, height = 0 } of boxes) {
          assert.deepEqual([left % step, top % step], [0, 0]);
          assert.ok(left >= 0 && left + width <= 640 && top >= 0 && top + height <= 360, JSON.stringify({ left, top }));
        }
        const [one, other] = boxes;
        if (boxes.length === 2 && one !== undefined && other !== undefined) {
          const { width: oneWidth = 0, height: oneHeight = 0 } = one;
          const { width = 0, height = 0 } = other;
          const apart = one.left + oneWidth <= other.left || other.left + width <= one.left;
          assert.ok(apart || one.top + oneHeight <= other.top || other.top + height <= one.top, 'two are never too many');
        }
        before = spotsOf(places);
      }
    }),
    { numRuns: 2000 },
  );
});
