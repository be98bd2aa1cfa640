import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasMosquitto, listen, type Received, startBroker } from '../support/broker.ts';
import { missingTool } from '../support/data.ts';
import { alertEvent, createMemoryOutbox } from '../support/outbox.ts';
import { alertsIn, testOutputs } from '../support/outputs.ts';
import { startScriptedBroker } from '../support/scripted-broker.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto');

const cameras = ['lobby', 'yard', 'gate'];

function revisions(messages: readonly Received[], id: string): readonly number[] {
  return alertsIn(messages)
    .filter((alert) => alert.id === id)
    .map(({ revision }) => revision);
}

function isSorted(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value >= (values[index - 1] ?? 0));
}

describe('mqtt outages', { skip }, () => {
  it('loses nothing and keeps the order of each camera through an outage, reading the store in pages', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    await using house = await testOutputs(
      { url: `mqtt://localhost:${proxy.port}` },
      { tuning: { memoryRows: 16, pageRows: 4 } },
    );
    let revision = 0;
    function alerts(count: number): void {
      for (let turn = 0; turn < count; turn++) {
        revision += 1;
        house.outputs.notify(house.outbox.add(cameras.map((camera) => alertEvent({ id: camera, camera, revision }))));
      }
    }
    await until('online', () => house.outputs.states().get('mqtt')?.state === 'connected');
    alerts(10);
    await until('some are out', () => alertsIn(listener.messages).length >= 5);
    proxy.refuse = true;
    proxy.cut();
    alerts(50);
    await until('the outage is noticed', () => house.outputs.states().get('mqtt')?.state === 'waiting');
    alerts(10);
    assert.ok(house.outbox.rows.length >= 180, 'rows stay in the store');
    proxy.refuse = false;
    await until('connected', () => house.outputs.states().get('mqtt')?.state === 'connected');
    alerts(5);
    await until('all rows are gone', () => house.outbox.rows.length === 0);
    await until(
      'all have arrived',
      () => new Set(alertsIn(listener.messages).map(({ dedupe }) => dedupe)).size === 3 * revision,
    );
    for (const id of cameras) assert.ok(isSorted(revisions(listener.messages, id)), id);
    assert.equal(house.outbox.dead.length, 0);
    assert.ok(Math.max(...house.outbox.reads) <= 4);
  });

  it('goes on by itself after the broker was killed and started again', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: broker.url });
    house.outputs.notify(house.outbox.add([alertEvent({ revision: 1 })]));
    await until('the first one is out', () => house.outbox.rows.length === 0);
    await broker.kill();
    house.outputs.notify(house.outbox.add([alertEvent({ revision: 2 })]));
    await until('the outage is noticed', () => house.outputs.states().get('mqtt')?.state === 'waiting');
    assert.equal(house.outbox.rows.length, 1);
    await broker.start();
    await until('the row is gone', () => house.outbox.rows.length === 0);
    house.outputs.notify(house.outbox.add([alertEvent({ revision: 3 })]));
    await until('everything is out', () => house.outbox.rows.length === 0);
    assert.ok(isSorted(revisions(listener.messages, 'alert-1')));
  });

  it('repeats what was not acknowledged, under the same id and revision', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` });
    await until('online', () => listener.messages.length === 1);
    proxy.deaf = true;
    house.outputs.notify(house.outbox.add([1, 2, 3].map((revision) => alertEvent({ revision }))));
    await until('the first one arrived', () => alertsIn(listener.messages).length === 1);
    assert.equal(house.outbox.rows.length, 3, 'no PUBACK, no removal');
    proxy.cut();
    proxy.deaf = false;
    await until('all rows are gone', () => house.outbox.rows.length === 0);
    await until('all arrived', () => alertsIn(listener.messages).length === 4);
    assert.deepEqual(
      alertsIn(listener.messages).map(({ dedupe }) => dedupe),
      ['alert-1/1', 'alert-1/1', 'alert-1/2', 'alert-1/3'],
    );
  });

  it('takes a broker that does not answer for dead, and connects anew', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` }, { mqtt: { answerTimeoutMs: 1000 } });
    await until('online', () => listener.messages.length === 1);
    proxy.deaf = true;
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    await until('the connection is given up', () =>
      house.ctx.lines.some(({ reason }) => reason === 'no acknowledgement within 1000 ms'),
    );
    proxy.deaf = false;
    await until('the row is gone', () => house.outbox.rows.length === 0);
    assert.equal(house.outbox.dead.length, 0);
  });

  it('is not taken for ready while each connection ends for want of an acknowledgement', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    proxy.deafAfter = '/alerts/';
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` }, { mqtt: { answerTimeoutMs: 1000 } });
    const state = () => house.outputs.states().get('mqtt');
    await until('online', () => state()?.state === 'connected');
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    const doubted = await until('connected again', () => {
      const now = state();
      return now?.state === 'connected' && now.reason !== undefined ? now : undefined;
    });
    assert.equal(doubted.reason, 'no acknowledgement within 1000 ms on the connection before');
    proxy.deafAfter = undefined;
    await until('the row is gone', () => house.outbox.rows.length === 0);
    await until('ready', () => {
      const now = state();
      return now?.state === 'connected' && now.reason === undefined;
    });
  });

  it('gives up a connection attempt that hangs, and says why while it tries again', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    proxy.deaf = true;
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` }, { mqtt: { connectTimeoutMs: 1000 } });
    const again = await until('a second attempt', () => {
      const now = house.outputs.states().get('mqtt');
      return now?.state === 'connecting' && now.reason !== undefined ? now : undefined;
    });
    assert.equal(again.reason, 'broker took the connection and did not answer within 1000 ms');
    proxy.deaf = false;
    await until('connected', () => house.outputs.states().get('mqtt')?.state === 'connected');
  });

  it('sends to the late topic what stopped being live during an outage', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    proxy.refuse = true;
    // A row of an earlier run, whose age only the wall clock knows.
    const outbox = createMemoryOutbox();
    outbox.add([alertEvent({ id: 'earlier' })], { createdAt: Date.now() - 70_000 });
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` }, { outbox, liveFor: '1m' });
    house.outputs.notify(outbox.add([alertEvent({ id: 'live' })]));
    await until('an attempt failed', () => house.outputs.states().get('mqtt')?.state === 'waiting');
    proxy.refuse = false;
    await until('all rows are gone', () => outbox.rows.length === 0);
    await until('both arrived', () => alertsIn(listener.messages, 'late').length + alertsIn(listener.messages).length === 2);
    assert.deepEqual(
      alertsIn(listener.messages, 'late').map(({ id, late }) => [id, late]),
      [['earlier', true]],
    );
    assert.deepEqual(
      alertsIn(listener.messages).map(({ id, late }) => [id, late]),
      [['live', false]],
    );
    assert.match(
      await house.ctx.metrics.registry.metrics(),
      /sightline_output_published_total\{output="mqtt",topic="late"\} 1/,
    );
  });

  it('sends a live alert while a slow broker still works on the late ones of the same camera', async () => {
    const answers: (() => void)[] = [];
    await using broker = await startScriptedBroker({
      connackProperties: [0x21, 0, 2],
      publish: ({ topic }) =>
        topic.startsWith('house/v1/late/') ? new Promise((resolve) => answers.push(() => resolve(0))) : 0,
    });
    const outbox = createMemoryOutbox();
    const backlog = Array.from({ length: 20 }, (_, index) =>
      alertEvent({ id: `late-${index}`, camera: cameras[index % 3] ?? '' }),
    );
    outbox.add(backlog, { createdAt: Date.now() - 120_000 });
    await using house = await testOutputs({ url: broker.url }, { outbox });
    await until('the first late one is under way', () => answers.length === 1);
    house.outputs.notify(outbox.add(cameras.map((camera) => alertEvent({ id: `now-${camera}`, camera }))));
    const topics = () => broker.published.map(({ topic }) => topic).filter((topic) => !topic.endsWith('status'));
    await until('the live ones are there', () => topics().length === 4);
    assert.deepEqual(topics(), ['house/v1/late/lobby', ...cameras.map((camera) => `house/v1/alerts/${camera}`)]);
    await until('the late ones follow', () => {
      for (const answer of answers.splice(0)) answer();
      return outbox.rows.length === 0;
    });
    assert.equal(topics().length, 23, 'each once');
  });

  it('sends a message on which the connection ends every time alone, without its picture, then gives it up', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` });
    await until('online', () => listener.messages.length === 1);
    proxy.poison = 'POISON';
    // The base64 of this picture holds the text; without it the message passes.
    const snapshot = Buffer.from('AAAAPOISONAA', 'base64');
    house.outputs.notify(
      house.outbox.add([
        alertEvent({ id: 'a', camera: 'lobby' }),
        alertEvent({ id: 'picture', camera: 'yard', snapshot }),
        alertEvent({ id: 'POISON', camera: 'gate' }),
        alertEvent({ id: 'b', camera: 'gate' }),
        alertEvent({ id: 'c', camera: 'hall' }),
      ]),
    );
    await until('all are settled', () => house.outbox.rows.length === 0);
    assert.deepEqual(
      house.outbox.dead.map(({ row, reason }) => [row.alertId, reason]),
      [['POISON', 'connection closed']],
    );
    await until('the others arrived', () => new Set(alertsIn(listener.messages).map(({ id }) => id)).size === 4);
    assert.deepEqual(alertsIn(listener.messages).find(({ id }) => id === 'picture')?.snapshot, {
      mode: 'omitted',
      reason: 'not_taken',
    });
  });

  it('delivers what a full disk refused from memory, and says so', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: broker.url });
    house.outputs.notifyUnstored([alertEvent({ alert: { durable: false } })]);
    const alert = await until('the alert', () => alertsIn(listener.messages)[0]);
    assert.equal(alert.durable, false);
  });
});
