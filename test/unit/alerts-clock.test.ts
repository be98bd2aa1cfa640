import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { begin, scene, trackEnded } from '../support/sightings.ts';

/** A visit of anna from `at` on that is decided at once. */
function visit(s: ReturnType<typeof scene>, at: number, epoch: number): void {
  for (const after of [0, 200, 400]) s.see({ at: at + after, epoch, track: epoch, scores: { anna: 0.7 } });
}

/** Frames without anybody, five a second. */
function pass(s: ReturnType<typeof scene>, from: number, to: number, epoch: number): void {
  for (let at = from; at < to; at += 200) s.frame(at, { epoch });
}

const opened = 'opened anna';
const left = 'closed anna left';

describe('a source that comes back with an earlier event time', () => {
  const back = -600_000;

  test('ends a visit leaveAfter later all the same, and the next visit alerts', () => {
    const s = scene();
    visit(s, 0, 1);
    pass(s, back, back + 9800, 2);
    assert.deepEqual(s.story, [opened]);
    pass(s, back + 9800, back + 10_200, 2);
    assert.deepEqual(s.story, [opened, left]);
    visit(s, back + 30_000, 2);
    assert.deepEqual(s.story, [opened, left, opened]);
  });

  test('carries on the visit of somebody who stayed', () => {
    const s = scene();
    visit(s, 0, 1);
    pass(s, back, back + 2000, 2);
    visit(s, back + 2000, 2);
    pass(s, back + 2600, back + 12_000, 2);
    assert.deepEqual(s.story, [opened]);
  });

  test('does not take the next visit for late looks of one that is over', () => {
    const s = scene();
    visit(s, 0, 1);
    pass(s, 600, 12_000, 1);
    assert.deepEqual(s.story, [opened, left]);
    s.frame(back, { epoch: 2 });
    visit(s, back + 200, 2);
    assert.deepEqual(s.story, [opened, left, opened]);
  });

  test('begins the dwell in a zone anew', () => {
    const whole: [number, number][] = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ];
    const s = scene({
      cameras: { lobby: { source: 'x.mp4', zones: { door: whole } } },
      alerts: [
        { name: 'anywhere', when: {} },
        { name: 'stays', when: { cameras: ['lobby'], zones: ['door'], dwell: '5s' } },
      ],
    });
    const stand = (from: number, to: number, epoch: number) => {
      for (let at = from; at <= to; at += 200) {
        const track = { camera: 'lobby', epoch, trackId: epoch };
        const box = { left: 100, top: 100, width: 80, height: 100 };
        const frame = { width: 1000, height: 1000 };
        const eventTimeMs = s.clock.now() + at;
        s.frame(at, { epoch, changes: [{ kind: 'moved', track, label: 'face', eventTimeMs, box, frame }] });
        s.see({ at, epoch, track: epoch, scores: { anna: 0.7 } });
      }
    };
    stand(0, 3000, 1);
    stand(back, back + 4800, 2);
    assert.deepEqual(new Set(s.events.map(({ alert }) => alert.rule)), new Set(['anywhere']));
    stand(back + 5000, back + 5400, 2);
    assert.deepEqual(new Set(s.events.map(({ alert }) => alert.rule)), new Set(['anywhere', 'stays']));
  });
});

test('no alert was opened before it was first seen, and no step comes before another, whatever the clocks say', () => {
  for (const behindMs of [77.1, 3_600_000]) {
    const s = scene();
    // The first picture of the source came late, or the wall clock was set: event time is ahead of it.
    s.clock.jump(-behindMs);
    visit(s, 0, 1);
    const [first] = s.events;
    assert.ok(first !== undefined);
    assert.ok(first.step.at >= Math.round(first.alert.firstSeenAt), 'also as the wire rounds it');
    assert.equal(first.alert.decidedAt, begin - behindMs, 'when it was decided is told as it was');
    s.clock.jump(-1000);
    s.observe({ kind: 'act', alertId: first.alert.id, state: 'acknowledged', actor: 'bo', at: s.clock.now() });
    pass(s, 600, 20_000, 1);
    const times = s.events.at(-1)?.alert.steps.map(({ at }) => at) ?? [];
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.equal(times.length, 3);
  }
});

test('a daemon that starts again after the wall clock was set back does not keep visits open for that long', () => {
  const s = scene();
  visit(s, 0, 1);
  const commit = s.commits.at(-1);
  const restored = {
    episodes: s.commits.flatMap(({ episodes }) => episodes).slice(-1),
    alerts: s.events.slice(-1).map(({ alert, revision }) => ({ alert, revision })),
    cooldowns: commit?.cooldowns ?? [],
  };
  const again = scene({}, { restored, newId: () => 'again' });
  pass(again, -600_000, -589_800, 2);
  assert.deepEqual(again.story, [left]);
});

for (const [where, jumpMs] of [
  ['ahead', 3_600_000],
  ['back', -3_600_000],
] as const) {
  describe(`the wall clock is set an hour ${where} while a live source goes on`, () => {
    /** Ten seconds of nobody after her last look, in event time and in real time. */
    async function leave(s: ReturnType<typeof scene>, at: number): Promise<void> {
      s.frame(at, { changes: [trackEnded(at)] });
      await s.clock.advance(10_200);
      pass(s, at, at + 10_200, 1);
      s.observe({ kind: 'tick' });
    }

    test('an open alert goes on, and ends leaveAfter after she has left', async () => {
      const s = scene();
      visit(s, 0, 1);
      s.clock.jump(jumpMs);
      s.observe({ kind: 'tick' });
      for (let at = 600; at < 5000; at += 200) s.see({ at, scores: { anna: 0.7 } });
      s.observe({ kind: 'tick' });
      assert.deepEqual(s.story, [opened]);
      await leave(s, 5000);
      assert.deepEqual(s.story, [opened, left]);
    });

    test('a cooldown holds for as long as it would have', async () => {
      const s = scene({ alerts: [{ name: 'r', cooldown: '10m' }] });
      visit(s, 0, 1);
      s.clock.jump(jumpMs);
      await leave(s, 600);
      for (const after of [0, 200, 400]) s.see({ at: 300_000 + after, track: 2, scores: { anna: 0.7 } });
      assert.deepEqual(s.story, [opened, left], 'five minutes later');
      s.frame(301_000, { changes: [trackEnded(301_000, { trackId: 2 })] });
      pass(s, 301_000, 312_000, 1);
      for (const after of [0, 200, 400]) s.see({ at: 601_000 + after, track: 3, scores: { anna: 0.7 } });
      assert.deepEqual(s.story, [opened, left, opened], 'ten minutes later');
    });

    test('a schedule follows the wall clock at once', () => {
      const window = { from: '11:30', to: '12:30', timeZone: 'UTC' };
      const s = scene({ alerts: [{ name: 'noon', when: { schedule: [window] } }] });
      s.clock.jump(jumpMs);
      visit(s, 0, 1);
      assert.deepEqual(s.story, [], 'it is not noon');
      s.clock.jump(-jumpMs);
      visit(s, 600, 1);
      assert.deepEqual(s.story, [opened]);
    });
  });
}
