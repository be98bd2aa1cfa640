import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { DetectedObject, RgbImage } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { detectInPhoto } from '../../src/models/detect-photo.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { resize } from '../../src/models/resize.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { dataPath } from '../support/data.ts';
import { readGolden } from '../support/golden.ts';
import { missingModels, realRepository, type TestRepository } from '../support/repository.ts';

interface Found {
  readonly boxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  readonly landmarks?: readonly (readonly (readonly number[])[])[];
}

interface Golden {
  readonly photos: readonly ({
    readonly photo: string;
    readonly size: readonly number[];
    /** Left, top, width, height. */
    readonly yolox_raw: Found & { readonly classes: readonly number[] };
  } & Readonly<Record<'centerface' | 'yunet' | 'yolox_nano', Found>>)[];
  readonly cosines: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly first_values: Readonly<Record<string, readonly number[]>>;
}

function near(actual: number | undefined, expected: number | undefined, tolerance: number, what: string): void {
  const difference = Math.abs((actual ?? Number.NaN) - (expected ?? Number.NaN));
  assert.ok(difference <= tolerance, `${what}: ${actual} is not within ${tolerance} of ${expected}`);
}

/** A JPEG decoded by another library differs by a level here and there; more than that is a mistake. */
const scoreTolerance = 0.004;

/** Real networks on real photos, against onnxruntime, numpy, OpenCV and Pillow in Python. */
describe('models on photos', { skip: missingModels('centerface', 'yunet', 'yolox_nano', 'face_embed', 'person_embed') }, () => {
  const golden = readGolden<Golden>('photos');
  let ctx: TestContext;
  let repository: TestRepository;
  let engine: InferenceEngine;
  const images: RgbImage[] = [];

  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' });
  const known = new Map<string, Promise<readonly DetectedObject[]>>();
  const detect = (model: string, image: RgbImage): Promise<readonly DetectedObject[]> => {
    const key = `${model} ${images.indexOf(image)}`;
    const found = known.get(key) ?? detectNow(model, image);
    if (images.includes(image)) known.set(key, found);
    return found;
  };
  const detectNow = async (model: string, image: RgbImage) => {
    const detector = createDetector(await engine.describe(model), engine.infer);
    const size = detector.contentSize(image);
    return detector.detect(resize(image, size.width, size.height, 'bilinear_antialias'), image, options());
  };

  before(async () => {
    ctx = testContext();
    repository = await realRepository();
    engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    for (const { photo } of golden.photos) images.push(await decodeImage(await readFile(dataPath(photo))));
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    await repository[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
  });

  for (const model of ['centerface', 'yunet', 'yolox_nano'] as const) {
    it(`${model} finds the same boxes, scores and points as the reference`, async () => {
      for (const [index, photo] of golden.photos.entries()) {
        const image = images[index];
        assert.ok(image);
        assert.deepEqual([image.width, image.height], photo.size);
        const expected = photo[model];
        const found = (await detect(model, image)).filter(({ label }) => label === 'face' || label === 'person');
        assert.equal(found.length, expected.boxes.length, photo.photo);
        const tolerance = 0.002 * image.width;
        for (const [at, object] of found.entries()) {
          const [left, top, right, bottom] = expected.boxes[at] ?? [];
          near(object.box.left, left, tolerance, `${photo.photo} left`);
          near(object.box.top, top, tolerance, `${photo.photo} top`);
          near(object.box.left + object.box.width, right, tolerance, `${photo.photo} right`);
          near(object.box.top + object.box.height, bottom, tolerance, `${photo.photo} bottom`);
          near(object.score, expected.scores[at], scoreTolerance, `${photo.photo} score`);
          for (const [point, [x, y]] of (expected.landmarks?.[at] ?? []).entries()) {
            near(object.landmarks?.[point]?.x, x, tolerance, `${photo.photo} x of point ${point}`);
            near(object.landmarks?.[point]?.y, y, tolerance, `${photo.photo} y of point ${point}`);
          }
        }
      }
    });
  }

  it('finds them as well through the quicker way for whole photos', async () => {
    const detector = createDetector(await engine.describe('centerface'), engine.infer);
    for (const image of images) {
      const [exact] = await detect('centerface', image);
      const [quick, second] = await detectInPhoto(detector, image, options());
      assert.equal(second, undefined);
      near(quick?.score, exact?.score, 0.02, 'score');
      for (const side of ['left', 'top', 'width', 'height'] as const)
        near(quick?.box[side], exact?.box[side], 0.005 * image.width, side);
    }
  });

  it('gives the eye on the left of the picture first, the nose between, the mouth below', async () => {
    for (const model of ['centerface', 'yunet']) {
      for (const image of images) {
        const [left, right, nose, mouthLeft, mouthRight] = (await detect(model, image))[0]?.landmarks ?? [];
        assert.ok(left && right && nose && mouthLeft && mouthRight);
        assert.ok(left.x < nose.x && nose.x < right.x && mouthLeft.x < mouthRight.x, model);
        assert.ok(left.y < nose.y && nose.y < mouthLeft.y && right.y < mouthRight.y, model);
      }
    }
  });

  it('detectors see the difference when red and blue change places, so the scores above prove the order', async () => {
    const [image] = images;
    assert.ok(image);
    const data = Uint8Array.from(image.data, (_, at) => image.data[at + 2 - 2 * (at % 3)] ?? 0);
    for (const model of ['centerface', 'yunet', 'yolox_nano'] as const) {
      const [swapped] = await detect(model, { ...image, data });
      const expected = golden.photos[0]?.[model].scores[0] ?? Number.NaN;
      assert.ok(Math.abs((swapped?.score ?? 0) - expected) > scoreTolerance, `${model} ${swapped?.score} ${expected}`);
    }
  });

  for (const [model, by] of [
    ['face_embed', 'centerface'],
    ['face_embed_224', 'centerface'],
    ['person_embed', 'yolox_nano'],
  ] as const) {
    it(`${model} gives the reference's similarities between photos`, async () => {
      const embedder = createEmbedder(await engine.describe(model), engine.infer);
      const inputs = [];
      for (const image of images) {
        const [object]: readonly DetectedObject[] = await detect(by, image);
        assert.ok(object);
        inputs.push({ image, box: object.box, ...(object.landmarks ? { landmarks: object.landmarks } : {}) });
      }
      const vectors = await embedder.embed(inputs, options());
      for (const [row, a] of vectors.entries()) {
        near(Math.hypot(...a), 1, 1e-5, 'length');
        for (const [column, b] of vectors.entries()) {
          const cosine = a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
          near(cosine, golden.cosines[model]?.[row]?.[column], 0.01, `${model} ${row} ${column}`);
        }
      }
      for (const [at, value] of (golden.first_values[model] ?? []).entries())
        near(vectors[0]?.[at], value, 0.005, `value ${at}`);
    });
  }

  it('a model of a known kind is added by its description alone', async () => {
    const folder = join(repository.directory, 'person_reid_0248');
    await mkdir(join(folder, '1'), { recursive: true });
    await symlink(dataPath('models/person-reidentification-retail-0248.onnx'), join(folder, '1/model.onnx'));
    await writeFile(
      join(folder, 'config.pbtxt'),
      `max_batch_size: 0
       input { name: "inputs:0" data_type: TYPE_FP32 dims: [ 1, 256, 128, 3 ] }
       output { name: "Identity:0" data_type: TYPE_FP32 dims: [ 1, 256 ] }
       parameters [ { key: "kind" value: { string_value: "person_embedder" } }, { key: "scale" value: { string_value: "1" } },
         { key: "colour" value: { string_value: "bgr" } }, { key: "layout" value: { string_value: "nhwc" } } ]`,
    );
    const embedder = createEmbedder(await engine.describe('person_reid_0248'), engine.infer);
    assert.deepEqual([embedder.space, embedder.dimensions], ['person_reid_0248@1', 256]);
    const inputs = [];
    for (const image of images) {
      const [person] = await detect('yolox_nano', image);
      assert.ok(person);
      inputs.push({ image, box: person.box });
    }
    const [a, again, other] = await embedder.embed(inputs, options());
    assert.ok(a && again && other);
    const cosine = (one: Float32Array, two: Float32Array) => one.reduce((sum, value, at) => sum + value * (two[at] ?? 0), 0);
    assert.ok(cosine(a, again) > cosine(a, other), `${cosine(a, again)} ${cosine(a, other)}`);
  });

  it('YOLOX as its own exporter leaves it finds the same as the reference', async () => {
    const folder = join(repository.directory, 'yolox_raw');
    await mkdir(join(folder, '1'), { recursive: true });
    await symlink(dataPath('models/yolox_nano_coco_fp16w.onnx'), join(folder, '1/model.onnx'));
    const { labels } = createDetector(await engine.describe('yolox_nano'), engine.infer);
    await writeFile(join(folder, 'labels.txt'), labels.join('\n'));
    await writeFile(
      join(folder, 'config.pbtxt'),
      `max_batch_size: 4
       input { name: "images" data_type: TYPE_FP32 dims: [ 3, 416, 416 ] }
       output { name: "output" data_type: TYPE_FP32 dims: [ -1, 85 ] label_filename: "labels.txt" }
       parameters [ { key: "kind" value: { string_value: "yolox" } }, { key: "score_threshold" value: { string_value: "0.4" } } ]`,
    );
    for (const [index, { photo, yolox_raw: expected }] of golden.photos.entries()) {
      const image = images[index];
      assert.ok(image);
      const found = (await detect('yolox_raw', image)).filter(({ label }) => label === 'person');
      const people = expected.boxes.filter((_, at) => expected.classes[at] === 0);
      assert.equal(found.length, people.length, photo);
      for (const [at, { box, score }] of found.entries()) {
        for (const [side, value] of [box.left, box.top, box.width, box.height].entries())
          near(value, people[at]?.[side], 0.003 * image.width, `${photo} side ${side}`);
        near(score, expected.scores[at], scoreTolerance, `${photo} score`);
      }
    }
  });

  it('an embedder of many crops gives what it gives one by one, in order', async () => {
    const embedder = createEmbedder(await engine.describe('face_embed'), engine.infer);
    const inputs = [];
    for (const image of images) {
      const [face] = await detect('centerface', image);
      assert.ok(face?.landmarks);
      inputs.push({ image, box: face.box, landmarks: face.landmarks });
    }
    const together = await embedder.embed(inputs, options());
    for (const [index, input] of inputs.entries()) {
      const [alone] = await embedder.embed([input], options());
      for (const [at, value] of (alone ?? []).entries()) near(together[index]?.[at], value, 1e-4, `value ${at} of ${index}`);
    }
  });
});
