import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { nextState } from '../../src/alerts/steps.ts';
import type { AlertEvent } from '../../src/core/alerts.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import { begin, moved, type Scene, scene, trackEnded } from '../support/sightings.ts';

const entries = ['anna', 'bert', 'staff/bob'] as const;
const people = ['anna', 'bert', 'bob', 'stranger', 'another'] as const;
const cameras = ['lobby', 'yard'] as const;

const percent = (min: number, max: number) => fc.integer({ min, max }).map((value) => value / 100);

const lookStep = fc.record({
  kind: fc.constant('look' as const),
  after: fc.integer({ min: 0, max: 1500 }),
  camera: fc.constantFrom(...cameras),
  track: fc.integer({ min: 1, max: 4 }),
  of: fc.constantFrom(...people),
  scores: fc.dictionary(fc.constantFrom(...entries), percent(0, 100)),
  quality: percent(0, 100),
});
/** Several looks of one person: what opens alerts. */
const runStep = fc.record({
  kind: fc.constant('run' as const),
  after: fc.integer({ min: 0, max: 3000 }),
  camera: fc.constantFrom(...cameras),
  track: fc.integer({ min: 1, max: 4 }),
  of: fc.constantFrom(...entries),
  score: fc.oneof(percent(45, 100), percent(0, 30)),
  looks: fc.integer({ min: 1, max: 12 }),
});
const otherStep = fc.oneof(
  fc.record({ kind: fc.constant('pause' as const), after: fc.integer({ min: 0, max: 30_000 }) }),
  fc.record({
    kind: fc.constant('end' as const),
    camera: fc.constantFrom(...cameras),
    track: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ kind: fc.constant('source' as const), camera: fc.constantFrom(...cameras) }),
  fc.record({ kind: fc.constant('remove' as const), of: fc.constantFrom('anna', 'bert', 'bob') }),
  fc.record({
    kind: fc.constant('act' as const),
    pick: fc.nat(),
    state: fc.constantFrom('acknowledged' as const, 'resolved' as const, 'rejected' as const),
  }),
);
const stepsOf = fc.array(fc.oneof({ weight: 3, arbitrary: lookStep }, { weight: 4, arbitrary: runStep }, otherStep), {
  minLength: 5,
  maxLength: 60,
});

interface Played {
  readonly s: Scene;
  /** Highest score of an entry at or above the threshold so far, by event. */
  readonly reached: ReadonlyMap<AlertEvent, number | undefined>;
}

type Steps = typeof stepsOf extends fc.Arbitrary<infer T> ? T : never;

async function play(steps: Steps): Promise<Played> {
  const s = scene({
    alerts: [
      { name: 'all', cooldown: '3s' },
      { name: 'strangers', when: { unknown: '2s' } },
    ],
  });
  const epochs = { lobby: 1, yard: 1 };
  const best = new Map<string, number>();
  const reached = new Map<AlertEvent, number | undefined>();
  let at = 0;
  const told = (events: readonly AlertEvent[]) => {
    for (const event of events) reached.set(event, best.get(event.alert.entry?.id ?? ''));
  };
  const see = (options: Parameters<Scene['see']>[0]) => {
    for (const [key, score] of Object.entries(options.scores ?? {})) {
      const id = key.split('/').at(-1) ?? key;
      if (score >= 0.5) best.set(id, Math.max(best.get(id) ?? 0, score));
    }
    told(s.see(options));
  };
  const wait = async (ms: number) => {
    at += ms;
    await s.clock.advance(ms);
    for (const camera of cameras) told(s.frame(at, { camera, epoch: epochs[camera] }));
    told(s.observe({ kind: 'tick' }));
  };
  for (const step of steps) {
    if (step.kind === 'look') {
      await wait(step.after);
      const { camera, track, of, scores, quality } = step;
      told(
        s.frame(at, { camera, epoch: epochs[camera], changes: [moved(at, { camera, epoch: epochs[camera], trackId: track })] }),
      );
      see({ at, camera, track, epoch: epochs[camera], of, scores, quality });
    } else if (step.kind === 'run') {
      await wait(step.after);
      for (let i = 0; i < step.looks; i += 1) {
        const { camera, track, of, score } = step;
        see({ at, camera, track, epoch: epochs[camera], of: of.split('/').at(-1) ?? of, scores: { [of]: score } });
        await wait(200);
      }
    } else if (step.kind === 'pause') await wait(step.after);
    else if (step.kind === 'end') {
      const { camera, track } = step;
      told(
        s.frame(at, {
          camera,
          epoch: epochs[camera],
          changes: [trackEnded(at, { camera, epoch: epochs[camera], trackId: track })],
        }),
      );
    } else if (step.kind === 'source') {
      told(s.observe({ kind: 'source-ended', camera: step.camera, changes: [] }));
      epochs[step.camera] += 1;
    } else if (step.kind === 'remove') told(s.observe({ kind: 'entry-removed', entryId: step.of }));
    else {
      const event = s.events[step.pick % Math.max(1, s.events.length)];
      if (event === undefined) continue;
      const { id } = event.alert;
      const stored = s.events.findLast(({ alert }) => alert.id === id);
      try {
        told(
          s.observe({ kind: 'act', alertId: id, state: step.state, actor: 'eva', at: begin + at, ...(stored && { stored }) }),
        );
      } catch (error) {
        if (!isSightlineError(error, 'alert.transition')) throw error;
      }
    }
  }
  return { s, reached };
}

const runs = { numRuns: 150 };

describe('whatever is seen', () => {
  test('the scenes below tell of every step and reason', async () => {
    const told = new Set<string>();
    for (const steps of fc.sample(stepsOf, { numRuns: 300, seed: 1 })) {
      for (const { step, alert } of (await play(steps)).s.events) told.add(`${step.reason ?? step.state} ${alert.kind}`);
    }
    for (const what of [
      'opened face',
      'opened unknown',
      'updated face',
      'acknowledged face',
      'rejected face',
      'left face',
      'left unknown',
      'source_ended face',
      'entry_removed face',
      'retracted face',
    ])
      assert.ok(told.has(what), `${what} in ${[...told].join(', ')}`);
  });

  test('nobody alerts without a sighting at or above the threshold, and never somebody on an ignore list', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        const { s, reached } = await play(steps);
        for (const event of s.events) {
          const { alert } = event;
          if (alert.kind === 'unknown') {
            assert.equal(alert.entry, undefined);
            assert.ok(alert.score < 0.42);
            continue;
          }
          assert.notEqual(alert.entry?.list, 'staff');
          assert.ok(alert.score >= alert.threshold, `${alert.score}`);
          assert.ok((reached.get(event) ?? 0) >= alert.threshold);
          assert.ok(alert.sightings >= 2 || event.step.state !== 'opened');
        }
      }),
      runs,
    );
  });

  test('ids are unique, revisions count up by one, and states take legal steps only', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        const { s } = await play(steps);
        const byId = Map.groupBy(s.events, ({ alert }) => alert.id);
        for (const events of byId.values()) {
          assert.equal(events[0]?.step.state, 'opened');
          for (const [i, event] of events.entries()) {
            assert.equal(event.revision, i + 1);
            const before = events[i - 1];
            if (before === undefined) continue;
            assert.equal(event.alert.state, nextState(before.alert.state, event.step.state));
            assert.deepEqual(event.alert.steps.at(-1), event.step);
          }
        }
        const opened = s.events.filter(({ step }) => step.state === 'opened');
        assert.equal(new Set(opened.map(({ alert }) => alert.id)).size, opened.length);
      }),
      runs,
    );
  });

  test('an entry has one open alert of a rule at a time', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        const { s } = await play(steps);
        const open = new Set<string>();
        for (const { alert, step } of s.events) {
          const key = `${alert.rule}|${alert.entry?.id ?? alert.episodeId}`;
          if (step.state === 'opened') {
            assert.ok(!open.has(key));
            open.add(key);
          } else if (alert.state === 'closed' || alert.state === 'resolved' || alert.state === 'rejected') open.delete(key);
        }
      }),
      runs,
    );
  });

  test('everything ends: after a minute of silence no episode and no track is left', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        const { s } = await play(steps);
        await s.clock.advance(61_000);
        s.observe({ kind: 'tick' });
        assert.deepEqual(s.alerts.sizes, { tracks: 0, episodes: 0 });
        const last = new Map(s.commits.flatMap((commit) => commit.episodes.map((record) => [record.id, record.open] as const)));
        assert.deepEqual([...last.values()].filter(Boolean), []);
      }),
      runs,
    );
  });

  test('the same inputs give the same commits', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        const text = async () =>
          JSON.stringify((await play(steps)).s.commits, (_, value) => (typeof value === 'bigint' ? Number(value) : value));
        assert.equal(await text(), await text());
      }),
      { numRuns: 30 },
    );
  });

  test('memory stays bounded, however many tracks a crowd has', () => {
    const s = scene();
    for (let i = 0; i < 6000; i += 1) s.see({ at: i, track: i, of: `person ${i}`, scores: { anna: 0.45 } });
    assert.equal(s.alerts.sizes.tracks, 512);
    assert.deepEqual([s.ledger.length, s.ledger[0]?.track.trackId], [6000 - 512, 0]);
    const one = scene();
    for (let i = 0; i < 3000; i += 1) {
      one.see({ at: i * 100, of: `person ${i % 50}`, scores: { [`entry ${i % 700}`]: 0.6 } });
      if (i % 10 === 0) one.frame(i * 100);
    }
    for (const commit of one.commits) assert.ok(commit.ledger.length <= 16);
  });
});
