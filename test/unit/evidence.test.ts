import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  defaultPolicy,
  type Judgement,
  noEvidence,
  qualityWeight,
  samePerson,
  type TrackEvidence,
  weigh,
} from '../../src/alerts/evidence.ts';
import { look } from '../support/sightings.ts';

const thresholds = { keep: 0.42, margin: 0.05, same: samePerson('face', { open: 0.5 }), lapseMs: 10_000 };

type LookOptions = Parameters<typeof look>[0];

function judge(looks: readonly LookOptions[], start: TrackEvidence = noEvidence): readonly Judgement[] {
  let evidence = start;
  return looks.map((options) => {
    const { frame, result, crop, embedding } = look(options);
    const at = { atMs: frame.time.eventTimeMs, result, quality: crop.quality.overall, vector: embedding.vector };
    const judgement = weigh(evidence, at, thresholds);
    evidence = judgement.evidence;
    return judgement;
  });
}

function last(looks: readonly LookOptions[]): Judgement {
  const judgement = judge(looks).at(-1);
  assert.ok(judgement);
  return judgement;
}

describe('a look', () => {
  test('speaks for, is ambiguous, weak, unknown or poor by score, margin and quality', () => {
    const verdict = (scores: Record<string, number>, quality = 0.5) => last([{ at: 0, scores, quality }]).verdict;
    assert.equal(verdict({ anna: 0.5 }), 'supports');
    assert.equal(verdict({ anna: 0.5, bert: 0.46 }), 'ambiguous');
    assert.equal(verdict({ anna: 0.49 }), 'weak');
    assert.equal(verdict({ anna: 0.41 }), 'unknown');
    assert.equal(verdict({}), 'unknown');
    assert.equal(verdict({ anna: 0.9 }, 0.029), 'poor');
  });

  test('is measured by the threshold of its own entry, also one raised for a bad photo', () => {
    assert.equal(last([{ at: 0, threshold: 0.6, scores: { anna: 0.55 } }]).verdict, 'weak');
    assert.equal(last([{ at: 0, threshold: 0.35, scores: { anna: 0.4 } }]).verdict, 'supports');
    assert.equal(last([{ at: 0, threshold: 0.35, scores: { anna: 0.34 } }]).verdict, 'unknown');
  });

  test('weighs by quality, from a quarter at the floor to all', () => {
    assert.equal(qualityWeight(0.029), 0);
    assert.equal(qualityWeight(0.03), 0.25);
    assert.equal(qualityWeight(0.15), 1);
    assert.equal(qualityWeight(1), 1);
  });

  test('weighs by the time since the look before it, up to one whole look', () => {
    const weight = (since: number) =>
      last([
        { at: 0, scores: { anna: 0.6 } },
        { at: since, scores: { anna: 0.6 } },
      ]).weight;
    assert.equal(weight(0), 0);
    assert.equal(weight(75), 0.5);
    assert.equal(weight(150), 1);
    assert.equal(weight(5000), 1);
  });

  test('of the same frame twice adds nothing; one that comes out of order counts as one look', () => {
    const twice = judge([0, 0, 0, 0, 0, 0].map((at) => ({ at, scores: { anna: 0.9 } })));
    assert.ok(twice.every(({ opened }) => !opened));
    const backwards = judge([200, 0].map((at) => ({ at, scores: { anna: 0.6 } })));
    assert.deepEqual(
      backwards.map(({ opened }) => opened),
      [false, true],
    );
  });
});

describe('subjects', () => {
  test('are told apart by their embeddings and keep their evidence when the tracker swaps back', () => {
    const judgements = judge([
      { at: 0, scores: { anna: 0.7 } },
      { at: 200, of: 'stranger', scores: { anna: 0.1 } },
      { at: 400, of: 'stranger', scores: { anna: 0.1 } },
      { at: 600, scores: { anna: 0.7 } },
    ]);
    assert.deepEqual(
      judgements.map(({ subject }) => subject?.id),
      [1, 2, 2, 1],
    );
    assert.deepEqual(
      judgements.map(({ opened }) => opened),
      [false, false, false, true],
    );
  });

  test('are at most three; the decided one and the longest seen stay', () => {
    const looks = [
      { at: 0, scores: { anna: 0.7 } },
      { at: 200, scores: { anna: 0.7 } },
      ...Array.from({ length: 20 }, (_, i) => ({ at: 400 + i * 200, of: `passer-by ${i}` })),
    ];
    const { evidence } = last(looks);
    assert.equal(evidence.subjects.length, 3);
    assert.ok(evidence.subjects.some(({ tallies }) => tallies.get('anna')?.decided));
  });

  test('follow slow change: a face that turns bit by bit stays one subject', () => {
    const turned = (angle: number) => {
      const { embedding, ...rest } = look({ at: angle * 20, scores: { anna: 0.6 } });
      const vector = new Float32Array(embedding.vector.length);
      vector[0] = Math.cos((angle * Math.PI) / 180);
      vector[1] = Math.sin((angle * Math.PI) / 180);
      return { ...rest, vector };
    };
    let evidence = noEvidence;
    for (let angle = 0; angle <= 150; angle += 10) {
      const { frame, result, vector } = turned(angle);
      ({ evidence } = weigh(evidence, { atMs: frame.time.eventTimeMs, result, quality: 0.5, vector }, thresholds));
    }
    assert.equal(evidence.nextId, 2);
    const jump = turned(300);
    assert.equal(
      weigh(evidence, { atMs: 1e15, result: jump.result, quality: 0.5, vector: jump.vector }, thresholds).subject?.id,
      2,
    );
  });

  test('remember a bounded number of entries', () => {
    const { subject } = last(
      Array.from({ length: 200 }, (_, i) => ({ at: i * 200, of: 'x', scores: { [`entry ${i}`]: 0.6 } })),
    );
    assert.ok((subject?.tallies.size ?? 0) <= defaultPolicy.entries);
  });
});

test('no evidence opens before the spread, without the need or against the share', () => {
  const percent = (min: number, max: number) => fc.integer({ min, max }).map((value) => value / 100);
  const arbitrary = fc.array(
    fc.record({
      after: fc.integer({ min: 0, max: 1000 }),
      anna: percent(35, 100),
      bert: percent(0, 60),
      quality: percent(0, 100),
      of: fc.constantFrom('anna', 'bert'),
    }),
    { minLength: 1, maxLength: 40 },
  );
  let opened = 0;
  fc.assert(
    fc.property(arbitrary, (looks) => {
      let at = 0;
      const made = looks.map(({ after, anna, bert, quality, of }) => {
        at += after;
        return { at, of, quality, scores: { anna, bert } };
      });
      for (const [i, judgement] of judge(made).entries()) {
        if (!judgement.opened) continue;
        opened += 1;
        const own = made
          .slice(0, i + 1)
          .filter(({ scores }) => scores[judgement.best?.entryId === 'anna' ? 'anna' : 'bert'] >= 0.5);
        assert.ok(own.length >= 2);
        assert.ok((own.at(-1)?.at ?? 0) - (own[0]?.at ?? 0) >= defaultPolicy.lookMs);
        assert.ok(judgement.share >= defaultPolicy.openShare);
        assert.ok(judgement.support >= defaultPolicy.need);
        assert.equal(judgement.verdict, 'supports');
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(opened > 20);
});
