import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { OutboxStore } from '../../src/core/store.ts';
import { startOutputs } from '../../src/outputs/outputs.ts';
import { startStore } from '../../src/store/store.ts';
import { type Broker, hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { alertEvent } from '../support/outbox.ts';
import { alertsIn } from '../support/outputs.ts';
import { exampleCommit } from '../support/store.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto');

function start(broker: Broker, outbox: OutboxStore, ctx: ReturnType<typeof testContext>) {
  const config = configSchema.parse({ mqtt: { baseTopic: 'house', url: broker.url } });
  return startOutputs(config, { outbox, version: '1.2.3', outboxTuning: { flushMs: 50 } }, ctx);
}

describe('mqtt and the store on disk', { skip }, () => {
  it('publishes after a restart what an earlier run left behind, with its picture', async () => {
    using ctx = testContext();
    await using directory = await temporaryDirectory();
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    const events = [1, 2, 3].map((revision) => alertEvent({ revision, snapshot: Uint8Array.of(revision) }));
    {
      await using store = await startStore({ directory: directory.path }, ctx);
      for (const event of events) await store.alerts.commit(exampleCommit({ events: [event] }));
    }
    await using store = await startStore({ directory: directory.path }, ctx);
    await using outputs = await start(broker, store.outbox, ctx);
    assert.deepEqual(outputs.names, ['mqtt']);
    await until('the rows are gone', async () => (await store.outbox.counts()).waiting === 0);
    await until('all arrived', () => alertsIn(listener.messages).length === 3);
    assert.deepEqual(
      alertsIn(listener.messages).map(({ revision, snapshot }) => [
        revision,
        snapshot.mode === 'inline' ? snapshot.data : snapshot.mode,
      ]),
      [
        [1, 'AQ=='],
        [2, 'Ag=='],
        [3, 'Aw=='],
      ],
    );
  });

  it('repeats under the same id and revision what a crash kept from being removed', async () => {
    using ctx = testContext();
    await using directory = await temporaryDirectory();
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using store = await startStore({ directory: directory.path }, ctx);
    {
      // The process ends after PUBACK and before the removal: the store never hears of it.
      await using outputs = await start(broker, { ...store.outbox, acknowledge: () => new Promise(() => {}) }, ctx);
      outputs.notify(await store.alerts.commit(exampleCommit({ events: [alertEvent({})] })));
      await until('it arrived', () => alertsIn(listener.messages).length === 1);
    }
    assert.equal((await store.outbox.counts()).waiting, 1);
    await using next = await start(broker, store.outbox, ctx);
    await until('it arrived again', () => alertsIn(listener.messages).length === 2);
    await until('the row is gone', async () => (await store.outbox.counts()).waiting === 0);
    assert.deepEqual(
      alertsIn(listener.messages).map(({ dedupe }) => dedupe),
      ['alert-1/1', 'alert-1/1'],
    );
    assert.equal(next.states().get('mqtt')?.state, 'connected');
  });
});
