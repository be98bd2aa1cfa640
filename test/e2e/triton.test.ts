import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, drawnData, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { missingTriton, servedData, startTriton, withoutWeights } from '../support/triton.ts';

/** The whole path with networks that only a real Triton server runs; with real people and faults: test/long/triton-recognition.test.ts. */
const skip = missingTool(hasMosquitto, 'mosquitto') || (await missingTriton());
const clip = readClip('lobby', drawnData);

test('lobby through Triton: enrolled, detected and recognised on the server, with no weights here', { skip }, async () => {
  await using folder = await temporaryDirectory();
  const models = [fixtureModels.face, fixtureModels.faceEmbedder];
  await using server = await startTriton({
    repository: fixtureModelRepository,
    flags: ['--model-control-mode=explicit', ...models.map((model) => `--load-model=${model}`)],
  });
  const descriptions = await withoutWeights(fixtureModelRepository, `${folder.path}/models`);
  const data = servedData(drawnData, server, descriptions);
  const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
});
