import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createRecognition } from '../../src/composition/recognition.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import { createTracer } from '../../src/core/trace.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { startTritonEngine } from '../../src/inference/triton.ts';
import { cutLaterHalf, enrollable, readClip, readManifest } from '../support/clips.ts';
import { testContext } from '../support/context.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingRecognitionServer, type RecognitionServer, startRecognitionServer } from '../support/recognition-server.ts';
import { testRecognitionSets } from '../support/recognition-sets.ts';

const skip = await missingRecognitionServer();

describe('recognition through Triton: the alerts of the embedded engine, with no weights here', { skip }, () => {
  let served: RecognitionServer;
  before(async () => {
    served = await startRecognitionServer();
  });
  after(() => served?.[Symbol.asyncDispose]());

  testRecognitionSets(() => served);

  for (const [kind, appearance] of [
    ['face', 'person_embed'],
    ['body', 'person_embed'],
    ['body', 'clip_visual'],
  ] as const) {
    const model = kind === 'face' ? 'face_embed' : appearance;
    test(`vectors of ${model} differ from those of the embedded engine by less than 1e-4`, async () => {
      using ctx = testContext();
      await using folder = await temporaryDirectory();
      const pictures = kind === 'face' ? facePhotos() : bodyPictures(folder.path);
      assert.equal(pictures.length, 8);
      const config = configSchema.parse({ models: { appearance } }).models;
      async function vectors(engine: InferenceEngine): Promise<readonly Float32Array[]> {
        using recognition = await createRecognition(config, engine, createTracer(0), ctx);
        const { photos } = recognition;
        const found: Float32Array[] = [];
        for (const picture of pictures) {
          const bytes = readFileSync(picture);
          const [subject] = (await photos.analyse(bytes, kind, ctx.signal)).subjects;
          assert.ok(subject, picture);
          const cutout = await photos.cut(bytes, subject, kind, ctx.signal);
          found.push((await photos.embed(cutout, kind, ctx.signal)).vector);
        }
        return found;
      }
      const settings = { repository: served.repository };
      await using embedded = await startEmbedded({ ...settings, threads: 1 }, ctx);
      const own = await vectors(embedded);
      for (const sharedMemory of [false, true]) {
        await using triton = await startTritonEngine({ ...settings, urls: [served.server.url], sharedMemory }, ctx);
        const theirs = await vectors(triton);
        for (const [at, vector] of own.entries()) {
          const similarity = dot(vector, theirs[at]);
          assert.ok(1 - similarity < 1e-4, `${pictures[at]}: ${similarity}`);
        }
        assert.ok(dot(own[0] ?? [], theirs[1]) < 0.99, 'pictures differ');
      }
    });
  }
});

/** Of unit vectors. */
function dot(a: ArrayLike<number>, b: ArrayLike<number> = []): number {
  return Array.from(a).reduce((sum, value, axis) => sum + value * (b[axis] ?? Number.NaN), 0);
}

function facePhotos(): readonly string[] {
  const { people } = readManifest();
  return enrollable()
    .slice(0, 8)
    .flatMap((person) => (people[person]?.enrol.slice(0, 1) ?? []).map(dataPath));
}

/** Of the three visitors, some of each. */
function bodyPictures(folder: string): readonly string[] {
  const clip = readClip('real_visits_a');
  return clip.persons.flatMap((visit) => cutLaterHalf(clip, visit, folder)).slice(0, 8);
}
