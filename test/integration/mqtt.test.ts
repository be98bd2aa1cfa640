import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { cameraMessage, statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, type Received, startBroker } from '../support/broker.ts';
import { makeCertificates } from '../support/certificates.ts';
import { ManualClock } from '../support/clock.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { alertEvent, createMemoryOutbox } from '../support/outbox.ts';
import { alertsIn, type TestOutputs, testOutputs } from '../support/outputs.ts';
import { startScriptedBroker } from '../support/scripted-broker.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto');
const picture = new Uint8Array([0xff, 0xd8, 0xff, 0xd9]);

function statuses(messages: readonly Received[]) {
  return messages.filter(({ topic }) => topic === 'house/v1/status').map(({ text }) => statusMessage.parse(JSON.parse(text)));
}

describe('mqtt on a real broker', { skip }, () => {
  for (const protocol of ['5', '3.1.1'] as const) {
    it(`publishes an alert over MQTT ${protocol} and removes its row on PUBACK`, async () => {
      await using broker = await startBroker();
      await using listener = await listen(broker.port, 'house/v1/#');
      await using house = await testOutputs({ url: broker.url, protocol });
      house.outputs.notify(house.outbox.add([alertEvent({ snapshot: picture })]));
      const received = await until('the alert', () => listener.messages.find(({ topic }) => topic === 'house/v1/alerts/lobby'));
      const [message] = alertsIn(listener.messages);
      assert.equal(message?.dedupe, 'alert-1/1');
      assert.deepEqual(message.snapshot, { mode: 'inline', mediaType: 'image/jpeg', data: '/9j/2Q==' });
      assert.equal(received.retain, false);
      assert.equal(received.qos, 1);
      await until('the row is gone', () => house.outbox.rows.length === 0);
      assert.equal(statuses(listener.messages)[0]?.state, 'online');
      assert.deepEqual(house.outbox.reads, [0], 'an announced row is not read from the store');
    });
  }

  it('lets live alerts expire when they stop being live, and late ones after a day', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    const outbox = createMemoryOutbox();
    outbox.add([alertEvent({ id: 'old' })], { createdAt: Date.now() - 61_000 });
    await using house = await testOutputs({ url: broker.url }, { outbox });
    house.outputs.notify(house.outbox.add([alertEvent({ id: 'new', camera: 'yard' })]));
    await until('both', () => listener.messages.filter(({ topic }) => /alerts|late/.test(topic)).length === 2);
    const live = listener.messages.find(({ topic }) => topic === 'house/v1/alerts/yard');
    assert.ok(
      live?.expirySeconds !== undefined && live.expirySeconds > 0 && live.expirySeconds <= 60,
      String(live?.expirySeconds),
    );
    assert.equal(live.contentType, 'application/json');
    assert.equal(listener.messages.find(({ topic }) => topic === 'house/v1/late/lobby')?.expirySeconds, 86_400);
    const [late] = alertsIn(listener.messages, 'late');
    assert.equal(late?.late, true);
    assert.equal(late.times.expires, undefined);
    const [now] = alertsIn(listener.messages);
    assert.ok((now?.times.expires ?? 0) > Date.now());
  });

  it('retains states and never a recognition', async () => {
    await using broker = await startBroker();
    await using watcher = await listen(broker.port);
    await using house = await testOutputs({ url: broker.url });
    house.outputs.publishCameraState('lobby', {
      state: 'live',
      since: 5,
      codec: 'h264',
      width: 640,
      height: 360,
      decode: 'software',
    });
    house.outputs.publishCameraState('yard', { state: 'away', since: 6, reason: 'no route', retryAt: 7 });
    house.outputs.publishCameraState('gone', { state: 'connecting', since: 8 });
    house.outputs.publishCameraState('gone', undefined);
    house.outputs.publishDaemonState({ health: 'degraded', problems: ['camera yard: no route'] });
    house.outputs.notify(house.outbox.add([alertEvent({ id: 'new' })]));
    await until(
      'everything is out',
      () => house.outbox.rows.length === 0 && statuses(watcher.messages).at(-1)?.health === 'degraded',
    );
    await until('the camera is taken away', () =>
      watcher.messages.some(({ topic, text }) => topic === 'house/v1/cameras/gone/state' && text === ''),
    );

    await using listener = await listen(broker.port);
    await until('the retained states', () => listener.messages.length === 3);
    assert.deepEqual(listener.messages.map(({ topic, retain }) => `${topic} ${retain}`).sort(), [
      'house/v1/cameras/lobby/state true',
      'house/v1/cameras/yard/state true',
      'house/v1/status true',
    ]);
    const yard = listener.messages.find(({ topic }) => topic.includes('yard'));
    assert.deepEqual(cameraMessage.parse(JSON.parse(yard?.text ?? '')), {
      v: 1,
      camera: 'yard',
      state: 'away',
      since: 6,
      reason: 'no route',
      retryAt: 7,
    });
  });

  for (const protocol of ['5', '3.1.1'] as const) {
    it(`takes away over MQTT ${protocol} what an earlier run left of cameras that are gone, and nothing else`, async () => {
      await using broker = await startBroker();
      await using other = await listen(broker.port);
      {
        await using earlier = await testOutputs({ url: broker.url, protocol });
        for (const camera of ['lobby', 'yard', 'attic'])
          earlier.outputs.publishCameraState(camera, { state: 'connecting', since: 1 });
        await until(
          'three states lie there',
          () => other.messages.filter(({ topic }) => topic.endsWith('/state')).length === 3,
        );
      }
      await using cottage = await testOutputs({ url: broker.url, protocol, clientId: 'cottage', baseTopic: 'cottage' });
      cottage.outputs.publishCameraState('yard', { state: 'connecting', since: 1 });
      await until('the neighbour is there', () =>
        other.messages.some(({ topic }) => topic === 'cottage/v1/cameras/yard/state'),
      );

      await using house = await testOutputs({ url: broker.url, protocol });
      house.outputs.publishCameraState('lobby', { state: 'connecting', since: 2 });
      house.outputs.clearOtherCameras();
      const taken = () =>
        other.messages
          .filter(({ text }) => text === '')
          .map(({ topic }) => topic)
          .toSorted();
      await until('two are taken away', () => taken().length === 2);
      assert.deepEqual(taken(), ['house/v1/cameras/attic/state', 'house/v1/cameras/yard/state']);
      await using listener = await listen(broker.port, '+/v1/cameras/+/state');
      await until('the states that are left', () => listener.messages.length === 2);
      assert.deepEqual(listener.messages.map(({ topic }) => topic).toSorted(), [
        'cottage/v1/cameras/yard/state',
        'house/v1/cameras/lobby/state',
      ]);
    });
  }

  it('goes on when the access list does not let it look for what an earlier run left', async () => {
    await using broker = await startBroker({ acl: ['topic write house/#'] });
    await using house = await testOutputs({ url: broker.url });
    house.outputs.clearOtherCameras();
    await until('connected', () => house.outputs.states().get('mqtt')?.state === 'connected');
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    await until('alerts go on', () => house.outbox.rows.length === 0);
  });

  it('is offline by its last will when the connection is lost, and online with all states afterwards', async () => {
    await using broker = await startBroker();
    await using proxy = await startTcpProxy(broker.port);
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: `mqtt://localhost:${proxy.port}` });
    house.outputs.publishCameraState('lobby', { state: 'connecting', since: 1 });
    await until('the states', () => listener.messages.length === 2);
    proxy.cut();
    await until('the states again', () => statuses(listener.messages).length >= 3);
    assert.deepEqual(
      statuses(listener.messages).map(({ state, reason }) => `${state} ${reason ?? ''}`),
      ['online ', 'offline connection_lost', 'online '],
    );
    await until('the camera again', () => listener.messages.filter(({ topic }) => topic.endsWith('lobby/state')).length === 2);
  });

  it('says goodbye at a clean stop, and the will stays unsaid', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    const house = await testOutputs({ url: broker.url });
    await until('connected', () => house.outputs.states().get('mqtt')?.state === 'connected');
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    await house[Symbol.asyncDispose]();
    await using next = await testOutputs({ url: broker.url, baseTopic: 'other' });
    await until('the next one is online', () => listener.messages.some(({ topic }) => topic === 'other/v1/status'));
    assert.ok(next.outputs.states().has('mqtt'));
    assert.equal(alertsIn(listener.messages).length, 1, 'what was announced before the stop was flushed');
    assert.deepEqual(
      statuses(listener.messages).map(({ state, reason }) => `${state} ${reason ?? ''}`),
      ['online ', 'offline stopped'],
    );
    assert.deepEqual(
      house.ctx.lines.filter(({ level }) => level !== 'info'),
      [],
      'a stop is nothing to worry about',
    );
  });

  it('connects by TLS with a client certificate', async () => {
    await using certificates = await makeCertificates();
    const tls = { caFile: certificates.caFile, ...certificates.server, clientCertificate: true };
    await using broker = await startBroker({ tls });
    const url = broker.url;
    assert.match(url, /^mqtts:/);
    await using house = await testOutputs({ url, caFile: certificates.caFile, ...certificates.client });
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    await until('the row is gone', () => house.outbox.rows.length === 0);
  });

  it('says what is wrong with certificates, keys and TLS in terms of the settings', async () => {
    await using certificates = await makeCertificates();
    await using others = await makeCertificates();
    const { caFile } = certificates;
    const tls = { caFile, ...certificates.server };
    await using strict = await startBroker({ tls: { ...tls, clientCertificate: true } });
    await using stray = await startBroker({ tls: { caFile, ...certificates.client } });
    await using plain = await startBroker();
    const { client } = certificates;
    const cases: readonly { readonly mqtt: Parameters<typeof testOutputs>[0]; readonly reason: RegExp }[] = [
      {
        mqtt: { url: strict.url, ...client },
        reason: /^TLS failed: no known authority .*; mqtt\.caFile must hold the one that did$/,
      },
      {
        mqtt: { url: strict.url, ...client, caFile: others.caFile },
        reason: /^TLS failed: no known authority .*; mqtt\.caFile must hold the one that did$/,
      },
      {
        mqtt: { url: strict.url, caFile },
        reason: /^TLS failed: the broker asks for a client certificate; name one in mqtt\.certFile/,
      },
      {
        mqtt: { url: strict.url, caFile, ...others.client },
        reason: /^TLS failed: the broker does not accept the client certificate in mqtt\.certFile$/,
      },
      {
        mqtt: { url: strict.url, caFile, ...client, keyFile: others.client.keyFile },
        reason: /^mqtt\.keyFile: \S+: it is not the key of the certificate in mqtt\.certFile$/,
      },
      {
        mqtt: { url: strict.url, caFile: client.keyFile, ...client },
        reason: /^mqtt\.caFile: \S+: it holds no certificate in PEM$/,
      },
      { mqtt: { url: strict.url, caFile: '/nowhere.pem' }, reason: /^mqtt\.caFile: \/nowhere\.pem: there is no such file$/ },
      {
        mqtt: { url: stray.url, caFile, ...client },
        reason: /^TLS failed: unsuitable certificate purpose$/,
      },
      {
        mqtt: { url: strict.url.replace('mqtts', 'mqtt') },
        reason: /^broker closed the connection before it answered; does it expect TLS there \(mqtts:\/\/\)\?$/,
      },
      { mqtt: { url: plain.url.replace('mqtt', 'mqtts') }, reason: /TLS/ },
    ];
    for (const { mqtt, reason } of cases) {
      await using house = await testOutputs({ clientId: 'doubter', ...mqtt });
      const state = await until(`${reason}`, () => {
        const now = house.outputs.states().get('mqtt');
        return now?.state === 'refused' || now?.state === 'waiting' ? now : undefined;
      });
      assert.match(state.reason, reason);
      assert.equal(state.state, state.reason.startsWith('broker closed') ? 'waiting' : 'refused', state.reason);
    }
  });

  for (const protocol of ['5', '3.1.1'] as const) {
    it(`says that a password is wrong over MQTT ${protocol}, tells nobody the password, and connects once it is right`, async () => {
      await using directory = await temporaryDirectory();
      const passwordFile = join(directory.path, 'password');
      await writeFile(passwordFile, 'wr0ng-secret\n');
      await using broker = await startBroker({ users: { camera: 'right-secret' } });
      await using house = await testOutputs({ url: broker.url, protocol, username: 'camera', passwordFile });
      const state = await until('a refusal', () => {
        const now = house.outputs.states().get('mqtt');
        return now?.state === 'refused' ? now : undefined;
      });
      assert.match(state.reason, /^broker refused the connection: (not authorized|bad user name or password)$/);
      assert.doesNotMatch(JSON.stringify(house.ctx.lines), /wr0ng-secret/);
      await writeFile(passwordFile, 'right-secret\n');
      await until('connected', () => house.outputs.states().get('mqtt')?.state === 'connected');
    });
  }

  it('says which topic the access list forbids, puts what it refuses to the dead letters, and heals when it is allowed', async () => {
    const some = ['topic read house/#', 'topic readwrite house/v1/status', 'topic readwrite house/v1/alerts/lobby'];
    await using broker = await startBroker({ acl: some });
    await using listener = await listen(broker.port, 'house/#');
    await using house = await testOutputs({ url: broker.url });
    const trouble = () => {
      const state = house.outputs.states().get('mqtt');
      return state?.state === 'connected' ? (state.reason ?? 'none') : state?.state;
    };
    house.outputs.notify(house.outbox.add([alertEvent({ camera: 'yard', id: 'a' }), alertEvent({ camera: 'lobby', id: 'b' })]));
    await until('both are settled', () => house.outbox.rows.length === 0);
    assert.deepEqual(
      house.outbox.dead.map(({ row, reason }) => [row.alertId, reason]),
      [['a', 'not authorized']],
    );
    await until('the one that was taken arrives', () => alertsIn(listener.messages).length > 0);
    assert.deepEqual(
      alertsIn(listener.messages).map(({ id }) => id),
      ['b'],
    );
    const metrics = () => house.ctx.metrics.registry.metrics();
    const given = /sightline_output_dead_letters_total\{output="mqtt",reason="not authorized"\} (\d+)/;
    assert.equal(given.exec(await metrics())?.[1], '1');
    assert.equal(trouble(), 'the broker refuses messages to house/v1/alerts/yard: not authorized');

    const many = Array.from({ length: 50 }, (_, index) => alertEvent({ camera: 'yard', id: `more-${index}` }));
    house.outputs.notify(house.outbox.add(many));
    for (const camera of ['yard', 'gate']) house.outputs.publishCameraState(camera, { state: 'connecting', since: 1 });
    await until('all are given up', () => house.outbox.dead.length === 51);
    await until('two states are refused', async () => /mqtt_states_refused_total [2-9]/.test(await metrics()));
    assert.match(trouble() ?? '', /^the broker refuses messages to house\/v1\/alerts\/yard and 2 more: not authorized$/);
    const lines = house.ctx.lines.filter(({ msg }) => /given up|refused a state/.test(String(msg)));
    const seconds = (performance.now() - house.startedMs) / 1000;
    assert.ok(lines.length <= 2 * (seconds + 1), `${lines.length} lines in ${seconds} s`);

    broker.allow(['topic readwrite house/#']);
    await until('the states are told without being asked', () =>
      ['yard', 'gate'].every((camera) => listener.messages.some(({ topic }) => topic === `house/v1/cameras/${camera}/state`)),
    );
    house.outputs.notify(house.outbox.add([alertEvent({ camera: 'yard', id: 'c' })]));
    await until('no trouble is left', () => trouble() === 'none');
    await until('it arrives', () => alertsIn(listener.messages).some(({ id }) => id === 'c'));
  });

  it('cannot know over MQTT 3.1.1 that the access list forbids a message', async () => {
    await using broker = await startBroker({ acl: ['topic read house/#', 'topic readwrite house/v1/status'] });
    await using listener = await listen(broker.port, 'house/#');
    await using house = await testOutputs({ url: broker.url, protocol: '3.1.1' });
    house.outputs.notify(house.outbox.add([alertEvent({})]));
    await until('settled', () => house.outbox.rows.length === 0);
    assert.equal(house.outbox.dead.length, 0);
    assert.equal(alertsIn(listener.messages).length, 0);
  });

  it('leaves a picture out that is above the packet size of the broker', async () => {
    await using broker = await startBroker({ settings: ['max_packet_size 20000'] });
    await using listener = await listen(broker.port);
    await using house = await testOutputs({ url: broker.url });
    house.outputs.notify(house.outbox.add([alertEvent({ snapshot: new Uint8Array(30_000) })]));
    await until('the row is gone', () => house.outbox.rows.length === 0);
    await until('the alert', () => alertsIn(listener.messages).length === 1);
    assert.deepEqual(alertsIn(listener.messages)[0]?.snapshot, { mode: 'omitted', reason: 'too_large' });
  });

  it('learns over MQTT 3.1.1 from broken connections which packets the broker does not take, and goes on without those pictures', async () => {
    await using broker = await startBroker({ settings: ['max_packet_size 5000'] });
    await using listener = await listen(broker.port, '#', { protocolVersion: 4 });
    await using house = await testOutputs(
      { url: broker.url, protocol: '3.1.1' },
      // As long as a pause that has grown would be: the test would not end in time.
      { mqtt: { retryMaxMs: 60_000, steadyMs: 60_000 } },
    );
    await until('online', () => house.outputs.states().get('mqtt')?.state === 'connected');
    const bytes = [300, 7000, 6000, 9000, 5000, 800, 6500, 4500, 8000, 7500, 5500, 6000];
    const alerts = bytes.map((length, index) =>
      alertEvent({ id: `a${index}`, camera: `camera ${index % 3}`, snapshot: new Uint8Array(length) }),
    );
    for (const alert of alerts) house.outputs.notify(house.outbox.add([alert]));
    await until('all rows are gone', () => house.outbox.rows.length === 0);
    await until('all arrived', () => new Set(alertsIn(listener.messages).map(({ id }) => id)).size === alerts.length);
    assert.equal(house.outbox.dead.length, 0);
    for (const [index, length] of bytes.entries()) {
      const snapshot = alertsIn(listener.messages).find(({ id }) => id === `a${index}`)?.snapshot;
      if (length < 1000) assert.equal(snapshot?.mode, 'inline', `${length} bytes`);
      else assert.deepEqual(snapshot, { mode: 'omitted', reason: 'too_large' }, `${length} bytes`);
    }
    const cuts = broker.log().split('oversize packet').length - 1;
    assert.ok(cuts >= 2 && cuts <= 6, `${cuts} broken connections`);
    const lesson = house.ctx.lines.find(({ msg }) => msg === 'mqtt broker does not take large messages');
    assert.ok(Number(lesson?.['picturesLeftOutAbove']) < 12_500, JSON.stringify(lesson));
    assert.doesNotMatch(JSON.stringify(house.ctx.lines), /mqtt.clientId/);
    assert.match(await house.ctx.metrics.registry.metrics(), /sightline_mqtt_pictures_omitted_total\{reason="too_large"\} 1\d/);
  });

  it('suspects another client with its client id when every connection is ended soon', async () => {
    await using broker = await startBroker();
    await using house = await testOutputs({ url: broker.url, clientId: 'twin' });
    await using twin = await testOutputs({ url: broker.url, clientId: 'twin' });
    const suspects = ({ ctx }: typeof house) =>
      ctx.lines.some(({ reason }) => String(reason).endsWith('does another client use this mqtt.clientId?'));
    await until('a suspicion', () => suspects(house) || suspects(twin));
  });
});

describe('mqtt on a broker that follows a script', () => {
  it('has never more messages under way than the receive maximum of the broker', async () => {
    const waiting: (() => void)[] = [];
    const publish = ({ topic }: { topic: string }) =>
      topic.endsWith('status') ? 0 : new Promise<number>((resolve) => waiting.push(() => resolve(0)));
    const empty = () => house.outbox.rows.length === 0 && waiting.length === 0;
    await using broker = await startScriptedBroker({ connackProperties: [0x21, 0, 2], publish });
    await using house = await testOutputs({ url: broker.url });
    for (const camera of ['a', 'b']) house.outputs.publishCameraState(camera, { state: 'connecting', since: 1 });
    house.outputs.notify(house.outbox.add(['a', 'b', 'c', 'd', 'e'].map((camera) => alertEvent({ camera }))));
    await until('the first two', () => waiting.length === 2);
    while (!empty()) {
      waiting.shift()?.();
      await until('the next one', () => waiting.length > 0 || empty());
    }
    assert.equal(broker.published.filter(({ topic }) => !topic.endsWith('status')).length, 7);
    assert.equal(broker.mostOutstanding, 2);
  });

  it('tries a refused message again while its camera waits, then gives it up', async () => {
    const publish = ({ topic, text }: { topic: string; text: string }) =>
      topic.includes('lobby') && text.includes('"dedupe":"a/1"') ? 0x97 : 0;
    await using broker = await startScriptedBroker({ publish });
    await using house = await testOutputs({ url: broker.url }, { tuning: { maxRetries: 3 } });
    house.outputs.notify(
      house.outbox.add([
        alertEvent({ id: 'a', camera: 'lobby' }),
        alertEvent({ id: 'a', revision: 2, camera: 'lobby' }),
        alertEvent({ id: 'b', camera: 'yard' }),
      ]),
    );
    await until('settled', () => house.outbox.rows.length === 0);
    assert.deepEqual(
      house.outbox.dead.map(({ row, reason }) => [row.alertId, row.revision, reason]),
      [['a', 1, 'quota exceeded']],
    );
    const order = broker.published.filter(({ topic }) => topic.includes('alerts')).map(({ text }) => JSON.parse(text).dedupe);
    assert.deepEqual(
      order.filter((dedupe) => dedupe !== 'b/1'),
      ['a/1', 'a/1', 'a/1', 'a/1', 'a/2'],
    );
    assert.ok(order.indexOf('b/1') <= 2, 'the other camera does not wait');
  });

  describe('what it says of a topic that refuses alerts', () => {
    const minutes = 60_000;
    const forbidden = 0x87;
    const overQuota = 0x97;
    // The clock runs ahead of the broker, whose answers take their time.
    const mqtt = { refusedRetryMs: minutes, answerTimeoutMs: 1000 * minutes };
    const refusesYard = 'the broker refuses messages to house/v1/alerts/yard: ';

    function reason(house: TestOutputs): string | undefined {
      const state = house.outputs.states().get('mqtt');
      return state?.state === 'connected' ? (state.reason ?? 'none') : undefined;
    }

    it('ends an hour after the last refusal, although no alert comes', async () => {
      await using broker = await startScriptedBroker({ publish: ({ topic }) => (topic.includes('alerts') ? forbidden : 0) });
      const clock = new ManualClock({ wall: Date.now() });
      await using house = await testOutputs({ url: broker.url }, { clock, mqtt });
      for (const [index, id] of ['a', 'b'].entries()) {
        house.outputs.notify(house.outbox.add([alertEvent({ camera: 'yard', id })]));
        await until('given up', () => house.outbox.dead.length === index + 1);
        assert.equal(reason(house), `${refusesYard}not authorized`);
        await clock.advance(50 * minutes);
        assert.equal(reason(house), `${refusesYard}not authorized`, 'fifty minutes later');
      }
      await clock.advance(11 * minutes);
      assert.equal(reason(house), 'none');
    });

    it('ends when the alert is taken as a late one', async () => {
      await using broker = await startScriptedBroker({ publish: ({ topic }) => (topic.includes('alerts') ? overQuota : 0) });
      const clock = new ManualClock({ wall: Date.now() });
      await using house = await testOutputs({ url: broker.url }, { clock, mqtt, tuning: { maxRetries: 100_000 } });
      house.outputs.notify(house.outbox.add([alertEvent({ camera: 'yard' })]));
      await until('a refusal', () => reason(house) === `${refusesYard}quota exceeded`);
      await clock.advance(minutes);
      await until('it is taken', async () => {
        await clock.advance(20);
        return house.outbox.rows.length === 0;
      });
      assert.ok(broker.published.some(({ topic }) => topic === 'house/v1/late/yard'));
      assert.equal(reason(house), 'none');
    });
  });

  it('does not use a broker without quality of service 1', async () => {
    await using broker = await startScriptedBroker({ connackProperties: [0x24, 0], publish: () => 0 });
    await using house = await testOutputs({ url: broker.url });
    const state = await until('refused', () => {
      const now = house.outputs.states().get('mqtt');
      return now?.state === 'refused' ? now : undefined;
    });
    assert.match(state.reason, /does not offer QoS 1/);
  });

  it('leaves pictures out at once when the broker ends the connection with "packet too large", and finds out that it takes more later', async () => {
    let most = 5000;
    const publish = ({ text }: { text: string }) => (text.length > most ? { disconnect: 0x95 } : 0);
    await using broker = await startScriptedBroker({ publish });
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, mono: () => systemClock.mono() + aheadMs };
    await using house = await testOutputs({ url: broker.url }, { clock, mqtt: { retryMaxMs: 60_000 } });
    const sent = (id: string) =>
      broker.published
        .filter(({ topic, text }) => topic.includes('alerts') && text.includes(`"dedupe":"${id}/1"`))
        .map(({ text }) => JSON.parse(text).snapshot.mode);
    const send = async (id: string, snapshot: Uint8Array, alert = {}) => {
      house.outputs.notify(house.outbox.add([alertEvent({ id, snapshot, alert })]));
      await until(`${id} is settled`, () => house.outbox.rows.length === 0);
    };
    await send('first', new Uint8Array(9000));
    assert.deepEqual(sent('first'), ['inline', 'omitted'], 'one broken connection');
    await send('second', new Uint8Array(9000));
    assert.deepEqual(sent('second'), ['omitted'], 'none');
    await send('small', picture);
    assert.deepEqual(sent('small'), ['inline']);
    const reason = house.ctx.lines.find((line) => 'retryInMs' in line)?.['reason'];
    assert.match(String(reason), /^broker ended the connection: packet too large on a message of \d+ bytes; alerts above/);

    await send('vast', picture, { rule: 'x'.repeat(9000) });
    assert.deepEqual(
      house.outbox.dead.map(({ row, reason: why }) => [row.alertId, why]),
      [['vast', 'packet too large']],
    );

    most = 20_000;
    aheadMs = 3_600_000;
    await send('later', new Uint8Array(9000));
    assert.deepEqual(sent('later'), ['inline'], 'the size is forgotten');
  });

  it('warns at the start of a broker elsewhere without login or encryption', async () => {
    await using house = await testOutputs({ url: 'mqtt://192.0.2.1' });
    const warnings = house.ctx.lines.filter(({ msg }) => msg === 'mqtt broker is used without protection');
    assert.deepEqual(
      warnings.map(({ level }) => level),
      ['warn', 'warn'],
    );
  });
});
