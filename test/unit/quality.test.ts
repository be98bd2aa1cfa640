import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FivePoints, Quality } from '../../src/core/types.ts';
import { assessCrop, overallQuality } from '../../src/models/quality.ts';

interface GoldenCase {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly grey: string;
  readonly box: readonly [number, number, number, number];
  readonly landmarks: readonly (readonly [number, number])[] | null;
  readonly score: number;
  readonly visible: number;
  readonly heightPx: number;
  readonly expected: Pick<Quality, 'sharpness' | 'rollDegrees' | 'yaw' | 'overall'>;
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/golden/quality.json'), 'utf8')) as {
  readonly cases: readonly GoldenCase[];
};

function assertNear(actual: number, expected: number, what: string): void {
  const tolerance = 1e-3 * Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual} is near ${expected}`);
}

function boxBlurred(grey: Uint8Array, width: number, height: number): Uint8Array {
  return grey.map((_, i) => {
    const x = i % width;
    const y = Math.floor(i / width);
    let sum = 0;
    let count = 0;
    for (let dy = -2; dy <= 2; dy += 1) {
      for (let dx = -2; dx <= 2; dx += 1) {
        if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue;
        sum += grey[(y + dy) * width + x + dx] ?? 0;
        count += 1;
      }
    }
    return Math.round(sum / count);
  });
}

const face: Omit<Quality, 'overall'> = { heightPx: 80, sharpness: 100, rollDegrees: 0, yaw: 0, visible: 1, score: 0.9 };

describe('crop quality', () => {
  for (const { name, grey, box, landmarks, expected, ...rest } of golden.cases) {
    it(`measures the golden case: ${name}`, () => {
      const [left, top, width, height] = box;
      const quality = assessCrop({
        ...rest,
        grey: new Uint8Array(Buffer.from(grey, 'base64')),
        box: { left, top, width, height },
        ...(landmarks === null ? {} : { landmarks: landmarks.map(([x, y]) => ({ x, y })) as unknown as FivePoints }),
      });
      for (const key of ['sharpness', 'rollDegrees', 'yaw', 'overall'] as const) assertNear(quality[key], expected[key], key);
      assert.equal(quality.heightPx, rest.heightPx);
      assert.equal(quality.visible, rest.visible);
      assert.equal(quality.score, rest.score);
    });
  }

  it('calls the same face less sharp when it is blurred', () => {
    const sample = golden.cases.find(({ name }) => name.startsWith('tilted'));
    assert.ok(sample);
    const grey = new Uint8Array(Buffer.from(sample.grey, 'base64'));
    const [left, top, width, height] = sample.box;
    const measure = { ...sample, box: { left, top, width, height }, landmarks: undefined };
    const { landmarks: _, ...body } = measure;
    const sharp = assessCrop({ ...body, grey });
    const blurred = assessCrop({ ...body, grey: boxBlurred(grey, sample.width, sample.height) });
    assert.ok(blurred.sharpness < sharp.sharpness / 3, `${blurred.sharpness} is far below ${sharp.sharpness}`);
  });

  it('never gains when one measure gets worse, and stays between 0 and 1', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    const measures = fc.record({
      heightPx: fc.double({ min: 0, max: 2000, noNaN: true }),
      sharpness: fc.double({ min: 0, max: 5000, noNaN: true }),
      rollDegrees: fc.double({ min: -180, max: 180, noNaN: true }),
      yaw: fc.double({ min: -3, max: 3, noNaN: true }),
      visible: unit,
      score: unit,
    });
    fc.assert(
      fc.property(measures, unit, fc.constantFrom('face' as const, 'body' as const), (good, share, subject) => {
        const best = overallQuality(good, subject);
        assert.ok(best >= 0 && best <= 1);
        for (const worse of [
          { heightPx: good.heightPx * share },
          { sharpness: good.sharpness * share },
          { rollDegrees: good.rollDegrees + Math.sign(good.rollDegrees) * share * (180 - Math.abs(good.rollDegrees)) },
          { yaw: good.yaw * (1 + share) },
          { visible: good.visible * share },
          { score: good.score * share },
        ]) {
          assert.ok(overallQuality({ ...good, ...worse }, subject) <= best + 1e-12, JSON.stringify(worse));
        }
      }),
    );
  });

  it('falls strictly with each measure of an ordinary face', () => {
    const ordinary = overallQuality(face, 'face');
    for (const worse of [
      { heightPx: 60 },
      { sharpness: 50 },
      { rollDegrees: -30 },
      { yaw: 0.3 },
      { visible: 0.8 },
      { score: 0.5 },
    ]) {
      assert.ok(overallQuality({ ...face, ...worse }, 'face') < ordinary, JSON.stringify(worse));
    }
  });

  it('gives next to nothing for faces below 24 px, however good', () => {
    const perfect = { ...face, sharpness: 2000, score: 1 };
    assert.ok(overallQuality({ ...perfect, heightPx: 23.9 }, 'face') < 0.1);
    assert.equal(overallQuality({ ...perfect, heightPx: 20 }, 'face'), 0);
    assert.ok(overallQuality({ ...perfect, heightPx: 80 }, 'face') > 0.75);
  });

  it('measures the roll of a head upside down and the yaw of eyes that coincide', () => {
    const at = (x: number, y: number) => ({ x, y });
    const measure = {
      grey: new Uint8Array(900),
      width: 30,
      height: 30,
      box: { left: 0, top: 0, width: 30, height: 30 },
      score: 1,
      visible: 1,
      heightPx: 30,
    };
    const down = assessCrop({ ...measure, landmarks: [at(20, 20), at(10, 20), at(15, 12), at(18, 6), at(12, 6)] });
    assert.equal(Math.abs(down.rollDegrees), 180);
    assert.equal(Math.abs(down.yaw), 0);
    const flat = assessCrop({ ...measure, landmarks: [at(15, 10), at(15, 10), at(20, 15), at(14, 20), at(16, 20)] });
    assert.equal(Number.isFinite(flat.yaw) && Number.isFinite(flat.rollDegrees), true);
  });
});
