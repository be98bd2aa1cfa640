import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import type { Figures } from '../../bench/recognition/figures.ts';
import { docsFigures } from '../../bench/recognition/report.ts';
import { histogram } from '../../bench/recognition/scores.ts';
import {
  calibrationScores,
  countFrom,
  deriveThresholds,
  type MeasuredScores,
  statedThresholds,
  upperEdge,
  withThresholds,
} from '../../tools/calibration.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** Ten thousand pairs of strangers of whom the nearest scores 0.4, and looks that waver by 0.03 and 0.06. */
function measured(change: Partial<MeasuredScores> = {}): MeasuredScores {
  return {
    model: 'made_up',
    kind: 'face',
    people: 20,
    impostor: histogram([...Array.from({ length: 9999 }, (_, i) => (i % 300) / 1000), 0.4]),
    genuine: histogram([0.8, 0.9]),
    drop: histogram(Array.from({ length: 100 }, (_, i) => (i < 96 ? 0.031 : 0.2))),
    lookalikes: { people: ['a', 'b'], looks: [0.8, 0.86, 0.74, 0.8].map((own) => [0, own, 0.4]) },
    ...change,
  };
}

describe('the thresholds that are shipped', () => {
  const scores = calibrationScores.parse(JSON.parse(read('bench/recognition.scores.json')));
  const figures: Figures = JSON.parse(read('bench/recognition.last.json'));

  for (const embedder of scores.models) {
    test(`${embedder.model} states what follows from the committed scores`, () => {
      assert.deepEqual(statedThresholds(read(`model_repository/${embedder.model}/config.pbtxt`)), deriveThresholds(embedder));
    });
  }

  test('every embedder that could be measured is, and nothing is quoted at another threshold', () => {
    const models = ['face_embed', 'face_embed_224', 'person_embed', 'person_embed_224'];
    assert.deepEqual(
      scores.models.map(({ model }) => model),
      models,
    );
    for (const { model, materials } of figures.models) {
      const { open } = statedThresholds(read(`model_repository/${model}/config.pbtxt`));
      for (const { threshold } of materials) assert.equal(threshold, open, model);
    }
    assert.deepEqual(
      figures.models.map(({ model }) => model),
      models,
    );
  });

  test('docs/models.md quotes the committed figures', () => {
    assert.ok(read('docs/models.md').includes(docsFigures(figures)), 'run: node bench/recognition.ts --publish');
  });
});

describe('the rule', () => {
  test('open keeps a distance from the most alike of different people', () => {
    assert.equal(deriveThresholds(measured()).open, 0.43); // 0.4 lies in the bin that ends at 0.405
  });

  test('open keeps the same distance from what larger collections have shown', () => {
    assert.equal(deriveThresholds(measured({ model: 'person_embed' })).open, 0.9);
  });

  test('too few pairs of strangers give no threshold at all', () => {
    const few = measured({ impostor: histogram(Array.from({ length: 2000 }, () => 0.1)) });
    assert.throws(() => deriveThresholds(few), /2000 impostor pairs are too few/);
  });

  test('keep is lower by what nineteen of twenty looks waver', () => {
    assert.equal(deriveThresholds(measured()).keep, 0.39); // 0.43 - 0.035, rounded up to 0.04
  });

  test('keep is never so low that more than one stranger in a hundred reaches it', () => {
    const wavering = measured({ drop: histogram(Array.from({ length: 100 }, () => 0.3)) });
    assert.equal(deriveThresholds(wavering).keep, 0.3);
  });

  test('margin is what the difference of two look-alikes wavers, by looks that reach open', () => {
    assert.equal(deriveThresholds(measured()).margin, 0.06);
    const { people, looks } = measured().lookalikes;
    const low = { people, looks: [...looks, [0, 0.42, 0.4] as [number, number, number]] };
    assert.equal(deriveThresholds(measured({ lookalikes: low })).margin, 0.06);
  });

  test('margin is measured within tracks, not between them', () => {
    const looks = [0.8, 0.8, 0.6, 0.6].map((own, at): [number, number, number] => [at < 2 ? 0 : 1, own, 0.4]);
    assert.equal(deriveThresholds(measured({ lookalikes: { people: ['a', 'b'], looks } })).margin, 0);
  });
});

describe('histograms', () => {
  test('count exactly at thresholds that are multiples of their step', () => {
    const scores = [-0.1, 0.494, 0.495, 0.499, 0.5, 0.5001, 0.51];
    for (const threshold of [-0.2, 0.49, 0.495, 0.5, 0.51, 0.6]) {
      assert.equal(
        countFrom(histogram(scores), threshold),
        scores.filter((score) => score >= threshold).length,
        `${threshold}`,
      );
    }
  });

  test('give quantiles from above', () => {
    const values = histogram([0.101, 0.202, 0.303, 0.404]);
    assert.equal(upperEdge(values, 0.5).toFixed(3), '0.205');
    assert.equal(upperEdge(values, 1).toFixed(3), '0.405');
  });
});

describe('writing thresholds', () => {
  const text = read('model_repository/face_embed/config.pbtxt');

  test('changes these lines and nothing else', () => {
    const changed = withThresholds(text, { open: 0.7, keep: 0.61, margin: 0.1 });
    assert.deepEqual(statedThresholds(changed), { open: 0.7, keep: 0.61, margin: 0.1 });
    const lines = (source: string) => source.split('\n').filter((line) => !line.includes('threshold_'));
    assert.deepEqual(lines(changed), lines(text));
    assert.notEqual(changed, text);
  });

  test('refuses a description that does not state all of them', () => {
    const without = text.replace(/.*threshold_keep.*\n/, '');
    assert.throws(() => withThresholds(without, { open: 0.7, keep: 0.6, margin: 0.1 }), /threshold_keep/);
  });
});
