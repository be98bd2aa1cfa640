import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadId } from 'node:worker_threads';
import { isSightlineError } from '../../src/core/errors.ts';
import { startThread } from '../../src/core/thread.ts';
import type { TalkerHandlers } from '../fixtures/threads/talker.ts';

const module = new URL('../fixtures/threads/talker.ts', import.meta.url);
const start = (data: unknown, more: { env?: Record<string, string>; closes?: boolean } = {}) =>
  startThread<TalkerHandlers>(module, { name: 'talker', data, ...more });

test('a thread answers from another thread, with its data and its environment', async () => {
  await using thread = await start({ a: [1, 2] }, { env: { TALKER: 'yes' } });
  assert.deepEqual(await thread.calls.data(), { a: [1, 2] });
  assert.equal(await thread.calls.environment('TALKER'), 'yes');
  assert.equal(await thread.calls.environment('PATH'), process.env['PATH']);
  assert.notEqual(await thread.calls.threadId(), threadId);
});

test('calls are answered in the order in which they were made', async () => {
  await using thread = await start(undefined);
  const answers = Promise.all([4, 1, 2, 3].map((value) => thread.calls.remember(value)));
  assert.equal(thread.pending, 4);
  assert.deepEqual((await answers).at(-1), [4, 1, 2, 3]);
  assert.equal(thread.pending, 0);
});

test('errors keep code, message and details across', async () => {
  await using thread = await start(undefined);
  await assert.rejects(thread.calls.fail(), { code: 'store.full', message: 'no space left', details: { path: '/x' } });
  await assert.rejects(thread.calls.failPlainly(), { message: 'not that' });
  await assert.rejects((thread.calls as unknown as { missing(): Promise<void> }).missing(), { message: 'no handler missing' });
});

test('what cannot be copied fails that call alone', async () => {
  await using thread = await start(undefined);
  await assert.rejects(thread.calls.uncopiable(), /could not be cloned/);
  await assert.rejects(thread.calls.remember((() => {}) as unknown as number), /could not be cloned/);
  assert.equal(thread.pending, 0);
  assert.deepEqual(await thread.calls.remember(1), [1]);
});

test('buffers are handed over both ways', async () => {
  await using thread = await start(undefined);
  const values = Float32Array.of(1, 2);
  const doubled = await thread.transfer('double', [values], [values.buffer]);
  assert.deepEqual([...doubled], [2, 4]);
  assert.equal(values.length, 0, 'the caller has it no more');
});

test('a start that fails rejects with the reason', async () => {
  await assert.rejects(start('refuse'), { message: 'made by a newer program' });
  const missing = new URL('../fixtures/threads/missing.ts', import.meta.url);
  await assert.rejects(startThread(missing, { name: 'missing', data: undefined }), /Cannot find module/);
});

test('a crash rejects what waits and what comes, and is told once', async () => {
  const thread = await start(undefined);
  const waiting = thread.calls.crash();
  const behind = thread.calls.remember(1);
  await assert.rejects(waiting, { code: 'thread.exited' });
  await assert.rejects(behind, { code: 'thread.exited' });
  const reason = await thread.died;
  assert.ok(isSightlineError(reason, 'thread.exited'));
  assert.match(String(reason.cause), /crashed on purpose/);
  assert.equal(thread.pending, 0);
  await assert.rejects(thread.calls.remember(2), { code: 'thread.exited' });
  await thread[Symbol.asyncDispose]();
});

test('an exit by itself is a death too', async () => {
  const thread = await start(undefined);
  await assert.rejects(thread.calls.leave(), { code: 'thread.exited' });
  assert.match(String((await thread.died).cause), /exit code 7/);
});

test('disposal ends a thread that hangs, and is no death', async () => {
  const thread = await start(undefined);
  const hanging = thread.calls.hang();
  hanging.catch(() => {});
  await thread[Symbol.asyncDispose]();
  await assert.rejects(hanging, { code: 'thread.exited' });
  await assert.rejects(thread.calls.data(), { code: 'thread.exited' });
  const died = await Promise.race([thread.died.then(() => true), new Promise((resolve) => setImmediate(() => resolve(false)))]);
  assert.equal(died, false);
});

test('a thread that closes is asked to, after what was asked before', async () => {
  const thread = await start(undefined, { closes: true });
  const last = thread.calls.remember(2);
  await Promise.all([thread[Symbol.asyncDispose](), thread[Symbol.asyncDispose]()]);
  assert.deepEqual(await last, [2]);
});
