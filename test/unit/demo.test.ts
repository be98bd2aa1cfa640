import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import type { LedgerRow } from '../../src/core/alerts.ts';
import { errorText, isSightlineError } from '../../src/core/errors.ts';
import {
  cameraNames,
  isAsWritten,
  ownBroker,
  passwordVariable,
  renderConfiguration,
  sealed,
} from '../../src/demo/configuration.ts';
import { readAlert } from '../../src/demo/listener.ts';
import { memberNamed, parseCast } from '../../src/demo/scene.ts';
import { createSilences, type ToldVisit } from '../../src/demo/silences.ts';
import { configOf } from '../support/config.ts';

const templatePath = resolve(import.meta.dirname, '../../config/demo.yaml');
const template = readFileSync(templatePath, 'utf8');
const settings = {
  comment: ' written by a test',
  dataDir: '/tmp/d/data',
  baseTopic: 'sightline-demo',
  repository: '/models',
  rtspPort: 8554,
  broker: { url: 'mqtt://127.0.0.1:1999', password: false, clientId: 'demo-1', protocol: '3.1.1' },
  cameras: new Map([
    ['lobby', { source: 'rtsp://127.0.0.1:9001/lobby', film: false }],
    ['lobby-2', { source: 'rtsp://127.0.0.1:9001/lobby-2', film: false }],
  ]),
} as const;

describe("the demo's configuration", () => {
  it('is the shipped file with cameras, broker and directory filled in', () => {
    const text = renderConfiguration(template, templatePath, settings);
    const { config, warnings } = configOf(text);
    assert.deepEqual(warnings, []);
    assert.match(text, /^# written by a test$/m);
    assert.match(text, /drawn characters only/, 'what is written there stays');
    assert.equal(config.dataDir, '/tmp/d/data');
    assert.equal(config.inference.repository, '/models');
    assert.deepEqual([config.mqtt.enabled, config.mqtt.url, config.mqtt.protocol], [true, 'mqtt://127.0.0.1:1999', '3.1.1']);
    assert.equal(config.mqtt.baseTopic, 'sightline-demo');
    assert.equal(config.http.port, 0);
    assert.deepEqual([config.media.rtsp.port, config.media.rtsp.open], [8554, true]);
    assert.deepEqual(Object.keys(config.cameras), ['lobby', 'lobby-2']);
    for (const camera of Object.values(config.cameras)) {
      assert.match(camera.source, /^rtsp:\/\/127\.0\.0\.1:9001\/lobby/);
      assert.deepEqual([camera.loop, camera.realtime, camera.detect[0]?.model], [false, false, 'demo_face']);
    }
    assert.deepEqual([config.models.face, config.models.enrolment], ['demo_embed', 'demo_face']);
  });

  it('without a broker and with the film as a file it needs nothing of the demo', () => {
    const cameras = new Map([['lobby', { source: '/demo/lobby.mp4', film: true }]]);
    const { config } = configOf(renderConfiguration(template, templatePath, { ...settings, broker: undefined, cameras }));
    assert.equal(config.mqtt.enabled, false);
    const camera = config.cameras['lobby'];
    assert.deepEqual([camera?.source, camera?.realtime, camera?.loop], ['/demo/lobby.mp4', true, true]);
  });

  it('never holds a password', () => {
    const { username, password, url } = ownBroker('mqtts://me:p%40ss@broker.example:8884/', {});
    assert.deepEqual([url, username, password], ['mqtts://broker.example:8884', { username: 'me' }, 'p@ss']);
    const broker = { url, ...username, password: true, clientId: 'demo-1' };
    const text = renderConfiguration(template, templatePath, { ...settings, broker });
    assert.doesNotMatch(text, /p@ss/);
    const { config } = configOf(text, { env: { [passwordVariable]: 'p@ss' } });
    assert.deepEqual([config.mqtt.username, config.mqtt.password, config.mqtt.protocol], ['me', 'p@ss', '5']);
  });

  it('takes one real detector or embedder in the place of its own by one line', () => {
    const real = template
      .replace('&detector demo_face', '&detector centerface')
      .replace('face: demo_embed', 'face: face_embed_224');
    const { config } = configOf(renderConfiguration(real, templatePath, settings));
    assert.deepEqual(
      [config.cameras['lobby']?.detect[0]?.model, config.models.enrolment, config.models.face],
      ['centerface', 'centerface', 'face_embed_224'],
    );
  });

  it('refuses a template that is no pattern', () => {
    for (const text of [
      'cameras: [',
      'cameras: {}',
      'cameras: { a: { source: x }, b: { source: y } }',
      'lists: {}',
      'cameras: { a: { source: *nothing } }',
      'cameras: { a: { source: x } }\nmqtt: 5',
      'cameras: { a: { source: x } }\nhttp: []',
    ])
      assert.throws(() => renderConfiguration(text, '/s/demo.yaml', settings), {
        code: 'demo.scene',
        message: /^\/s\/demo\.yaml .*[^:\n]$/,
      });
  });

  it('needs nothing in a template but one camera', () => {
    for (const mqtt of ['', 'mqtt:\n', 'mqtt: {}\n']) {
      const { config } = configOf(renderConfiguration(`${mqtt}cameras: { a: { source: x } }`, '/s/demo.yaml', settings));
      assert.deepEqual([config.mqtt.url, config.mqtt.baseTopic], ['mqtt://127.0.0.1:1999', 'sightline-demo']);
    }
  });

  it('names cameras', () => assert.deepEqual(cameraNames(3), ['lobby', 'lobby-2', 'lobby-3']));
});

describe('an own broker', () => {
  it('has its password from the URL, else from MQTT_PASSWORD when a user is named', () => {
    assert.equal(ownBroker('mqtt://me@host', { MQTT_PASSWORD: 'x' }).password, 'x');
    assert.equal(ownBroker('mqtt://me:y@host', { MQTT_PASSWORD: 'x' }).password, 'y');
    assert.equal(ownBroker('mqtt://host', { MQTT_PASSWORD: 'x' }).password, undefined);
    assert.deepEqual([ownBroker('mqtt://[::1]', {}).host, ownBroker('wss://host/mqtt', {}).port], ['::1', 443]);
  });

  it('must be a broker', () => {
    for (const url of ['localhost', 'http://host', 'mqtt://', 'mqtt:host', 'mqtt://a:%@host'])
      assert.throws(() => ownBroker(url, {}), { code: 'cli.usage' }, url);
  });
});

describe('the cast', () => {
  const cast = parseCast(
    JSON.stringify([
      { name: 'ada', role: 'listed', sentence: 'Ada is listed.' },
      { name: 'Otto', role: 'ignored', more: 1 },
    ]),
    'cast.json',
  );

  it('is known by name, capitals aside, and says who there is otherwise', () => {
    assert.equal(memberNamed(cast, ' ADA').name, 'ada');
    assert.throws(() => memberNamed(cast, 'Oto'), {
      code: 'cli.usage',
      message: 'nobody in the scene is called Oto; did you mean Otto?; there are ada, Otto',
    });
  });

  it('may begin with a byte order mark', () =>
    assert.equal(parseCast('\uFEFF[{"name":"ada","role":"other"}]', 'cast.json')[0]?.name, 'ada'));

  it('is refused where it is none, naming the place', () => {
    for (const [text, words] of [
      ['{', /cast\.json is not JSON/],
      ['[]', /cast\.json/],
      ['[{"name":"ada","role":"queen"}]', /cast\.json 0\.role/],
      ['[{"name":"../x","role":"other"}]', /cast\.json 0\.name: a name is 1 to 64 letters/],
      ['{}', /cast\.json: .*expected array/],
      ['[{"name":"ada","role":"other"},{"name":"Ada","role":"hidden"}]', /cast\.json has Ada twice/],
    ] as const)
      assert.throws(
        () => parseCast(text, 'cast.json'),
        (error) => {
          assert.ok(isSightlineError(error, 'demo.scene'));
          assert.match(errorText(error), words, text);
          assert.doesNotMatch(errorText(error), /\n/, 'one line');
          return true;
        },
      );
  });
});

describe('alerts from the broker', () => {
  const message = {
    id: 'a1',
    state: 'opened',
    late: false,
    entry: { id: 'e', name: 'ada', list: 'watched' },
    camera: 'lobby',
    score: 0.71,
    threshold: 0.4,
    firstSeenAt: 1000,
    times: { event: 1600, published: 5000 },
    stages: [{ sinceReceivedMs: 0 }, { sinceReceivedMs: 120 }],
    snapshot: { mode: 'inline', data: Buffer.from('jpeg').toString('base64') },
  };

  it('are told with the time since the first sighting, each clock by itself', () => {
    const read = readAlert(JSON.stringify(message), 5030);
    assert.equal(read?.alert.sinceFrameMs, 150);
    assert.equal(read.alert.sinceSeenMs, 750);
    assert.deepEqual(Buffer.from(read.jpeg ?? []).toString(), 'jpeg');
  });

  it('are those that open, of somebody; anything else on the topic is none', () => {
    const { entry: _entry, ...unknown } = message;
    for (const other of [{ ...message, state: 'updated' }, unknown, { id: 1 }, null, 'x'])
      assert.equal(readAlert(JSON.stringify(other), 5030), undefined);
    assert.equal(readAlert('{', 5030), undefined);
  });
});

it('a configuration is as a demo wrote it until a person changes anything in it', () => {
  const text = 'cameras: {}\n';
  assert.ok(sealed(text).startsWith(text));
  assert.ok(isAsWritten(sealed(text)));
  for (const changed of [text, sealed(text).replace('{}', '{ }'), `${sealed(text)}# mine\n`, ''])
    assert.ok(!isAsWritten(changed), changed);
});

describe('silences', () => {
  const track = { camera: 'lobby', epoch: 1, trackId: 7 };
  const row = (some: Partial<LedgerRow>): LedgerRow => ({
    at: 10_000,
    lastAt: 14_000,
    track,
    label: 'face',
    kind: 'face',
    reason: 'below_threshold',
    entryId: 'e',
    entryName: 'ada',
    score: 0.33,
    threshold: 0.4,
    count: 3,
    details: {},
    ...some,
  });

  const unlike = { why: 'unlike', camera: 'lobby', nearest: 'ada', similarity: 0.33, threshold: 0.4 };

  it('tell of the look-alike once, and of the ignored', () => {
    const silences = createSilences();
    assert.deepEqual(silences.from([row({})], [], []), [unlike]);
    assert.deepEqual(silences.from([row({}), row({ count: 9, lastAt: 20_000 })], [], []), []);
    const ignored = row({ reason: 'ignored', details: { list: 'staff' }, entryName: 'otto', track: { ...track, trackId: 8 } });
    assert.deepEqual(silences.from([ignored], [], ['otto']), [
      { why: 'ignored', camera: 'lobby', nearest: 'otto', list: 'staff' },
    ]);
  });

  it('tell of one visit once, however many tracks it has, and of the next one again', () => {
    const silences = createSilences();
    const of = (trackId: number, at: number) => row({ track: { ...track, trackId }, at, lastAt: at + 3000 });
    assert.equal(silences.from([of(1, 10_000), of(2, 20_000), of(3, 40_000)], [], []).length, 1);
    assert.equal(silences.from([of(3, 40_000), of(4, 70_000)], [], []).length, 1);
    assert.equal(silences.from([{ ...of(5, 71_000), track: { ...track, camera: 'hall' } }], [], []).length, 1);
  });

  it('do not tell of strangers and blinks, nor of a poor track of somebody who was told of', () => {
    const none = (rows: readonly LedgerRow[], visits: readonly ToldVisit[] = [], ignored: readonly string[] = []) =>
      assert.deepEqual(createSilences().from(rows, visits, ignored), []);
    none([row({ score: 0.31 })]);
    none([row({ count: 2 })]);
    none([row({ reason: 'too_small' })]);
    none([row({})], [], ['ada']);
    const visit = { cameras: ['lobby'], name: 'ada', from: 2000, to: 11_000 };
    none([row({})], [visit]);
    const elsewhere = { ...visit, cameras: ['hall'] };
    assert.equal(createSilences().from([row({})], [elsewhere], []).length, 1);
    assert.equal(createSilences().from([row({})], [{ ...visit, to: 10_000 }], []).length, 1);
  });
});
