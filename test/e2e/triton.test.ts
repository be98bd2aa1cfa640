import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, type ClipData, cutBody, drawnData, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { installedProgram } from '../support/programs.ts';
import { startTraceCollector } from '../support/trace-collector.ts';
import { loadOnly, missingTriton, servedData, startTriton, withoutWeights } from '../support/triton.ts';
import { until } from '../support/until.ts';

/**
 * The whole path with networks that only a real Triton server runs; with real people: test/long/recognition-triton.test.ts, with faults:
 * test/long/triton-recognition.test.ts.
 */
const skip = missingTool(hasMosquitto, 'mosquitto') || (await missingTriton());
const clip = readClip('lobby', drawnData);

/** A server of these models alone, and the drawn people seen through it, with no weights here. */
async function serve(repository: string, models: readonly string[], more: readonly string[] = []) {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryDirectory());
  const flags = [...loadOnly(...models), ...more];
  const server = parts.use(await startTriton({ repository, flags }));
  const data: ClipData = servedData(drawnData, server, await withoutWeights(repository, join(folder.path, 'models')));
  const runs = async (model: string) =>
    Number((await server.client().statistics({ timeoutMs: 10_000 }, model))[0]?.inferenceCount);
  const all = parts.move();
  return { data, runs, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

test('lobby through Triton: enrolled, detected and recognised on the server, with no weights here', { skip }, async () => {
  await using collector = await startTraceCollector();
  await using served = await serve(fixtureModelRepository, [fixtureModels.face, fixtureModels.faceEmbedder], collector.flags);
  const data = { ...served.data, inference: { ...served.data.inference, traceRatio: 1 } };
  const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
  const traced = (model: string) => new Set(collector.spans.filter(({ name }) => name === model).map(({ traceId }) => traceId));
  const named = scene.opened.map(({ trace = 'none' }) => trace);
  for (const trace of named) assert.match(trace, /^[0-9a-f]{32}$/);
  // Triton's exporter loses a batch of spans now and then.
  await until('the server to tell of a trace that an alert names', () =>
    named.some((trace) => traced(fixtureModels.faceEmbedder).has(trace)),
  );
  await until('every look of the worker to have a trace of its own', () => traced(fixtureModels.face).size > 10);
});

test('lobby through Triton: by clip_visual and clip_text of the server, who was enrolled by pictures and who by words', {
  skip: skip || missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  await using folder = await temporaryDirectory();
  const repository = join(folder.path, 'repository');
  await mkdir(repository);
  const { person, appearanceEmbedder, textEmbedder } = fixtureModels;
  // By the names of the shipped descriptions, whose tensors they have.
  for (const [from, to] of [
    [person, person],
    [appearanceEmbedder, 'clip_visual'],
    [textEmbedder, 'clip_text'],
  ] as const) {
    await cp(join(fixtureModelRepository, from), join(repository, to), { recursive: true });
    const file = join(repository, to, 'config.pbtxt');
    await writeFile(file, (await readFile(file, 'utf8')).replace(`name: "${from}"`, `name: "${to}"`));
  }
  await using served = await serve(repository, [person, 'clip_visual', 'clip_text']);
  const models = `models: { appearance: clip_visual, text: clip_text, enrolmentBody: ${person} }`;
  const visit = clip.persons.find(({ id }) => id === 'eve');
  assert.ok(visit);
  const pictures = [168, 174].map((frame) => cutBody(clip, visit.id, frame, folder.path, 2));
  const described = 'turquoise jacket, purple trousers';
  const { opened } = await playScene({
    data: { ...served.data, settings: [models] },
    gallery: { watch: [], bodies: { [visit.id]: pictures }, descriptions: [described, 'red jacket'] },
    cameras: { clip: clip.path },
    kind: 'appearance',
  });
  const of = (wanted: string) => opened.filter(({ kind }) => kind === wanted);
  assertVisits(clip, [visit], of('appearance'), 'appearance');
  assertVisits(clip, [{ ...visit, id: described }], of('description'), 'description');
  assert.equal(opened.length, 2);
  assert.ok((await served.runs('clip_visual')) > pictures.length, 'the server saw the bodies');
  // Three prompts of each.
  assert.equal(await served.runs('clip_text'), 6);
});
