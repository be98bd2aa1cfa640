import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '../../src/config/issues.ts';
import { loadConfig } from '../../src/config/load.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { editDistance, nearest } from '../../src/core/nearest.ts';
import { redact } from '../../src/core/redact.ts';
import { type ConfigWorld, configOf, issuesOf } from '../support/config.ts';

const refused: readonly {
  readonly name: string;
  readonly text: string;
  readonly world?: ConfigWorld;
  readonly issues: readonly string[];
}[] = [
  {
    name: 'a misspelt key, with the nearest known one',
    text: 'logLevl: info',
    issues: ['1:1 logLevl: unknown key; did you mean logLevel?'],
  },
  {
    name: 'a key in another spelling style',
    text: 'data_dir: /x',
    issues: ['1:1 data_dir: unknown key; did you mean dataDir?'],
  },
  {
    name: 'a key that is near nothing, with all that are known',
    text: 'http:\n  banana: 1',
    issues: ['2:3 http.banana: unknown key; known here: enabled, host, port, publicUrl, tls, metrics, trustedProxy'],
  },
  {
    name: 'a value outside an enum',
    text: 'logLevel: loud',
    issues: ['1:11 logLevel: "loud" is not allowed; expected one of debug, info, warn, error'],
  },
  {
    name: 'addresses of Triton servers, one or in a list',
    text: 'inference: { url: "http://triton:8000" }',
    issues: [
      '1:19 inference.url: "http://triton:8000" is not allowed; expected a Triton server as host:port, [::1]:8001, grpc://host:port or grpcs://host:port (names in ASCII), or a list of 1 to 16 of them',
    ],
  },
  {
    name: 'one of several addresses of Triton servers',
    text: 'inference:\n  url: [triton, "triton:99999"]',
    issues: [
      '2:17 inference.url[1]: "triton:99999" is not allowed; expected a Triton server as host:port, [::1]:8001, grpc://host:port or grpcs://host:port (names in ASCII)',
    ],
  },
  {
    name: 'a number out of range',
    text: 'cameras:\n  lobby:\n    source: x.mp4\n    detect:\n      - { model: centerface, fps: 500 }',
    issues: ['5:35 cameras.lobby.detect[0].fps: 500 is not allowed; expected a number above 0, at most 60'],
  },
  {
    name: 'an image and a network that Docker cannot have',
    text: 'deepstream: { image: "sightline/影:1", network: "container:x" }',
    issues: [
      '1:22 deepstream.image: "sightline/影:1" is not allowed; expected an image of containers as REGISTRY/NAME:TAG',
      '1:48 deepstream.network: "container:x" is not allowed; expected the name of a Docker network',
    ],
  },
  {
    name: 'a number off its steps',
    text: 'cameras: { a: { source: x, detect: [{ model: m, width: 161 }] } }',
    issues: ['1:56 cameras.a.detect[0].width: 161 is not allowed; expected a whole number from 160 to 1920 in steps of 32'],
  },
  {
    name: 'a fraction where a whole number belongs',
    text: 'http: { port: 80.5 }',
    issues: ['1:15 http.port: 80.5 is not allowed; expected a whole number from 0 to 65535'],
  },
  {
    name: 'a text where a number belongs',
    text: 'http:\n  port: "8080"',
    issues: ['2:9 http.port: "8080" is not allowed; expected a whole number from 0 to 65535'],
  },
  {
    name: 'YAML 1.1 truth',
    text: 'mqtt:\n  enabled: yes',
    issues: ['2:12 mqtt.enabled: "yes" is not allowed; expected true or false'],
  },
  {
    name: 'infinity',
    text: 'http: { port: .inf }',
    issues: ['1:15 http.port: .inf is not allowed; expected a whole number from 0 to 65535'],
  },
  {
    name: 'a duration without a unit',
    text: 'alerting:\n  leaveAfter: 10',
    issues: [
      '2:15 alerting.leaveAfter: "10" is not allowed; expected a duration from 1s to 1h, such as 500ms, 10s, 5m, 2h or 30d',
    ],
  },
  {
    name: 'a duration out of range',
    text: 'retention:\n  alerts: 5m',
    issues: [
      '2:11 retention.alerts: "5m" is not allowed; expected a duration of at least 1h, such as 500ms, 10s, 5m, 2h or 30d',
    ],
  },
  {
    name: 'a list where a section belongs',
    text: 'mqtt: [1]',
    issues: [
      '1:7 mqtt: a list of 1 is not allowed; expected a section with url, enabled, username, password, passwordFile, clientId, protocol, baseTopic, caFile, certFile, keyFile, snapshot, topK',
    ],
  },
  {
    name: 'a text where a list belongs',
    text: 'alerts:\n  - name: x\n    when: { lists: banned }',
    issues: [
      '3:20 alerts[0].when.lists: "banned" is not allowed; expected a list, each a name of 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit',
    ],
  },
  {
    name: 'a section where a text belongs',
    text: 'dataDir: {}',
    issues: ['1:10 dataDir: a section is not allowed; expected a text that is not empty'],
  },
  {
    name: 'a file that is no section at all',
    text: '- 1',
    issues: [
      '1:1: a list of 1 is not allowed; expected a section with dataDir, logLevel, inference, models, deepstream, mqtt, http, media, snapshot, retention, watchlist, lists, cameras, alerting, alerts',
    ],
  },
  {
    name: 'a missing setting, at the section that lacks it',
    text: 'cameras:\n  lobby:\n    fps: 3\n  gate:',
    issues: [
      '3:5 cameras.lobby.fps: unknown key; known here: source, detectSource, properties, runtime, group, enabled, transport, decode, realtime, loop, openTimeout, silenceTimeout, detect, recognise, masks, zones, motion, crops',
      '3:5 cameras.lobby.source: is missing; expected a text that is not empty',
      '4:3 cameras.gate.source: is missing; expected a text that is not empty',
    ],
  },
  {
    name: 'a bad camera name',
    text: 'cameras:\n  Front Door: { source: x }',
    issues: [
      '2:3 cameras.Front Door: "Front Door" is not allowed; expected a name of 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit',
    ],
  },
  {
    name: 'polygons with too few or stray corners',
    text: 'cameras: { a: { source: x, zones: { door: [[0, 0], [1, 2]] } } }',
    issues: [
      '1:43 cameras.a.zones.door: a list of 2 is not allowed; expected a polygon of 3 to 64 corners [x, y], both from 0 to 1',
      '1:56 cameras.a.zones.door[1][1]: 2 is not allowed; expected a number from 0 to 1',
    ],
  },
  {
    name: 'an empty list of detectors',
    text: 'cameras: { a: { source: x, detect: [] } }',
    issues: [
      '1:36 cameras.a.detect: an empty list is not allowed; expected a list of 1 to 8, each a section with model, fps, minScore, classes, minSize, width',
    ],
  },
  {
    name: 'duplicate keys, at every level',
    text: 'logLevel: info\nhttp: { port: 1, port: 2 }\nlogLevel: warn',
    issues: ['2:18 http.port: is written twice; keep one of them', '3:1 logLevel: is written twice; keep one of them'],
  },
  {
    name: 'broken YAML, together with what else is wrong',
    text: 'logLevel: loud\nhttp: {port: 1',
    issues: [
      '1:11 logLevel: "loud" is not allowed; expected one of debug, info, warn, error',
      '2:15: not valid YAML: flow map in block collection must be sufficiently indented and end with a }',
    ],
  },
  {
    name: 'an unquoted variable where YAML does not allow one',
    text: 'http: { port: ${PORT} }',
    issues: ['1:16: inside { } and [ ] a text with ${...} needs quotes'],
  },
  {
    name: 'a second document',
    text: 'logLevel: info\n---\nlogLevel: warn',
    issues: ['2:1: a second document begins here; expected one'],
  },
  {
    name: 'keys that are no text',
    text: '? [a]\n: 1',
    issues: ['1:3: a key must be a text'],
  },
  {
    name: 'the name of the prototype',
    text: 'lists:\n  __proto__: { severity: high }',
    issues: ['2:3 lists.__proto__: is not allowed as a name'],
  },
  {
    name: 'a variable that is not set, inside a longer text',
    text: 'cameras:\n  a:\n    source: rtsp://${CAM_USER}:${CAM_PASSWORD}@h/1',
    world: { env: { CAM_USER: 'u' } },
    issues: [
      '3:32 cameras.a.source: the environment variable CAM_PASSWORD is not set; set and export it, or for the text itself write $${CAM_PASSWORD}',
    ],
  },
  {
    name: 'streams without a password on a network, whatever else is wrong',
    text: 'media: { rtsp: { host: 0.0.0.0, open: true } }\nlogLevel: loud\ncameras: { a: { source: "${CAM}" } }',
    issues: [
      '1:39 media.rtsp.open: streams without a password are for this machine alone; set media.rtsp.host to 127.0.0.1 instead of 0.0.0.0, or open to false',
      '2:11 logLevel: "loud" is not allowed; expected one of debug, info, warn, error',
      '3:26 cameras.a.source: the environment variable CAM is not set; set and export it, or for the text itself write $${CAM}',
    ],
  },
  {
    name: 'something that is no variable',
    text: 'dataDir: "${a-b}"',
    issues: ['1:11 dataDir: ${a-b} does not name an environment variable; for the text itself write $${a-b}'],
  },
  {
    name: 'a bad value from a variable without showing it',
    text: 'mqtt:\n  url: "${BROKER}"\n  topK: ${K}\nlogLevel: ${LEVEL}',
    world: { env: { BROKER: 'http://user:hunter2@h', K: '999', LEVEL: 'hunter2' } },
    issues: [
      '2:8 mqtt.url: "${BROKER}" is not allowed; expected a broker URL that begins with mqtt://, mqtts://, ws:// or wss://',
      '3:9 mqtt.topK: ${K} is not allowed; expected a whole number from 1 to 20',
      '4:11 logLevel: "${LEVEL}" is not allowed; expected one of debug, info, warn, error',
    ],
  },
  {
    name: 'a bad URL without its password',
    text: 'mqtt: { url: "http://user:hunter2@h" }',
    issues: [
      '1:14 mqtt.url: "http://user:***@h" is not allowed; expected a broker URL that begins with mqtt://, mqtts://, ws:// or wss://',
    ],
  },
  {
    name: 'a bad secret without showing it',
    text: 'mqtt: { password: [hunter2] }\ncameras: { a: { source: gst:x, properties: { passphrase: [hunter2] } } }',
    issues: [
      '1:19 mqtt.password: this value is not allowed; expected a text that is not empty',
      '2:58 cameras.a.properties.passphrase: this value is not allowed; expected a text',
    ],
  },
  {
    name: 'two passwords',
    text: 'mqtt:\n  password: a\n  passwordFile: pw',
    world: { files: { '/etc/sightline/pw': 'b' } },
    issues: ['3:17 mqtt.passwordFile: is not allowed together with mqtt.password; keep one of them'],
  },
  {
    name: 'a password file that is not there',
    text: 'mqtt: { passwordFile: pw }',
    issues: ['1:23 mqtt.passwordFile: /etc/sightline/pw cannot be read: no such file'],
  },
  {
    name: 'a password file that begins with an empty line',
    text: 'mqtt: { passwordFile: pw }',
    world: { files: { '/etc/sightline/pw': '\nx' } },
    issues: ['1:23 mqtt.passwordFile: the first line of /etc/sightline/pw is empty; expected the password'],
  },
  {
    name: 'an anchor that holds itself',
    text: 'lists: &l\n  a: *l',
    issues: ['2:6 lists.a: *l contains itself'],
  },
  {
    name: 'an alias of nothing',
    text: 'dataDir: *nowhere',
    issues: ['1:10 dataDir: there is no anchor &nowhere above'],
  },
  {
    name: 'a merge of something that is no section',
    text: 'dataDir: &d x\nhttp:\n  <<: *d',
    issues: ['3:7 http.<<: merges sections only, written *name or [*name, *name]'],
  },
  {
    name: 'a mistake under an anchor once, however often it is used',
    text: 'cameras:\n  a: &a\n    source: x\n    loop: sure\n  b: *a\n  c: { <<: *a, source: y }',
    issues: ['4:11 cameras.a.loop: "sure" is not allowed; expected true or false'],
  },
];

for (const { name, text, world, issues } of refused) {
  test(`refuses ${name}`, () => {
    const found = issuesOf(text, world ?? {});
    assert.deepEqual(found, issues);
    assert.deepEqual(found.map(redact), issues, 'as it is said');
  });
}

test('an empty file, comments, blank sections and blank settings are the defaults', () => {
  const { config } = configOf('');
  for (const text of ['# nothing\n', 'cameras:\nalerts:\nmqtt:\n', 'mqtt:\n  url:\n', '---\n...\n'])
    assert.deepEqual(configOf(text).config, config, text);
  assert.equal(config.alerting.leaveAfter, 10_000);
});

test('the configuration is frozen to the last leaf', () => {
  const { config } = configOf('cameras: { a: { source: x.mp4 } }');
  const frozen = (value: unknown): boolean =>
    value === null || typeof value !== 'object' || (Object.isFrozen(value) && Object.values(value).every(frozen));
  assert.ok(frozen(config));
});

test('variables are replaced in quoted, plain and block texts, and become numbers and truth where those belong', () => {
  const { config } = configOf(
    'cameras:\n  a:\n    source: "rtsp://${U}:${P}@h/1"\n    loop: ${YES}\nhttp:\n  port: ${PORT}\nmqtt:\n  clientId: $${U}\n  username: >-\n    ${U}\n',
    { env: { U: 'user', P: 'p@ss:word', YES: 'true', PORT: '1234' } },
  );
  assert.equal(config.cameras['a']?.source, 'rtsp://user:p@ss:word@h/1');
  assert.equal(config.cameras['a']?.loop, true);
  assert.equal(config.http.port, 1234);
  assert.equal(config.mqtt.clientId, '${U}');
  assert.equal(config.mqtt.username, 'user');
});

test('what a variable holds is never read as YAML or as another variable', () => {
  const { config } = configOf('mqtt: { username: "${A}" }', { env: { A: '${B}, url: x # y', B: 'no' } });
  assert.equal(config.mqtt.username, '${B}, url: x # y');
});

test('plain numbers stand as written where a text belongs', () => {
  const { config } = configOf('mqtt: { protocol: 5, password: 0123 }\nalerts: [{ name: 7, when: { entries: [1e3] } }]');
  assert.equal(config.mqtt.protocol, '5');
  assert.equal(config.mqtt.password, '0123');
  assert.equal(config.alerts[0]?.name, '7');
  assert.deepEqual(config.alerts[0]?.when.entries, ['1e3']);
});

test('the password file gives its first line', () => {
  const { config } = configOf('mqtt: { passwordFile: secrets/mqtt }', {
    files: { '/etc/sightline/secrets/mqtt': 'p w\r\nrest' },
  });
  assert.equal(config.mqtt.password, 'p w');
});

test('relative paths begin at the folder of the file, URLs and gst: names stay', () => {
  const { config } = configOf(`
dataDir: data
mqtt: { caFile: ../ca.pem }
cameras:
  file: { source: clips/a.mp4 }
  absolute: { source: /clips/a.mp4 }
  url: { source: file:///clips/a%20b.mp4 }
  rtsp: { source: rtsp://h/1, detectSource: sub.mp4 }
  gst: { source: gst:test-pattern }
`);
  assert.equal(config.dataDir, '/etc/sightline/data');
  assert.equal(config.mqtt.caFile, '/etc/ca.pem');
  assert.deepEqual(
    Object.values(config.cameras).map((camera) => camera.source),
    ['/etc/sightline/clips/a.mp4', '/clips/a.mp4', '/clips/a b.mp4', 'rtsp://h/1', 'gst:test-pattern'],
  );
  assert.equal(config.cameras['rtsp']?.detectSource, '/etc/sightline/sub.mp4');
});

test('the model repository lies beside the file if it is there, otherwise beside the program', () => {
  const load = (existing: (path: string) => boolean) =>
    loadConfig('', { file: '/etc/s.yaml', env: {}, readFile: () => '', exists: existing }).config.inference.repository;
  assert.equal(
    load(() => true),
    '/etc/model_repository',
  );
  assert.match(
    load((path) => path !== '/etc/model_repository'),
    /^\/(?!etc).*\/model_repository$/,
  );
  assert.equal(
    load(() => false),
    '/etc/model_repository',
  );
});

test('anchors and merges share settings, and what is written wins', () => {
  const { config } = configOf(`
cameras:
  a: &a { source: a.mp4, loop: true, detect: [{ model: yunet }] }
  b: { <<: *a, source: b.mp4 }
  c: { loop: false, source: c.mp4, <<: [*a] }
`);
  assert.deepEqual(
    Object.values(config.cameras).map(({ source, loop, detect }) => [source, loop, detect[0]?.model]),
    [
      ['/etc/sightline/a.mp4', true, 'yunet'],
      ['/etc/sightline/b.mp4', true, 'yunet'],
      ['/etc/sightline/c.mp4', false, 'yunet'],
    ],
  );
});

test('anchors that multiply are refused instead of filling the memory', () => {
  const levels = Array.from(
    { length: 9 },
    (_, i) =>
      `l${i}: &a${i} [${Array(10)
        .fill(i === 0 ? 'x' : `*a${i - 1}`)
        .join(', ')}]`,
  );
  const issues = issuesOf(
    `properties:\n${levels.map((line) => `  ${line}`).join('\n')}\ncameras: { a: { source: x, properties: { p: *a8 } } }`,
  );
  assert.ok(issues.some((issue) => issue.endsWith('anchors make more than 100000 values of this file')));
});

test('merges that multiply are refused instead of taking hours', () => {
  const merged = (from: string) => Array.from({ length: 9 }, () => `*${from}`).join(', ');
  const rows = Array.from({ length: 11 }, (_, at) => `  c${at + 1}: &c${at + 1}\n    <<: [${merged(`c${at}`)}]`);
  const issues = issuesOf(['cameras:', '  c0: &c0 { source: a.mp4 }', ...rows].join('\n'));
  assert.ok(issues.some((issue) => issue.endsWith('anchors make more than 100000 values of this file')));
});

test('no issue quotes a password that is not valid YAML', () => {
  for (const written of [
    '*hunter2',
    '|hunter2',
    '"hunter2',
    "'x' hunter2",
    '&hunter2',
    '!hunter2 x',
    'a: hunter2',
    '{hunter2',
  ]) {
    const issues = issuesOf(`mqtt:\n  password: ${written}\n  hunter2\n`);
    assert.notEqual(issues.length, 0);
    assert.doesNotMatch(issues.join('\n'), /hunter/, written);
  }
});

test('deep nesting is refused instead of ending the process', () => {
  assert.deepEqual(issuesOf(`alerts: ${'['.repeat(20_000)}`), ['1:1: the file is nested too deeply']);
});

test('an issue can be placed at any path, or at what should hold it', () => {
  const { issueAt } = configOf('cameras:\n  a:\n    source: x');
  const at = (path: readonly (string | number)[]) => {
    const { line, column } = issueAt(path, 'x');
    return [line, column];
  };
  assert.deepEqual(at(['cameras', 'a', 'source']), [3, 13]);
  assert.deepEqual(at(['cameras', 'a', 'recognise', 0]), [3, 5]);
  assert.deepEqual(at(['mqtt', 'url']), [1, 1]);
});

test('whatever the text, loading returns a configuration or throws ConfigError', () => {
  const scalar = fc.oneof(
    fc.constantFrom(
      'null',
      '~',
      'true',
      '5',
      '-1',
      '.nan',
      '1e999',
      '"',
      "'",
      '*a',
      '&a',
      '<<',
      '${X}',
      '$${X}',
      '${',
      '!!binary x',
      '|',
      '>',
      '%',
      '@',
    ),
    fc.string(),
  );
  const key = fc.constantFrom(
    'cameras',
    'mqtt',
    'alerts',
    'lists',
    'a',
    'source',
    'detect',
    'when',
    'zones',
    'masks',
    'password',
    '<<',
    '__proto__',
    '?',
  );
  const { text } = fc.letrec<{ text: string }>((tie) => ({
    text: fc.oneof(
      { maxDepth: 5 },
      scalar,
      fc
        .array(fc.tuple(key, tie('text')), { maxLength: 4 })
        .map((pairs) => `{${pairs.map(([k, v]) => `${k}: ${v}`).join(', ')}}`),
      fc.array(tie('text'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
      fc.array(fc.tuple(key, tie('text')), { maxLength: 4 }).map((pairs) => pairs.map(([k, v]) => `${k}: ${v}`).join('\n')),
    ),
  }));
  fc.assert(
    fc.property(text, (yaml) => {
      try {
        configOf(yaml, { env: { X: 'x' } });
      } catch (error) {
        assert.ok(error instanceof ConfigError, `${error}`);
        assert.equal(error.code, 'config.invalid');
        assert.ok(error.issues.length > 0);
        for (const issue of error.issues) assert.ok(issue.line >= 1 && issue.column >= 1 && issue.message !== '');
      }
    }),
    { numRuns: 2000 },
  );
});

test('durations round trip through their units', () => {
  assert.deepEqual(['500ms', '10s', '1.5m', '2h', '30d', '10', 's', '-1s', '1 s', '1e3s'].map(parseDuration), [
    500,
    10_000,
    90_000,
    7_200_000,
    2_592_000_000,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('the distance of words is a metric that knows swapped letters', () => {
  assert.equal(editDistance('souce', 'source'), 1);
  assert.equal(editDistance('soruce', 'source'), 1);
  assert.equal(nearest('recognize', ['recognise', 'realtime']), 'recognise');
  assert.equal(nearest('banana', ['recognise', 'realtime']), undefined);
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
      assert.ok(editDistance(a, b) <= Math.max(a.length, b.length));
    }),
  );
});

test('durations are whole milliseconds, however they are written', () => {
  assert.deepEqual(['2.01s', '1.0005s', '0.07m', '0.4ms'].map(parseDuration), [2010, 1001, 4200, 0]);
});

test('a large file takes time in step with its length: aliases, openings without end', () => {
  const aliases = `alerts:\n  - &a { name: x }\n${'  - *a\n'.repeat(20_000)}`;
  assert.equal(configOf(aliases).config.alerts.length, 20_001);
  const openings = '${'.repeat(150_000);
  assert.equal(configOf(`http: { host: "${openings}" }`).config.http.host, openings);
});

test('an alias stands for the last anchor of its name above it', () => {
  const { config } = configOf('lists: { a: &x { severity: low }, b: *x, c: &x { severity: high }, d: *x }');
  assert.deepEqual(
    Object.values(config.lists).map(({ severity }) => severity),
    ['low', 'low', 'high', 'high'],
  );
});

test('Triton servers are one address or a list of them', () => {
  const urls = (text: string) => configOf(`inference: ${text}`).config.inference.url;
  assert.deepEqual(urls('{}'), ['localhost:8001']);
  assert.deepEqual(urls('{ url: triton }'), ['triton']);
  assert.deepEqual(urls('{ url: ["a:1", grpcs://b] }'), ['a:1', 'grpcs://b']);
});
