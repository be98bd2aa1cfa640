import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { type Card, startCard } from '../support/card.ts';
import { assertVisits, type ClipData, cutLaterHalf, enrollable, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingEngine } from '../support/docker.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels } from '../support/repository.ts';
import { missingStandin } from '../support/standin.ts';
import { missingTriton } from '../support/triton.ts';

const withListed = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'];
const withoutListed = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'];
const skip =
  missingEngine() ||
  missingStandin() ||
  missingModels('centerface', 'face_embed', 'yolox_nano', 'person_embed', 'person_embed_224') ||
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  (await missingTriton());

describe('recognition by cameras in containers: the alerts of the software worker', { skip }, () => {
  let card: Card;
  let data: ClipData;
  before(async () => {
    card = await startCard();
    data = card.data;
  });
  after(() => card?.[Symbol.asyncDispose]());

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
      const scene = await playScene({
        data: { ...data, settings: [...data.settings, `models: { appearance: ${appearance} }`] },
        gallery: { watch: [], bodies: { [visit.id]: cutLaterHalf(clip, visit, folder.path) } },
        cameras: { clip: clip.path },
        kind: 'appearance',
      });
      assertVisits(clip, [visit], scene.opened, 'appearance');
    });
  }
});
