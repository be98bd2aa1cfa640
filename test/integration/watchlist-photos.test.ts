import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { Store } from '../../src/core/store.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { createPhotoTools } from '../../src/models/photo-tools.ts';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist, type Watchlist } from '../../src/watchlist/watchlist.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { dataPath, missingData, readDataJson } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { badPhotos, fixtureModelRepository, fixtureModels, fixturePath, readFixtureManifest } from '../support/fixtures.ts';
import { missingModels, realRepository } from '../support/repository.ts';
import { findBytes } from '../support/store.ts';

interface Models {
  readonly detector: string;
  readonly embedder: string;
}

interface Room {
  readonly watchlist: Watchlist;
  readonly store: Store;
  readonly directory: string;
  readonly threshold: number;
  enrol(
    file: string,
    name: string,
    options?: { readonly acceptQuality?: boolean; readonly pick?: number },
  ): ReturnType<Watchlist['enrol']>;
  /** Best entry beside the only face of a photo, at or above its threshold. */
  who(file: string): Promise<string | undefined>;
}

/** A watchlist on real networks; `engine` is shared. */
async function withRoom(engine: InferenceEngine, models: Models, run: (room: Room) => Promise<void>): Promise<void> {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const detector = createDetector(await engine.describe(models.detector), engine.infer);
  const embedder = createEmbedder(await engine.describe(models.embedder), engine.infer);
  const photos = createPhotoTools({
    detector: async () => detector,
    embedder: async () => embedder,
    options: (signal) => ({ signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test', priority: 'background' }),
  });
  await using store = await startStore({ directory: directory.path }, ctx);
  const threshold = embedder.thresholds.open;
  await using watchlist = await startWatchlist(
    {
      store: store.watchlist,
      audit: store.audit.add,
      photos,
      lists: { banned: { kind: 'watch' } },
      spaces: { face: { name: embedder.space, dimensions: embedder.dimensions, threshold } },
    },
    ctx,
  );
  await run({
    watchlist,
    store,
    directory: directory.path,
    threshold,
    enrol: async (file, name, options = {}) =>
      watchlist.enrol({ photo: await readFile(file), source: file, name, list: 'banned', actor: 'kim', ...options }),
    who: async (file) => {
      const photo = await readFile(file);
      const { subjects } = await photos.analyse(photo, 'face', ctx.signal);
      assert.equal(subjects.length, 1, file);
      const [subject] = subjects;
      assert.ok(subject !== undefined);
      const embedding = await photos.embed(await photos.cut(photo, subject, 'face', ctx.signal), 'face', ctx.signal);
      const [result] = await watchlist.search([{ kind: 'face', embedding }], 1);
      const best = result?.top[0];
      return best !== undefined && best.score >= best.threshold ? best.entryName : undefined;
    },
  });
}

describe('drawn photos', () => {
  const models = { detector: fixtureModels.face, embedder: fixtureModels.faceEmbedder };
  const { people } = readFixtureManifest();
  let ctx: TestContext;
  let engine: InferenceEngine;
  before(async () => {
    process.env['OMP_NUM_THREADS'] = '1';
    ctx = testContext();
    engine = await startEmbedded({ repository: fixtureModelRepository, threads: 1 }, ctx);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
  });

  test('everybody enrolled is found by another photo, and nobody else', () =>
    withRoom(engine, models, async ({ enrol, who }) => {
      for (const name of ['ada', 'ben'] as const) {
        for (const file of people[name].enrol)
          assert.deepEqual(
            (await enrol(fixturePath(file), name)).warnings.filter((text) => !/has this picture already/.test(text)),
            [],
          );
      }
      for (const name of ['ada', 'ben', 'dee'] as const) {
        for (const file of people[name].probe) assert.equal(await who(fixturePath(file)), name === 'dee' ? undefined : name);
      }
    }));

  test('each bad photo is refused for its own reason', () =>
    withRoom(engine, models, async ({ enrol, watchlist }) => {
      const expected: Readonly<Record<keyof typeof badPhotos, readonly [code: string, reasons?: readonly string[]]>> = {
        noFace: ['photo.refused', ['nobody']],
        twoFaces: ['photo.refused', ['several']],
        tiny: ['photo.refused', ['too_small']],
        blurred: ['photo.refused', ['blurred']],
        tilted: ['photo.refused', ['tilted']],
        notAnImage: ['photo.undecodable'],
        truncated: ['photo.undecodable'],
        onePixel: ['photo.refused', ['nobody']],
        bomb: ['photo.undecodable'],
      };
      for (const [name, file] of Object.entries(badPhotos)) {
        const [code, reasons] = expected[name as keyof typeof badPhotos];
        await assert.rejects(enrol(fixturePath(file), name), (error) => {
          assert.ok(isSightlineError(error), `${name}: ${error}`);
          const refusals = (error.details['refusals'] ?? []) as readonly { readonly reason: string }[];
          assert.deepEqual([error.code, refusals.map(({ reason }) => reason)], [code, reasons ?? []], name);
          return true;
        });
      }
      assert.deepEqual(watchlist.list(), []);
    }));

  test('one of two faces is picked by its number, and a poor photo is accepted with a raised threshold', () =>
    withRoom(engine, models, async ({ enrol, watchlist, threshold }) => {
      const [first, second] = [
        await enrol(fixturePath(badPhotos.twoFaces), 'left', { pick: 1 }),
        await enrol(fixturePath(badPhotos.twoFaces), 'right', { pick: 2 }),
      ];
      assert.notEqual(first.entry.id, second.entry.id);
      assert.deepEqual(second.warnings, [], 'the other face is somebody else');
      const { reference, warnings } = await enrol(fixturePath(badPhotos.tiny), 'small', { acceptQuality: true });
      assert.ok(reference.accepted);
      assert.match(warnings[0] ?? '', /raised threshold: the face is 58 px high; photos of at least 80 px work/);
      assert.ok(threshold < 1);
      assert.equal(watchlist.health.references, 3);
    }));

  test('after removal no piece of the kept picture or its vector is in the data directory', () =>
    withRoom(engine, models, async ({ enrol, watchlist, store, directory }) => {
      const [file = ''] = people.ada.enrol;
      const { entry, reference } = await enrol(fixturePath(file), 'ada');
      const { references } = await store.watchlist.load();
      const vector = references[0]?.vector ?? new Float32Array();
      const secrets = [
        await watchlist.image(reference.id),
        new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
      ];
      assert.equal(new Set(findBytes(directory, secrets).map((place) => place.slice(0, 8))).size, 2);
      await watchlist.remove(entry.id, 'kim');
      assert.deepEqual(findBytes(directory, secrets), []);
    }));
});

describe('real photos', { skip: missingModels('centerface', 'face_embed') || missingData('photos/cal_m1') }, () => {
  const models = { detector: 'centerface', embedder: 'face_embed' };

  test('no enrolment photo of the test data is refused, none is near to another person, and each probe finds its person', async () => {
    using ctx = testContext();
    await using repository = await realRepository();
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const { people } = readDataJson('manifest.json') as {
      readonly people: Readonly<Record<string, { readonly enrol: readonly string[]; readonly probe: readonly string[] }>>;
    };
    await withRoom(engine, models, async ({ enrol, who }) => {
      for (const [name, { enrol: files }] of Object.entries(people)) {
        for (const file of files) assert.deepEqual((await enrol(dataPath(file), name)).warnings, [], file);
      }
      for (const [name, { enrol: files, probe }] of Object.entries(people)) {
        const [file] = probe;
        if (file !== undefined) assert.equal(await who(dataPath(file)), files.length > 0 ? name : undefined, file);
      }
    });
  });
});
