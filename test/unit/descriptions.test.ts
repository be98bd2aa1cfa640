import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createDescriptions } from '../../src/composition/descriptions.ts';
import { createWorkerLink } from '../../src/composition/worker-link.ts';
import { type ConfigInput, configSchema } from '../../src/config/schema.ts';
import { longestDescription, tidyDescription } from '../../src/core/descriptions.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine, InferOptions } from '../../src/core/inference.ts';
import type { TextEmbedder } from '../../src/core/models.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { embedDescription, prompts } from '../../src/models/describe.ts';
import { createEmbedder } from '../../src/models/kinds.ts';
import { desiredWorkers } from '../../src/workers/plan.ts';
import { testContext } from '../support/context.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';

test('a description is kept as attributes, each once', () => {
  for (const [given, kept] of [
    ['red jacket, black cap', 'red jacket, black cap'],
    ['  red\tjacket ,,black \u00a0 cap,red jacket,', 'red jacket, black cap'],
    ['a man in a cafe\u0301 apron', 'a man in a café apron'],
    ['red \u202ejac\u200bket\u202c, \ud83d\udc69\u200d\ud83c\udf93, ?', 'red jacket, \ud83d\udc69\u200d\ud83c\udf93'],
    ['red \ud800', 'red \ufffd'],
  ] as const)
    assert.equal(tidyDescription(given), kept);
  assert.equal(tidyDescription('a'.repeat(longestDescription)).length, longestDescription);
  for (const [wrong, says] of [
    ['', /is empty; say what to look for/],
    [' ,\n, ', /is empty/],
    ['\u200b,\u202e, \u200d', /is empty/],
    ['?!, -', /is empty/],
    [','.repeat(20_000), /has 20000 characters/],
    ['a'.repeat(longestDescription + 1), /has 501 characters; allowed are 500/],
  ] as const)
    assert.throws(
      () => tidyDescription(wrong),
      (error) => isSightlineError(error, 'text.refused') && says.test(error.message),
    );
});

const options: InferOptions = { signal: new AbortController().signal, deadlineMs: 1e9, stream: 'test', priority: 'background' };

function embedderOf(answers: readonly (readonly number[])[], asked: string[] = []): TextEmbedder {
  return {
    model: 'texts',
    space: 'texts@1',
    dimensions: 4,
    thresholds: { open: 0.28, keep: 0.25, margin: 0.02 },
    embed: async (texts) => {
      asked.push(...texts);
      return answers.map((answer) => Float32Array.from(answer));
    },
  };
}

describe('the vector of a description', () => {
  test('is the mean of those of its prompts at length one', async () => {
    const asked: string[] = [];
    const unit = [
      [0.6, 0.8, 0, 0],
      [0, 0, 1, 0],
      [0.5, 0.5, 0.5, 0.5],
    ];
    const vector = await embedDescription(embedderOf(unit, asked), 'red jacket, black cap', options);
    // numpy 2.4: v / norm(v) of the three rows, their mean, divided by its norm.
    const expected = [0.4733646, 0.5594309, 0.6454972, 0.2151657];
    for (const [at, value] of expected.entries()) assert.ok(Math.abs((vector[at] ?? 0) - value) < 1e-6, `${vector}`);
    assert.equal(asked.length, prompts.length);
    for (const sentence of asked) assert.match(sentence, /red jacket, black cap/);
  });

  test('is a failure where prompts cancel each other', async () => {
    const opposite = [
      [1, 0, 0, 0],
      [-1, 0, 0, 0],
    ];
    await assert.rejects(embedDescription(embedderOf(opposite), 'x', options), { code: 'inference.failed' });
  });
});

/** The engine of the fixtures, which runs nothing. */
function engine(): InferenceEngine {
  return {
    name: 'embedded',
    infer: () => assert.fail('nothing is run'),
    describe: (model) => describeModel(fixtureModelRepository, model),
    load: async () => true,
    states: () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
}

async function descriptionsOf(over: ConfigInput, appearance: string | undefined) {
  using ctx = testContext();
  const config = configSchema.parse({ inference: { repository: fixtureModelRepository }, ...over });
  const made = appearance === undefined ? undefined : createEmbedder(await engine().describe(appearance), engine().infer);
  return { config, descriptions: await createDescriptions(config, made, engine(), ctx) };
}

describe('whether entries can be described', () => {
  const models = { text: fixtureModels.textEmbedder, appearance: fixtureModels.appearanceEmbedder };

  test('they can where it is switched on and both models share a space; thresholds are those of words, not of pictures', async () => {
    const { config, descriptions } = await descriptionsOf({ watchlist: { text: true }, models }, models.appearance);
    assert.equal(descriptions.missing, undefined);
    assert.deepEqual(descriptions.space, { name: 'fixture_clip@1', dimensions: 512, threshold: 0.28 });
    assert.deepEqual(descriptions.thresholds(config.models), { open: 0.28, keep: 0.25, margin: 0 });
    const set = configSchema.parse({ models: { thresholds: { description: { open: 0.2 } } } }).models;
    assert.deepEqual(descriptions.thresholds(set), { open: 0.2, keep: 0.2, margin: 0 }, 'keep is never above open');
  });

  for (const [name, over, appearance, code, says] of [
    [
      'it is off, as by default',
      { models },
      models.appearance,
      'control.request',
      /off; they are experimental: set watchlist\.text/,
    ],
    [
      'the models are of different spaces',
      { watchlist: { text: true }, models },
      fixtureModels.faceEmbedder,
      'model.missing',
      /in one space: fixture_clip gives 64 numbers of fixture_embed@1, fixture_text 512 of fixture_clip@1/,
    ],
    ['no embedder of bodies', { watchlist: { text: true }, models }, undefined, 'model.missing', /fixture_clip cannot be used/],
    [
      'the repository has no embedder of texts',
      { watchlist: { text: true }, models: { ...models, text: 'none' } },
      models.appearance,
      'model.missing',
      /no model "none"/,
    ],
    [
      'the embedder of texts is none',
      { watchlist: { text: true }, models: { ...models, text: fixtureModels.person } },
      models.appearance,
      'model.missing',
      /parameter kind says "yolo_end2end"; allowed is clip_text/,
    ],
  ] as const)
    test(`they cannot: ${name}`, async () => {
      const { config, descriptions } = await descriptionsOf(over, appearance);
      assert.equal(descriptions.space, undefined);
      assert.equal(descriptions.tools, undefined);
      assert.equal(descriptions.missing?.code, code);
      assert.match(descriptions.missing?.message ?? '', says);
      assert.equal(descriptions.thresholds(config.models).open, 1, 'nothing is like a description');
    });
});

test('what is drawn into video beside the name of a description says what it is', () => {
  using ctx = testContext();
  const { cameras, inference } = configSchema.parse({ cameras: { lobby: { source: '/a.mp4' } } });
  const texts: string[] = [];
  const link = createWorkerLink(
    {
      register: () => ({
        setCameras: () => {},
        send: (message) => {
          if (message.$case === 'labels') texts.push(...message.value.labels.map(({ text }) => text));
          return true;
        },
        connected: true,
        [Symbol.dispose]: () => {},
      }),
      forget: () => {},
    },
    inference,
    ctx.metrics,
  );
  const attachment = link.register('main', 'token', { hello: () => {}, closed: () => {}, drained: () => {} });
  for (const { cameras: own } of desiredWorkers(cameras)) attachment.configure(own);
  const label = { decided: true, score: 0.3, list: 'banned' };
  const track = { camera: 'lobby', epoch: 1, trackId: 1 };
  link.label(track, { ...label, text: 'cap', kind: 'description' }, {});
  link.label(track, { ...label, text: 'anna', kind: 'appearance' }, {});
  assert.deepEqual(texts, ['cap: experimental, matches a description, not a person', 'anna']);
});
