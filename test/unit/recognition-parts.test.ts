import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { createRecognition } from '../../src/composition/recognition.ts';
import { configSchema } from '../../src/config/schema.ts';
import { SightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import { createTracer, type Trace } from '../../src/core/trace.ts';
import type { Candidate } from '../../src/core/types.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { shippedRepository } from '../support/repository.ts';
import { look } from '../support/sightings.ts';

async function faceCandidate(): Promise<Candidate> {
  const jpeg = await sharp({ create: { width: 112, height: 112, channels: 3, background: 'grey' } })
    .jpeg()
    .toBuffer();
  const [a, b, c, d, e] = [
    [38, 51],
    [73, 51],
    [56, 71],
    [41, 92],
    [70, 92],
  ].map(([x = 0, y = 0]) => ({ x, y }));
  assert.ok(a && b && c && d && e);
  const { crop, ...rest } = look({ at: 0 });
  const box = { left: 0, top: 0, width: 112, height: 112 };
  return {
    ...rest,
    kind: 'face',
    crop: { ...crop, jpeg, width: 112, height: 112, box, landmarks: [a, b, c, d, e] },
  };
}

test('an embedder that could not be loaded is tried again without a crop, said once, and then well', async () => {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  let broken = true;
  const engine: InferenceEngine = {
    name: 'embedded',
    infer: () => assert.fail('nothing is run'),
    describe: (model) => describeModel(shippedRepository, model),
    load: async (model) => {
      if (broken) throw new SightlineError('model.missing', `${model} has no weights`);
      return true;
    },
    states: () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  using recognition = await createRecognition(configSchema.parse({}).models, engine, createTracer(0), ctx);
  await recognition.warm(['face']);
  await clock.advance(60_000);
  assert.deepEqual(recognition.parts(), [{ name: 'embedder face', ready: false, reason: 'face_embed has no weights' }]);
  assert.equal(ctx.lines.filter(({ level }) => level === 'error').length, 1);
  broken = false;
  await clock.advance(30_000);
  assert.deepEqual(recognition.parts(), []);
});

test('an embedder is of no use after three bad runs in a row, and while they come', async () => {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  let value = Number.NaN;
  let replaced = false;
  const engine: InferenceEngine = {
    name: 'embedded',
    infer: async (_model, inputs) => {
      const rows = inputs[0]?.shape[0] ?? 0;
      const output = {
        name: 'output0',
        datatype: 'FP32',
        shape: [rows, 128],
        data: new Float32Array(rows * 128).fill(value),
      } as const;
      return { outputs: new Map([['output0', output]]), queuedMs: 0, computeMs: 0 };
    },
    describe: (model) => describeModel(shippedRepository, model),
    load: async () => replaced,
    states: () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  using recognition = await createRecognition(configSchema.parse({}).models, engine, createTracer(0), ctx);
  const candidate = await faceCandidate();
  const run = async (filled: number) => {
    value = filled;
    const [embedding] = await recognition.embed([candidate], ctx.signal);
    assert.equal(embedding !== undefined, Number.isFinite(filled));
    return recognition.parts().map(({ reason }) => reason);
  };
  const said = ['face_embed: a vector is zero or not finite'];
  const errors = () => ctx.lines.filter(({ level }) => level === 'error').length;

  assert.deepEqual(await run(Number.NaN), [], 'one odd crop');
  assert.deepEqual(await run(Number.NaN), []);
  assert.deepEqual(await run(1), []);
  for (const expected of [[], [], said, said]) assert.deepEqual(await run(Number.NaN), expected);
  assert.equal(errors(), 1);
  await clock.advance(290_000);
  assert.equal(recognition.parts().length, 1);
  await clock.advance(20_000);
  assert.deepEqual(recognition.parts(), [], 'a quiet night');
  assert.deepEqual(await run(Number.NaN), said, 'still as bad');
  assert.deepEqual(await run(1), []);
  for (const expected of [[], [], said]) assert.deepEqual(await run(Number.NaN), expected);
  replaced = true;
  await clock.advance(30_000);
  assert.deepEqual(recognition.parts(), [], 'another model is judged anew');
});

test('a run has one trace: the request carries it, its embeddings name it, and so does the log when it fails', async () => {
  const ctx = testContext();
  let fails = false;
  const sent: (Trace | undefined)[] = [];
  const engine: InferenceEngine = {
    name: 'triton',
    infer: async (_model, inputs, { trace }) => {
      sent.push(trace);
      if (fails) throw new SightlineError('inference.overload', 'too much to do');
      const rows = inputs[0]?.shape[0] ?? 0;
      const data = new Float32Array(rows * 128).fill(1);
      const output = { name: 'output0', datatype: 'FP32', shape: [rows, 128], data } as const;
      return { outputs: new Map([['output0', output]]), queuedMs: 0, computeMs: 0 };
    },
    describe: (model) => describeModel(shippedRepository, model),
    load: async () => true,
    states: () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  const begun: Trace[] = [];
  const begin = createTracer(1);
  const tracer = () => {
    const trace = begin();
    if (trace !== undefined) begun.push(trace);
    return trace;
  };
  using recognition = await createRecognition(configSchema.parse({}).models, engine, tracer, ctx);
  const candidate = await faceCandidate();
  const embeddings = await recognition.embed([candidate, candidate], ctx.signal);
  fails = true;
  assert.deepEqual(await recognition.embed([candidate], ctx.signal), [undefined]);
  assert.deepEqual(sent, begun);
  assert.equal(begun.length, 2);
  assert.deepEqual(
    embeddings.map((embedding) => embedding !== 'later' && embedding?.trace),
    [begun[0]?.id, begun[0]?.id],
  );
  const said = ctx.lines.filter(({ msg }) => msg === 'crops cannot be embedded').map(({ trace }) => trace);
  assert.deepEqual(said, [begun[1]?.id]);
});

test('what no camera compares may be missing from the repository; asked for, all that is missing is named', async () => {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const engine: InferenceEngine = {
    name: 'embedded',
    infer: () => assert.fail('nothing is run'),
    describe: async (model) => {
      if (model === 'person_embed' || model === 'yolox_nano') throw new SightlineError('model.unknown', `no model "${model}"`);
      return describeModel(shippedRepository, model);
    },
    load: async () => true,
    states: () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  const { models } = configSchema.parse({});
  using recognition = await createRecognition(models, engine, createTracer(0), ctx);
  assert.deepEqual(Object.keys(recognition.embedders), ['face']);
  await recognition.warm(['face']);
  assert.deepEqual(recognition.parts(), []);
  assert.equal(recognition.thresholds(models).appearance.open, 1, 'nothing is like anything');
  const reason =
    'bodies need models.appearance and models.enrolmentBody: no model "person_embed"; no model "yolox_nano"; a running daemon sees them after a restart';
  const missing = { code: 'model.missing', message: reason };
  await assert.rejects(recognition.photos.analyse(new Uint8Array(await photo()), 'body', ctx.signal), missing);
  // A reload may ask for what came too late.
  await recognition.warm(['appearance']);
  assert.deepEqual(recognition.parts(), [{ name: 'embedder appearance', ready: false, reason }]);
});

function photo(): Promise<Buffer> {
  return sharp({ create: { width: 64, height: 64, channels: 3, background: 'grey' } })
    .jpeg()
    .toBuffer();
}
