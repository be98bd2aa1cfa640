import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { DetectedObject, Detector, RgbImage } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector } from '../../src/models/kinds.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { readGolden } from '../support/golden.ts';
import { shippedRepository } from '../support/repository.ts';

interface Face {
  /** Left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
  readonly landmarks: readonly (readonly [number, number])[];
}

interface Golden {
  readonly sha256: string;
  readonly cases: readonly {
    readonly picture: string;
    readonly found: readonly (Face & { readonly score: number })[];
    readonly drawn: readonly Face[];
  }[];
}

const golden = readGolden<Golden>('demo-face');
const goldenFolder = join(import.meta.dirname, '../fixtures/golden');
const folder = join(shippedRepository, 'demo_face');

function near(actual: number | undefined, expected: number | undefined, tolerance: number, what: string): void {
  const difference = Math.abs((actual ?? Number.NaN) - (expected ?? Number.NaN));
  assert.ok(difference <= tolerance, `${what}: ${actual} is not within ${tolerance} of ${expected}`);
}

/** Intersection over union. */
function overlap({ box }: DetectedObject, [left, top, right, bottom]: Face['box']): number {
  const width = Math.min(box.left + box.width, right) - Math.max(box.left, left);
  const height = Math.min(box.top + box.height, bottom) - Math.max(box.top, top);
  const both = Math.max(0, width) * Math.max(0, height);
  return both / (box.width * box.height + (right - left) * (bottom - top) - both);
}

/** Mean distance of the five points in widths of the face. */
function landmarkError({ landmarks }: DetectedObject, face: Face): number {
  const distances = face.landmarks.map(([x, y], point) => {
    const found = landmarks?.[point];
    return Math.hypot((found?.x ?? Number.NaN) - x, (found?.y ?? Number.NaN) - y);
  });
  return distances.reduce((sum, distance) => sum + distance, 0) / distances.length / (face.box[2] - face.box[0]);
}

/** The network as committed, against onnxruntime and a decoder in Python, and against where the faces were drawn. */
describe('detector of the demo', () => {
  let ctx: TestContext;
  let engine: InferenceEngine;
  let detector: Detector;
  const images: RgbImage[] = [];
  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' });

  before(async () => {
    ctx = testContext();
    engine = await startEmbedded({ repository: shippedRepository, threads: 1 }, ctx);
    detector = createDetector(await engine.describe('demo_face'), engine.infer);
    for (const { picture } of golden.cases) images.push(await decodeImage(await readFile(join(goldenFolder, picture))));
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
  });

  it('is committed: at most 1.5 MB, and the very file whose figures the model card states', async () => {
    const bytes = await readFile(join(folder, '1/model.onnx'));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    assert.ok(bytes.length <= 1_500_000, `${bytes.length} bytes`);
    assert.equal(sha256, golden.sha256, 'write the golden file anew: tools/demo-models/golden_detector.py');
    assert.match(await readFile(join(folder, 'README.md'), 'utf8'), new RegExp(sha256));
  });

  it('has the tensors of CenterFace, and takes any number of pictures of any size that 32 divides', async () => {
    const [own, theirs] = [await engine.describe('demo_face'), await engine.describe('centerface')];
    assert.deepEqual([own.inputs, own.outputs, own.maxBatchSize], [theirs.inputs, theirs.outputs, theirs.maxBatchSize]);
    for (const [rows, height, width] of [
      [1, 384, 640],
      [2, 64, 96],
    ] as const) {
      const data = new Float32Array(rows * 3 * height * width);
      const input = { name: 'input.1', datatype: 'FP32', shape: [rows, 3, height, width], data } as const;
      const { outputs } = await engine.infer('demo_face', [input], options());
      for (const [name, channels] of [
        ['537', 1],
        ['538', 2],
        ['539', 2],
        ['540', 10],
      ] as const)
        assert.deepEqual(outputs.get(name)?.shape, [rows, channels, height / 4, width / 4], name);
    }
  });

  it('finds the same boxes, scores and points as the reference', async () => {
    for (const [index, { picture, found: expected }] of golden.cases.entries()) {
      const image = images[index];
      assert.ok(image);
      const found = await detector.detect(image, image, options());
      assert.equal(found.length, expected.length, picture);
      for (const [at, { box, score, landmarks }] of found.entries()) {
        const [left, top, right, bottom] = expected[at]?.box ?? [];
        near(box.left, left, 0.2, `${picture} left`);
        near(box.top, top, 0.2, `${picture} top`);
        near(box.left + box.width, right, 0.2, `${picture} right`);
        near(box.top + box.height, bottom, 0.2, `${picture} bottom`);
        near(score, expected[at]?.score, 0.002, `${picture} score`);
        for (const [point, [x, y]] of (expected[at]?.landmarks ?? []).entries()) {
          near(landmarks?.[point]?.x, x, 0.2, `${picture} x of point ${point}`);
          near(landmarks?.[point]?.y, y, 0.2, `${picture} y of point ${point}`);
        }
      }
    }
  });

  it('finds every face where it was drawn, its landmarks on average within a tenth of its width, and nothing else', async () => {
    const errors: number[] = [];
    for (const [index, { picture, drawn }] of golden.cases.entries()) {
      const image = images[index];
      assert.ok(image);
      const found = await detector.detect(image, image, options());
      assert.equal(found.length, drawn.length, picture);
      for (const face of drawn) {
        const best = found.find((object) => overlap(object, face.box) > 0.6);
        assert.ok(best, `${picture}: nothing at ${face.box}`);
        errors.push(landmarkError(best, face));
      }
    }
    assert.ok(Math.max(...errors) < 0.1, `${errors}`);
  });

  it('is less certain of faces whose red and blue have changed places', async () => {
    let right = 0;
    let swapped = 0;
    for (const [index, image] of images.entries()) {
      const data = Uint8Array.from(image.data, (_, at) => image.data[at + 2 - 2 * (at % 3)] ?? 0);
      for (const { score } of golden.cases[index]?.found ?? []) right += score;
      for (const { score } of await detector.detect({ ...image, data }, image, options())) swapped += score;
    }
    assert.ok(swapped < 0.9 * right, `${swapped} of ${right}`);
  });
});
