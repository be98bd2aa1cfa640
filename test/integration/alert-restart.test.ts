import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AlertRoom, startAlerts } from '../../src/alerts/history.ts';
import type { AlertEvent } from '../../src/core/alerts.ts';
import type { Context } from '../../src/core/context.ts';
import type { Store } from '../../src/core/store.ts';
import { startStore } from '../../src/store/store.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { begin, look, rulesOf, trackEnded } from '../support/sightings.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

interface Running extends AsyncDisposable {
  readonly alerts: AlertRoom;
  readonly store: Store;
  readonly events: AlertEvent[];
  /** Told from memory. */
  readonly unstored: AlertEvent[];
}

/** The alert room on a real store, as the daemon starts them. */
async function start(directory: string, ctx: Context, disk?: SmallDisk): Promise<Running> {
  const store = await startStore({ directory }, ctx);
  const events: AlertEvent[] = [];
  const unstored: AlertEvent[] = [];
  const publish = {
    stored: (stored: readonly AlertEvent[]) => void events.push(...stored),
    unstored: (told: readonly AlertEvent[]) => void unstored.push(...told),
  };
  let count = 0;
  const alerts = await startAlerts(
    {
      ...rulesOf({ alerts: [{ name: 'r', cooldown: '10m' }] }),
      newId: () => `${process.hrtime.bigint()}-${++count}`,
      isListed: () => true,
      store: store.alerts,
      publish,
    },
    ctx,
  );
  return {
    alerts,
    store,
    events,
    unstored,
    [Symbol.asyncDispose]: async () => {
      await alerts[Symbol.asyncDispose]();
      assert.equal(unstored.length, disk === undefined ? 0 : 1);
      await store[Symbol.asyncDispose]();
    },
  };
}

function see(alerts: AlertRoom, from: number, to: number, options: Partial<Parameters<typeof look>[0]>): void {
  for (let at = from; at <= to; at += 200) alerts.seeSighting(look({ at, scores: { anna: 0.7 }, ...options }));
}

function frame(at: number, epoch: number) {
  const { time } = look({ at }).frame;
  const size = { width: 1000, height: 1000 };
  return {
    camera: 'lobby',
    epoch,
    sequence: at,
    time,
    ...size,
    predicted: false,
    detections: [],
    endedTracks: [],
    stages: { receivedMs: 0 },
  };
}

test('an open alert goes on under its id after a restart, is closed once, and its cooldown holds', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  let alertId = '';
  {
    await using first = await start(directory.path, ctx);
    see(first.alerts, 0, 3000, {});
    await first.alerts.flush();
    alertId = first.events[0]?.alert.id ?? '';
    // Stopped in the middle: nobody is told that anybody left.
  }
  {
    await using second = await start(directory.path, ctx);
    assert.deepEqual(second.alerts.sizes, { tracks: 0, episodes: 1 });
    second.alerts.seeFrame(frame(9000, 2), []);
    see(second.alerts, 17_000, 18_000, { epoch: 2, scores: { anna: 0.9 } });
    second.alerts.seeFrame(frame(40_000, 2), [trackEnded(40_000, { epoch: 2 })]);
    await second.alerts.flush();
    assert.deepEqual(
      second.events.map(({ alert, revision, step }) => [alert.id, revision, step.state]),
      [
        [alertId, 2, 'updated'],
        [alertId, 3, 'closed'],
      ],
    );
    // Within the cooldown of the alert that was sent before the restart.
    see(second.alerts, 60_000, 62_000, { epoch: 2, track: 2 });
    second.alerts.seeFrame(frame(62_200, 2), [trackEnded(62_200, { epoch: 2, trackId: 2 })]);
    second.alerts.seeFrame(frame(70_000, 2), []);
    await second.alerts.flush();
    assert.equal(second.events.length, 2);
    const rows = await second.store.ledger.query({ camera: 'lobby', from: begin, to: begin + 100_000, limit: 10 });
    assert.deepEqual(
      rows.map(({ reason, entryId }) => `${reason} ${entryId}`),
      ['cooldown anna'],
    );
  }
  await using third = await start(directory.path, ctx);
  assert.deepEqual(third.alerts.sizes, { tracks: 0, episodes: 0 });
  const event = await third.alerts.act({ alertId, state: 'resolved', actor: 'eva' });
  assert.equal(event.revision, 4);
  assert.equal((await third.store.alerts.get(alertId))?.alert.state, 'resolved');
});

test('an alert that closed while the disk was full is closed in history when there is room, and is not closed again', async (t) => {
  const disk = await smallDisk(24 * 1024 * 1024);
  if (typeof disk === 'string') return t.skip(disk);
  await using _unmount = disk;
  using ctx = testContext();
  {
    await using running = await start(disk.path, ctx, disk);
    see(running.alerts, 0, 1000, {});
    await running.alerts.flush();
    assert.equal(running.events[0]?.step.state, 'opened');
    disk.fill();
    running.alerts.endSource('lobby', []);
    await running.alerts.flush();
    assert.deepEqual(
      running.unstored.map(({ step, alert, revision }) => [step.state, alert.durable, revision]),
      [['closed', false, 2]],
    );
    assert.equal(running.store.state, 'full');
    disk.clear();
    const open = async () => (await running.store.alerts.list({ open: true, limit: 10 })).alerts;
    await until('history has the end', async () => (await open()).length === 0);
    const [kept] = (await running.store.alerts.list({ limit: 10 })).alerts;
    assert.deepEqual([kept?.state, kept?.durable], ['closed', true]);
    assert.equal(running.store.state, 'ready');
  }
  await using again = await start(disk.path, ctx);
  assert.deepEqual(await again.store.alerts.loadOpen().then(({ alerts, episodes }) => [alerts, episodes]), [[], []]);
  again.alerts.endSource('lobby', []);
  await again.alerts.flush();
  assert.deepEqual(again.events, []);
});
