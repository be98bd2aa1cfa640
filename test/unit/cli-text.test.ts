import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { numberOption, parse } from '../../src/cli/command.ts';
import { printable } from '../../src/cli/printable.ts';
import { dateTime, parseSpan, parseTime, table } from '../../src/cli/text.ts';

const berlin = 'Europe/Berlin';
/** 14:30:00 in Berlin, summer time. */
const now = Date.UTC(2026, 6, 1, 12, 30);

test('what steers a terminal is shown as an escape, and JSON stays the same JSON', () => {
  assert.equal(printable('a\x1b[2Jb\x9b\x7f'), 'a\\u001b[2Jb\\u009b\\u007f');
  assert.equal(printable('Zoë 東京 😀\t1\n2'), 'Zoë 東京 😀\t1\n2');
  assert.equal(printable('\u202eada\u2066'), '\\u202eada\\u2066');
  const value = { name: 'a\x1b\x9b\x7f\n' };
  assert.deepEqual(JSON.parse(printable(JSON.stringify(value))), value);
});

test('what somebody else has written begins no line of a table', () => {
  assert.deepEqual(
    table([
      ['reason', 'seen\nlist  staff'],
      ['notes', 'a\tb'],
    ]),
    ['reason  seen\\nlist  staff', 'notes   a b'],
  );
});

test('a time of day is the latest one that is not in the future', () => {
  assert.equal(parseTime('14:03', now, berlin), Date.UTC(2026, 6, 1, 12, 3));
  assert.equal(parseTime('14:03:05', now, berlin), Date.UTC(2026, 6, 1, 12, 3, 5));
  assert.equal(parseTime('9:00', now, berlin), Date.UTC(2026, 6, 1, 7, 0));
  assert.equal(parseTime('23:59', now, berlin), Date.UTC(2026, 5, 30, 21, 59));
});

test('a date and time is that of the reader, an ISO time that of its zone', () => {
  assert.equal(parseTime('2026-01-02 03:04', now, berlin), Date.UTC(2026, 0, 2, 2, 4));
  assert.equal(parseTime('2026-01-02T03:04:05', now, berlin), Date.UTC(2026, 0, 2, 2, 4, 5));
  assert.equal(parseTime('2026-01-02T03:04:05Z', now, berlin), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.equal(parseTime('2026-01-02T03:04:05+05:30', now, berlin), Date.UTC(2026, 0, 1, 21, 34, 5));
});

test('a time that a clock change skips is none, one that it repeats is found', () => {
  assert.throws(() => parseTime('2026-03-29 02:30', now, berlin), { code: 'cli.usage' });
  const repeated = parseTime('2026-10-25 02:30', now, berlin);
  assert.equal(dateTime(repeated, berlin), '2026-10-25 02:30:00');
});

test('a time right behind a clock change is found, west and east of Greenwich', () => {
  for (const [text, zone, ms] of [
    ['2048-03-08 03:00:00', 'America/New_York', Date.UTC(2048, 2, 8, 7)],
    ['2026-03-29 03:00:00', berlin, Date.UTC(2026, 2, 29, 1)],
    ['2026-09-27 03:45:00', 'Pacific/Chatham', Date.UTC(2026, 8, 26, 14)],
    ['2026-11-01 02:00:00', 'America/New_York', Date.UTC(2026, 10, 1, 7)],
  ] as const) {
    assert.equal(parseTime(text, now, zone), ms, `${text} ${zone}`);
  }
});

test('times round trip in zones with odd offsets', () => {
  const zones = ['UTC', berlin, 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Chatham', 'America/New_York'];
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 4_000_000_000 }), (zone, seconds) => {
      const text = dateTime(seconds * 1000, zone);
      assert.equal(dateTime(parseTime(text, now, zone), zone), text);
    }),
  );
});

test('what is no time or span is wrong usage', () => {
  for (const text of ['', 'noon', '25:00', '14:60', '2026-13-01 00:00', '2026-02-30 00:00', '14'])
    assert.throws(() => parseTime(text, now, berlin), { code: 'cli.usage' }, text);
  assert.equal(parseSpan('90s', 'within'), 90_000);
  assert.throws(() => parseSpan('90', 'within'), {
    code: 'cli.usage',
    message: '--within 90 is not a duration; write 30s, 5m, 2h or 30d',
  });
});

test('columns line up and the last one has no blanks behind it', () => {
  assert.deepEqual(
    table([
      ['a', 'bb', ''],
      ['aaa', 'b', 'c'],
    ]),
    ['a    bb', 'aaa  b   c'],
  );
  assert.deepEqual(table([]), []);
});

test('options that are wrong are named', () => {
  assert.throws(() => parse(['--colour'], { json: { type: 'boolean' } }), {
    code: 'cli.usage',
    message: "unknown option '--colour'",
  });
  assert.throws(() => parse(['--name'], { name: { type: 'string' } }), { code: 'cli.usage' });
  assert.throws(() => numberOption('x', 'limit', { min: 1, max: 9, whole: true }), {
    message: '--limit x is not a whole number from 1 to 9',
  });
  assert.equal(numberOption('0.5', 'threshold', { min: 0, max: 1 }), 0.5);
  assert.throws(() => numberOption('', 'threshold', { min: 0, max: 1 }), { code: 'cli.usage' });
});
