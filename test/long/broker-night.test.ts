import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hasMosquitto, startBroker } from '../support/broker.ts';
import { alertsIn, patience, statesIn } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { type Night, startNight } from '../support/night.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

describe('a broker that is away for long, at its real length', { skip }, () => {
  let night: Night;
  before(async () => {
    night = await startNight();
    await night.start();
    await night.healed();
    await night.bothAgain();
  });
  after(() => night?.[Symbol.asyncDispose]());

  async function nothingWaits(): Promise<void> {
    await until('nothing waits', async () => (await night.place.ask('status', {})).outbox.waiting === 0, patience);
  }

  it('down for 60 s under alerts: every one is told, the old ones late, in the order of their camera', async () => {
    const from = alertsIn(night.listener).length;
    await night.broker.kill();
    const downMs = performance.now();
    await night.trouble(/^output mqtt: broker closed the connection before it answered/);
    await until('a minute has passed', () => performance.now() - downMs > 62_000, 120_000);
    const waiting = await night.place.ask('status', {});
    assert.ok(waiting.outbox.waiting >= 20, `${waiting.outbox.waiting} wait`);
    assert.ok((await night.daemon.metric('sightline_outbox_rows{state="waiting"}')) >= 10);
    const decided = await night.history();
    await night.broker.start();
    await night.healed();
    await nothingWaits();
    await night.bothAgain();
    const told = alertsIn(night.listener).slice(from);
    const ids = new Set(alertsIn(night.listener).map(({ id }) => id));
    assert.deepEqual(
      decided.filter((id) => !ids.has(id)),
      [],
      'all were told',
    );
    assert.ok(told.some(({ late }) => late) && told.some(({ late }) => !late));
    for (const camera of ['lobby', 'yard']) {
      for (const late of [true, false]) {
        const order = told.filter((alert) => alert.camera === camera && alert.late === late).map(({ times }) => times.decided);
        assert.deepEqual(order, order.toSorted(), `${camera} ${late ? 'late' : 'live'}`);
      }
    }
    assert.equal(
      new Set(statesIn(night.listener, 'yard').map((state) => state?.state === 'live' && state.since)).size <= 2,
      true,
    );
    night.assertCalm();
  });

  it('login refused: said, tried once a minute so that no account is locked, and over when it is allowed', async () => {
    await using strict = await startBroker({ users: { somebody: 'else' } });
    night.proxy.targetPort = strict.port;
    night.proxy.cut();
    await night.trouble(/^output mqtt: broker refused the connection: not authorized$/);
    assert.ok(night.daemon.said('mqtt broker refuses us', { level: 'warn', retryInMs: 60_000 }));
    assert.equal(await night.daemon.metric('sightline_output_connected{output="mqtt"}'), 0);
    const attempts = night.proxy.connections;
    const decided = (await night.history()).length;
    await until('alerts go on into the store', async () => (await night.history()).length >= decided + 4, patience);
    assert.equal(night.proxy.connections, attempts);
    night.proxy.targetPort = night.broker.port;
    await night.healed();
    assert.ok(night.proxy.connections > attempts);
    await nothingWaits();
    await night.bothAgain();
    const ids = new Set(alertsIn(night.listener).map(({ id }) => id));
    await until(
      'all were told',
      async () => (await night.history()).every((id) => ids.has(id) || night.opened().includes(id)),
      patience,
    );
    night.assertCalm();
  });
});
