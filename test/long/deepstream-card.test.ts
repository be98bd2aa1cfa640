import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, type ClipData, listedVisits, playScene, readClip, realData } from '../support/clips.ts';
import { containerData } from '../support/container-clips.ts';
import { dataPath, missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingEngine } from '../support/docker.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels, realRepository, testWeights } from '../support/repository.ts';
import { missingStandin } from '../support/standin.ts';
import { buildStandinImage } from '../support/standin-image.ts';
import { missingTriton, servedData, startTriton, withoutWeights } from '../support/triton.ts';

/** The card's path: the program in containers on the stand-in, and a real Triton server for all networks. */
const models = ['centerface', 'face_embed', 'yolox_nano', 'person_embed', 'clip_visual'];
const clipWeights = testWeights['person_embed_224'] ?? '';
const skip =
  missingEngine() ||
  missingStandin() ||
  missingModels('centerface', 'face_embed', 'yolox_nano', 'person_embed', 'person_embed_224') ||
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  (await missingTriton());

describe('recognition by cameras in containers: the alerts of the software worker', { skip }, () => {
  const parts = new AsyncDisposableStack();
  let data: ClipData;
  before(async () => {
    const repository = parts.use(await realRepository());
    await mkdir(join(repository.directory, 'clip_visual/1'));
    await symlink(dataPath(clipWeights), join(repository.directory, 'clip_visual/1/model.onnx'));
    const folder = parts.use(await temporaryDirectory());
    const descriptions = await withoutWeights(repository.directory, join(folder.path, 'models'));
    const flags = ['--model-control-mode=explicit', ...models.map((model) => `--load-model=${model}`)];
    const server = parts.use(await startTriton({ repository: repository.directory, flags }));
    const image = parts.use(await buildStandinImage());
    data = containerData(servedData(realData, server, descriptions), image);
  });
  after(() => parts.disposeAsync());

  test('A: real_headpose_m with its own watchlist', async () => {
    const clip = readClip('real_headpose_m');
    const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
    assertVisits(clip, listedVisits(clip), scene.opened);
  });
});
