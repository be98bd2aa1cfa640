import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createMotionGate } from '../../src/software-worker/motion.ts';
import { seeded } from '../support/seeded.ts';

const width = 320;
const height = 180;
const options = { threshold: 6, keepMs: 3000, refreshMs: 1000, refreshEmptyMs: 2000 };

/** A grey picture of a constant level with a square of another. */
function scene(
  level: number,
  square?: { readonly x: number; readonly y: number; readonly side: number; readonly level: number },
): Uint8Array {
  const grey = new Uint8Array(width * height).fill(level);
  if (square === undefined) return grey;
  for (let y = Math.max(0, Math.round(square.y)); y < Math.min(height, square.y + square.side); y += 1) {
    const from = Math.max(0, Math.round(square.x));
    grey.fill(square.level, y * width + from, y * width + Math.min(width, from + square.side));
  }
  return grey;
}

function noisy(grey: Uint8Array, deviation: number, random: () => number): Uint8Array {
  return grey.map((value) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(255, Math.max(0, Math.round(value + deviation * normal)));
  });
}

describe('motion gate', () => {
  it('looks at the first frame and as long after motion as told, then only to refresh', () => {
    const gate = createMotionGate(options);
    const grey = scene(100);
    const verdicts = Array.from({ length: 60 }, (_, i) => gate.consider(grey, width, height, 5000 + i * 100));
    assert.deepEqual(new Set(verdicts.slice(0, 31)), new Set(['motion']));
    const later = verdicts.slice(31);
    assert.deepEqual(
      later.flatMap((verdict, i) => (verdict === 'refresh' ? [i + 31] : [])),
      [40, 50],
    );
    assert.ok(!later.includes('motion'));
  });

  it('refreshes less often while nothing was found, and as before once something was', () => {
    const gate = createMotionGate({ ...options, keepMs: 0 });
    const refreshed: number[] = [];
    for (let ms = 0; ms <= 9000; ms += 100) {
      const verdict = gate.consider(scene(100), width, height, ms);
      if (verdict === 'refresh') refreshed.push(ms);
      if (verdict !== 'still') gate.looked(ms >= 5000);
    }
    assert.deepEqual(refreshed, [2000, 4000, 6000, 7000, 8000, 9000]);
  });

  it('wants every frame while nothing moves, and one in a tenth of a second while something does', () => {
    const gate = createMotionGate({ ...options, keepMs: 500 });
    const wanted: number[] = [];
    for (let ms = 0; ms <= 1000; ms += 40) {
      if (!gate.wants(ms)) continue;
      wanted.push(ms);
      gate.consider(scene(100), width, height, ms);
    }
    assert.deepEqual(wanted.slice(0, 5), [0, 120, 240, 360, 480]);
    assert.deepEqual(wanted.slice(5), [520, 560, 600, 640, 680, 720, 760, 800, 840, 880, 920, 960, 1000]);
  });

  it('wakes at once when something enters and sleeps again when it stands', () => {
    const gate = createMotionGate({ ...options, keepMs: 500 });
    let ms = 0;
    for (; ms < 3000; ms += 100) gate.consider(scene(100), width, height, ms);
    const person = { x: 150, y: 60, side: 20, level: 160 };
    assert.equal(gate.consider(scene(100, person), width, height, ms), 'motion');
    const verdicts = Array.from({ length: 150 }, (_, i) =>
      gate.consider(scene(100, person), width, height, ms + 100 * (i + 1)),
    );
    assert.equal(verdicts.slice(-20).includes('motion'), false);
  });

  it('sees a square of any place and size from a cell on, if it differs enough', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: width - 16 }),
        fc.integer({ min: 0, max: height - 16 }),
        fc.integer({ min: 16, max: 120 }),
        fc.integer({ min: 8, max: 90 }),
        (x, y, side, contrast) => {
          const gate = createMotionGate(options);
          let ms = 0;
          for (; ms <= 4000; ms += 200) gate.consider(scene(100), width, height, ms);
          assert.equal(gate.consider(scene(100, { x, y, side, level: 100 + contrast }), width, height, ms), 'motion');
        },
      ),
      { numRuns: 40 },
    );
  });

  it('takes neither sensor noise nor slow light for motion', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 0, max: 5 }),
        fc.boolean(),
        (seed, deviation, brighter) => {
          const gate = createMotionGate({ ...options, keepMs: 0, refreshMs: 60_000 });
          const random = seeded(seed);
          for (let i = 0; i < 60; i += 1) {
            const drift = ((brighter ? 1 : -1) * i) / 5;
            const verdict = gate.consider(noisy(scene(100 + Math.round(drift)), deviation, random), width, height, i * 200);
            assert.equal(verdict, i === 0 ? 'motion' : 'still', `frame ${i}`);
          }
        },
      ),
      { numRuns: 4 },
    );
  });

  it('does not take the noise of the first frame for the background', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
        const gate = createMotionGate({ ...options, keepMs: 0, refreshMs: 60_000 });
        const random = seeded(seed);
        for (let i = 0; i < 8; i += 1) gate.consider(noisy(scene(100), 9, random), width, height, i * 20);
        assert.equal(gate.consider(scene(100), width, height, 160), 'still');
        assert.equal(gate.consider(scene(104), width, height, 180), 'still');
      }),
      { numRuns: 4 },
    );
  });

  it('looks at least as often as the refresh says at somebody who drifts by less than a pixel a frame', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0.005, max: 0.9, noNaN: true }), (fps, pixels) => {
        const gate = createMotionGate(options);
        let lookedMs = 0;
        for (let i = 0; i < 8 * fps; i += 1) {
          const ms = (i * 1000) / fps;
          const grey = scene(100, { x: 100 + pixels * i, y: 60, side: 24, level: 112 });
          if (gate.consider(grey, width, height, ms) !== 'still') lookedMs = ms;
          assert.ok(ms - lookedMs < options.refreshMs + 1000 / fps, `not looked for ${ms - lookedMs} ms`);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('says the same of the same times at 2 and 15 frames a second', () => {
    for (const fps of [2, 15]) {
      const gate = createMotionGate({ ...options, refreshMs: 60_000 });
      const verdictAt = new Map<number, string>();
      for (let i = 0; i <= 12 * fps; i += 1) {
        const s = i / fps;
        const grey = s >= 6 ? scene(100, { x: 80, y: 40, side: 30, level: 130 }) : scene(100);
        verdictAt.set(s, gate.consider(grey, width, height, s * 1000));
      }
      assert.deepEqual(
        [0, 3, 5, 6, 8].map((s) => verdictAt.get(s)),
        ['motion', 'motion', 'still', 'motion', 'motion'],
        `${fps} fps`,
      );
    }
  });

  it('begins anew when the picture changes its size', () => {
    const gate = createMotionGate({ ...options, keepMs: 0 });
    gate.consider(scene(100), width, height, 0);
    assert.equal(gate.consider(scene(100), width, height, 100), 'still');
    assert.equal(gate.consider(new Uint8Array(160 * 90).fill(100), 160, 90, 200), 'motion');
  });
});
