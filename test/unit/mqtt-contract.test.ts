import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { AlertStep } from '../../src/core/alerts.ts';
import { connackRefusal, disconnectReason, pubackVerdict, socketRefusal } from '../../src/outputs/mqtt-codes.ts';
import { brokerAddress, brokerWarnings, clientOptions } from '../../src/outputs/mqtt-settings.ts';
import { type AlertMessageOptions, ageAtCommitMs, alertToMessage, cameraToMessage } from '../../src/outputs/payload.ts';
import { examples, mqttReference, payloadSchema } from '../../src/outputs/reference.ts';
import { alertMessage, cameraMessage, maxSteps, type TopicName, topicName, topics } from '../../src/outputs/topics.ts';
import { alertEvent } from '../support/outbox.ts';

const options: AlertMessageOptions = {
  publishedAt: 5_000_200,
  publishedMonoMs: 1200,
  expiresAt: 5_060_000,
  snapshot: 'inline',
  topK: 3,
};
const event = alertEvent({ at: 5_000_112, snapshot: new Uint8Array([1, 2, 3]) });

function mqttConfig(mqtt: Record<string, unknown>) {
  return configSchema.parse({ mqtt }).mqtt;
}

describe('mqtt contract', () => {
  it('is what docs/mqtt.md says', () => {
    for (const { path, text } of mqttReference()) {
      assert.equal(readFileSync(join(import.meta.dirname, '../..', path), 'utf8'), text, `${path} is old, run: npm run gen`);
    }
  });

  for (const topic of Object.keys(topics) as TopicName[]) {
    it(`has an example of ${topic} that keeps the contract, and a schema that is open for more fields`, () => {
      assert.deepEqual(topics[topic].payload.parse(examples[topic]), examples[topic]);
      assert.doesNotMatch(JSON.stringify(payloadSchema(topic)), /additionalProperties/);
    });
  }

  it('retains no topic that carries recognitions', () => {
    for (const contract of Object.values(topics)) assert.equal(contract.retain, (contract.payload as unknown) !== alertMessage);
  });

  it('names topics below the base with the version', () => {
    assert.equal(topicName('house/a', 'status'), 'house/a/v1/status');
    assert.equal(topicName('house/a', 'late', 'lobby'), 'house/a/v1/late/lobby');
    assert.equal(topicName('house/a', 'camera', 'lobby'), 'house/a/v1/cameras/lobby/state');
  });
});

describe('alert message', () => {
  it('keeps the contract and says who, where, how sure and that it is a similarity', () => {
    const message = alertMessage.parse(alertToMessage(event, options));
    assert.equal(message.dedupe, 'alert-1/1');
    assert.equal(message.similarity, true);
    assert.match(message.meaning, /similarity of faces, not an identification/);
    assert.deepEqual(message.box, {
      pixels: { left: 192, top: 108, width: 96, height: 108 },
      fractions: { left: 0.1, top: 0.1, width: 0.05, height: 0.1 },
    });
    assert.equal(message.score, 0.6123);
    assert.deepEqual(message.track, { epoch: 3, id: 17 });
    assert.deepEqual(message.times, {
      camera: 4_999_992,
      cameraSource: 'rtcp',
      event: 5_000_112,
      decided: 5_000_112,
      published: 5_000_200,
      expires: 5_060_000,
    });
  });

  it('puts every stage on the wall clock and says how long it took', () => {
    assert.deepEqual(alertToMessage(event, options).stages, [
      { stage: 'received', at: 5_000_000, tookMs: 0, sinceReceivedMs: 0 },
      { stage: 'decoded', at: 5_000_006, tookMs: 6, sinceReceivedMs: 6 },
      { stage: 'detected', at: 5_000_080, tookMs: 74, sinceReceivedMs: 80 },
      { stage: 'embedded', at: 5_000_110, tookMs: 30, sinceReceivedMs: 110 },
      { stage: 'decided', at: 5_000_112, tookMs: 2, sinceReceivedMs: 112 },
      { stage: 'published', at: 5_000_200, tookMs: 88, sinceReceivedMs: 200 },
    ]);
  });

  it('measures the publication by the wall clock when the event is of an earlier run', () => {
    const { publishedMonoMs: _, ...later } = { ...options, publishedAt: 5_090_112 };
    assert.deepEqual(alertToMessage(event, later).stages.at(-1), {
      stage: 'published',
      at: 5_090_112,
      tookMs: 90_000,
      sinceReceivedMs: 90_112,
    });
  });

  for (const { snapshot, omit, expected } of [
    { snapshot: 'inline', expected: { mode: 'inline', mediaType: 'image/jpeg', data: 'AQID' } },
    { snapshot: 'inline', omit: 'too_large', expected: { mode: 'omitted', reason: 'too_large' } },
    {
      snapshot: 'reference',
      expected: { mode: 'reference', mediaType: 'image/jpeg', path: '/api/v1/alerts/alert-1/snapshot' },
    },
    { snapshot: 'off', expected: { mode: 'off' } },
  ] as const) {
    it(`shows its picture ${snapshot}${omit === undefined ? '' : ', but not when it is too large'}`, () => {
      const message = alertToMessage(event, { ...options, snapshot, ...(omit === undefined ? {} : { omit }) });
      assert.deepEqual(alertMessage.parse(message).snapshot, expected);
    });
  }

  it('says that there is no picture', () => {
    const { snapshot: _, ...bare } = event;
    assert.deepEqual(alertToMessage(bare, { ...options, snapshot: 'reference' }).snapshot, { mode: 'omitted', reason: 'none' });
  });

  it('has no entry for somebody unknown', () => {
    const { entry: _, ...alert } = event.alert;
    const message = alertMessage.parse(alertToMessage({ ...event, alert: { ...alert, kind: 'unknown', top: [] } }, options));
    assert.equal(message.entry, undefined);
    assert.match(message.meaning, /not an identification/);
  });

  it('lists as many candidates as topK, and the first and newest steps of a long history', () => {
    const steps = Array.from(
      { length: 100 },
      (_, index): AlertStep => ({ state: index === 0 ? 'opened' : 'updated', at: index, actor: 'sightline' }),
    );
    const message = alertMessage.parse(alertToMessage({ ...event, alert: { ...event.alert, steps } }, { ...options, topK: 1 }));
    assert.equal(message.top.length, 1);
    assert.equal(message.steps.length, maxSteps);
    assert.equal(message.stepsOmitted, 80);
    assert.deepEqual([message.steps[0]?.at, message.steps[1]?.at, message.steps.at(-1)?.at], [0, 81, 99]);
  });

  it('sends whole milliseconds and no digits that nothing was measured with', () => {
    const event = alertEvent({
      alert: {
        firstSeenAt: 1773477000123.456,
        eventTime: 1773477000523.6,
        quality: {
          heightPx: 234.46533203125,
          sharpness: 351.2,
          rollDegrees: -4.410005,
          yaw: 0,
          visible: 1,
          score: 1,
          overall: 1,
        },
        box: { left: 153.8653564453125, top: 94.5, width: 192.4284, height: 234.4653 },
      },
    });
    const { firstSeenAt, times, quality, box } = alertToMessage(event, options);
    assert.deepEqual([firstSeenAt, times.event], [1773477000123, 1773477000524]);
    assert.deepEqual([quality.heightPx, quality.rollDegrees], [234.4653, -4.41]);
    assert.deepEqual(box.pixels, { left: 153.9, top: 94.5, width: 192.4, height: 234.5 });
  });

  it('is late exactly when it does not expire', () => {
    const { expiresAt: _, ...late } = options;
    assert.equal(alertToMessage(event, late).late, true);
    assert.equal(alertToMessage(event, options).late, false);
  });

  it('counts the way of the frame as age, and that of an old sighting not when the alert closes or a person acts', () => {
    assert.equal(ageAtCommitMs(event), 112);
    assert.equal(ageAtCommitMs({ ...event, step: { ...event.step, state: 'closed' } }), 0);
    assert.equal(ageAtCommitMs({ ...event, step: { ...event.step, state: 'acknowledged' } }), 0);
  });

  for (const state of [
    { state: 'connecting', since: 1 },
    { state: 'live', since: 1, codec: 'h264', width: 640, height: 360, decode: 'software' },
    { state: 'away', since: 1, reason: 'no route', retryAt: 2 },
    { state: 'ended', since: 1, reason: 'end of file' },
    { state: 'failed', since: 1, reason: 'no such file' },
  ] as const) {
    it(`says that a camera is ${state.state}`, () => {
      assert.deepEqual(cameraMessage.parse(cameraToMessage('lobby', state)), { v: 1, camera: 'lobby', ...state });
    });
  }
});

describe('mqtt broker settings', () => {
  for (const [url, expected] of [
    ['mqtt://broker', { protocol: 'mqtt', host: 'broker', port: 1883 }],
    ['tcp://broker:1', { protocol: 'mqtt', host: 'broker', port: 1 }],
    ['mqtts://broker', { protocol: 'mqtts', host: 'broker', port: 8883 }],
    ['ssl://[::1]:9', { protocol: 'mqtts', host: '::1', port: 9 }],
    ['wss://broker/mqtt', { protocol: 'wss', host: 'broker', port: 443, path: '/mqtt' }],
    ['mqtt://u:p%40ss@broker', { protocol: 'mqtt', host: 'broker', port: 1883, username: 'u', password: 'p@ss' }],
  ] as const) {
    it(`reads ${url}`, () => assert.deepEqual(brokerAddress(url), { path: '/', ...expected }));
  }

  it('does not show the URL of a broker it cannot read', () => {
    for (const url of ['http://u:secret@broker', 'mqtt://u:secret%zz@broker'])
      assert.throws(() => brokerAddress(url), { code: 'config.invalid', message: /^(?!.*secret)/ });
  });

  for (const [url, more, count] of [
    ['mqtt://localhost', {}, 0],
    ['mqtt://127.0.0.9:1883', {}, 0],
    ['mqtt://[::1]', {}, 0],
    ['mqtt://broker', {}, 2],
    ['mqtt://broker', { username: 'u', password: 'p' }, 1],
    ['mqtt://u:p@broker', {}, 1],
    ['mqtts://broker', {}, 1],
    ['mqtts://broker', { certFile: 'c', keyFile: 'k' }, 0],
    ['mqtt://localhost', { certFile: 'c', keyFile: 'k' }, 1],
  ] as const) {
    it(`warns ${count} times of ${url} with ${JSON.stringify(more)}`, () => {
      assert.equal(brokerWarnings(mqttConfig({ url, ...more })).length, count);
    });
  }

  it('says which file it cannot read', async () => {
    await assert.rejects(clientOptions(mqttConfig({ passwordFile: '/nowhere/password' })), {
      code: 'output.refused',
      message: 'mqtt.passwordFile: /nowhere/password: there is no such file',
    });
  });
});

describe('mqtt reason codes', () => {
  for (const [code, kind, text] of [
    [0x97, 'retry', 'quota exceeded'],
    [0x80, 'retry', 'unspecified error'],
    [0x83, 'retry', 'implementation specific error'],
    [0x87, 'refused', 'not authorized'],
    [0x90, 'refused', 'topic name invalid'],
    [0x95, 'refused', 'packet too large'],
    [0x99, 'refused', 'payload format invalid'],
    [0xfe, 'retry', 'code 254'],
  ] as const) {
    it(`takes PUBACK ${code} as ${kind}: ${text}`, () => assert.deepEqual(pubackVerdict(code), { kind, reason: text }));
  }

  for (const [code, kind] of [
    [0x86, 'refused'],
    [4, 'refused'],
    [5, 'refused'],
    [3, 'waiting'],
    [0x89, 'waiting'],
    [0x85, 'refused'],
  ] as const) {
    it(`takes CONNACK ${code} as ${kind}`, () => assert.equal(connackRefusal(code).kind, kind));
  }

  it('does not hurry back after its session was taken over', () => {
    assert.equal(disconnectReason(0x8e).kind, 'refused');
    assert.equal(disconnectReason(0x8b).kind, 'waiting');
    assert.equal(disconnectReason(0x87).kind, 'waiting', 'some brokers answer a forbidden message so');
  });

  it('tells certificates from networks', () => {
    const failed = (code: string) => socketRefusal(Object.assign(new Error('it failed'), { code }));
    assert.equal(failed('SELF_SIGNED_CERT_IN_CHAIN').kind, 'refused');
    assert.deepEqual(failed('ERR_TLS_CERT_ALTNAME_INVALID'), {
      reason: "TLS failed: the broker's certificate is not made for the host that mqtt.url names",
      kind: 'refused',
    });
    assert.match(failed('ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE').reason, /it may ask for a client certificate/);
    assert.equal(failed('ERR_SSL_SOMETHING_NEW').reason, 'TLS failed: it failed');
    assert.equal(failed('ECONNREFUSED').kind, 'waiting');
    assert.equal(failed('ECONNRESET').reason, 'broker closed the connection');
  });
});
