import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertVisits, type ClipData, cutLaterHalf, enrollable, listedVisits, playScene, readClip } from './clips.ts';
import { temporaryDirectory } from './directory.ts';
import type { TritonServer } from './triton.ts';

const withListed = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'];
const withoutListed = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'];

export interface ServedData {
  readonly data: ClipData;
  /** What runs the networks. */
  readonly server: TritonServer;
}

/** The main job (test/e2e/recognition-*.test.ts, test/long/recognition.test.ts) as tests, with networks that a Triton server runs. */
export function testRecognitionSets(place: () => ServedData): void {
  for (const name of withListed) {
    test(`A: ${name} with its own watchlist`, async () => {
      const { data } = place();
      const clip = readClip(name);
      const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
      assertVisits(clip, listedVisits(clip), scene.opened);
    });

    test(`B: ${name} with everybody enrolled, those not listed on an ignore list`, async () => {
      const { data } = place();
      const clip = readClip(name);
      const ignore = enrollable().filter((id) => !clip.watchlist.includes(id));
      const scene = await playScene({ data, gallery: { watch: clip.watchlist, ignore }, cameras: { clip: clip.path } });
      assertVisits(clip, listedVisits(clip), scene.opened);
    });
  }

  test('C: clips without listed faces alert on nobody with everybody on the watchlist', async () => {
    const { data } = place();
    const cameras = Object.fromEntries(withoutListed.map((name) => [name, readClip(name).path]));
    const scene = await playScene({ data, gallery: { watch: enrollable() }, cameras });
    assert.deepEqual(scene.opened, []);
  });

  for (const appearance of ['person_embed', 'clip_visual']) {
    test(`D: a visitor enrolled from the later half of the visit, compared by ${appearance}`, async () => {
      const { data, server } = place();
      const clip = readClip('real_visits_a');
      const visit = clip.persons.find(({ id }) => id === 'visitor_1');
      assert.ok(visit);
      await using folder = await temporaryDirectory();
      const before = await inferences(server, appearance);
      const scene = await playScene({
        data: { ...data, settings: [...data.settings, `models: { appearance: ${appearance} }`] },
        gallery: { watch: [], bodies: { [visit.id]: cutLaterHalf(clip, visit, folder.path) } },
        cameras: { clip: clip.path },
        kind: 'appearance',
      });
      assertVisits(clip, [visit], scene.opened, 'appearance');
      assert.ok((await inferences(server, appearance)) > before + 10, 'the server embedded');
    });
  }
}

async function inferences(server: TritonServer, model: string): Promise<number> {
  const [counts] = await server.client().statistics({ timeoutMs: 10_000 }, model);
  return Number(counts?.inferenceCount ?? 0n);
}
