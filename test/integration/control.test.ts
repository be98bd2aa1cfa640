import assert from 'node:assert/strict';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { controlSocket, createControlClient } from '../../src/cli/control-client.ts';
import type { AlertEventView, ControlHandlers } from '../../src/core/control.ts';
import { isSightlineError, SightlineError } from '../../src/core/errors.ts';
import { startControlServer } from '../../src/http/control.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { emptyStatus } from '../support/status.ts';
import { until } from '../support/until.ts';

function handlers(some: Partial<ControlHandlers>): ControlHandlers {
  const missing = () => {
    throw new Error('not part of this test');
  };
  return new Proxy(some as ControlHandlers, { get: (target, name) => Reflect.get(target, name) ?? missing });
}

const event = (revision: number) => ({ revision }) as unknown as AlertEventView;

async function collect<T>(items: AsyncIterable<T>, until = Number.POSITIVE_INFINITY): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    all.push(item);
    if (all.length >= until) break;
  }
  return all;
}

test('a call carries its checked request there and the answer back', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  let asked: unknown;
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        status: async () => emptyStatus,
        'alerts.list': async (query) => {
          asked = query;
          return { alerts: [], cursor: 'next' };
        },
      }),
    },
    ctx,
  );
  const client = createControlClient(socketPath);
  assert.deepEqual(await client.call('status', {}, ctx.signal), emptyStatus);
  assert.deepEqual(await client.call('alerts.list', { camera: 'lobby' }, ctx.signal), { alerts: [], cursor: 'next' });
  assert.deepEqual(asked, { camera: 'lobby', limit: 50 });
});

test('only the owner can open the socket and its folder', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const folder = join(directory.path, 'data');
  await mkdir(folder, { mode: 0o755 });
  const socketPath = controlSocket(folder);
  await using _server = await startControlServer({ socketPath, handlers: handlers({}) }, ctx);
  assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
});

test('a bad request is refused with the names of its fields and never reaches a handler', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer({ socketPath, handlers: handlers({}) }, ctx);
  const client = createControlClient(socketPath);
  const bad = { limit: 0, cam: 'x' } as never;
  await assert.rejects(client.call('alerts.list', bad, ctx.signal), (error) => {
    assert.ok(isSightlineError(error, 'control.request'));
    assert.match(error.message, /^alerts\.list cannot be answered: limit: .*; cam: /);
    assert.deepEqual(
      (error.details['fields'] as { field: string }[]).map(({ field }) => field),
      ['limit', 'cam'],
    );
    return true;
  });
  await assert.rejects(collect(client.stream('alerts.tail', { cameras: 'x' } as never, ctx.signal)), {
    code: 'control.request',
  });
  await assert.rejects(client.call('no.such' as 'status', {}, ctx.signal), { code: 'control.request' });
});

test('errors keep their code, message and details; what failed inside is logged and not told', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        'alerts.show': async ({ id }) => {
          throw new SightlineError('alert.unknown', `no alert ${id}`, { details: { id } });
        },
        status: async () => {
          throw new TypeError('secret inside');
        },
      }),
    },
    ctx,
  );
  const client = createControlClient(socketPath);
  await assert.rejects(client.call('alerts.show', { id: 'a' }, ctx.signal), {
    code: 'alert.unknown',
    message: 'no alert a',
    details: { id: 'a' },
  });
  await assert.rejects(client.call('status', {}, ctx.signal), {
    code: 'control.failed',
    message: 'the daemon failed to answer; its log says why',
  });
  assert.ok(ctx.lines.some((line) => line['msg'] === 'control request failed' && line['method'] === 'status'));
});

test('a stream delivers as it happens, ends with its source, and its handler learns that the reader left', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const step = Promise.withResolvers<void>();
  let left = false;
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        'alerts.tail': async function* ({ cameras }, signal) {
          yield event(1);
          if (cameras.length === 0) await step.promise;
          yield event(2);
          if (cameras[0] !== 'endless') return;
          signal.addEventListener('abort', () => {
            left = true;
          });
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      }),
    },
    ctx,
  );
  const client = createControlClient(socketPath);
  const seen: number[] = [];
  for await (const { revision } of client.stream('alerts.tail', {}, ctx.signal)) {
    seen.push(revision);
    step.resolve();
  }
  assert.deepEqual(seen, [1, 2]);
  await collect(client.stream('alerts.tail', { cameras: ['endless'] }, ctx.signal), 2);
  await until('the handler is told', () => left);
});

test('an error in a stream arrives after what came before it', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        'alerts.tail': async function* () {
          yield event(1);
          throw new SightlineError('store.failed', 'gone');
        },
      }),
    },
    ctx,
  );
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { revision } of createControlClient(socketPath).stream('alerts.tail', {}, ctx.signal))
        seen.push(revision);
    },
    { code: 'store.failed', message: 'gone' },
  );
  assert.deepEqual(seen, [1]);
});

test('stopping the server ends open streams, which say so', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        'alerts.tail': async function* (_request, signal) {
          yield event(1);
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      }),
    },
    ctx,
  );
  const reading = createControlClient(socketPath).stream('alerts.tail', {}, ctx.signal)[Symbol.asyncIterator]();
  await reading.next();
  const [next] = await Promise.allSettled([reading.next(), server[Symbol.asyncDispose]()]);
  assert.equal(next.status, 'rejected');
  assert.ok(isSightlineError(next.reason, 'control.unavailable'), String(next.reason));
});

test('a stream whose source ends because the server stops is not taken for complete', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        'alerts.tail': async function* (_request, signal) {
          yield event(1);
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        },
      }),
    },
    ctx,
  );
  const reading = createControlClient(socketPath).stream('alerts.tail', {}, ctx.signal)[Symbol.asyncIterator]();
  await reading.next();
  const [next] = await Promise.allSettled([reading.next(), server[Symbol.asyncDispose]()]);
  assert.equal(next.status, 'rejected');
});

test('a stream that breaks off without its end is an error', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const server = createServer((_request, response) => response.end('\n{"value":{"revision":1}}\n'));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    await assert.rejects(collect(createControlClient(socketPath).stream('alerts.tail', {}, ctx.signal)), {
      code: 'control.unavailable',
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a caller that gives up is gone at once', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const entered = Promise.withResolvers<AbortSignal>();
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        status: (_request, signal) => {
          entered.resolve(signal);
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      }),
    },
    ctx,
  );
  const patience = new AbortController();
  const call = createControlClient(socketPath).call('status', {}, patience.signal);
  const inside = await entered.promise;
  patience.abort();
  await assert.rejects(call, { name: 'AbortError' });
  await until('the handler is told', () => inside.aborted);
});

test('without a daemon the client says so; a socket left behind is replaced; a living one is not', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const client = createControlClient(socketPath);
  await assert.rejects(client.call('status', {}, ctx.signal), {
    code: 'control.unavailable',
    message: `cannot talk to a daemon at ${socketPath}: no daemon is running there`,
  });
  await writeFile(socketPath, 'left behind');
  {
    await using _server = await startControlServer(
      { socketPath, handlers: handlers({ status: async () => emptyStatus }) },
      ctx,
    );
    await assert.rejects(startControlServer({ socketPath, handlers: handlers({}) }, ctx), { code: 'daemon.running' });
    assert.deepEqual(await client.call('status', {}, ctx.signal), emptyStatus);
  }
  await using _again = await startControlServer({ socketPath, handlers: handlers({ status: async () => emptyStatus }) }, ctx);
  assert.deepEqual(await client.call('status', {}, ctx.signal), emptyStatus);
});

test('bodies beyond the limit, broken JSON and paths too long for a socket are refused in words', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer({ socketPath, handlers: handlers({}) }, ctx);
  const client = createControlClient(socketPath);
  await assert.rejects(client.call('alerts.list', { cursor: 'x'.repeat(2 ** 21) }, ctx.signal), {
    code: 'control.request',
    message: /too large/,
  });
  const answer = await new Promise<string>((resolve, reject) => {
    const call = request(
      { socketPath, path: '/v1/status', method: 'POST', headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      },
    );
    call.on('error', reject);
    call.end('{');
  });
  assert.equal(JSON.parse(answer).error.code, 'control.request');
  const long = join(directory.path, 'x'.repeat(120), 'control.sock');
  await assert.rejects(startControlServer({ socketPath: long, handlers: handlers({}) }, ctx), {
    code: 'control.unavailable',
    message: /longer than the 107 bytes/,
  });
});

test('what is no HTTP and addresses that cannot be decoded are refused in the form of every other answer', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer({ socketPath, handlers: handlers({}) }, ctx);
  for (const [request, message] of [
    ['POST /v1/%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', "'/v1/%ff' is not a valid url component"],
    ['nonsense\r\n\r\n', 'it is not HTTP (HPE_INVALID_METHOD)'],
    [`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 'its headers are too long'],
  ] as const) {
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(socketPath, () => socket.write(request));
      socket.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    const [, body = ''] = answer.split('\r\n\r\n');
    const error = { code: 'control.request', message: `the request cannot be read: ${message}`, details: {} };
    assert.deepEqual(JSON.parse(body), { error });
  }
});

test('a method whose name every object has is as unknown as any other, also in the metrics', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await using _server = await startControlServer({ socketPath, handlers: handlers({}) }, ctx);
  const client = createControlClient(socketPath);
  await assert.rejects(client.call('toString' as 'status', {}, ctx.signal), { code: 'control.request' });
  const metrics = await ctx.metrics.registry.metrics();
  assert.match(metrics, /method="unknown",result="control.request"/);
  assert.ok(!metrics.includes('toString'), metrics);
});

test('answers that are none of ours are refused', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  const answers = ['', 'hello', '[]', '{"error":{}}'];
  const server = createServer((_request, response) => response.end(answers[0]));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    while (answers.length > 0) {
      await assert.rejects(createControlClient(socketPath).call('status', {}, ctx.signal), { code: 'control.failed' });
      answers.shift();
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a socket whose file or folder is deleted is open again soon, and streams that are open go on', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = join(directory.path, 'data', 'control.sock');
  const more = Promise.withResolvers<void>();
  await using _server = await startControlServer(
    {
      socketPath,
      handlers: handlers({
        status: async () => emptyStatus,
        'alerts.tail': async function* () {
          yield event(1);
          await more.promise;
          yield event(2);
        },
      }),
    },
    ctx,
  );
  const client = createControlClient(socketPath);
  const tail = client.stream('alerts.tail', {}, ctx.signal)[Symbol.asyncIterator]();
  assert.deepEqual((await tail.next()).value, event(1));
  for (const gone of [socketPath, dirname(socketPath)]) {
    await rm(gone, { recursive: true });
    await until('it answers again', () =>
      client.call('status', {}, ctx.signal).then(
        () => true,
        (error) => !isSightlineError(error, 'control.unavailable') && assert.fail(error),
      ),
    );
    // It takes connections of its owner before it is closed to all others.
    await until('it is for its owner alone', async () => ((await stat(socketPath)).mode & 0o777) === 0o600);
    assert.equal((await stat(dirname(socketPath))).mode & 0o777, 0o700);
  }
  more.resolve();
  assert.deepEqual((await tail.next()).value, event(2));
  await assert.rejects(startControlServer({ socketPath, handlers: handlers({}) }, ctx), (error) =>
    isSightlineError(error, 'daemon.running'),
  );
  const said = () => ctx.lines.filter(({ msg }) => msg === 'socket was gone and is open again').length;
  await until('both are said', () => said() >= 2);
  assert.equal(said(), 2);
});

test('a folder where the socket belongs is named as what it is', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  const socketPath = controlSocket(directory.path);
  await mkdir(socketPath);
  await assert.rejects(
    startControlServer({ socketPath, handlers: handlers({}) }, ctx),
    (error) =>
      isSightlineError(error) && /control\.sock is a folder, and a socket belongs there; move it away/.test(error.message),
  );
});
