import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, type WatchedTime } from '../../src/alerts/why.ts';
import type { LedgerReason } from '../../src/core/alerts.ts';
import { begin, moved, scene, trackEnded } from '../support/sightings.ts';

const formatTime = (ms: number) => new Date(ms).toISOString().slice(11, 19);

function why(s: ReturnType<typeof scene>, at = 1000, camera = 'lobby') {
  const alerts = new Map(s.events.map(({ alert }) => [alert.id, alert]));
  return explain({ camera, at: begin + at, windowMs: 60_000, rows: s.ledger, alerts: [...alerts.values()], formatTime });
}

test('why tells of the alert, and of each track why it told nobody', () => {
  const s = scene();
  for (let at = 0; at <= 1000; at += 200) s.see({ at, track: 1, scores: { anna: 0.71 } });
  s.frame(0, { changes: [moved(0, { trackId: 17 })] });
  s.frame(2000, { changes: [trackEnded(2000, { trackId: 17 }, { height: 19, crops: 0 })] });
  for (let at = 0; at <= 1000; at += 200) s.see({ at, track: 20, of: 'x', scores: { bert: 0.31 } });
  s.frame(2200, { changes: [trackEnded(2200, { trackId: 20 })] });
  s.frame(30_000);
  assert.deepEqual(why(s), [
    'lobby around 12:00:01: 1 alert, 2 tracks that told nobody',
    'alert id-2: anna, face similarity 0.71, rule default, in view 12:00:00 to 12:00:01, closed (left)',
    'track 17, face, 12:00:00 to 12:00:02: 19 px high at best: too small to compare, 24 px are needed',
    'track 20, face, 12:00:00 to 12:00:02: compared 6 times, nearest bert (0.31), which needs 0.50',
  ]);
});

test('why says that nothing was seen, what the camera did meanwhile, and what is not known of it', () => {
  const nothing = (watched?: WatchedTime) =>
    explain({ camera: 'lobby', at: begin, windowMs: 60_000, rows: [], alerts: [], watched, formatTime });
  const head = 'lobby around 12:00:00: 0 alerts, 0 tracks that told nobody; no track was seen within 60 s';
  assert.deepEqual(nothing(), [`${head}; whether the camera gave pictures is not known: no daemon runs`]);
  const from = begin - 3_600_000;
  assert.deepEqual(nothing({ from, outages: [] }), [
    `${head} although the camera gave pictures; look at its motion gate and its masks`,
  ]);
  assert.deepEqual(nothing({ from: begin - 59_000, outages: [] }), [
    `${head}; whether the camera gave pictures before 11:59:01 is not known`,
  ]);
  const outages = [
    { from: from, to: begin - 61_000, reason: 'before' },
    { from: begin - 90_000, to: begin - 30_000, reason: 'away: connection refused' },
    { from: begin + 30_000, reason: 'away: silent' },
  ];
  assert.deepEqual(nothing({ from, outages }), [
    head,
    'no pictures 11:58:30 to 11:59:30: away: connection refused',
    'no pictures since 12:00:30: away: silent',
  ]);
});

test('why tells of an outage beside what was seen', () => {
  const s = scene();
  for (let at = 0; at <= 1000; at += 200) s.see({ at, track: 20, of: 'x', scores: { bert: 0.31 } });
  s.frame(2200, { changes: [trackEnded(2200, { trackId: 20 })] });
  s.frame(30_000);
  const watched = { from: begin - 60_000, outages: [{ from: begin + 3000, reason: 'away: silent' }] };
  const lines = explain({ camera: 'lobby', at: begin, windowMs: 60_000, rows: s.ledger, alerts: [], watched, formatTime });
  assert.deepEqual(lines, [
    'lobby around 12:00:00: 0 alerts, 1 track that told nobody',
    'no pictures since 12:00:03: away: silent',
    'track 20, face, 12:00:00 to 12:00:02: compared 6 times, nearest bert (0.31), which needs 0.50',
  ]);
});

test('why does not say of whoever an alert is about that nobody compared them, when their camera went away', async () => {
  const s = scene();
  for (let at = 0; at <= 1000; at += 200) {
    s.frame(at, { changes: [moved(at)] });
    s.see({ at, scores: { anna: 0.71 } });
  }
  // Silent for a minute: what is known of the track is let go before the next epoch ends it.
  for (let second = 0; second < 60; second += 1) {
    await s.clock.advance(1000);
    s.observe({ kind: 'tick' });
  }
  s.frame(62_000, { epoch: 2, changes: [trackEnded(1000)] });
  s.frame(70_000, { epoch: 2 });
  assert.deepEqual(why(s), [
    'lobby around 12:00:01: 1 alert, 0 tracks that told nobody',
    'alert id-2: anna, face similarity 0.71, rule default, in view 12:00:00 to 12:00:01, closed (left)',
  ]);
});

test('why tells while a camera is away what became of the tracks that it showed last', async () => {
  const s = scene();
  s.frame(0, { changes: [moved(0), moved(0, { trackId: 2 }), moved(0, { trackId: 3 })] });
  for (let at = 0; at <= 1000; at += 200) s.see({ at, scores: { anna: 0.71 } });
  s.see({ at: 200, track: 2, of: 'x', scores: { bert: 0.31 } });
  const ends = [1, 2, 3].map((trackId) => trackEnded(1000, { trackId }));
  s.observe({ kind: 'tracks-ended', changes: ends });
  s.see({ at: 400, track: 2, of: 'x', scores: { bert: 0.33 } }); // was still being embedded
  await s.clock.advance(3000);
  s.observe({ kind: 'tick' });
  assert.deepEqual(why(s).slice(2), [
    'track 2, face, 12:00:00 to 12:00:01: compared 2 times, nearest bert (0.33), which needs 0.50',
    'track 3, face, 12:00:00 to 12:00:01: not compared: 10 crops in 25 frames, none was embedded',
  ]);
  assert.equal(s.alerts.sizes.tracks, 0);
});

test('why leaves out other cameras and other times', () => {
  const s = scene();
  for (const at of [0, 200, 400]) s.see({ at, scores: { anna: 0.7 } });
  assert.equal(why(s, 1000, 'yard').length, 1);
  assert.equal(why(s, 600_000).length, 1);
});

test('why names nobody where an unknown face was refused', () => {
  const s = scene({ alerts: [{ name: 'r', when: { unknown: '2s', cameras: ['yard'] } }] });
  for (let at = 0; at <= 4000; at += 200) s.see({ at, of: 'x', scores: { bert: 0.31 } });
  s.frame(4200, { changes: [trackEnded(4200)] });
  s.frame(30_000);
  assert.deepEqual(why(s).slice(1), ['track 1, face, 12:00:02 to 12:00:04: an unknown face: no rule for this camera']);
});

test('why has words for every reason', () => {
  const reasons: Record<LedgerReason, RegExp> = {
    below_threshold: /needs 0\.50/,
    margin: /too near to the next entry/,
    evidence: /not enough to decide/,
    quality: /quality/,
    ignored: /ignore list/,
    cooldown: /cooldown/,
    rule_camera: /camera/,
    rule_schedule: /schedule/,
    rule_zone: /zone/,
    rule_score: /asks for/,
    no_rule: /no rule/,
    expired: /expired/,
    never_embedded: /not compared/,
    too_small: /too small/,
    nobody_enrolled: /nobody is enrolled/,
  };
  for (const [reason, words] of Object.entries(reasons)) {
    const [, line] = explain({
      camera: 'lobby',
      at: begin,
      windowMs: 1000,
      alerts: [],
      rows: [
        {
          at: begin,
          lastAt: begin,
          track: { camera: 'lobby', epoch: 1, trackId: 1 },
          label: 'face',
          kind: 'face',
          reason: reason as LedgerReason,
          entryId: 'anna',
          entryName: 'anna',
          score: 0.4,
          threshold: 0.5,
          count: 3,
          details: {},
        },
      ],
      formatTime,
    });
    assert.match(line ?? '', words, reason);
  }
});

test('why says of every score beside a description what it is', () => {
  const s = scene();
  const words = { kind: 'description', of: 'x', threshold: 0.28 } as const;
  for (let at = 0; at <= 1000; at += 200) {
    s.see({ at, kind: 'appearance', of: 'x' });
    s.see({ ...words, at, scores: { cap: 0.31 } });
    s.see({ at, track: 2, kind: 'appearance', of: 'x' });
    s.see({ ...words, at, track: 2, scores: { cap: 0.2 } });
  }
  s.frame(2000, { changes: [trackEnded(2000, { trackId: 2, label: 'person' })] });
  s.frame(30_000);
  assert.deepEqual(why(s).slice(1), [
    'alert id-2: cap, description similarity 0.31, experimental, matches a description, not a person, rule default, in view 12:00:00 to 12:00:01, closed (left)',
    'track 2, person, 12:00:00 to 12:00:02: compared 6 times, nearest cap (0.20, experimental, matches a description, not a person), which needs 0.28',
  ]);
});
