import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AlertRoom, type AlertRoomConfig, startAlerts } from '../../src/alerts/history.ts';
import type { TrackLabel } from '../../src/alerts/recognition.ts';
import type { AlertEvent } from '../../src/core/alerts.ts';
import { isSightlineError, SightlineError } from '../../src/core/errors.ts';
import type { AlertCommit, AlertStore, OutboxRow } from '../../src/core/store.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { begin, look, rulesOf } from '../support/sightings.ts';

/** Keeps commits in memory; each waits until `release`, and fails while `failure` is set. */
function memoryStore() {
  const commits: AlertCommit[] = [];
  const alerts = new Map<string, { alert: AlertEvent['alert']; revision: number }>();
  const held: (() => void)[] = [];
  const state = { hold: false, failure: undefined as Error | undefined, rows: 0 };
  const store: Pick<AlertStore, 'commit' | 'loadOpen' | 'get'> = {
    commit: async (commit) => {
      if (state.hold) await new Promise<void>((resolve) => held.push(resolve));
      if (state.failure !== undefined) throw state.failure;
      commits.push(commit);
      return commit.events.map((event): OutboxRow => {
        const { alert, revision } = event;
        alerts.set(alert.id, { alert, revision });
        state.rows += 1;
        return { id: state.rows, output: 'mqtt', alertId: alert.id, revision, camera: alert.camera, createdAt: 0, event };
      });
    },
    loadOpen: async () => ({ episodes: [], alerts: [], cooldowns: [] }),
    get: async (id) => alerts.get(id),
  };
  const release = () => {
    state.hold = false;
    for (const resolve of held.splice(0)) resolve();
  };
  return { store, commits, state, release };
}

async function room(more: Partial<AlertRoomConfig> = {}) {
  const memory = memoryStore();
  const clock = new ManualClock({ wall: begin, mono: 5000 });
  const ctx = testContext(clock);
  const stored: AlertEvent[] = [];
  const rows: OutboxRow[] = [];
  const unstored: AlertEvent[] = [];
  const labels: TrackLabel[] = [];
  let count = 0;
  const alerts = await startAlerts(
    {
      ...rulesOf({}),
      newId: () => `id-${++count}`,
      isListed: () => true,
      store: memory.store,
      publish: {
        stored: (events, queued) => {
          stored.push(...events);
          rows.push(...queued);
        },
        unstored: (events) => unstored.push(...events),
      },
      onLabel: (_, label) => labels.push(label),
      ...more,
    },
    ctx,
  );
  return { alerts, clock, ctx, memory, stored, rows, unstored, labels };
}

function see(alerts: AlertRoom, at: number, options: Partial<Parameters<typeof look>[0]> = {}): void {
  alerts.seeSighting(look({ at, scores: { anna: 0.7 }, ...options }));
}

async function metric(ctx: { metrics: { registry: { metrics(): Promise<string> } } }, line: string): Promise<boolean> {
  return (await ctx.metrics.registry.metrics()).includes(line);
}

describe('the alert room', () => {
  test('publishes only what is stored, with the time of storing', async () => {
    const r = await room();
    await using _ = r.alerts;
    r.memory.state.hold = true;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(r.stored.length, 0);
    r.memory.release();
    await r.alerts.flush();
    assert.equal(r.stored.length, 1);
    assert.equal(r.stored[0]?.alert.stages.storedMs, 5000);
    assert.equal(r.rows[0]?.event.alert.stages.storedMs, 5000);
    assert.equal(r.stored[0]?.alert.durable, true);
    assert.deepEqual(r.memory.commits[0]?.outputs, ['mqtt']);
    assert.ok(await metric(r.ctx, 'sightline_alert_events_total{rule="default",kind="face",state="opened"} 1'));
    assert.ok(await metric(r.ctx, 'sightline_sightings_total{kind="face"} 2'));
    assert.ok(await metric(r.ctx, 'sightline_alert_decision_seconds_count{kind="face"} 1'));
  });

  test('writes what gathers behind a slow transaction as one', async () => {
    const r = await room();
    await using _ = r.alerts;
    r.memory.state.hold = true;
    for (const [i, name] of ['anna', 'bert', 'carl', 'dora'].entries()) {
      for (const at of [0, 200]) r.alerts.seeSighting(look({ at: at + i, track: i, scores: { [name]: 0.7 } }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    r.memory.release();
    await r.alerts.flush();
    assert.deepEqual(
      r.memory.commits.map(({ events }) => events.map(({ alert }) => alert.entry?.name)),
      [['anna'], ['bert', 'carl', 'dora']],
    );
    assert.deepEqual(
      r.stored.map(({ alert }) => alert.entry?.name),
      ['anna', 'bert', 'carl', 'dora'],
    );
  });

  for (const [code, message] of [
    ['store.full', 'disk full, alerts are published from memory'],
    ['store.failed', 'alerts were not stored'],
  ] as const) {
    test(`publishes from memory, marked so, while the store says ${code}`, async () => {
      const r = await room();
      await using _ = r.alerts;
      r.memory.state.failure = new SightlineError(code, 'no');
      see(r.alerts, 0);
      see(r.alerts, 200);
      await r.alerts.flush();
      assert.equal(r.stored.length, 0);
      assert.equal(r.unstored.length, 1);
      assert.equal(r.unstored[0]?.alert.durable, false);
      assert.ok(r.ctx.lines.some((line) => line['msg'] === message && line['level'] === 'warn'));
      assert.ok(await metric(r.ctx, 'sightline_alert_unstored_total 1'));
      r.memory.state.failure = undefined;
      r.alerts.endSource('lobby', []);
      await r.alerts.flush();
      assert.equal(r.stored[0]?.step.reason, 'source_ended');
      assert.equal(r.stored[0]?.revision, 2);
      assert.equal(r.stored[0]?.alert.durable, true);
    });
  }

  test('writes what was published from memory when the store takes writes again, and publishes it no second time', async () => {
    const r = await room();
    await using _ = r.alerts;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.alerts.flush();
    r.memory.state.failure = new SightlineError('store.full', 'no');
    r.alerts.endSource('lobby', []);
    await r.alerts.flush();
    assert.equal(r.unstored[0]?.step.state, 'closed');
    const alertId = r.stored[0]?.alert.id ?? '';
    assert.equal((await r.memory.store.get(alertId))?.alert.state, 'opened');
    const late = await r.alerts.act({ alertId, state: 'rejected', actor: 'eva' });
    assert.deepEqual([late.revision, late.alert.durable], [3, false], 'a step on what only memory knows is the next one');
    r.memory.state.failure = undefined;
    await r.clock.advance(10_000);
    await r.alerts.flush();
    const kept = await r.memory.store.get(alertId);
    assert.deepEqual([kept?.alert.state, kept?.revision, kept?.alert.durable], ['rejected', 3, true]);
    const written = r.memory.commits.filter(({ events }) => events.some(({ revision }) => revision > 1));
    assert.deepEqual(
      written.map(({ outputs, episodes }) => [outputs, episodes.map(({ open }) => open)]),
      [[[], [false]]],
    );
    assert.equal(r.stored.length, 1);
    assert.ok(await metric(r.ctx, 'sightline_alert_owed 0'));
  });

  test('says that alerts are told from memory at once, then seldom, and never of none', async () => {
    const r = await room();
    await using _ = r.alerts;
    r.memory.state.failure = new SightlineError('store.full', 'no');
    for (let i = 0; i < 130; i += 1) {
      for (const at of [0, 200]) see(r.alerts, i * 1000 + at, { track: i, scores: { [`person ${i}`]: 0.7 } });
      await r.clock.advance(1000);
    }
    const said = () => r.ctx.lines.filter(({ msg }) => msg === 'disk full, alerts are published from memory');
    assert.equal(said().length, 2, JSON.stringify(said()));
    for (const { events } of said()) assert.ok(Number(events) > 0);
    r.memory.state.failure = undefined;
    await r.clock.advance(10_000);
    assert.equal(r.ctx.lines.filter(({ msg }) => msg === 'alerts told from memory are in history now').length, 1);
  });

  test('owes the store nothing of an entry that is erased, and drops what the store will never take', async () => {
    const r = await room();
    await using _ = r.alerts;
    r.memory.state.failure = new SightlineError('store.full', 'no');
    for (const at of [0, 200]) {
      see(r.alerts, at);
      see(r.alerts, at, { track: 2, scores: { bert: 0.7 } });
    }
    await r.alerts.flush();
    r.alerts.removeEntry('anna');
    await r.alerts.flush();
    assert.ok(r.unstored.some(({ alert, step }) => alert.entry?.id === 'anna' && step.reason === 'entry_removed'));
    r.memory.state.failure = undefined;
    await r.clock.advance(10_000);
    await r.alerts.flush();
    assert.doesNotMatch(JSON.stringify(r.memory.commits), /anna/);
    assert.match(JSON.stringify(r.memory.commits), /bert/);
    r.memory.state.failure = new SightlineError('store.failed', 'no', { details: { lasting: true } });
    for (const at of [20_000, 20_200]) see(r.alerts, at, { track: 3, scores: { carl: 0.7 } });
    await r.alerts.flush();
    assert.ok(await metric(r.ctx, 'sightline_alert_owed 0'));
    assert.match(await r.ctx.metrics.registry.metrics(), /sightline_alert_dropped_total\{what="event"\} 1$/m);
  });

  test('answers a step of a person that the store did not take as one that is not durable', async () => {
    const r = await room();
    await using _ = r.alerts;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.alerts.flush();
    const alertId = r.stored[0]?.alert.id ?? '';
    r.memory.state.failure = new SightlineError('store.full', 'no');
    const lost = await r.alerts.act({ alertId, state: 'acknowledged', actor: 'eva' });
    assert.equal(lost.alert.durable, false);
    assert.deepEqual(r.unstored, [lost], 'and it was announced so');
    r.memory.state.failure = undefined;
    assert.equal((await r.alerts.act({ alertId, state: 'resolved', actor: 'eva' })).alert.durable, true);
  });

  test('drops updates first when the store hangs, and counts them', async () => {
    const r = await room({ updateEveryMs: 100 });
    await using _ = r.alerts;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.alerts.flush();
    r.memory.state.hold = true;
    see(r.alerts, 5, { track: 9, scores: { bert: 0.7 } });
    see(r.alerts, 205, { track: 9, scores: { bert: 0.7 } });
    await new Promise((resolve) => setImmediate(resolve));
    // One transaction hangs; more than a thousand events gather behind it.
    see(r.alerts, 5, { track: 10, scores: { carl: 0.7 } });
    see(r.alerts, 205, { track: 10, scores: { carl: 0.7 } });
    for (let i = 0; i < 1100; i += 1) see(r.alerts, 1000 + i * 200, { camera: `cam-${i}`, scores: { anna: 0.7 + i / 10_000 } });
    r.memory.release();
    await r.alerts.flush();
    assert.ok(r.stored.length <= 1002);
    assert.ok(r.stored.some(({ alert, step }) => step.state === 'opened' && alert.entry?.name === 'carl'));
    assert.match(await r.ctx.metrics.registry.metrics(), /sightline_alert_dropped_total\{what="event"\} [1-9]/);
  });

  test('takes a step of a person on an open alert, on a closed one, and on one just closing', async () => {
    const r = await room();
    await using _ = r.alerts;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.alerts.flush();
    const alertId = r.stored[0]?.alert.id ?? '';
    const event = await r.alerts.act({ alertId, state: 'acknowledged', actor: 'eva', reason: 'known' });
    assert.deepEqual(event.step, { state: 'acknowledged', at: begin, actor: 'eva', reason: 'known' });
    assert.equal(r.memory.commits.at(-1)?.events[0]?.revision, 2);
    r.memory.state.hold = true;
    r.alerts.endSource('lobby', []);
    const resolving = r.alerts.act({ alertId, state: 'resolved', actor: 'eva' });
    await new Promise((resolve) => setImmediate(resolve));
    r.memory.release();
    assert.equal((await resolving).revision, 4);
    assert.deepEqual(
      r.stored.map(({ step, revision }) => `${revision} ${step.state}`),
      ['1 opened', '2 acknowledged', '3 closed', '4 resolved'],
    );
    await assert.rejects(
      () => r.alerts.act({ alertId, state: 'rejected', actor: 'eva' }),
      (error) => isSightlineError(error, 'alert.transition'),
    );
    await assert.rejects(
      () => r.alerts.act({ alertId: 'none', state: 'rejected', actor: 'eva' }),
      (error) => isSightlineError(error, 'alert.unknown'),
    );
  });

  test('takes a step on an alert that closes while it is looked up', async () => {
    const r = await room();
    await using _ = r.alerts;
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.alerts.flush();
    const alertId = r.stored[0]?.alert.id ?? '';
    const acting = r.alerts.act({ alertId, state: 'resolved', actor: 'eva' });
    await Promise.resolve();
    r.alerts.endSource('lobby', []);
    assert.equal((await acting).revision, 3);
    assert.deepEqual(
      r.stored.map(({ step, revision }) => `${revision} ${step.state}`),
      ['1 opened', '2 closed', '3 resolved'],
    );
  });

  test('writes what is decided in one turn as one', async () => {
    const r = await room();
    await using _ = r.alerts;
    for (const track of [1, 2]) for (const at of [0, 200]) see(r.alerts, at, { track, scores: { [`entry ${track}`]: 0.7 } });
    await r.alerts.flush();
    assert.deepEqual(
      r.memory.commits.map(({ events }) => events.length),
      [2],
    );
  });

  test('tells when the label of a track changes, and not otherwise', async () => {
    const r = await room();
    await using _ = r.alerts;
    for (let at = 0; at <= 2000; at += 200) see(r.alerts, at);
    assert.deepEqual(
      r.labels.map(({ decided, text }) => `${text} ${decided}`),
      ['anna true'],
    );
    see(r.alerts, 2200, { of: 'anna', scores: { anna: 0.1 } });
    assert.equal(r.labels.at(-1)?.decided, false);
    await r.alerts.flush();
  });

  test('closes by real time when cameras are silent, and writes what is left when it stops', async () => {
    const r = await room();
    see(r.alerts, 0);
    see(r.alerts, 200);
    await r.clock.advance(11_000);
    await r.alerts.flush();
    assert.equal(r.stored.at(-1)?.step.reason, 'left');
    see(r.alerts, 30_000, { track: 2, scores: { bert: 0.7 } });
    see(r.alerts, 30_200, { track: 2, scores: { bert: 0.7 } });
    await r.alerts[Symbol.asyncDispose]();
    assert.equal(r.stored.at(-1)?.alert.entry?.name, 'bert');
  });
});
