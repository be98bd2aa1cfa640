import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRecognition } from '../../src/composition/recognition.ts';
import { configSchema } from '../../src/config/schema.ts';
import { SightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { shippedRepository } from '../support/repository.ts';

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
  using recognition = await createRecognition(configSchema.parse({}).models, engine, ctx);
  await recognition.warm(['face']);
  await clock.advance(60_000);
  assert.deepEqual(recognition.parts(), [{ name: 'embedder face', ready: false, reason: 'face_embed has no weights' }]);
  assert.equal(ctx.lines.filter(({ level }) => level === 'error').length, 1);
  broken = false;
  await clock.advance(30_000);
  assert.deepEqual(recognition.parts(), []);
});
