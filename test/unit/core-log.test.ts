import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SightlineError } from '../../src/core/errors.ts';
import { createLogger, FloodGate } from '../../src/core/log.ts';
import { redact } from '../../src/core/redact.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

function logged(write: (log: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  write(createLogger({ level: 'debug', destination: { write: (line) => lines.push(JSON.parse(line)) } }));
  return lines;
}

const urls: readonly (readonly [string, string])[] = [
  ['rtsp://user:secret@10.0.0.1:554/1', 'rtsp://user:***@10.0.0.1:554/1'],
  ['rtsp://user:se@cr@et@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:se:cr:et@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:@:@@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:se/cr?et#@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:se@/cret@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:se@cr/et@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://user:secret@host/main@2', 'rtsp://user:***@2'],
  ['rtsp://user:12345@host/1', 'rtsp://user:***@host/1'],
  ['rtsp://:secret@host', 'rtsp://:***@host'],
  ['rtsp://me@corp.example:secret@host/1', 'rtsp://me@corp.example:***@host/1'],
  ['MQTTS://u:secret@h', 'MQTTS://u:***@h'],
  ['cannot open "rtsp://u:secret@a" and http://v:secret@b.', 'cannot open "rtsp://u:***@a" and http://v:***@b.'],
  ['http://host:8080/mail@corp', 'http://host:8080/mail@corp'],
  ['http://host:8080/a and b@c', 'http://host:8080/a and b@c'],
  ['rtsp://host/no/credentials', 'rtsp://host/no/credentials'],
  ['srt://h:7001?passphrase=secret&latency=20', 'srt://h:7001?passphrase=***&latency=20'],
  ['rtspsrc user-id=u user-pw=secret latency=0', 'rtspsrc user-id=u user-pw=*** latency=0'],
  ['?access_token=secret', '?access_token=***'],
  ['?authToken=secret&channel=1#password=secret', '?authToken=***&channel=1#password=***'],
  ['/user=admin_password=secret', '/user=admin_password=***'],
  ['x264enc key-int-max=30 bypass=on', 'x264enc key-int-max=30 bypass=on'],
  ['a file that compares=well', 'a file that compares=well'],
];

for (const [text, shown] of urls) {
  test(`${text} is shown as ${shown}`, () => {
    assert.equal(redact(text), shown);
    assert.equal(redact(shown), shown, 'and stays so');
  });
}

test('a text of megabytes is redacted in no time, and cut in the log without showing half a password', {
  timeout: 60_000,
}, () => {
  for (const part of ['r', 'r-', 'a://b:', 'password', 'auth', 'sig_', 'a.', '://', ':', '@'])
    assert.equal(typeof redact(part.repeat(300_000 / part.length)), 'string', part);
  const url = ' rtsp://u:hunter2hunter2@h/';
  for (const before of [16_384 - 10, 16_384 - 14, 16_384 - 18, 20_000]) {
    const lines = logged((log) => log.warn({ reason: `${'r'.repeat(before)}${url}`, err: new Error('r'.repeat(1e6)) }, 'x'));
    assert.doesNotMatch(JSON.stringify(lines), /hunter/, `${before} characters before it`);
    assert.match(String(lines[0]?.['reason']), / characters\)$/);
    assert.ok(JSON.stringify(lines).length < 100_000);
  }
});

test('no password of a URL survives, whatever it holds', () => {
  const delimiters = fc.constantFrom(...'@:/?#&=%."\'');
  const password = fc
    .string({ unit: fc.oneof(delimiters, fc.string({ minLength: 1, maxLength: 1 })), minLength: 1, maxLength: 12 })
    .map((noise) => `SECRET${noise.replace(/\s/g, '_')}SECRET`);
  fc.assert(
    fc.property(password, (secret) => assert.ok(!redact(`open rtsp://user:${secret}@host:554/1 failed`).includes('SECRET'))),
  );
});

test('fields, however deep, labels and messages are redacted', () => {
  const url = 'rtsp://u:hunter2@h';
  const lines = logged((log) => {
    log.child({ source: url }).info({ a: { b: [{ c: url }] }, list: [url] }, `opened ${url}`);
    log.info({ a: { b: { c: { d: { e: { f: { g: url } } } } } } }, 'deep');
    log.warn(url);
  });
  assert.equal(JSON.stringify(lines).includes('hunter2'), false);
  assert.equal(lines[0]?.['source'], 'rtsp://u:***@h');
  assert.deepEqual(lines[0]?.['a'], { b: [{ c: 'rtsp://u:***@h' }] });
  assert.equal(lines[0]?.['msg'], 'opened rtsp://u:***@h');
  assert.equal(lines[2]?.['msg'], 'rtsp://u:***@h');
});

test('fields that are named for a secret show none', () => {
  const [line] = logged((log) =>
    log.info(
      { mqtt: { password: 'hunter2', username: 'u', caFile: '' }, apiKey: 'hunter2', authToken: 'hunter2', token: '' },
      'x',
    ),
  );
  assert.deepEqual(line?.['mqtt'], { password: '***', username: 'u', caFile: '' });
  assert.deepEqual([line?.['apiKey'], line?.['authToken'], line?.['token']], ['***', '***', '']);
});

test('errors are redacted with their stacks, causes and members, and keep their code', () => {
  const deepest = new Error('cannot open rtsp://u:hunter2@h');
  const error = new SightlineError('source.auth', 'no access to rtsp://u:hunter2@h', {
    cause: new AggregateError([deepest], 'all failed', { cause: deepest }),
  });
  const [fields, bare] = logged((log) => {
    log.error({ err: error, camera: 'lobby' }, 'source failed');
    log.error(error);
  });
  assert.equal(JSON.stringify([fields, bare]).includes('hunter2'), false);
  const shown = fields?.['err'] as Record<string, unknown>;
  assert.deepEqual(
    [shown['type'], shown['code'], shown['message']],
    ['SightlineError', 'source.auth', 'no access to rtsp://u:***@h'],
  );
  const cause = shown['cause'] as Record<string, unknown>;
  assert.equal((cause['cause'] as Record<string, unknown>)['message'], 'cannot open rtsp://u:***@h');
  assert.equal(bare?.['msg'], 'no access to rtsp://u:***@h');
});

test('a level holds for the logger and all its children, and can be changed at any time', () => {
  const lines = logged((log) => {
    const child = log.child({ room: 'a' });
    const grandchild = child.child({ camera: 'b' });
    for (const level of ['info', 'debug', 'error', 'silent']) {
      log.level = level;
      assert.equal(grandchild.level, level);
      for (const logger of [log, child, grandchild]) {
        logger.debug(`debug at ${level}`);
        logger.warn(`warn at ${level}`);
        logger.error(`error at ${level}`);
      }
    }
  });
  const counts = new Map<unknown, number>();
  for (const { msg } of lines) counts.set(msg, (counts.get(msg) ?? 0) + 1);
  assert.deepEqual(
    [...counts],
    ['warn at info', 'error at info', 'debug at debug', 'warn at debug', 'error at debug', 'error at error'].map((msg) => [
      msg,
      3,
    ]),
  );
});

test('values that JSON cannot hold are written all the same', () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  const [line] = logged((log) => log.info({ big: 12n, bytes: new Uint8Array(5), at: new Date(0), nothing: null, circle }, 'x'));
  assert.deepEqual(
    [line?.['big'], line?.['bytes'], line?.['at'], line?.['nothing']],
    ['12', '[5 bytes]', '1970-01-01T00:00:00.000Z', null],
  );
});

test('a flood is one line at once and one a second with its count', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  const gate = new FloodGate(ctx.log, clock);
  for (let index = 0; index < 100; index++) gate.warn('frame dropped', { index });
  assert.deepEqual(
    ctx.lines.map(({ msg, index, count }) => ({ msg, index, count })),
    [{ msg: 'frame dropped', index: 0, count: undefined }],
  );
  await clock.advance(1000);
  assert.deepEqual([ctx.lines[1]?.['index'], ctx.lines[1]?.['count']], [99, 99]);
  await clock.advance(5000);
  assert.equal(ctx.lines.length, 2, 'silence is not reported');
  gate.warn('frame dropped', { index: 100 });
  gate.warn('frame dropped', { index: 101 });
  gate[Symbol.dispose]();
  assert.deepEqual(
    ctx.lines.slice(2).map(({ index, count }) => [index, count]),
    [
      [100, undefined],
      [101, 1],
    ],
  );
});

test('a flood that does not end is said at growing distances, and to its end once it is over', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  using gate = new FloodGate(ctx.log, clock, 8000);
  let told = 0;
  /** Seconds and counts of the lines of so much time. */
  async function lines(seconds: number, everyS: number): Promise<unknown[]> {
    const sayings: unknown[] = [];
    for (let second = 0; second < seconds; second += 1) {
      if (second % everyS === 0) gate.warn('detection failed');
      await clock.advance(1000);
      for (const { count } of ctx.lines.slice(told)) sayings.push([second + 1, count]);
      told = ctx.lines.length;
    }
    return sayings;
  }
  assert.deepEqual(await lines(34, 1), [
    [1, undefined],
    [2, 1],
    [4, 2],
    [8, 4],
    [16, 8],
    [24, 8],
    [32, 8],
  ]);
  assert.deepEqual(await lines(20, 100), [[6, 3]]);
  assert.deepEqual(
    await lines(20, 2),
    [
      [1, undefined],
      [3, 1],
      [5, 1],
      [9, 2],
      [17, 4],
    ],
    'after a pause it is said at once again; it may be slow',
  );
  gate.warn('detection failed', { model: 'yunet' });
  assert.equal(ctx.lines.at(-1)?.['model'], 'yunet', 'another model is no part of the flood');
});
