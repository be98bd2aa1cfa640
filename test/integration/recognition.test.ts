import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AlertMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto } from '../support/broker.ts';
import {
  type ClipTruth,
  cutBody,
  enrollable,
  listedVisits,
  playScene,
  publishedAtFrame,
  readClip,
  type Visit,
} from '../support/clips.ts';
import { dataPath, missingData, missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels } from '../support/repository.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';

/**
 * The main job on real input: the program as its users run it, one shipped default configuration for all clips, alerts read from a
 * real broker and held against the ground truth.
 */
const skip =
  missingData('clips/synth_shots_a.mp4') ||
  missingModels('centerface', 'face_embed', 'yolox_nano', 'person_embed') ||
  missingTool(hasMosquitto, 'mosquitto');

/** The ground truth begins a visit where most of a face is visible; half a second before, some of it is. */
function during(visit: Visit, frame: number, { fps }: ClipTruth): boolean {
  return frame >= visit.from - fps / 2 && frame <= visit.to;
}

function assertVisits(
  clip: ClipTruth,
  visits: readonly Visit[],
  opened: readonly AlertMessage[],
  kind: 'face' | 'appearance',
): void {
  const said = opened.map((alert) => ({ who: alert.entry?.name, frame: alert.frame.sequence, score: alert.score }));
  for (const visit of visits) {
    const own = opened.filter((alert) => alert.entry?.name === visit.id && during(visit, alert.frame.sequence, clip));
    assert.equal(own.length, 1, `${visit.id} from ${visit.from} to ${visit.to} alerts once: ${JSON.stringify(said)}`);
    const [alert] = own;
    assert.ok(alert);
    assert.ok(publishedAtFrame(alert, clip) < visit.to, `${visit.id} is told of while still in view`);
    assert.equal(alert.kind, kind);
    assert.equal(alert.late, false);
  }
  assert.equal(opened.length, visits.length, `nobody else alerts: ${JSON.stringify(said)}`);
}

const faceClips = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'] as const;
const clipsWithoutListed = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'] as const;

describe('recognition of faces in files at full speed', { skip, concurrency: 2 }, () => {
  for (const name of faceClips) {
    test(`A: ${name} with its own watchlist: every listed visit alerts once, nobody else`, async () => {
      const clip = readClip(name);
      const scene = await playScene({ gallery: { watch: clip.watchlist }, cameras: { clip: dataPath(clip.file) } });
      assertVisits(clip, listedVisits(clip), scene.opened, 'face');
    });

    test(`B: ${name} with everybody enrolled, those not listed on an ignore list: the same alerts`, async () => {
      const clip = readClip(name);
      const ignore = enrollable().filter((id) => !clip.watchlist.includes(id));
      const scene = await playScene({ gallery: { watch: clip.watchlist, ignore }, cameras: { clip: dataPath(clip.file) } });
      assertVisits(clip, listedVisits(clip), scene.opened, 'face');
    });
  }

  test('C: clips without listed faces alert on nobody with everybody on the watchlist', async () => {
    const cameras = Object.fromEntries(clipsWithoutListed.map((name) => [name, dataPath(readClip(name).file)]));
    const scene = await playScene({ gallery: { watch: enrollable() }, cameras });
    assert.deepEqual(scene.opened, []);
  });

  test('A, B: clips without listed faces alert on nobody when nobody is enrolled, and when everybody is ignored', async () => {
    const cameras = Object.fromEntries(['real_classroom', 'real_worker'].map((name) => [name, dataPath(readClip(name).file)]));
    const nobody = await playScene({ gallery: { watch: [] }, cameras });
    assert.deepEqual(nobody.opened, []);
    const ignored = await playScene({ gallery: { watch: [], ignore: enrollable() }, cameras });
    assert.deepEqual(ignored.opened, []);
  });
});

describe('recognition of appearance', { skip: skip || missingTool(installedProgram('ffmpeg'), 'ffmpeg') }, () => {
  test('D: a visitor enrolled from the later half of the visit alerts on it, and the other two do not', async () => {
    const clip = readClip('real_visits_a');
    const visit = clip.persons.find(({ id }) => id === 'visitor_1');
    assert.ok(visit);
    await using folder = await temporaryDirectory();
    const pictures = [0.5, 0.65, 0.8].map((part) =>
      cutBody(clip, visit.id, Math.floor(visit.from + part * (visit.to - visit.from)), folder.path),
    );
    const scene = await playScene({
      gallery: { watch: [], bodies: { [visit.id]: pictures } },
      cameras: { clip: dataPath(clip.file) },
      camera: 'detect: [{ model: yolox_nano }], recognise: [appearance]',
    });
    assertVisits(clip, [visit], scene.opened, 'appearance');
  });
});

describe('recognition over RTSP in real time', { skip: skip || missingRtspCamera(), concurrency: 2 }, () => {
  for (const name of ['real_tilt_m', 'synth_shots_a']) {
    test(`A: ${name}: every listed visit alerts once while in view, nobody else`, async () => {
      const clip = readClip(name);
      await using camera = await startRtspCamera(dataPath(clip.file), { once: true });
      const scene = await playScene({
        gallery: { watch: clip.watchlist },
        cameras: { clip: camera.url },
        until: camera.exited,
      });
      assertVisits(clip, listedVisits(clip), scene.opened, 'face');
    });
  }
});
