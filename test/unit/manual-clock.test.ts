import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../support/clock.ts';

const never = new AbortController().signal;

test('time moves only when told, both clocks alike, and the wall clock can jump', async () => {
  const clock = new ManualClock({ wall: 1000, mono: 50 });
  await clock.advance(10);
  assert.deepEqual([clock.now(), clock.mono()], [1010, 60]);
  clock.jump(-500);
  assert.deepEqual([clock.now(), clock.mono()], [510, 60]);
});

test('sleepers wake in the order of their times, at their times', async () => {
  const clock = new ManualClock({ mono: 0 });
  const woken: string[] = [];
  const sleep = async (ms: number) => {
    await clock.sleep(ms, never);
    woken.push(`${ms} at ${clock.mono()}`);
  };
  const all = [sleep(30), sleep(10), sleep(20)];
  await clock.advance(9);
  assert.deepEqual(woken, []);
  await clock.advance(100);
  await Promise.all(all);
  assert.deepEqual(woken, ['10 at 10', '20 at 20', '30 at 30']);
});

test('what wakes may sleep again within the same advance', async () => {
  const clock = new ManualClock({ mono: 0 });
  let rounds = 0;
  const stop = new AbortController();
  const looping = (async () => {
    while (true) {
      await clock.sleep(10, stop.signal);
      rounds += 1;
    }
  })();
  await clock.advance(100);
  assert.equal(rounds, 10);
  stop.abort();
  await assert.rejects(looping, { name: 'AbortError' });
});

test('a sleep ends with its signal, also when that had fired before', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const sleeping = clock.sleep(10, controller.signal);
  controller.abort();
  await assert.rejects(sleeping, { name: 'AbortError' });
  await assert.rejects(clock.sleep(10, controller.signal), { name: 'AbortError' });
});

test('a repeated task skips its turn while it still runs and ends when disposed', async () => {
  const clock = new ManualClock();
  let begun = 0;
  let release = Promise.withResolvers<void>();
  const timer = clock.every(10, () => {
    begun += 1;
    return release.promise;
  });
  await clock.advance(35);
  assert.equal(begun, 1);
  release.resolve();
  await clock.advance(0);
  release = Promise.withResolvers<void>();
  await clock.advance(10);
  assert.equal(begun, 2);
  timer[Symbol.dispose]();
  release.resolve();
  await clock.advance(100);
  assert.equal(begun, 2);
});

test('a deadline fires with its time, with its parent, and at once with a parent that has fired', async () => {
  const clock = new ManualClock();
  const parent = new AbortController();
  using passing = clock.deadline(10);
  using following = clock.deadline(10_000, parent.signal);
  await clock.advance(10);
  assert.equal(passing.signal.reason?.name, 'TimeoutError');
  assert.equal(following.signal.aborted, false);
  parent.abort(new Error('over'));
  assert.equal(following.signal.reason?.message, 'over');
  using late = clock.deadline(10, parent.signal);
  assert.equal(late.signal.aborted, true);
});
