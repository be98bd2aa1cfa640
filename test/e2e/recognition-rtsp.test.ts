import { describe, test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingData, missingTool } from '../support/data.ts';
import { missingModels } from '../support/repository.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';

/** The main job on real input: the program as its users run it, one shipped default configuration for all clips, alerts read from a real
 * broker and held against the ground truth. */
const skip =
  missingData('clips/synth_shots_a.mp4') ||
  missingModels('centerface', 'face_embed') ||
  missingTool(hasMosquitto, 'mosquitto') ||
  missingRtspCamera();

describe('recognition over RTSP in real time', { skip, concurrency: 2 }, () => {
  for (const name of ['real_tilt_m', 'synth_shots_a']) {
    test(`recognition A: ${name}: every listed visit alerts once while in view, nobody else`, async () => {
      const clip = readClip(name);
      await using camera = await startRtspCamera(clip.path, { once: true });
      const scene = await playScene({
        gallery: { watch: clip.watchlist },
        cameras: { clip: camera.url },
        until: camera.exited,
      });
      assertVisits(clip, listedVisits(clip), scene.opened);
    });
  }
});
