import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, enrollable, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingData, missingTool } from '../support/data.ts';
import { missingModels } from '../support/repository.ts';

/** The main job on real input: the program as its users run it, one shipped default configuration for all clips, alerts read from a real
 * broker and held against the ground truth. */
const skip =
  missingData('clips/synth_shots_a.mp4') || missingModels('centerface', 'face_embed') || missingTool(hasMosquitto, 'mosquitto');

// The other clips: test/long/recognition.test.ts.
test('recognition B: synth_crowd_a with everybody enrolled, those not listed on an ignore list: the same alerts', {
  skip,
}, async () => {
  const clip = readClip('synth_crowd_a');
  const ignore = enrollable().filter((id) => !clip.watchlist.includes(id));
  const scene = await playScene({ gallery: { watch: clip.watchlist, ignore }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
});
