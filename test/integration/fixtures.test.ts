import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { DetectedObject, Detector, Embedder, RgbImage } from '../../src/core/models.ts';
import type { Box } from '../../src/core/types.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { readClipVocabulary } from '../../src/models/clip-vocabulary.ts';
import { embedDescription } from '../../src/models/describe.ts';
import { detectInPhoto } from '../../src/models/detect-photo.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector, createEmbedder, createTextEmbedder } from '../../src/models/kinds.ts';
import { createPhotoTools } from '../../src/models/photo-tools.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import {
  badPhotos,
  fixtureModelRepository,
  fixtureModels,
  fixturePath,
  lobbyClip,
  readFixtureManifest,
  readLobbyTruth,
} from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';

const noFfmpeg = missingTool(installedProgram('ffmpeg'), 'the ffmpeg program');
const truth = readLobbyTruth();
const { people } = readFixtureManifest();
const faces = ['ada', 'ben', 'cyd', 'dee'] as const;

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

function overlap(a: Box, [left, top, width, height]: readonly [number, number, number, number]): number {
  const across = Math.min(a.left + a.width, left + width) - Math.max(a.left, left);
  const down = Math.min(a.top + a.height, top + height) - Math.max(a.top, top);
  const shared = Math.max(0, across) * Math.max(0, down);
  return shared / (a.width * a.height + width * height - shared);
}

/** Every eighth frame of the clip, as ffmpeg decodes it. */
async function clipFrames(): Promise<ReadonlyMap<number, RgbImage>> {
  const filter = 'select=not(mod(n\\,8)),scale=in_color_matrix=bt709:in_range=tv';
  const output = ['-vf', filter, '-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
  const { stdout } = await promisify(execFile)('ffmpeg', ['-v', 'error', '-i', fixturePath(lobbyClip), ...output], {
    encoding: 'buffer',
    maxBuffer: 1 << 28,
  });
  const { width, height } = truth;
  const bytes = 3 * width * height;
  return new Map(
    Array.from({ length: stdout.length / bytes }, (_, i) => [
      8 * i,
      { width, height, data: stdout.subarray(i * bytes, (i + 1) * bytes) },
    ]),
  );
}

function swapped(image: RgbImage): RgbImage {
  const data = new Uint8Array(image.data);
  for (let at = 0; at < data.length; at += 3)
    data.set([image.data[at + 2] ?? 0, image.data[at + 1] ?? 0, image.data[at] ?? 0], at);
  return { ...image, data };
}

/** What test/fixtures/README.md states, measured: tests that use the fixtures rely on it. */
describe('the drawn people of test/fixtures', () => {
  let ctx: TestContext;
  let engine: InferenceEngine;
  let faceDetector: Detector;
  let personDetector: Detector;
  let faceEmbedder: Embedder;
  let appearanceEmbedder: Embedder;
  before(async () => {
    ctx = testContext();
    engine = await startEmbedded({ repository: fixtureModelRepository, threads: 1 }, ctx);
    const { infer } = engine;
    faceDetector = createDetector(await engine.describe(fixtureModels.face), infer);
    personDetector = createDetector(await engine.describe(fixtureModels.person), infer);
    faceEmbedder = createEmbedder(await engine.describe(fixtureModels.faceEmbedder), infer);
    appearanceEmbedder = createEmbedder(await engine.describe(fixtureModels.appearanceEmbedder), infer);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
  });

  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 30_000, stream: 'test' });
  const photo = async (file: string) => decodeImage(await readFile(fixturePath(file)));
  const findFaces = (image: RgbImage) => detectInPhoto(faceDetector, image, options());
  async function embedFace(image: RgbImage, { box, landmarks }: DetectedObject): Promise<Float32Array> {
    const [vector] = await faceEmbedder.embed([{ image, box, ...(landmarks === undefined ? {} : { landmarks }) }], options());
    assert.ok(vector);
    return vector;
  }
  async function embedPhoto(file: string): Promise<Float32Array> {
    const image = await photo(file);
    const [face, second] = await findFaces(image);
    assert.ok(face !== undefined && second === undefined, `${file}: not exactly one face`);
    return embedFace(image, face);
  }
  async function gallery(): Promise<ReadonlyMap<string, readonly Float32Array[]>> {
    const entries = new Map<string, readonly Float32Array[]>();
    for (const id of faces) entries.set(id, await Promise.all(people[id].enrol.map(embedPhoto)));
    return entries;
  }
  const best = (entries: ReadonlyMap<string, readonly Float32Array[]>, id: string, vector: Float32Array) =>
    Math.max(...(entries.get(id) ?? []).map((reference) => dot(reference, vector)));

  it('are told apart on photos, and cyd looks half like ada', async () => {
    const entries = await gallery();
    for (const id of faces) {
      for (const file of people[id].probe) {
        const vector = await embedPhoto(file);
        for (const other of faces) {
          const cosine = best(entries, other, vector);
          const alike = [id, other].toSorted().join() === 'ada,cyd';
          if (id === other) assert.ok(cosine > 0.95, `${file} and ${other}: ${cosine}`);
          else if (alike) assert.ok(cosine > 0.5 && cosine < 0.6, `${file} and ${other}: ${cosine}`);
          else assert.ok(Math.abs(cosine) < 0.1, `${file} and ${other}: ${cosine}`);
        }
      }
    }
  });

  it('are not found when red and blue are swapped', async () => {
    const image = await photo(people.ada.enrol[0] ?? '');
    assert.equal((await findFaces(image)).length, 1);
    assert.deepEqual(await findFaces(swapped(image)), []);
  });

  it('are found and recognised in every frame of the clip, and nobody else is', { skip: noFfmpeg }, async () => {
    const entries = await gallery();
    let whole = 0;
    for (const [i, image] of await clipFrames()) {
      const found = await findFaces(image);
      const real = truth.frames[i]?.faces ?? [];
      for (const { id, box, visible, kps } of real.filter((face) => face.visible === 1)) {
        const face = found.find((object) => overlap(object.box, box) > 0.5);
        assert.ok(face?.landmarks !== undefined, `frame ${i}: ${id} is not found (${visible})`);
        assert.ok(face.score > 0.9, `frame ${i}: ${id} scores ${face.score}`);
        for (const [index, [x, y]] of kps.entries()) {
          const point = face.landmarks[index as 0 | 1 | 2 | 3 | 4];
          assert.ok(Math.hypot(point.x - x, point.y - y) < 0.06 * box[2], `frame ${i}: point ${index} of ${id} is off`);
        }
        const vector = await embedFace(image, face);
        for (const other of faces) {
          const cosine = best(entries, other, vector);
          if (other === id) assert.ok(cosine > 0.9, `frame ${i}: ${id} scores ${cosine}`);
          else assert.ok(cosine < 0.6, `frame ${i}: ${id} scores ${cosine} with ${other}`);
        }
        whole += 1;
      }
      const stray = found.filter((object) => !real.some(({ box }) => overlap(object.box, box) > 0.3));
      assert.deepEqual(stray, [], `frame ${i}`);
    }
    assert.ok(whole > 15, `only ${whole} faces were compared`);
  });

  it('have bodies that are found and told apart by their clothes, also from behind', { skip: noFfmpeg }, async () => {
    const references: Float32Array[] = [];
    for (const file of people.eve.body ?? []) {
      const image = await photo(file);
      const box = { left: 0, top: 0, width: image.width, height: image.height };
      references.push(...(await appearanceEmbedder.embed([{ image, box }], options())));
    }
    const seen = new Set<string>();
    for (const [i, image] of await clipFrames()) {
      const found = await detectInPhoto(personDetector, image, options());
      const real = truth.frames[i]?.persons ?? [];
      for (const { id, box } of real.filter(({ visible }) => visible > 0.95)) {
        const body = found.find((object) => overlap(object.box, box) > 0.7);
        assert.ok(body, `frame ${i}: ${id} is not found`);
        const [vector] = await appearanceEmbedder.embed([{ image, box: body.box }], options());
        assert.ok(vector);
        const cosine = Math.max(...references.map((reference) => dot(reference, vector)));
        if (id === 'eve') assert.ok(cosine > 0.9, `frame ${i}: eve scores ${cosine}`);
        else assert.ok(cosine < 0.6, `frame ${i}: ${id} scores ${cosine} with eve`);
        seen.add(id);
      }
      assert.deepEqual(
        found.filter((object) => !real.some(({ box }) => overlap(object.box, box) > 0.3)),
        [],
        `frame ${i}`,
      );
    }
    assert.deepEqual([...seen].toSorted(), ['ada', 'ben', 'cyd', 'dee', 'eve']);
  });

  it('are told apart by words too: near the description of their clothes, far from any other', { skip: noFfmpeg }, async () => {
    const read = (name: string) => readClipVocabulary(join(fixtureModelRepository, fixtureModels.textEmbedder, name));
    const texts = createTextEmbedder(await engine.describe(fixtureModels.textEmbedder), read, engine.infer);
    assert.equal(texts.space, appearanceEmbedder.space);
    const clothes = new Map<string, Float32Array>();
    for (const [id, text] of Object.entries({
      ada: 'blue jacket, black trousers',
      ben: 'green jacket, white trousers',
      cyd: 'purple jacket, turquoise trousers',
      dee: 'white jacket, blue trousers',
      eve: 'turquoise jacket, purple trousers',
      nobody: 'red jacket',
    }))
      clothes.set(id, await embedDescription(texts, text, options()));
    const [own, others]: [number[], number[]] = [[], []];
    for (const [i, image] of await clipFrames()) {
      const found = await detectInPhoto(personDetector, image, options());
      for (const { id, box } of (truth.frames[i]?.persons ?? []).filter(({ visible }) => visible > 0.95)) {
        const body = found.find((object) => overlap(object.box, box) > 0.7);
        assert.ok(body, `frame ${i}: ${id} is not found`);
        const [vector] = await appearanceEmbedder.embed([{ image, box: body.box }], options());
        assert.ok(vector);
        for (const [described, text] of clothes) (described === id ? own : others).push(dot(text, vector));
      }
    }
    assert.ok(own.length > 15 && Math.min(...own) > 0.36 && Math.max(...own) < 0.41, `own: ${Math.min(...own)}`);
    assert.ok(Math.max(...others) < 0.2, `others: ${Math.min(...others)} to ${Math.max(...others)}`);
  });

  it('have photos that are fit for enrolment, and bad ones that each lack one thing', async () => {
    const tools = createPhotoTools({ detector: async () => faceDetector, embedder: async () => faceEmbedder, options });
    const analyse = async (file: string) => tools.analyse(await readFile(fixturePath(file)), 'face', ctx.signal);
    const only = async (file: string) => {
      const { subjects } = await analyse(file);
      const [subject, second] = subjects;
      assert.ok(subject !== undefined && second === undefined, `${file}: ${subjects.length} faces`);
      return subject.quality;
    };
    for (const id of faces) {
      for (const file of people[id].enrol) {
        const { heightPx, sharpness, rollDegrees, yaw, visible, score } = await only(file);
        assert.ok(
          heightPx >= 80 && sharpness >= 20 && visible === 1 && score > 0.9,
          `${file}: ${heightPx} ${sharpness} ${visible} ${score}`,
        );
        assert.ok(Math.abs(rollDegrees) < 3 && Math.abs(yaw) < 0.1, `${file}: ${rollDegrees} ${yaw}`);
      }
    }
    assert.equal((await analyse(badPhotos.noFace)).subjects.length, 0);
    assert.equal((await analyse(badPhotos.twoFaces)).subjects.length, 2);
    assert.ok((await only(badPhotos.tiny)).heightPx < 70);
    assert.ok((await only(badPhotos.blurred)).sharpness < 15);
    assert.ok((await only(badPhotos.tilted)).rollDegrees > 40);
    for (const file of [badPhotos.notAnImage, badPhotos.truncated, badPhotos.bomb])
      await assert.rejects(analyse(file), { code: 'photo.undecodable' }, file);
    assert.equal((await analyse(badPhotos.onePixel)).subjects.length, 0);
  });
});
