import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LookOptions, moved, scene, trackEnded } from '../support/sightings.ts';

/** Bodies beside descriptions, with the thresholds of `rulesOf`: open 0.28, keep 0.25. */

const words = { kind: 'description', of: 'somebody', threshold: 0.28 } as const;

/** A crop every 200 ms, beside people and beside descriptions. */
function walk(
  s: ReturnType<typeof scene>,
  to: number,
  described: (at: number) => LookOptions['scores'],
  pictured: LookOptions['scores'] = {},
): void {
  for (let at = 0; at <= to; at += 200) {
    s.see({ at, kind: 'appearance', of: 'somebody', threshold: 0.8, scores: pictured });
    const scores = described(at);
    s.see({ ...words, at, ...(scores === undefined ? {} : { scores }) });
  }
}

describe('a description', () => {
  test('alerts as such when looks agree with it, and is over when the body has left', () => {
    const s = scene();
    walk(s, 1000, () => ({ jacket: 0.31 }));
    const [opened] = s.events;
    assert.equal(opened?.alert.kind, 'description');
    assert.equal(opened?.alert.score, 0.31);
    s.frame(12_000);
    assert.deepEqual(s.story, ['opened jacket', 'closed jacket left']);
  });

  test('does not speak against another that fits as well, nor is it too near to it', () => {
    const s = scene();
    walk(s, 2000, () => ({ jacket: 0.31, cap: 0.305, coat: 0.3 }));
    assert.deepEqual(s.story.toSorted(), ['opened cap', 'opened coat', 'opened jacket']);
    assert.deepEqual(
      s.events.map(({ alert }) => alert.top.map(({ entryId }) => entryId)),
      [['jacket'], ['cap'], ['coat']],
      'each says itself alone',
    );
  });

  test('and a person in pictures are told apart from each other, whatever their scores', () => {
    const s = scene();
    walk(s, 2000, () => ({ jacket: 0.31 }), { anna: 0.95 });
    assert.deepEqual(
      s.events.map(({ alert }) => `${alert.entry?.name} ${alert.kind}`),
      ['anna appearance', 'jacket description'],
    );
  });

  test('of which only some looks remind does not alert, and the ledger says so', () => {
    const s = scene();
    walk(s, 4000, (at) => ({ jacket: at % 600 === 0 ? 0.29 : 0.1 }));
    s.frame(4200, { changes: [trackEnded(4200, { label: 'person' })] });
    s.frame(9000);
    assert.deepEqual(s.story, []);
    assert.deepEqual(
      s.ledger.map(({ kind, reason, entryId }) => ({ kind, reason, entryId })),
      [{ kind: 'description', reason: 'evidence', entryId: 'jacket' }],
    );
  });

  test('that nobody comes near is what a track is summed up by where nobody has pictures', () => {
    const s = scene();
    s.frame(0, { changes: [moved(0, { label: 'person' })] });
    walk(s, 2000, () => ({ jacket: 0.12 }));
    s.frame(2200, { changes: [trackEnded(2200, { label: 'person' })] });
    s.frame(9000);
    assert.deepEqual(
      s.ledger.map(({ kind, reason, entryId, score }) => ({ kind, reason, entryId, score })),
      [{ kind: 'description', reason: 'below_threshold', entryId: 'jacket', score: 0.12 }],
    );
  });

  test('names a track that nobody in pictures is like, and gives way to one who is', () => {
    const track = { camera: 'lobby', epoch: 1, trackId: 1 };
    const alone = scene();
    walk(alone, 2000, () => ({ jacket: 0.31 }));
    assert.deepEqual([alone.alerts.label(track).text, alone.alerts.label(track).kind], ['jacket', 'description']);
    const both = scene();
    walk(both, 2000, () => ({ jacket: 0.31 }), { anna: 0.95 });
    assert.deepEqual([both.alerts.label(track).text, both.alerts.label(track).kind], ['anna', 'appearance']);
    assert.equal(both.alerts.label(track).decided, true);
    both.observe({ kind: 'entry-removed', entryId: 'jacket' });
    assert.equal(both.story.at(-1), 'closed jacket entry_removed');
    both.observe({ kind: 'entry-removed', entryId: 'anna' });
    assert.equal(both.alerts.label(track).text, '');
  });

  test('is looked for until it is decided, although the person in pictures is', () => {
    const track = { camera: 'lobby', epoch: 1, trackId: 1 };
    const s = scene();
    walk(s, 1000, () => ({ jacket: 0.26 }), { anna: 0.95 });
    assert.deepEqual([s.alerts.label(track).text, s.alerts.label(track).decided], ['anna', false]);
  });

  test('alerts in a zone when the body gets there, also while the person in pictures is not sure', () => {
    const s = scene({
      cameras: {
        lobby: {
          source: 'x.mp4',
          recognise: ['appearance'],
          zones: {
            door: [
              [0.6, 0],
              [1, 0],
              [1, 1],
              [0.6, 1],
            ],
          },
        },
      },
      alerts: [{ name: 'door', when: { zones: ['door'], kinds: ['description'] } }],
    });
    const stand = (at: number, x: number) => s.frame(at, { changes: [moved(at, { label: 'person' }, { x, y: 0.5 })] });
    stand(0, 0.2);
    walk(s, 2000, () => ({ jacket: 0.31 }), { anna: 0.95 });
    s.see({ at: 2200, kind: 'appearance', of: 'somebody', threshold: 0.8, scores: { anna: 0.3 } });
    stand(2300, 0.4);
    assert.deepEqual(s.story, []);
    stand(2400, 0.8);
    assert.deepEqual(s.story, ['opened jacket']);
  });

  test('on an ignore list alerts nobody and silences nobody', () => {
    const s = scene();
    walk(s, 2000, () => ({ 'staff/vest': 0.33, jacket: 0.3 }), { anna: 0.95 });
    assert.deepEqual(s.story, ['opened anna', 'opened jacket']);
  });

  test('beyond eight that fit one body at once is not looked for', () => {
    const s = scene();
    walk(s, 2000, () => Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`d${i}`, 0.4 - i / 100])));
    assert.deepEqual(
      s.story.toSorted(),
      ['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7'].map((name) => `opened ${name}`),
    );
  });

  test('is one of many, and those that fit are kept when more come than are remembered', () => {
    const s = scene();
    const passing = (at: number) => Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`passing-${at}-${i}`, 0.26]));
    walk(s, 2000, (at) => ({ jacket: 0.31, ...(at < 400 ? {} : passing(at)) }));
    assert.deepEqual(s.story, ['opened jacket']);
    s.frame(2100);
    walk(s, 0, () => ({ jacket: 0.31 }));
    assert.equal(s.alerts.label({ camera: 'lobby', epoch: 1, trackId: 1 }).text, 'jacket');
  });
});
