import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, enrollable, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingData, missingTool } from '../support/data.ts';
import { missingModels } from '../support/repository.ts';

/** What test/e2e/recognition-*.test.ts leave out for the time it takes. */
const skip =
  missingData('clips/synth_shots_a.mp4') || missingModels('centerface', 'face_embed') || missingTool(hasMosquitto, 'mosquitto');

for (const name of ['real_headpose_m', 'real_tilt_m', 'synth_shots_a']) {
  test(`recognition B: ${name} with everybody enrolled, those not listed on an ignore list: the same alerts`, {
    skip,
  }, async () => {
    const clip = readClip(name);
    const ignore = enrollable().filter((id) => !clip.watchlist.includes(id));
    const scene = await playScene({ gallery: { watch: clip.watchlist, ignore }, cameras: { clip: clip.path } });
    assertVisits(clip, listedVisits(clip), scene.opened);
  });
}

test('recognition A, B: clips without listed faces alert on nobody when nobody is enrolled, or everybody is ignored', {
  skip,
}, async () => {
  const names = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'];
  const cameras = Object.fromEntries(names.map((name) => [name, readClip(name).path]));
  const nobody = await playScene({ gallery: { watch: [] }, cameras: { worker: readClip('real_worker').path } });
  assert.deepEqual(nobody.opened, []);
  const ignored = await playScene({ gallery: { watch: [], ignore: enrollable() }, cameras });
  assert.deepEqual(ignored.opened, []);
});

test('recognition C: a clip without listed faces alerts on nobody with everybody on the watchlist', { skip }, async () => {
  const scene = await playScene({ gallery: { watch: enrollable() }, cameras: { visits: readClip('real_visits_a').path } });
  assert.deepEqual(scene.opened, []);
});
