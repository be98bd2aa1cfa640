import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, drawnData, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { startTraceCollector } from '../support/trace-collector.ts';
import { missingTriton, servedData, startTriton, withoutWeights } from '../support/triton.ts';
import { until } from '../support/until.ts';

/** The whole path with networks that only a real Triton server runs; with real people and faults: test/long/triton-recognition.test.ts. */
const skip = missingTool(hasMosquitto, 'mosquitto') || (await missingTriton());
const clip = readClip('lobby', drawnData);

test('lobby through Triton: enrolled, detected and recognised on the server, with no weights here', { skip }, async () => {
  await using folder = await temporaryDirectory();
  const models = [fixtureModels.face, fixtureModels.faceEmbedder];
  await using collector = await startTraceCollector();
  await using server = await startTriton({
    repository: fixtureModelRepository,
    flags: ['--model-control-mode=explicit', ...models.map((model) => `--load-model=${model}`), ...collector.flags],
  });
  const descriptions = await withoutWeights(fixtureModelRepository, `${folder.path}/models`);
  const served = servedData(drawnData, server, descriptions);
  const data = { ...served, inference: { ...served.inference, traceRatio: 1 } };
  const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
  const traced = (model: string) => new Set(collector.spans.filter(({ name }) => name === model).map(({ traceId }) => traceId));
  const named = scene.opened.map(({ trace = 'none' }) => trace);
  for (const trace of named) assert.match(trace, /^[0-9a-f]{32}$/);
  // Triton's exporter loses a batch of spans now and then.
  await until('the server to tell of a trace that an alert names', () =>
    named.some((trace) => traced(fixtureModels.faceEmbedder).has(trace)),
  );
  assert.ok(traced(fixtureModels.face).size > 10, 'every look of the worker has a trace of its own');
});
