import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { ManualClock } from '../support/clock.ts';
import { begin, look, moved, scene, trackEnded } from '../support/sightings.ts';

/** Looks of one track every `every` ms from `from` up to `to`. */
function looks(
  s: ReturnType<typeof scene>,
  from: number,
  to: number,
  every: number,
  options: Partial<Parameters<typeof look>[0]>,
) {
  for (let at = from; at <= to; at += every) s.see({ at, ...options });
}

describe('an alert opens', () => {
  test('with two agreeing looks; silence for leaveAfter closes it', () => {
    const s = scene();
    assert.deepEqual(s.see({ at: 0, scores: { anna: 0.7 } }), []);
    const [opened] = s.see({ at: 200, scores: { anna: 0.72 } });
    assert.equal(opened?.step.state, 'opened');
    assert.equal(opened?.revision, 1);
    assert.deepEqual(opened?.alert.entry, { id: 'anna', name: 'anna', list: 'banned' });
    assert.equal(opened?.alert.severity, 'high');
    assert.equal(opened?.alert.sightings, 2);
    assert.equal(opened?.alert.firstSeenAt, begin);
    assert.deepEqual(opened?.snapshot, new Uint8Array([255, 216, 1]));
    s.frame(10_199);
    assert.deepEqual(s.story, ['opened anna']);
    s.frame(10_200);
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
  });

  test('never with one look, however strong', () => {
    const s = scene();
    s.see({ at: 0, scores: { anna: 1 }, quality: 1 });
    s.frame(5000, { changes: [trackEnded(5000)] });
    s.frame(9000);
    assert.deepEqual(s.story, []);
    assert.deepEqual(
      s.ledger.map(({ reason, entryId, score, count }) => ({ reason, entryId, score, count })),
      [{ reason: 'evidence', entryId: 'anna', score: 1, count: 1 }],
    );
  });

  test('not with eleven unknown looks and one strong match', () => {
    const s = scene();
    looks(s, 0, 2000, 200, { of: 'anna', scores: { anna: 0.1 } });
    s.see({ at: 2200, scores: { anna: 0.95 }, quality: 1 });
    looks(s, 2400, 4000, 200, { of: 'anna', scores: { anna: 0.1 } });
    assert.deepEqual(s.story, []);
  });

  test('after eleven unknown looks when the face has turned to the camera for good', () => {
    const s = scene();
    looks(s, 0, 2000, 200, { of: 'anna', scores: { anna: 0.1 } });
    looks(s, 2200, 4000, 200, { scores: { anna: 0.8 } });
    assert.deepEqual(s.story, ['opened anna']);
  });

  for (const [name, config] of Object.entries({
    'a listed face at 0.60': { scores: [0.6], opens: true },
    'one just above the threshold': { scores: [0.51], opens: true },
    'a look-alike below it': { scores: [0.4, 0.46, 0.48, 0.44], opens: false },
    'a look-alike that touches the threshold every fifth look': { scores: [0.44, 0.46, 0.48, 0.45, 0.51], opens: false },
  })) {
    test(`the same at 2, 5 and 15 frames a second: ${name}`, () => {
      for (const fps of [2, 5, 15]) {
        const s = scene();
        for (let i = 0; i < 6 * fps; i += 1) {
          // What the face looks like is a matter of time, not of frames.
          const at = Math.round((i * 1000) / fps);
          const score = config.scores[Math.floor(at / 500) % config.scores.length] ?? 0;
          s.see({ at, of: 'anna', scores: { anna: score } });
        }
        assert.deepEqual(s.story, config.opens ? ['opened anna'] : [], `${fps} frames a second`);
      }
    });
  }

  test('within 200 ms at 5 and 15 frames a second, with the second look at 2', () => {
    for (const [fps, expected] of [
      [2, 500],
      [5, 200],
      [15, 200],
    ] as const) {
      const s = scene();
      for (let i = 0; s.events.length === 0 && i < 60; i += 1)
        s.see({ at: Math.round((i * 1000) / fps), scores: { anna: 0.6 }, quality: 0.3 });
      assert.equal((s.events[0]?.alert.eventTime ?? 0) - begin, expected, `${fps} frames a second`);
    }
  });

  test('at ten times the speed of the camera as at its own', () => {
    const stories = [1, 10].map((speed) => {
      const s = scene();
      for (let at = 0; at < 40_000; at += 200) {
        if (at < 3000 || (at > 15_000 && at < 18_000)) s.see({ at, scores: { anna: 0.7 } });
        s.frame(at);
        s.clock.jump(200 / speed);
      }
      return s.story;
    });
    assert.deepEqual(stories[0], ['opened anna', 'closed anna left', 'opened anna', 'closed anna left']);
    assert.deepEqual(stories[1], stories[0]);
  });

  test('not between two entries that are too near to each other', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { of: 'anna', scores: { anna: 0.71, twin: 0.69 } });
    s.frame(3200, { changes: [trackEnded(3200)] });
    s.frame(7000);
    assert.deepEqual(s.story, []);
    assert.equal(s.ledger[0]?.reason, 'margin');
    assert.equal(s.ledger[0]?.count, 16);
  });

  test('for nobody on an ignore list, nor for somebody who looks like them', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { of: 'bob', scores: { 'staff/bob': 0.8, anna: 0.55 } });
    s.see({ at: 3200, of: 'bob', scores: { anna: 0.62, 'staff/bob': 0.55 } });
    s.see({ at: 3400, of: 'bob', scores: { anna: 0.62, 'staff/bob': 0.55 } });
    assert.deepEqual(s.story, []);
    s.frame(4000, { changes: [trackEnded(4000)] });
    s.frame(8000);
    assert.deepEqual(new Set(s.ledger.map(({ reason }) => reason)), new Set(['ignored', 'evidence']));
    assert.deepEqual(s.alerts.label({ camera: 'lobby', epoch: 1, trackId: 1 }), { decided: false, text: '', score: 0 });
  });

  test('for nobody on an ignore list, who stays known through weak looks', () => {
    const s = scene();
    const track = { camera: 'lobby', epoch: 1, trackId: 1 };
    looks(s, 0, 1000, 200, { scores: { 'staff/bob': 0.8 } });
    assert.deepEqual(s.alerts.label(track), {
      decided: true,
      text: 'bob',
      score: 0.8,
      list: 'staff',
      entryId: 'bob',
      kind: 'face',
    });
    looks(s, 1200, 3000, 200, { scores: { 'staff/bob': 0.45 } });
    assert.equal(s.alerts.label(track).decided, true);
    s.frame(3200, { changes: [trackEnded(3200)] });
    s.frame(7000);
    assert.deepEqual(
      s.ledger.map(({ reason, count }) => `${reason} ${count}`),
      ['ignored 15'],
    );
  });

  test('for the second of two people in one person box, on a face track of their own', () => {
    const s = scene();
    for (let at = 0; at <= 400; at += 200) {
      s.frame(at, { changes: [moved(at, { trackId: 2, personTrackId: 1 }), moved(at, { trackId: 3, personTrackId: 1 })] });
      s.see({ at, track: 2, scores: { anna: 0.7 } });
      s.see({ at, track: 3, scores: { bert: 0.75 } });
    }
    assert.deepEqual(s.story, ['opened anna', 'opened bert']);
  });

  test('for both when one track shows them in turn', () => {
    const s = scene();
    for (let at = 0; at <= 1200; at += 200) s.see({ at, scores: at % 400 === 0 ? { anna: 0.7 } : { bert: 0.7 } });
    assert.deepEqual(s.story.toSorted(), ['opened anna', 'opened bert']);
  });

  test('for each where paths cross and the tracker swaps ids, and the unlisted one is not drawn in', () => {
    const s = scene();
    for (let at = 0; at <= 4000; at += 200) {
      const [listed, other] = at < 2000 ? [1, 2] : [2, 1];
      s.see({ at, track: listed, scores: { anna: 0.7 } });
      s.see({ at, track: other, of: 'stranger', scores: { anna: 0.1 } });
    }
    assert.deepEqual(s.story, ['opened anna']);
    assert.equal(s.alerts.label({ camera: 'lobby', epoch: 1, trackId: 1 }).text, '');
    assert.equal(s.alerts.label({ camera: 'lobby', epoch: 1, trackId: 2 }).text, 'anna');
  });

  test('after a swap only with evidence of its own', () => {
    const s = scene();
    // One look of anna on each side of a swap is one look each.
    s.see({ at: 0, of: 'stranger', scores: { anna: 0.6 } });
    s.see({ at: 200, of: 'someone else', scores: { anna: 0.6 } });
    assert.deepEqual(s.story, []);
  });

  test('with two looks and a pause between them, as long as nothing speaks against', () => {
    const s = scene();
    s.see({ at: 0, scores: { anna: 0.55 } });
    s.see({ at: 4000, scores: { anna: 0.55 } });
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('not by crops below the quality floor, and slower by poor ones', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.9 }, quality: 0.01 });
    assert.deepEqual(s.story, []);
    const poor = scene();
    looks(poor, 0, 200, 200, { scores: { anna: 0.52 }, quality: 0.05 });
    assert.deepEqual(poor.story, []);
    looks(poor, 400, 2000, 200, { scores: { anna: 0.52 }, quality: 0.05 });
    assert.deepEqual(poor.story, ['opened anna']);
  });
});

describe('an open alert', () => {
  test('stays while the score dips below the threshold but not below keep', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.6 } });
    for (let at = 600; at < 30_000; at += 200) {
      s.see({ at, scores: { anna: 0.44 } });
      s.frame(at);
    }
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('ends although somebody stays who is weaker than keep', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.6 } });
    for (let at = 600; at < 30_000; at += 200) {
      s.see({ at, track: 2, of: 'stranger', scores: { anna: 0.44 } });
      s.frame(at);
    }
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
  });

  test('is taken back when later looks at the same face contradict it', () => {
    const s = scene();
    looks(s, 0, 200, 200, { scores: { anna: 0.52 } });
    assert.deepEqual(s.story, ['opened anna']);
    looks(s, 400, 4000, 200, { of: 'anna', scores: { anna: 0.2 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna retracted']);
  });

  test('is taken back when the same face turns out to be somebody else', () => {
    const s = scene();
    looks(s, 0, 200, 200, { scores: { anna: 0.52 } });
    looks(s, 400, 3000, 200, { of: 'anna', scores: { bert: 0.8, anna: 0.4 } });
    assert.deepEqual(s.story.slice(0, 2), ['opened anna', 'closed anna retracted']);
    assert.equal(s.story[2], 'opened bert');
  });

  test('is not taken back because a face long known turns away for a while', () => {
    const s = scene();
    looks(s, 0, 8000, 200, { scores: { anna: 0.7 } });
    looks(s, 8200, 10_000, 200, { of: 'anna', scores: { anna: 0.2 } });
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('stands while another track still stands behind it', () => {
    const s = scene();
    looks(s, 0, 400, 200, { track: 2, scores: { anna: 0.8 } });
    looks(s, 600, 800, 200, { track: 1, scores: { anna: 0.52 } });
    looks(s, 1000, 5000, 200, { track: 1, of: 'anna', scores: { anna: 0.2 } });
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('goes on when the track of the same person is lost and found again', () => {
    const s = scene();
    looks(s, 0, 1000, 200, { scores: { anna: 0.7 } });
    s.frame(2000, { changes: [trackEnded(2000)] });
    looks(s, 7000, 8000, 200, { track: 2, scores: { anna: 0.7 } });
    s.frame(17_900);
    assert.deepEqual(s.story, ['opened anna']);
    s.frame(18_000);
    assert.equal(s.events.at(-1)?.alert.sightings, 12);
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
  });

  test('goes on with single looks on broken tracks', () => {
    const s = scene();
    looks(s, 0, 200, 200, { scores: { anna: 0.7 } });
    for (let at = 2000; at < 40_000; at += 2000) s.see({ at, track: at, scores: { anna: 0.7 } });
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('alerts again when the person comes back after leaveAfter', () => {
    const s = scene();
    for (let at = 8400; at <= 26_000; at += 67) {
      const inView = at <= 10_800 || at >= 22_800;
      if (inView) s.see({ at, track: at < 20_000 ? 1 : 2, scores: { cal_m1: 0.9 } });
      s.frame(at);
    }
    assert.deepEqual(s.story, ['opened cal_m1', 'closed cal_m1 left', 'opened cal_m1']);
  });

  test('opens again only with two looks, also on the track that was decided before', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.frame(20_000);
    s.see({ at: 20_200, scores: { anna: 0.9 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
    s.see({ at: 20_400, scores: { anna: 0.9 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left', 'opened anna']);
    assert.equal(s.events.at(-1)?.alert.firstSeenAt, begin + 20_200);
  });

  test('covers two cameras, says so in an update, and ends when both have lost the person', () => {
    const s = scene();
    looks(s, 0, 2000, 200, { scores: { anna: 0.7 } });
    looks(s, 6000, 8000, 200, { camera: 'yard', scores: { anna: 0.7 } });
    s.frame(12_100, { camera: 'lobby' });
    s.frame(12_100, { camera: 'yard' });
    assert.deepEqual(s.story, ['opened anna', 'updated anna']);
    assert.deepEqual(s.events[1]?.alert.cameras, ['lobby', 'yard']);
    assert.equal(s.events[1]?.alert.camera, 'yard');
    s.frame(18_000, { camera: 'yard' });
    assert.deepEqual(s.story, ['opened anna', 'updated anna', 'closed anna left']);
  });

  test('ends although one of its cameras has fallen silent', () => {
    const s = scene();
    looks(s, 0, 400, 200, { camera: 'lobby', scores: { anna: 0.7 } });
    looks(s, 400, 800, 200, { camera: 'yard', scores: { anna: 0.7 } });
    for (let at = 1000; at <= 12_000; at += 1000) {
      void s.clock.advance(1000);
      s.frame(at, { camera: 'yard' });
    }
    assert.deepEqual(s.story, ['opened anna', 'updated anna', 'closed anna left']);
  });

  test('ends by real time when all cameras are silent', async () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    await s.clock.advance(9999);
    s.observe({ kind: 'tick' });
    assert.deepEqual(s.story, ['opened anna']);
    await s.clock.advance(1);
    s.observe({ kind: 'tick' });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
  });

  test('ends with its source, once, and late looks do not open another', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.observe({ kind: 'source-ended', camera: 'lobby', changes: [] });
    looks(s, 600, 1000, 200, { scores: { anna: 0.7 } });
    s.observe({ kind: 'tick' });
    assert.deepEqual(s.story, ['opened anna', 'closed anna source_ended']);
  });

  test('a file played again is another visit', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.observe({ kind: 'source-ended', camera: 'lobby', changes: [] });
    looks(s, 600, 1000, 200, { epoch: 2, scores: { anna: 0.7 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna source_ended', 'opened anna']);
  });

  test('looks that come late do not make a second visit of one that frames have closed', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.frame(30_000);
    looks(s, 600, 28_000, 200, { scores: { anna: 0.7 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
    looks(s, 39_000, 40_000, 200, { track: 2, scores: { anna: 0.7 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left', 'opened anna']);
  });

  test('one visit is told once, however slowly its pictures come', async () => {
    const s = scene();
    for (let at = 0; at < 8000; at += 200) {
      looks(s, at, at, 200, { scores: { anna: 0.7 } });
      await s.clock.advance(12_000);
      s.observe({ kind: 'tick' });
    }
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
    looks(s, 20_000, 20_400, 200, { track: 2, scores: { anna: 0.7 } });
    assert.deepEqual(s.story, ['opened anna', 'closed anna left', 'opened anna'], 'nor is the next one missed');
  });

  test('somebody who stays is told of again where their pictures stood still once', async () => {
    const s = scene();
    const stay = async (from: number, to: number) => {
      for (let at = from; at < to; at += 200) {
        looks(s, at, at, 200, { scores: { anna: 0.7 } });
        await s.clock.advance(200);
        s.observe({ kind: 'tick' });
      }
    };
    await stay(0, 600);
    await s.clock.advance(12_000);
    s.observe({ kind: 'tick' });
    await stay(600, 60_000);
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
    await stay(60_000, 62_000);
    assert.deepEqual(s.story, ['opened anna', 'closed anna left', 'opened anna']);
  });

  test('looks later than a minute of real time are not waited for', async () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.frame(30_000);
    await s.clock.advance(60_000);
    s.observe({ kind: 'tick' });
    looks(s, 600, 1000, 200, { scores: { anna: 0.7 } });
    assert.deepEqual(s.story.slice(0, 3), ['opened anna', 'closed anna left', 'opened anna']);
  });

  test('that has ended no longer names its track', () => {
    const s = scene();
    const track = { camera: 'lobby', epoch: 1, trackId: 1 };
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    assert.equal(s.alerts.label(track).text, 'anna');
    s.frame(20_000);
    s.see({ at: 20_200, scores: { anna: 0.45 } });
    assert.equal(s.alerts.label(track).text, '');
  });

  test('names the trace of the sighting that it describes, and no other', () => {
    const s = scene();
    const see = (at: number, score: number, trace?: string) => {
      const sighting = look({ at, scores: { anna: score } });
      const embedding = { ...sighting.embedding, ...(trace === undefined ? {} : { trace }) };
      s.observe({ kind: 'sighting', sighting: { ...sighting, embedding } });
    };
    for (let at = 0; at < 4000; at += 200) see(at, 0.6, 'a'.repeat(32));
    for (let at = 4000; at < 8000; at += 200) see(at, 0.7);
    for (let at = 8000; at < 16_000; at += 200) see(at, 0.8, 'b'.repeat(32));
    const said = s.events.map(({ alert }) => alert.trace?.[0]);
    assert.deepEqual(said, ['a', undefined, 'b']);
  });

  test('is updated by better scores at most every updateEvery, and not by the same again', () => {
    const s = scene();
    for (let at = 0; at <= 12_000; at += 200) s.see({ at, scores: { anna: 0.6 + at / 100_000 } });
    const updates = s.events.filter(({ step }) => step.state === 'updated');
    assert.deepEqual(
      updates.map(({ alert, revision }) => [alert.lastSeenAt - begin, alert.eventTime - begin, revision]),
      [
        [5200, 4200, 2],
        [10_200, 8400, 3],
      ],
    );
    assert.deepEqual(
      updates[1]?.alert.steps.map(({ state }) => state),
      ['opened', 'updated'],
    );
    for (let at = 12_200; at <= 20_000; at += 200) s.see({ at, scores: { anna: 0.7 } });
    const said = s.events.length;
    for (let at = 20_200; at <= 40_000; at += 200) s.see({ at, scores: { anna: 0.7 } });
    assert.equal(s.events.length, said);
  });

  test('closes when its entry is removed, and nothing of the entry is left', () => {
    const s = scene();
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.observe({ kind: 'entry-removed', entryId: 'anna' });
    assert.deepEqual(s.story, ['opened anna', 'closed anna entry_removed']);
    assert.equal(s.alerts.label({ camera: 'lobby', epoch: 1, trackId: 1 }).text, '');
    s.frame(1000, { changes: [trackEnded(1000)] });
    s.frame(5000);
    assert.deepEqual(
      s.ledger.filter(({ entryId }) => entryId === 'anna'),
      [],
    );
  });

  test('of appearance says so', () => {
    const s = scene();
    looks(s, 0, 400, 200, { kind: 'appearance', threshold: 0.8, scores: { jacket: 0.9 } });
    assert.equal(s.events[0]?.alert.kind, 'appearance');
    assert.equal(s.events[0]?.alert.label, 'person');
  });
});

describe('what people do with an alert', () => {
  function opened() {
    const s = scene();
    looks(s, 0, 200, 200, { scores: { anna: 0.6 } });
    const alertId = s.events[0]?.alert.id ?? '';
    const act = (state: 'acknowledged' | 'resolved' | 'rejected', stored?: (typeof s.events)[0]) =>
      s.observe({ kind: 'act', alertId, state, actor: 'eva', reason: 'seen', at: begin + 5, ...(stored && { stored }) });
    return { s, act };
  }

  test('acknowledged stays so through updates and closes with the episode', () => {
    const { s, act } = opened();
    const [event] = act('acknowledged');
    assert.deepEqual(event?.step, { state: 'acknowledged', at: begin + 5, actor: 'eva', reason: 'seen' });
    s.see({ at: 6000, scores: { anna: 0.9 } });
    assert.equal(s.events.at(-1)?.step.state, 'updated');
    assert.equal(s.events.at(-1)?.alert.state, 'acknowledged');
    s.frame(17_000);
    assert.deepEqual(
      s.events.map(({ alert, revision }) => [alert.state, revision]),
      [
        ['opened', 1],
        ['acknowledged', 2],
        ['acknowledged', 3],
        ['closed', 4],
      ],
    );
    assert.deepEqual(
      s.events.at(-1)?.alert.steps.map(({ state }) => state),
      ['opened', 'acknowledged', 'updated', 'closed'],
    );
  });

  test('rejected is final: no update, no closing, no second alert in the same visit', () => {
    const { s, act } = opened();
    act('rejected');
    looks(s, 400, 9000, 200, { scores: { anna: 0.9 } });
    s.frame(30_000);
    assert.deepEqual(s.story, ['opened anna', 'rejected anna seen']);
    assert.throws(
      () => act('resolved', s.events[1]),
      (error) => isSightlineError(error, 'alert.transition'),
    );
  });

  test('one that has closed can still be acknowledged and resolved', () => {
    const { s, act } = opened();
    s.frame(30_000);
    const closed = s.events.at(-1);
    assert.ok(closed);
    const [acknowledged] = act('acknowledged', closed);
    assert.equal(acknowledged?.alert.state, 'closed');
    const [resolved] = act('resolved', acknowledged);
    assert.equal(resolved?.alert.state, 'resolved');
    assert.equal(resolved?.revision, 4);
  });

  test('an alert that nobody knows is refused', () => {
    const { s } = opened();
    assert.throws(
      () => s.observe({ kind: 'act', alertId: 'none', state: 'resolved', actor: 'eva', at: begin }),
      (error) => isSightlineError(error, 'alert.unknown'),
    );
  });
});

describe('rules', () => {
  const rule = (when: object, more: object = {}) => ({ alerts: [{ name: 'r', when, ...more }] });

  test('cooldown counts from the alert that was sent, not from one it held back', () => {
    const s = scene(rule({}, { cooldown: '60s' }));
    for (const visit of [0, 30_000, 59_000, 90_000]) {
      looks(s, visit, visit + 400, 200, { track: visit + 1, scores: { anna: 0.7 } });
      s.frame(visit + 20_000);
    }
    assert.deepEqual(
      s.events.filter(({ step }) => step.state === 'opened').map(({ alert }) => alert.eventTime - begin),
      [200, 90_200],
    );
    s.frame(200_000, { changes: [trackEnded(200_000, { trackId: 30_001 })] });
    s.frame(204_000);
    assert.equal(s.ledger.find(({ track }) => track.trackId === 30_001)?.reason, 'cooldown');
  });

  test('a rule about other lists, cameras or scores leaves a row that says which', () => {
    const cases = [
      [{ lists: ['vip'] }, 'no_rule'],
      [{ cameras: ['yard'] }, 'rule_camera'],
      [{ minScore: 0.9 }, 'rule_score'],
      [{ kinds: ['appearance'] as const }, 'no_rule'],
      [{ schedule: [{ from: '00:00', to: '06:00' }] }, 'rule_schedule'],
    ] as const;
    for (const [when, reason] of cases) {
      const s = scene({ lists: { banned: {}, vip: {} }, ...rule(when) });
      looks(s, 0, 1000, 200, { scores: { anna: 0.7 } });
      s.frame(1200, { changes: [trackEnded(1200)] });
      s.frame(6000);
      assert.deepEqual(s.story, []);
      assert.deepEqual(
        s.ledger.map((row) => row.reason).filter((found) => found !== 'evidence'),
        [reason],
      );
    }
  });

  test('several rules alert each for itself, with a severity of their own', () => {
    const s = scene({
      alerts: [
        { name: 'all', when: {} },
        { name: 'anna', when: { entries: ['anna'] }, severity: 'critical' },
      ],
    });
    looks(s, 0, 200, 200, { scores: { anna: 0.7 } });
    assert.deepEqual(
      s.events.map(({ alert }) => [alert.rule, alert.severity]),
      [
        ['all', 'high'],
        ['anna', 'critical'],
      ],
    );
    assert.equal(s.events[0]?.alert.episodeId, s.events[1]?.alert.episodeId);
  });

  const zones = {
    door: [
      [0, 0.8],
      [1, 0.8],
      [1, 1],
      [0, 1],
    ] as [number, number][],
  };
  const cameras = { lobby: { source: 'x.mp4', zones } };

  test('a zone counts where the foot point of the person stands, not the face', () => {
    const s = scene({ cameras, ...rule({ zones: ['door'] }) });
    const step = (at: number, y: number) => {
      s.frame(at, {
        changes: [
          moved(at, { trackId: 1, label: 'person' }, { x: 0.5, y }),
          moved(at, { trackId: 2, personTrackId: 1 }, { x: 0.5, y: y - 0.5 }),
        ],
      });
      s.see({ at, track: 2, scores: { anna: 0.7 } });
    };
    for (let at = 0; at <= 1000; at += 200) step(at, 0.7);
    assert.deepEqual(s.story, []);
    step(1200, 0.9);
    assert.deepEqual(s.story, ['opened anna']);
  });

  test('dwell is time inside the zone, counted on between sightings and through a lost track', () => {
    const s = scene({ cameras, ...rule({ zones: ['door'], dwell: '5s' }) });
    const walk = (from: number, to: number, track: number, y: number) => {
      for (let at = from; at <= to; at += 200) {
        if (at % 1000 === 0) s.see({ at, track, scores: { anna: 0.7 } });
        s.frame(at, { changes: [moved(at, { trackId: track }, { x: 0.5, y })] });
      }
    };
    walk(0, 3000, 1, 0.9);
    s.frame(3200, { changes: [trackEnded(3200)] });
    walk(4000, 4800, 2, 0.9);
    assert.deepEqual(s.story, []);
    walk(5000, 5600, 2, 0.9);
    assert.deepEqual(s.story, ['opened anna']);
    const outside = scene({ cameras, ...rule({ zones: ['door'], dwell: '5s' }) });
    for (let at = 0; at <= 20_000; at += 200) {
      if (at % 1000 === 0) outside.see({ at, scores: { anna: 0.7 } });
      const y = at % 8000 < 4000 ? 0.9 : 0.5;
      outside.frame(at, { changes: [moved(at, {}, { x: 0.5, y })] });
    }
    assert.deepEqual(outside.story, []);
  });

  test('after a long dwell the alert shows how it is now, not how it began: it is as fresh as any', () => {
    const s = scene({ cameras, ...rule({ zones: ['door'], dwell: '2m' }) });
    for (let at = 0; at <= 121_000; at += 200) {
      if (at % 2000 === 0) s.see({ at, scores: { anna: 0.7 } });
      s.frame(at, { changes: [moved(at, {}, { x: 0.5, y: 0.9 })] });
    }
    assert.deepEqual(s.story, ['opened anna']);
    const alert = s.events[0]?.alert;
    assert.ok(alert);
    assert.ok(alert.eventTime - begin > 117_000, `${alert.eventTime - begin} ms after she came`);
    assert.equal(alert.stages.receivedMs, 1000 + alert.eventTime - begin);
    assert.equal(alert.firstSeenAt, begin);
  });

  describe('unknown', () => {
    const unknown = rule({ unknown: '5s' });

    test('a face whose rule asks for another camera is noted without the entry that happens to be nearest', () => {
      const s = scene(rule({ unknown: '5s', cameras: ['yard'] }));
      looks(s, 0, 8000, 400, { of: 'stranger', scores: { anna: 0.1 } });
      s.frame(8200, { changes: [trackEnded(8200)] });
      s.frame(20_000);
      assert.deepEqual(s.story, []);
      assert.deepEqual(
        s.ledger.map(({ reason, entryName, score }) => [reason, entryName, score]),
        [['rule_camera', undefined, undefined]],
      );
    });

    test('a usable face that matches nobody for the time alerts once, also when its track is lost and found', () => {
      const s = scene(unknown);
      looks(s, 0, 4800, 400, { of: 'stranger', scores: { anna: 0.1 } });
      assert.deepEqual(s.story, []);
      looks(s, 5200, 8000, 400, { of: 'stranger', scores: { anna: 0.1 } });
      assert.deepEqual(s.story, ['opened unknown']);
      assert.equal(s.events[0]?.alert.kind, 'unknown');
      assert.equal(s.events[0]?.alert.entry, undefined);
      looks(s, 10_000, 20_000, 400, { track: 2, of: 'stranger', scores: { anna: 0.1 } });
      assert.deepEqual(s.story, ['opened unknown']);
      s.frame(40_000);
      assert.deepEqual(s.story, ['opened unknown', 'closed unknown left']);
    });

    test('also when nobody is enrolled at all', () => {
      const s = scene(unknown);
      looks(s, 0, 6000, 400, {});
      assert.deepEqual(s.story, ['opened unknown']);
    });

    test('two strangers are two alerts', () => {
      const s = scene(unknown);
      for (let at = 0; at <= 8000; at += 400) {
        s.see({ at, track: 1, of: 'stranger' });
        s.see({ at, track: 2, of: 'another' });
      }
      assert.deepEqual(s.story, ['opened unknown', 'opened unknown']);
    });

    test('two looks are not enough, however far apart', () => {
      const s = scene(unknown);
      looks(s, 0, 6000, 6000, { of: 'stranger' });
      assert.deepEqual(s.story, []);
      s.see({ at: 6200, of: 'stranger' });
      assert.deepEqual(s.story, ['opened unknown']);
    });

    test('a face too poor to tell is nobody and never unknown', () => {
      const s = scene(unknown);
      looks(s, 0, 20_000, 400, { of: 'stranger', scores: { anna: 0.1 }, quality: 0.06 });
      assert.deepEqual(s.story, []);
    });

    test('somebody listed or ignored is not unknown, and one found out is taken back', () => {
      const s = scene(unknown);
      looks(s, 0, 12_000, 400, { track: 1, scores: { 'staff/bob': 0.8 } });
      looks(s, 0, 12_000, 400, { track: 2, scores: { anna: 0.8 } });
      assert.deepEqual(s.story, []);
      looks(s, 12_400, 20_000, 400, { track: 3, of: 'carl', scores: { carl: 0.2 } });
      assert.deepEqual(s.story, ['opened unknown']);
      looks(s, 20_400, 26_000, 400, { track: 3, scores: { carl: 0.8 } });
      assert.deepEqual(s.story, ['opened unknown', 'closed unknown retracted']);
    });
  });
});

describe('the ledger', () => {
  test('a track that matched nobody leaves one row with its best numbers and the stage that ended it', () => {
    const cases = [
      { height: 19, crops: 0, looks: 0, reason: 'too_small', stage: 'detected' },
      { height: 60, crops: 5, quality: 0.01, looks: 0, reason: 'quality', stage: 'cropped' },
      { height: 60, crops: 5, looks: 0, reason: 'never_embedded', stage: 'cropped' },
      { height: 60, crops: 5, looks: 3, scores: { anna: 0.3 }, reason: 'below_threshold', stage: 'matched' },
      { height: 60, crops: 5, looks: 3, reason: 'nobody_enrolled', stage: 'matched' },
    ];
    for (const { looks: count, reason, stage, scores, ...summary } of cases) {
      const s = scene();
      s.frame(0, { changes: [moved(0)] });
      for (let i = 0; i < count; i += 1) s.see({ at: i * 200, of: 'x', ...(scores && { scores }) });
      s.frame(1000, { changes: [trackEnded(1000, {}, summary)] });
      s.frame(3900);
      assert.equal(s.ledger.length, 0);
      s.frame(4600);
      assert.equal(s.ledger.length, 1, reason);
      assert.equal(s.ledger[0]?.reason, reason);
      assert.equal(s.ledger[0]?.details['stage'], stage);
      assert.equal(s.ledger[0]?.score, scores?.anna);
      assert.equal(s.ledger[0]?.details['bestHeightPx'], summary.height);
    }
  });

  test('a person on whom no face was found says so on a camera that compares faces only', () => {
    const s = scene({ cameras: { lobby: { source: 'x', recognise: ['face'] } } });
    const person = { label: 'person', trackId: 7 };
    s.frame(0, { changes: [moved(0, person)] });
    s.frame(1000, { changes: [trackEnded(1000, person)] });
    s.frame(5000);
    assert.equal(s.ledger[0]?.reason, 'never_embedded');
    assert.equal(s.ledger[0]?.details['stage'], 'no_face');
  });

  test('when the program stops, what is known of tracks in view is written, and episodes stay open', () => {
    const s = scene();
    looks(s, 0, 1000, 200, { scores: { anna: 0.7 } });
    s.see({ at: 800, track: 9, of: 'x', scores: { anna: 0.2 } });
    s.observe({ kind: 'stopping', changes: [trackEnded(1000), trackEnded(1000, { trackId: 9 })] });
    assert.deepEqual(s.story, ['opened anna']);
    assert.deepEqual(
      s.ledger.map(({ track, reason }) => [track.trackId, reason]),
      [[9, 'below_threshold']],
    );
  });

  test('who alerted needs no explanation', () => {
    const s = scene();
    looks(s, 0, 4000, 200, { scores: { anna: 0.7 } });
    s.frame(4200, { changes: [trackEnded(4200)] });
    s.frame(60_000);
    assert.deepEqual(s.ledger, []);
  });

  test('a match of an entry that is no longer listed is expired', () => {
    const s = scene({}, { isListed: () => false });
    looks(s, 0, 1000, 200, { scores: { anna: 0.7 } });
    s.frame(1200, { changes: [trackEnded(1200)] });
    s.frame(6000);
    assert.deepEqual(s.story, []);
    assert.ok(s.ledger.some(({ reason }) => reason === 'expired'));
  });

  test('rows of a long track come while it lasts', () => {
    const s = scene({ alerts: [{ name: 'r', when: { cameras: ['yard'] } }] });
    for (let at = 0; at <= 31_000; at += 200) {
      s.see({ at, scores: { anna: 0.7 } });
      s.frame(at);
    }
    const row = s.ledger.find(({ reason }) => reason === 'rule_camera');
    assert.ok(row !== undefined && row.count > 100);
  });
});

describe('after a restart', () => {
  /** What the store gives back: the last record of each episode, alert and cooldown. */
  function restart(s: ReturnType<typeof scene>, config = {}, more = {}) {
    const episodes = new Map(s.commits.flatMap((commit) => commit.episodes.map((record) => [record.id, record] as const)));
    const alerts = new Map(s.events.map(({ alert, revision }) => [alert.id, { alert, revision }] as const));
    const cooldowns = new Map(s.commits.flatMap((commit) => commit.cooldowns.map((record) => [record.key, record] as const)));
    const open = [...episodes.values()].filter((record) => record.open);
    // Through JSON, as the store does it.
    const restored = JSON.parse(
      JSON.stringify({
        episodes: open,
        alerts: [...alerts.values()].filter(({ alert }) => open.some(({ id }) => id === alert.episodeId)),
        cooldowns: [...cooldowns.values()],
      }),
    );
    let count = 0;
    return scene(config, { restored, newId: () => `again-${++count}`, ...more });
  }

  test('the same alert goes on under its id, with the next revision', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    const again = restart(s);
    again.frame(9000, { epoch: 2 });
    looks(again, 16_000, 17_000, 200, { epoch: 2, scores: { anna: 0.9 } });
    again.frame(27_000, { epoch: 2 });
    assert.deepEqual(again.story, ['updated anna', 'closed anna left']);
    assert.equal(again.events[0]?.alert.id, s.events[0]?.alert.id);
    assert.equal(again.events[0]?.revision, 2);
    assert.ok((again.events[1]?.alert.sightings ?? 0) > 16);
  });

  test('somebody who left while the daemon was down is closed leaveAfter later', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    const again = restart(s);
    again.frame(20_000, { epoch: 2 });
    again.frame(29_900, { epoch: 2 });
    assert.deepEqual(again.story, []);
    again.frame(30_000, { epoch: 2 });
    assert.deepEqual(again.story, ['closed anna left']);
  });

  test('what stood behind the alert before is not taken back by a track that erred after', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    const again = restart(s);
    looks(again, 6000, 6200, 200, { epoch: 2, scores: { anna: 0.52 } });
    looks(again, 6400, 9000, 200, { epoch: 2, of: 'anna', scores: { anna: 0.1 } });
    assert.deepEqual(again.story, []);
  });

  test('after a long downtime it is another visit', () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    const again = restart(s);
    looks(again, 600_000, 601_000, 200, { epoch: 2, scores: { anna: 0.7 } });
    assert.deepEqual(again.story, ['closed anna left', 'opened anna']);
    assert.notEqual(again.events[1]?.alert.id, s.events[0]?.alert.id);
  });

  test('a camera that never comes back does not keep it open', async () => {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    const again = restart(s);
    await again.clock.advance(59_000);
    again.observe({ kind: 'tick' });
    assert.deepEqual(again.story, []);
    await again.clock.advance(2000);
    again.observe({ kind: 'tick' });
    assert.deepEqual(again.story, ['closed anna left']);
  });

  /** Seen by both cameras, then the daemon is down until `until`. */
  function restartOnce(until: number, config: Parameters<typeof scene>[0]) {
    const s = scene();
    looks(s, 0, 3000, 200, { scores: { anna: 0.7 } });
    looks(s, 3000, 6000, 200, { camera: 'yard', track: 2, scores: { anna: 0.7 } });
    const clock = new ManualClock({ wall: begin + until });
    return restart(s, config, { clock });
  }
  const lobbyAlone = { cameras: { lobby: { source: 'x.mp4' } } };
  const yardOff = { cameras: { lobby: { source: 'x.mp4' }, yard: { source: 'x.mp4', enabled: false } } };

  for (const [what, config] of [
    ['is no longer configured', lobbyAlone],
    ['is switched off', yardOff],
  ] as const)
    test(`a camera that ${what} keeps nothing open: the next visit is told`, () => {
      const again = restartOnce(20_000, config);
      again.frame(20_000, { epoch: 2 });
      again.frame(31_000, { epoch: 2 });
      assert.deepEqual(again.story, ['closed anna left']);
      looks(again, 40_000, 41_000, 200, { epoch: 2, scores: { anna: 0.7 } });
      assert.deepEqual(again.story, ['closed anna left', 'opened anna']);
    });

  test('a camera that saw her long before the restart is not waited for', () => {
    const again = restartOnce(600_000, {});
    looks(again, 600_000, 601_000, 200, { epoch: 2, scores: { anna: 0.7 } });
    assert.deepEqual(again.story, ['closed anna left', 'opened anna']);
  });

  test('a camera that saw her just before the restart is waited for', () => {
    const again = restartOnce(20_000, {});
    again.frame(20_000, { epoch: 2 });
    again.frame(31_000, { epoch: 2 });
    assert.deepEqual(again.story, []);
  });

  test('the cooldown goes on', () => {
    const config = { alerts: [{ name: 'r', cooldown: '10m' }] };
    const s = scene(config);
    looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
    s.frame(20_000);
    const again = restart(s, config);
    looks(again, 60_000, 61_000, 200, { epoch: 2, scores: { anna: 0.7 } });
    assert.deepEqual(again.story, []);
    looks(again, 700_000, 701_000, 200, { epoch: 2, scores: { anna: 0.7 } });
    assert.deepEqual(again.story, ['opened anna']);
  });

  test('no vector is part of what is written', () => {
    const s = scene({ alerts: [{ name: 'r', when: { unknown: '1s' } }] });
    looks(s, 0, 3000, 200, { of: 'stranger' });
    assert.deepEqual(s.story, ['opened unknown']);
    const text = JSON.stringify(s.commits);
    assert.ok(!text.includes('vector') && !text.includes('mean'));
  });
});

test('a live reload changes rules for what comes, not what is open', async () => {
  const { rulesOf } = await import('../support/sightings.ts');
  const s = scene();
  looks(s, 0, 400, 200, { scores: { anna: 0.7 } });
  s.alerts.configure(rulesOf({ alerts: [{ name: 'yard only', when: { cameras: ['yard'] } }] }));
  looks(s, 600, 1000, 200, { track: 2, scores: { bert: 0.7 } });
  s.frame(30_000);
  assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
});
