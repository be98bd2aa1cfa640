import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLogStream, flushed } from '../../src/core/log-stream.ts';
import { ManualClock } from '../support/clock.ts';

/** A pipe whose reader takes nothing until it is told to, and then so many chunks. */
function stalledPipe() {
  const taken: string[] = [];
  let allowed = 0;
  let waiting: (() => void) | undefined;
  const pipe = new Writable({
    write: (chunk, _encoding, done) => {
      taken.push(String(chunk));
      if (allowed > 0) {
        allowed -= 1;
        done();
      } else waiting = done;
    },
  });
  return {
    pipe,
    taken,
    take: async (chunks = Number.POSITIVE_INFINITY) => {
      allowed = chunks - 1;
      const done = waiting;
      waiting = undefined;
      done?.();
      await new Promise((resolve) => setImmediate(resolve));
      if (chunks === Number.POSITIVE_INFINITY) allowed = 0;
    },
  };
}

const line = `${'x'.repeat(1023)}\n`;

test('a reader who stops costs lines beyond a mebibyte; when it reads again one line says how many', async () => {
  const { pipe, taken, take } = stalledPipe();
  const log = createLogStream(pipe);
  for (let index = 0; index < 1500; index += 1) log.write(line);
  assert.equal(log.lost, 1500 - 1024);
  assert.equal(pipe.writableLength, 1024 * 1024);
  await take();
  assert.equal(taken.length, 1025);
  const said = JSON.parse(taken.at(-1) ?? '');
  assert.deepEqual([said.level, said.msg, said.lines], ['warn', 'log lines were lost', 476]);
  assert.ok(!Number.isNaN(Date.parse(said.time)));
  for (let index = 0; index < 1100; index += 1) log.write(line);
  await take();
  assert.equal(JSON.parse(taken.at(-1) ?? '').lines, log.lost - 476, 'each loss is said once');
});

test('lines are not lost here and there: after the first, all are until the reader has caught up', async () => {
  const { taken, take, pipe } = stalledPipe();
  const log = createLogStream(pipe);
  for (let index = 0; index < 1024; index += 1) log.write(line);
  log.write('lost\n');
  await take(1000);
  assert.ok(pipe.writableLength < 100_000);
  log.write('lost too\n');
  await take();
  assert.deepEqual([log.lost, taken.length, JSON.parse(taken.at(-1) ?? '').lines], [2, 1025, 2]);
});

test('a reader who has gone costs lines only', async () => {
  const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const log = createLogStream(gone);
  log.write('a\n');
  log.write('b\n');
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(log.lost > 0);
});

test('flushing waits for what was written, and no longer than it may', async () => {
  const clock = new ManualClock();
  const { pipe, take } = stalledPipe();
  await flushed(pipe, 1000, clock);
  pipe.write(line);
  let over = false;
  const flushing = flushed(pipe, 1000, clock).then(() => {
    over = true;
  });
  await clock.advance(999);
  assert.equal(over, false);
  await clock.advance(1);
  await flushing;
  const again = flushed(pipe, 1000, clock);
  await take();
  await again;
});
