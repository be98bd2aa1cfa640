import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConfigInput, configSchema } from '../../src/config/schema.ts';
import { startOutputs } from '../../src/outputs/outputs.ts';
import { alertMessage, statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import { alertEvent, createMemoryOutbox } from '../support/outbox.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto');

function settings(mqtt: NonNullable<ConfigInput['mqtt']>) {
  return configSchema.parse({ mqtt });
}

describe('mqtt', { skip }, () => {
  for (const protocol of ['5', '3.1.1'] as const) {
    it(`publishes an alert over MQTT ${protocol} and removes its row on PUBACK`, async () => {
      await using broker = await startBroker();
      await using listener = await listen(broker.port, 'house/v1/#');
      using ctx = testContext();
      const outbox = createMemoryOutbox();
      await using outputs = await startOutputs(
        settings({ url: broker.url, protocol, baseTopic: 'house' }),
        { outbox, version: '1.2.3' },
        ctx,
      );
      outputs.notify(outbox.add([alertEvent({ snapshot: new Uint8Array([0xff, 0xd8, 0xff, 0xd9]) })]));
      const received = await until('the alert', () => listener.messages.find(({ topic }) => topic === 'house/v1/alerts/lobby'));
      const message = alertMessage.parse(JSON.parse(received.text));
      assert.equal(message.dedupe, 'alert-1/1');
      assert.deepEqual(message.snapshot, { mode: 'inline', mediaType: 'image/jpeg', data: '/9j/2Q==' });
      assert.equal(received.retain, false);
      assert.equal(received.qos, 1);
      await until('the row is gone', () => outbox.rows.length === 0);
      const status = listener.messages.find(({ topic }) => topic === 'house/v1/status');
      assert.equal(statusMessage.parse(JSON.parse(status?.text ?? '')).state, 'online');
    });
  }
});
