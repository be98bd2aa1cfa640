import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { bindRoutes, routesOf } from '../../src/http/api/route.ts';
import { problemSchema } from '../../src/http/problem.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { startTestApi, writePages } from '../support/api.ts';
import { makeCertificates } from '../support/certificates.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** What the server does before and around its routes. */

test('alive is for everybody; which part is not ready is for those who may read the health and see its camera', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const alive = await api.ask(undefined, '/healthz');
  assert.deepEqual([alive.status, await alive.json()], [200, { status: 'alive' }]);
  const told = await api.ask('viewer', '/readyz');
  const parts = [
    { name: 'store', ready: true },
    { name: 'camera yard', ready: false, reason: 'away: connection refused' },
  ];
  assert.deepEqual([told.status, await told.json()], [503, { ready: false, parts }]);
  const untold = await api.ask(undefined, '/readyz');
  assert.deepEqual([untold.status, await untold.json()], [503, { ready: false, parts: [] }]);
  assert.deepEqual(await (await api.ask('only-live', '/readyz')).json(), { ready: false, parts: [] });
  for (const [name, theirs] of [
    ['porter', parts.slice(0, 1)],
    ['admin', parts],
  ] as const) {
    assert.deepEqual(await (await api.ask(name, '/readyz')).json(), { ready: false, parts: theirs }, name);
    const status = (await (await api.ask(name, '/api/v1/status')).json()) as Readonly<Record<string, unknown>>;
    assert.deepEqual(status['parts'], theirs, name);
    assert.equal('lastReload' in status, name === 'admin', name);
  }
  await using open = await startTestApi(ctx, { metrics: 'loopback' });
  assert.deepEqual(await (await open.ask(undefined, '/readyz')).json(), { ready: false, parts });
});

test('metrics are the registry in Prometheus text, for those who may', async () => {
  using ctx = testContext();
  ctx.metrics.counter('sightline_test_total', 'A counter.', ['kind']).inc({ kind: 'a' });
  await using api = await startTestApi(ctx);
  assert.equal((await api.ask(undefined, '/metrics')).status, 401);
  assert.equal((await api.ask('operator', '/metrics')).status, 403);
  const answer = await api.ask('only-metrics.read', '/metrics');
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
  assert.match(await answer.text(), /^sightline_test_total\{kind="a"\} 1$/m);
});

test('whatever is no success is a problem with a code: nobody, not there, another method, not JSON, too large, fields', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const large = { photoBase64: 'A'.repeat(100_000), kind: 'face' };
  const cases: readonly (readonly [string, Response, number, string])[] = [
    ['nobody', await api.ask(undefined, '/api/v1/cameras'), 401, 'http.auth'],
    ['a wrong token', await api.ask('nobody', '/api/v1/cameras'), 401, 'http.auth'],
    ['not allowed', await api.ask('viewer', '/api/v1/watchlist'), 403, 'http.forbidden'],
    ['not there', await api.ask('admin', '/api/v1/nothing'), 404, 'http.unknown'],
    ['not there either', await api.ask(undefined, '/%ff'), 400, 'http.request'],
    ['another method', await api.ask('admin', '/api/v1/cameras', { method: 'PUT', json: {} }), 405, 'http.request'],
    [
      'not JSON',
      await api.ask('admin', '/api/v1/watchlist/check', {
        method: 'POST',
        body: '{',
        headers: { 'content-type': 'application/json' },
      }),
      400,
      'http.request',
    ],
    [
      'another type',
      await api.ask('admin', '/api/v1/watchlist/check', {
        method: 'POST',
        body: 'a=1',
        headers: { 'content-type': 'text/plain' },
      }),
      415,
      'http.request',
    ],
    ['too large', await api.ask('admin', '/api/v1/alerts/a/acknowledge', { method: 'POST', json: large }), 413, 'http.request'],
    ['a field', await api.ask('admin', '/api/v1/alerts?limit=0&camrea=lobby'), 400, 'http.request'],
    ['a long path', await api.ask('admin', `/api/v1/alerts/${'x'.repeat(500)}`), 414, 'http.request'],
  ];
  for (const [what, answer, status, code] of cases) {
    assert.equal(answer.status, status, what);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, what);
    const problem = problemSchema.parse(await answer.json());
    assert.equal(problem.code, code, what);
    assert.equal(problem.status, status, what);
    assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'detail', 'code', 'details'], what);
  }
  const field = problemSchema.parse(await (await api.ask('admin', '/api/v1/alerts?limit=0&camrea=lobby')).json());
  assert.match(field.detail, /limit: .*camrea|camrea.*limit/);
  const other = await api.ask('admin', '/api/v1/watchlist/check');
  // The address is that of an entry, too.
  assert.equal(other.status, 404);
  assert.equal((await api.ask('admin', '/api/v1/lists', { method: 'POST', json: {} })).headers.get('allow'), 'GET');
});

test('a request with several Host headers is refused, an upgrade too', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx, { needs: { live: (_request, socket) => void socket.end('mine') } });
  const ask = async (path: string, headers: readonly string[]) => {
    const socket = connect(api.port, '127.0.0.1');
    socket.write(`${[`GET ${path} HTTP/1.1`, ...headers, 'Connection: Upgrade, close'].join('\r\n')}\r\n\r\n`);
    const said: Buffer[] = await socket.toArray();
    return Buffer.concat(said).toString();
  };
  for (const path of ['/healthz', '/login', '/api/v1/live', '/nothing'])
    assert.match(await ask(path, ['Host: a', 'HOST: b']), /^HTTP\/1\.1 400 .*http\.request/s, path);
  assert.match(await ask('/api/v1/live', ['Upgrade: websocket', 'Host: a', 'host: a']), /^HTTP\/1\.1 400 .*http\.request/s);
  assert.match(await ask('/api/v1/live', ['Upgrade: websocket', 'Host: a']), /^mine/);
});

test('a body as large as a photo is not parsed when it holds no photo but values', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const post = (body: string) =>
    api.ask('operator', '/api/v1/watchlist/check', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  const photo = 'A'.repeat(4_000_000);
  for (const [name, body] of [
    ['lists', `{"a":[${'[],'.repeat(1_000_000)}[]]}`],
    ['lists in lists', '['.repeat(4_000_000)],
    ['numbers', `{"photoBase64":"${photo}","a":[${`${'1'.repeat(900)},`.repeat(1000)}1]}`],
    ['behind a quote that ends nothing', `{"a":"\\"","b":[${'"",'.repeat(100_000)}1]}`],
  ] as const) {
    const began = process.cpuUsage();
    const answer = await post(body);
    const { detail } = problemSchema.parse(await answer.json());
    assert.deepEqual([answer.status, detail], [400, 'of a body only a photo may be longer than 98304 characters'], name);
    // Of client and server, whatever else the machine does.
    const { user, system } = process.cpuUsage(began);
    assert.ok(user + system < 5_000_000, `${name}: ${user + system} us`);
  }
  const parsed = await post(JSON.stringify({ photoBase64: photo, kind: 'face', more: 'é'.repeat(1000) }));
  assert.match(problemSchema.parse(await parsed.json()).detail, /more/, 'a photo is');
});

test('a route that fails inside is a failure of that request, logged and counted, and says nothing of why', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  await api.store[Symbol.asyncDispose]();
  const answer = await api.ask('admin', '/api/v1/alerts');
  assert.ok(answer.status === 503 || answer.status === 500, String(answer.status));
  assert.equal((await api.ask('admin', '/healthz')).status, 200);
});

test('a taken port is named with the setting that changes it; so is a certificate that is none', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const gate = {
    identify: async () => undefined,
    requireSameSite: () => {},
    requireMetrics: async () => {},
    placeOf: () => undefined,
  };
  await assert.rejects(startHttpServer({ host: '127.0.0.1', port: api.port }, { routes: [], gate }, ctx), {
    code: 'http.unavailable',
    message: `cannot listen on 127.0.0.1:${api.port}: the port is taken; set http.port or http.host`,
  });
  const tls = { cert: Buffer.from('none'), key: Buffer.from('none') };
  await assert.rejects(startHttpServer({ host: '127.0.0.1', port: 0 }, { routes: [], gate, tls }, ctx), {
    code: 'http.unavailable',
    message: /certificate of http\.tls/,
  });
});

test('pages are open files with a policy against foreign scripts and frames; nothing else of the folder is served', async () => {
  using ctx = testContext();
  await using folder = await temporaryDirectory();
  await using api = await startTestApi(ctx, { needs: { pages: { directory: writePages(folder.path) } } });
  for (const path of ['/', '/login', '/watchlist', '/health', '/users', '/setup'])
    assert.match(await (await api.ask(undefined, path)).text(), /first/, path);
  const alert = await api.ask(undefined, '/alerts/alert-1');
  assert.match(await alert.text(), /alert/);
  const policy = alert.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.ok(!policy.includes('unsafe-inline'));
  assert.match(policy, new RegExp(`connect-src 'self' ws://127\\.0\\.0\\.1:${api.port} wss://127\\.0\\.0\\.1:${api.port};`));
  assert.match(policy, /frame-ancestors 'self'/);
  assert.equal(alert.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(alert.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(alert.headers.get('cross-origin-resource-policy'), 'same-origin');
  assert.equal(alert.headers.get('cache-control'), 'no-cache');
  const script = await api.ask(undefined, '/live/player.js');
  assert.match(script.headers.get('content-type') ?? '', /javascript/);
  const etag = script.headers.get('etag') ?? '';
  assert.equal(await statusOf(`${api.url}/live/player.js`, { 'if-none-match': etag }), 304);
  for (const path of ['/.secret', '/live/../../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/live/', '/live/%00'])
    assert.ok([400, 404].includes((await api.ask(undefined, path)).status), path);
});

/** As browsers ask, without the headers that fetch adds to a conditional request. */
function statusOf(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on('error', reject);
  });
}

function upgrade(socket: Duplex, path: string, to = 'websocket', connection = 'Upgrade'): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    socket.on('data', (bytes: Buffer) => {
      got += bytes.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\nUpgrade: ${to}\r\nSec-WebSocket-Key: a\r\n\r\n${to === 'websocket' ? 'head' : ''}`,
    );
  });
}

test('an upgrade to the live feed is handed on with its socket, whatever else asks for one is refused', async () => {
  using ctx = testContext();
  const taken: string[] = [];
  const live = (request: { readonly url?: string | undefined }, socket: Duplex, head: Uint8Array) => {
    taken.push(`${request.url} ${Buffer.from(head)}`);
    socket.end('mine');
  };
  await using api = await startTestApi(ctx, { needs: { live } });
  assert.equal(await upgrade(connect(api.port, '127.0.0.1'), '/api/v1/live?x=1'), 'mine');
  assert.match(await upgrade(connect(api.port, '127.0.0.1'), '/api/v1/events'), /^HTTP\/1\.1 404 .*http\.unknown/s);
  assert.deepEqual(taken, ['/api/v1/live?x=1 head']);
  // As curl --http2 and Java ask first: who does not speak it answers as if it were not there.
  for (const [path, answer] of [
    ['/healthz', /^HTTP\/1\.1 200 .*"alive"/s],
    ['/api/v1/cameras', /^HTTP\/1\.1 401 .*http\.auth/s],
    ['/api/v1/live', /^HTTP\/1\.1 426 /],
  ] as const)
    assert.match(await upgrade(connect(api.port, '127.0.0.1'), path, 'h2c', 'Upgrade, close'), answer, path);
  assert.equal((await api.ask(undefined, '/api/v1/live')).status, 426);
  await using without = await startTestApi(ctx);
  assert.match(await upgrade(connect(without.port, '127.0.0.1'), '/api/v1/live'), /^HTTP\/1\.1 503 .*media\.unavailable/s);
});

test('with a certificate it speaks HTTPS, upgrades included', async () => {
  using ctx = testContext();
  await using certificates = await makeCertificates();
  const tls = {
    cert: readFileSync(certificates.server.certFile),
    key: readFileSync(certificates.server.keyFile),
  };
  const ca = readFileSync(certificates.caFile);
  await using api = await startTestApi(ctx, { needs: { tls, live: (_request, socket) => socket.end('mine') } });
  const status = await new Promise((resolve, reject) => {
    const asked = httpsRequest(
      {
        host: '127.0.0.1',
        port: api.port,
        path: '/api/v1/cameras',
        servername: 'localhost',
        ca,
        headers: { ...api.credentials('admin') },
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    );
    asked.on('error', reject);
    asked.end();
  });
  assert.equal(status, 200);
  const socket = connectTls({ host: '127.0.0.1', port: api.port, servername: 'localhost', ca });
  assert.equal(await upgrade(socket, '/api/v1/live'), 'mine');
  const other = connectTls({ host: '127.0.0.1', port: api.port, servername: 'localhost', ca });
  assert.match(await upgrade(other, '/healthz', 'h2c', 'Upgrade, close'), /^HTTP\/1\.1 200 /);
});

test('idle connections of strangers keep nobody out, and whoever is logged in keeps theirs', async () => {
  using ctx = testContext();
  await using certificates = await makeCertificates();
  const { certFile, keyFile } = certificates.server;
  const certificate = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const ca = readFileSync(certificates.caFile);
  const limits = { known: 2, knownOfPlace: 1, strangers: 4, strangersOfPlace: 3 };
  for (const tls of [undefined, certificate]) {
    await using api = await startTestApi(ctx, { needs: { limits, ...(tls === undefined ? {} : { tls }) } });
    const begin = async () => {
      const socket: Socket =
        tls === undefined
          ? connect(api.port, '127.0.0.1')
          : connectTls({ host: '127.0.0.1', port: api.port, servername: 'localhost', ca });
      socket.on('error', () => {});
      await once(socket, tls === undefined ? 'connect' : 'secureConnect');
      return socket;
    };
    const ask = async (socket: Socket, path: string, name?: string) => {
      const headers = Object.entries(name === undefined ? {} : api.credentials(name)).map(([key, value]) => `${key}: ${value}`);
      socket.write(`${[`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`);
      const [answer] = await once(socket, 'data');
      return String(answer).slice(9, 12);
    };
    const mine = await begin();
    assert.equal(await ask(mine, '/api/v1/cameras', 'admin'), '200');
    const beyond = await begin();
    assert.equal(await ask(beyond, '/api/v1/cameras', 'admin'), '200');
    const idle: Socket[] = [];
    for (let count = 0; count < 10; count += 1) {
      idle.push((await begin()).resume());
      const asks = await begin();
      assert.equal(await ask(asks, '/healthz'), '200');
      asks.destroy();
    }
    await until('the oldest have gone', () => idle.slice(0, 7).every((socket) => socket.closed));
    assert.ok(
      idle.slice(8).every((socket) => !socket.closed),
      'the newest stay',
    );
    assert.equal(await ask(mine, '/api/v1/cameras', 'admin'), '200');
    await until('beyond what one place may have they are strangers', () => beyond.closed);
    for (const socket of [mine, ...idle]) socket.destroy();
  }
  assert.match(await ctx.metrics.registry.metrics(), /sightline_http_turned_away_total [1-9]/);
});

test('a clip whose reader has gone before its first byte is closed all the same', async () => {
  using ctx = testContext();
  await using folder = await temporaryDirectory();
  const path = join(folder.path, 'clip');
  await writeFile(path, Buffer.alloc(1_000_000, 1));
  // Kept here: what nobody holds any more Node closes by itself some day.
  const opened: FileHandle[] = [];
  const route = routesOf<object>()({
    method: 'GET',
    path: '/clip',
    access: 'open',
    group: 'test',
    says: 'A file that is opened late.',
    answers: { 200: { says: 'It.', media: 'video/mp4' } },
    handle: async ({ raw }) => {
      const handle = await open(path);
      opened.push(handle);
      if (raw.headers['x-wait'] !== undefined) await until('the reader has gone', () => raw.raw.socket.destroyed);
      return {
        kind: 'file',
        media: 'video/mp4',
        file: {
          bytes: 1_000_000,
          tag: 'tag',
          async *read(start, end) {
            for (let at = start; at <= end; at += 65_536) {
              const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(65_536, end - at + 1)), { position: at });
              yield buffer.subarray(0, bytesRead);
            }
          },
          [Symbol.asyncDispose]: () => handle.close(),
        },
      };
    },
  });
  const gate = {
    identify: async () => undefined,
    requireSameSite: () => {},
    requireMetrics: async () => {},
    placeOf: () => undefined,
  };
  await using server = await startHttpServer({ host: '127.0.0.1', port: 0 }, { routes: bindRoutes([route], {}), gate }, ctx);
  const held = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path;
      } catch {
        return false;
      }
    }).length;
  const { port } = server.address;
  assert.equal((await (await fetch(`http://127.0.0.1:${port}/clip`)).arrayBuffer()).byteLength, 1_000_000);
  for (let count = 0; count < 20; count += 1) {
    const socket = connect(port, '127.0.0.1');
    // Half of them go while it is opened, half in the middle of it.
    socket.write(`GET /clip HTTP/1.1\r\nHost: x\r\n${count % 2 === 0 ? 'X-Wait: 1\r\n' : ''}\r\n`);
    await until('it is opened', () => opened.length === count + 2);
    socket.destroy();
  }
  await until('no file is open', () => held() === 0);
});

test('events come as they happen, to those whose cameras they are of; a reader that takes nothing loses its oldest, told how many', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const found = await api.store.alerts.get('alert-lobby');
  const yard = await api.store.alerts.get('alert-yard');
  assert.ok(found !== undefined && yard !== undefined);
  const step = { state: 'updated', at: 1, actor: 'sightline' } as const;
  const answer = await api.ask('porter', '/api/v1/events');
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader !== undefined);
  let said = '';
  const more = async (what: string, pattern: RegExp) => {
    while (!pattern.test(said)) {
      const { value, done } = await reader.read();
      assert.ok(!done, `${what}: it ended with ${said}`);
      said += value;
    }
  };
  await more('the first lines', /^retry: 3000\n\nevent: camera\ndata: \{"camera":"lobby".*\n\n/s);
  assert.ok(!said.includes('"camera":"yard"'));
  api.feed.push([{ alert: found.alert, step, revision: 7 }]);
  await more('an alert', /event: alert\ndata: .*"revision":7\}\n\n/);
  api.feed.push([{ alert: yard.alert, step, revision: 8 }]);
  await more('that an alert is elsewhere', /event: hidden\ndata: \{"id":"alert-yard","revision":8\}\n\n/);
  api.feed.pushCamera('lobby', undefined);
  await more('that a camera is gone', /event: camera\ndata: \{"camera":"lobby"\}\n\n/);

  // Nothing is read from here on: what the sockets hold and the queue are filled, and the oldest go.
  const lossy = { ...found.alert, label: 'x'.repeat(4000) };
  let revision = 100;
  await until('something is lost', () => {
    for (let count = 0; count < 200; count += 1) api.feed.push([{ alert: lossy, step, revision: ++revision }]);
    return api.feed.dropped > 0;
  });
  const last = ++revision;
  api.feed.push([{ alert: found.alert, step, revision: last }]);
  await more('the newest', new RegExp(`"revision":${last}\\}`));
  const lost = [...said.matchAll(/event: lost\ndata: \{"count":(\d+)\}/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  const got = [...said.matchAll(/event: alert/g)].length;
  // The first alert, and what was pushed since: each either came or was told of.
  assert.equal(got + lost, 1 + last - 100);
  assert.ok(lost > 0);

  await api.accounts.change('porter', { role: 'viewer' }, { user: 'admin', via: 'session' });
  const rest = await until('the stream ends with the login', async () => (await reader.read()).done);
  assert.ok(rest);
  await until('nobody listens any more', async () =>
    /^sightline_feed_listeners 0$/m.test(await ctx.metrics.registry.metrics()),
  );
});
