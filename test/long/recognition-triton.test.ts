import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createRecognition } from '../../src/composition/recognition.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import { createTracer } from '../../src/core/trace.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { startTritonEngine } from '../../src/inference/triton.ts';
import { hasMosquitto } from '../support/broker.ts';
import {
  assertVisits,
  type ClipData,
  cutLaterHalf,
  enrollable,
  listedVisits,
  playScene,
  readClip,
  readManifest,
  realData,
} from '../support/clips.ts';
import { testContext } from '../support/context.ts';
import { dataPath, missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels, realRepository, type TestRepository, testWeights } from '../support/repository.ts';
import { missingTriton, servedData, startTriton, type TritonServer, withoutWeights } from '../support/triton.ts';

/** The main job (test/e2e/recognition-*.test.ts, test/long/recognition.test.ts) with networks that only a real Triton server runs. */
const models = ['centerface', 'face_embed', 'yolox_nano', 'person_embed', 'clip_visual'];
/** OSNet behind the tensors of CLIP's image side: what stands for CLIP, whose weights are not at hand. */
const clipWeights = testWeights['person_embed_224'] ?? '';
const skip =
  missingModels('centerface', 'face_embed', 'yolox_nano', 'person_embed', 'person_embed_224') ||
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  (await missingTriton());
const withListed = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'];
const withoutListed = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'];

describe('recognition through Triton: the alerts of the embedded engine, with no weights here', { skip }, () => {
  const parts = new AsyncDisposableStack();
  let repository: TestRepository;
  let server: TritonServer;
  let data: ClipData;
  before(async () => {
    repository = parts.use(await realRepository());
    // With the description as it is shipped.
    await mkdir(join(repository.directory, 'clip_visual/1'));
    await symlink(dataPath(clipWeights), join(repository.directory, 'clip_visual/1/model.onnx'));
    const folder = parts.use(await temporaryDirectory());
    const descriptions = await withoutWeights(repository.directory, join(folder.path, 'models'));
    const flags = ['--model-control-mode=explicit', ...models.map((model) => `--load-model=${model}`)];
    server = parts.use(await startTriton({ repository: repository.directory, flags }));
    data = servedData(realData, server, descriptions);
  });
  after(() => parts.disposeAsync());

  for (const name of withListed) {
    test(`A: ${name} with its own watchlist`, async () => {
      const clip = readClip(name);
      const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
      assertVisits(clip, listedVisits(clip), scene.opened);
    });

    test(`B: ${name} with everybody enrolled, those not listed on an ignore list`, async () => {
      const clip = readClip(name);
      const ignore = enrollable().filter((id) => !clip.watchlist.includes(id));
      const scene = await playScene({ data, gallery: { watch: clip.watchlist, ignore }, cameras: { clip: clip.path } });
      assertVisits(clip, listedVisits(clip), scene.opened);
    });
  }

  test('C: clips without listed faces alert on nobody with everybody on the watchlist', async () => {
    const cameras = Object.fromEntries(withoutListed.map((name) => [name, readClip(name).path]));
    const scene = await playScene({ data, gallery: { watch: enrollable() }, cameras });
    assert.deepEqual(scene.opened, []);
  });

  for (const appearance of ['person_embed', 'clip_visual']) {
    test(`D: a visitor enrolled from the later half of the visit, compared by ${appearance}`, async () => {
      const clip = readClip('real_visits_a');
      const visit = clip.persons.find(({ id }) => id === 'visitor_1');
      assert.ok(visit);
      await using folder = await temporaryDirectory();
      const before = await runs(appearance);
      const scene = await playScene({
        data: { ...data, settings: [`models: { appearance: ${appearance} }`] },
        gallery: { watch: [], bodies: { [visit.id]: cutLaterHalf(clip, visit, folder.path) } },
        cameras: { clip: clip.path },
        kind: 'appearance',
      });
      assertVisits(clip, [visit], scene.opened, 'appearance');
      assert.ok((await runs(appearance)) > before + 10, 'the server embedded');
    });
  }

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
      const settings = { repository: repository.directory };
      await using embedded = await startEmbedded({ ...settings, threads: 1 }, ctx);
      const own = await vectors(embedded);
      for (const sharedMemory of [false, true]) {
        await using triton = await startTritonEngine({ ...settings, urls: [server.url], sharedMemory }, ctx);
        const theirs = await vectors(triton);
        for (const [at, vector] of own.entries()) {
          const similarity = dot(vector, theirs[at]);
          assert.ok(1 - similarity < 1e-4, `${pictures[at]}: ${similarity}`);
        }
        assert.ok(dot(own[0] ?? [], theirs[1]) < 0.99, 'pictures differ');
      }
    });
  }

  async function runs(model: string): Promise<number> {
    const [counts] = await server.client().statistics({ timeoutMs: 10_000 }, model);
    return Number(counts?.inferenceCount ?? 0n);
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
