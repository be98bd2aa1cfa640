import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, cutLaterHalf, enrollable, playScene, readClip } from '../support/clips.ts';
import { missingData, missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels } from '../support/repository.ts';

/** The main job on real input: the program as its users run it, one shipped default configuration for all clips, alerts read from a real
 * broker and held against the ground truth. */
const skip =
  missingData('clips/synth_shots_a.mp4') ||
  missingModels('centerface', 'face_embed', 'yolox_nano', 'person_embed') ||
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg');

function cameras(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, readClip(name).path]));
}

/** With the longest, real_visits_a: test/long/recognition.test.ts. */
const withoutListed = ['neg_carpark', 'real_classroom', 'real_worker'];

test('recognition C: clips without listed faces alert on nobody with everybody on the watchlist', { skip }, async () => {
  const scene = await playScene({ gallery: { watch: enrollable() }, cameras: cameras(withoutListed) });
  assert.deepEqual(scene.opened, []);
});

test('recognition B: a clip without listed faces alerts on nobody when everybody is ignored', { skip }, async () => {
  // All of them, and with nobody enrolled: test/long/recognition.test.ts.
  const { opened } = await playScene({ gallery: { watch: [], ignore: enrollable() }, cameras: cameras(['real_worker']) });
  assert.deepEqual(opened, []);
});

test('recognition D: a visitor enrolled from the later half of the visit alerts on it, the other two do not', {
  skip,
}, async () => {
  const clip = readClip('real_visits_a');
  const visit = clip.persons.find(({ id }) => id === 'visitor_1');
  assert.ok(visit);
  await using folder = await temporaryDirectory();
  const pictures = cutLaterHalf(clip, visit, folder.path);
  const scene = await playScene({
    gallery: { watch: [], bodies: { [visit.id]: pictures } },
    cameras: { clip: clip.path },
    kind: 'appearance',
  });
  assertVisits(clip, [visit], scene.opened, 'appearance');
});
