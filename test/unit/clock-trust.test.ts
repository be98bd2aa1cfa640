import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClockTrust, doubtOf, judgeClock, startClockTrust } from '../../src/core/clock-trust.ts';

const hour = 3_600_000;
const day = 24 * hour;
const wall = Date.UTC(2026, 0, 1);

/** Follows a clock: each step is how long it ran and how far the wall clock was moved then; says after each whether it is believed. */
function follow(start: ClockTrust, steps: readonly (readonly [ran: number, moved: number])[]): readonly boolean[] {
  let trust = start;
  let now = { wall, mono: 0 };
  return steps.map(([ran, moved]) => {
    now = { wall: now.wall + ran + moved, mono: now.mono + ran };
    trust = judgeClock(trust, now);
    return doubtOf(trust, now) === undefined;
  });
}

const started = startClockTrust({ wall, mono: 0 }, wall - hour);

test('time that passes and small steps are believed', () => {
  assert.deepEqual(
    follow(started, [
      [400 * day, 0],
      [day, hour / 2],
      [day, -day],
      [0, 0],
    ]),
    [true, true, true, true],
  );
});

test('an hour back and an hour ahead again is believed, with what the clocks drift apart between', () => {
  assert.deepEqual(
    follow(started, [
      [hour, -hour],
      [180 * day, hour + 2000],
    ]),
    [true, true],
  );
});

test('a leap ahead is not believed for a day, and then is', () => {
  assert.deepEqual(
    follow(started, [
      [60_000, 366 * day],
      [23 * hour, 0],
      [hour, 0],
      [day, 0],
    ]),
    [false, false, true, true],
  );
});

test('a leap that is taken back within the day is forgotten', () => {
  assert.deepEqual(
    follow(started, [
      [60_000, 366 * day],
      [60_000, -366 * day],
      [2 * day, 366 * day],
    ]),
    [false, true, false],
  );
});

test('a second leap ahead has its own day, and a step back within a leap does not', () => {
  assert.deepEqual(
    follow(started, [
      [0, 2 * day],
      [20 * hour, 2 * day],
      [20 * hour, 0],
      [4 * hour, 0],
    ]),
    [false, false, false, true],
  );
  assert.deepEqual(
    follow(started, [
      [0, 4 * day],
      [20 * hour, -2 * day],
      [4 * hour, 0],
    ]),
    [false, false, true],
  );
});

test('small steps that add up to a leap are one', () => {
  assert.deepEqual(
    follow(started, [
      [hour, 0.6 * hour],
      [hour, 0.6 * hour],
    ]),
    [true, false],
  );
});

test('a start long after the last run is not believed for a day; the first start is, and one a few weeks later', () => {
  const late = startClockTrust({ wall, mono: 0 }, wall - 90 * day);
  assert.equal(doubtOf(late, { wall, mono: 0 })?.aheadMs, 90 * day);
  assert.deepEqual(
    follow(late, [
      [0, 0],
      [23 * hour, 0],
      [hour, 0],
    ]),
    [false, false, true],
  );
  assert.deepEqual(
    follow(late, [
      [0, 0],
      [60_000, -89 * day],
      [day, 2 * hour],
    ]),
    [false, true, false],
  );
  assert.deepEqual(follow(startClockTrust({ wall, mono: 0 }, undefined), [[0, 0]]), [true]);
  assert.deepEqual(follow(startClockTrust({ wall, mono: 0 }, wall - 20 * day), [[0, 0]]), [true]);
});
