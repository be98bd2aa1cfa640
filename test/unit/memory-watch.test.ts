import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryWatch } from '../../src/software-worker/memory-watch.ts';
import { ManualClock } from '../support/clock.ts';

const mib = 2 ** 20;

function begin() {
  const clock = new ManualClock();
  const process = { bytes: 200 * mib };
  const watch = createMemoryWatch(() => process.bytes);
  const add = () => {
    const source = { interrupts: 0 };
    const watched = watch.add(clock, () => {
      source.interrupts += 1;
    });
    return Object.assign(source, { watched });
  };
  return { clock, process, add };
}

test('of sources that are being opened while memory grows the one is found whose end frees it', async () => {
  const { clock, process, add } = begin();
  const slow = add();
  const greedy = add();
  process.bytes += 129 * mib;
  await clock.advance(50);
  assert.deepEqual([slow.interrupts, greedy.interrupts], [1, 0]);
  process.bytes += 20 * mib;
  await clock.advance(50);
  assert.equal(slow.watched.settle(), false, 'nothing was freed by its end');
  await clock.advance(50);
  assert.deepEqual([greedy.interrupts, greedy.watched.suspected], [1, true]);
  process.bytes -= 149 * mib;
  assert.equal(greedy.watched.settle(), true);
  const again = add();
  await clock.advance(1000);
  assert.equal(again.interrupts, 0);
  again.watched[Symbol.dispose]();
});

test('an open source is suspected only while FFmpeg waits for it, and after a pause of a second', async () => {
  const { clock, process, add } = begin();
  const { watched } = add();
  watched.opened();
  process.bytes += 300 * mib;
  await clock.advance(5000);
  watched.asked();
  await clock.advance(200);
  process.bytes += 300 * mib;
  await clock.advance(500);
  watched.heard();
  watched.asked();
  await clock.advance(5000);
  assert.equal(watched.suspected, false, 'a model was loaded between two packets');
  process.bytes += 129 * mib;
  await clock.advance(50);
  assert.equal(watched.suspected, true);
  watched[Symbol.dispose]();
});
