import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartState } from '../../src/core/control.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { testContext } from '../support/context.ts';

const loopback = { host: '127.0.0.1', port: 0 };

const snapshot = async (id: string) => (id === 'a1' ? Uint8Array.of(0xff, 0xd8, 0xff) : undefined);

test('alive is always alive, ready names the part that is not', async () => {
  using ctx = testContext();
  let parts: readonly PartState[] = [
    { name: 'store', ready: true },
    { name: 'camera lobby', ready: false, reason: 'connecting' },
  ];
  await using server = await startHttpServer(loopback, { parts: () => parts, snapshot }, ctx);
  const base = `http://127.0.0.1:${server.address.port}`;
  const alive = await fetch(`${base}/healthz`);
  assert.deepEqual([alive.status, await alive.json()], [200, { status: 'alive' }]);
  const waiting = await fetch(`${base}/readyz`);
  assert.deepEqual([waiting.status, await waiting.json()], [503, { ready: false, parts }]);
  parts = [{ name: 'store', ready: true }];
  const ready = await fetch(`${base}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, { ready: true, parts }]);
});

test('metrics are the registry in Prometheus text', async () => {
  using ctx = testContext();
  ctx.metrics.counter('sightline_test_total', 'A counter.', ['kind']).inc({ kind: 'a' });
  await using server = await startHttpServer(loopback, { parts: () => [], snapshot }, ctx);
  const answer = await fetch(`http://127.0.0.1:${server.address.port}/metrics`);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
  assert.match(await answer.text(), /^sightline_test_total\{kind="a"\} 1$/m);
});

test('a part that fails to answer is a failure of that request, logged and counted', async () => {
  using ctx = testContext();
  const parts = () => {
    throw new Error('inside');
  };
  await using server = await startHttpServer(loopback, { parts, snapshot }, ctx);
  const base = `http://127.0.0.1:${server.address.port}`;
  const answer = await fetch(`${base}/readyz`);
  assert.deepEqual([answer.status, await answer.json()], [500, { error: 'failed; the log says why' }]);
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
  assert.match(await ctx.metrics.registry.metrics(), /sightline_http_failures_total 1/);
});

test('a taken port is named with the setting that changes it', async () => {
  using ctx = testContext();
  await using server = await startHttpServer(loopback, { parts: () => [], snapshot }, ctx);
  await assert.rejects(startHttpServer(server.address, { parts: () => [], snapshot }, ctx), {
    code: 'http.unavailable',
    message: `cannot listen on 127.0.0.1:${server.address.port}: the port is taken; set http.port or http.host`,
  });
});

test('http server: serves the picture an alert refers to, and says when there is none', async () => {
  using ctx = testContext();
  await using server = await startHttpServer(loopback, { parts: () => [], snapshot }, ctx);
  const base = `http://127.0.0.1:${server.address.port}/api/v1/alerts`;
  const found = await fetch(`${base}/a1/snapshot`);
  assert.equal(found.headers.get('content-type'), 'image/jpeg');
  assert.deepEqual(new Uint8Array(await found.arrayBuffer()), Uint8Array.of(0xff, 0xd8, 0xff));
  const missing = await fetch(`${base}/a2/snapshot`);
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /retention/);
});

test('http server: serves no picture where others can reach it', async () => {
  using ctx = testContext();
  await using server = await startHttpServer({ host: '0.0.0.0', port: 0 }, { parts: () => [], snapshot }, ctx);
  assert.equal((await fetch(`http://127.0.0.1:${server.address.port}/api/v1/alerts/a1/snapshot`)).status, 404);
  assert.equal((await fetch(`http://127.0.0.1:${server.address.port}/healthz`)).status, 200);
});
