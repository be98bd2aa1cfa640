import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { may, permissions } from '../../src/core/access.ts';
import { type AnyRoute, routesOf } from '../../src/http/api/route.ts';
import { apiRoutes } from '../../src/http/api/routes.ts';
import { problemSchema } from '../../src/http/problem.ts';
import { allRoutes } from '../../src/http/table.ts';
import { alertIds, clipBytes, people, startTestApi, type TestApi } from '../support/api.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { type FakeSubject, fakePhoto } from '../support/photos.ts';
import { begin } from '../support/sightings.ts';
import { exampleCommit, exampleEvent } from '../support/store.ts';
import { until } from '../support/until.ts';

/** The routes of the API against a real server with a real store. */

const photoBase64 = Buffer.from(fakePhoto({ person: 'bo' })).toString('base64');

/** A request of each route that succeeds for an admin. */
function requestOf(
  { method, path }: AnyRoute,
  { entry }: TestApi,
  negative = false,
): { readonly path: string; readonly json?: unknown } {
  const filled = path
    .replace('{camera}', 'lobby')
    .replace('{user}', 'nobody')
    .replace('{reference}', entry.referenceId)
    .replace('{id}', path.includes('/watchlist/') ? entry.id : alertIds.lobby);
  if (path === '/api/v1/watchlist' && method === 'POST')
    return { path: filled, json: { photoBase64, name: 'Bo', list: 'staff', notes: 'n', expiresAt: Date.now() + 1e9 } };
  if (path === '/api/v1/watchlist/descriptions')
    return { path: filled, json: { text: 'red jacket, black cap', name: 'Cap', list: 'staff' } };
  if (path === '/api/v1/watchlist/check') return { path: filled, json: { photoBase64 } };
  if (path === '/api/v1/why') return { path: `${filled}?camera=lobby&at=${begin}` };
  if (path === '/api/v1/alerts/{id}/acknowledge')
    return { path: `/api/v1/alerts/${alertIds.yard}/acknowledge`, json: { reason: 'seen' } };
  if (path === '/api/v1/alerts/{id}/reject') return { path: `/api/v1/alerts/${alertIds.newer}/reject`, json: { negative } };
  return { path: filled, ...(method === 'GET' || method === 'DELETE' ? {} : { json: {} }) };
}

/** The status alone: streams go on for as long as somebody listens. */
async function statusOf(api: TestApi, name: string | undefined, route: AnyRoute): Promise<number> {
  const { path, json } = requestOf(route, api);
  const answer = await api.ask(name, path, { method: route.method, ...(json === undefined ? {} : { json }) });
  await answer.body?.cancel();
  return answer.status;
}

/** Changes what there is last: reading comes before erasing, and an entry goes after its references. */
const ordered = allRoutes.toSorted(
  (a, b) =>
    Number(a.method !== 'GET') - Number(b.method !== 'GET') ||
    Number(a.method === 'DELETE') - Number(b.method === 'DELETE') ||
    (a.method === 'DELETE' ? b.path.length - a.path.length : 0),
);

test('every route asks every role: nobody gets 401, whoever lacks its permission 403, and nobody else either', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  // Last: an admin's requests succeed and erase.
  const callers = [undefined, ...people.filter((name) => name !== 'stranger' && name !== 'admin'), 'admin'];
  const wrong: string[] = [];
  for (const name of callers) {
    const principal = name === undefined ? undefined : api.principal(name);
    for (const route of ordered) {
      const { access, method } = route;
      const status = await statusOf(api, name, route);
      let right: boolean;
      // A wrong password is 401 too, and some of what anybody may do for themselves is not for tokens.
      if (access === 'open') right = status !== 403 && (status !== 401 || method === 'POST');
      else if (principal === undefined) right = status === 401;
      else if (access === 'any') right = status !== 401;
      else right = may(principal, access) ? status !== 401 && status !== 403 : status === 403;
      if (!right) wrong.push(`${name ?? 'nobody'}: ${route.method} ${route.path} (${route.access}) answers ${status}`);
      if (status >= 500 && route.path !== '/readyz') wrong.push(`${name}: ${route.method} ${route.path} fails with ${status}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(ordered.length > 40, 'the table is whole');
  // A route without a permission does not compile.
  const route = routesOf<object>();
  // @ts-expect-error access is missing
  route({ method: 'GET', path: '/x', group: 'x', says: 'x', answers: {}, handle: () => ({ kind: 'empty', status: 204 }) });
});

test('real answers are what the documents say, field by field', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const seen: string[] = [];
  for (const route of ordered) {
    // What logging in changes has tests of its own.
    if (route.upgrade || (route.method !== 'GET' && !apiRoutes.includes(route as (typeof apiRoutes)[number]))) continue;
    const { path, json } = requestOf(route, api, true);
    const answer = await api.ask('admin', path, { method: route.method, ...(json === undefined ? {} : { json }) });
    const spec = route.answers[answer.status];
    if (spec === undefined) assert.fail(`${route.method} ${path} answers ${answer.status}: ${await answer.text()}`);
    const type = answer.headers.get('content-type')?.split(';')[0];
    assert.match(answer.headers.get('cache-control') ?? '', /^(private, no-cache|no-store)$/, path);
    if (spec.json !== undefined) {
      assert.equal(type, 'application/json', path);
      const parsed = spec.json.safeParse(await answer.json());
      assert.ok(parsed.success, `${route.method} ${path}: ${parsed.error?.message}`);
    } else {
      assert.equal(type, spec.media, path);
      await answer.body?.cancel();
    }
    seen.push(`${route.method} ${route.path}`);
  }
  assert.ok(seen.length >= apiRoutes.length - 1);
});

type Got = Readonly<Record<string, unknown>>;

async function ok(answer: Response): Promise<Got & { readonly items: readonly Got[] }> {
  assert.ok(answer.ok, `${answer.status} ${answer.statusText}`);
  return (await answer.json()) as never;
}

async function refused(answer: Response): Promise<string> {
  const { status, code } = problemSchema.parse(await answer.json());
  assert.equal(status, answer.status);
  return `${status} ${code}`;
}

test('alerts come newest first, by pages and filters, and only of the cameras one may see', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const ids = async (name: string, query: string) =>
    (await ok(await api.ask(name, `/api/v1/alerts${query}`))).items.map(({ id }) => String(id));
  assert.deepEqual(await ids('admin', ''), [alertIds.newer, alertIds.yard, alertIds.lobby]);
  assert.deepEqual(await ids('porter', ''), [alertIds.newer, alertIds.lobby]);
  assert.deepEqual(await ids('stranger', ''), []);
  assert.deepEqual(await ids('admin', '?state=acknowledged&list=banned&open=true'), [alertIds.newer]);
  assert.deepEqual(await ids('admin', '?list=staff'), []);
  assert.deepEqual(await ids('admin', `?camera=yard&entry=${api.entry.id}`), [alertIds.yard]);
  assert.deepEqual(await ids('admin', `?to=${begin + 1500}`), [alertIds.lobby]);
  const iso = new Date(begin + 1500).toISOString();
  assert.deepEqual(await ids('admin', `?to=${iso}`), [alertIds.lobby]);
  assert.deepEqual(await ids('admin', `?to=${iso.replace('Z', '+00:00')}`), [alertIds.lobby], 'a + that is not escaped');
  assert.deepEqual(await ids('admin', `?to=${iso.replace('Z', '-01:00')}`), await ids('admin', ''));
  assert.deepEqual(await ids('admin', '?to=2001-01-01'), []);
  for (const wrong of ['yesterday', '2026-11-22T14:03', '2026-13-01', '-1', '1e3', '9'.repeat(17), '']) {
    const answer = await api.ask('admin', `/api/v1/alerts?from=${wrong}`);
    assert.equal(answer.status, 400, wrong);
    assert.match(await answer.text(), /from: expected milliseconds since 1970, or a time with its zone/);
  }
  assert.equal(await refused(await api.ask('porter', '/api/v1/alerts?camera=yard')), '404 http.unknown');
  const pages: string[] = [];
  let cursor = '';
  do {
    const page = await ok(await api.ask('porter', `/api/v1/alerts?limit=1${cursor}`));
    pages.push(...page.items.map(({ id }) => String(id)));
    cursor = page['cursor'] === undefined ? '' : `&cursor=${page['cursor']}`;
  } while (cursor !== '');
  assert.deepEqual(pages, [alertIds.newer, alertIds.lobby]);
  assert.equal(await refused(await api.ask('admin', '/api/v1/alerts?cursor=x')), '400 http.request');

  // Of an alert that went on elsewhere nothing is there for them: neither it nor its picture, clip, reference or steps.
  for (const rest of ['', '/snapshot', '/reference', '/clip', '/clip/index']) {
    const name = rest === '/reference' ? 'stranger' : 'porter';
    assert.equal(await refused(await api.ask(name, `/api/v1/alerts/${alertIds.yard}${rest}`)), '404 alert.unknown', rest);
  }
  for (const verb of ['acknowledge', 'resolve', 'reject'])
    assert.equal(
      await refused(await api.ask('porter', `/api/v1/alerts/${alertIds.yard}/${verb}`, { method: 'POST' })),
      '404 alert.unknown',
    );
  const cameras = await ok(await api.ask('porter', '/api/v1/cameras'));
  assert.deepEqual(
    cameras.items.map(({ camera }) => camera),
    ['lobby'],
  );
  assert.equal(await refused(await api.ask('porter', '/api/v1/cameras/yard')), '404 http.unknown');
  assert.equal(await refused(await api.ask('porter', '/api/v1/cameras/yard/frame')), '404 http.unknown');
  assert.equal(await refused(await api.ask('porter', '/api/v1/events?camera=yard')), '404 http.unknown');
  assert.equal(await refused(await api.ask('porter', `/api/v1/why?camera=yard&at=${begin}`)), '404 http.unknown');
  assert.equal((await ok(await api.ask('porter', '/api/v1/ledger'))).items.length, 1);
  assert.equal((await ok(await api.ask('admin', '/api/v1/ledger'))).items.length, 2);
  const status = await ok(await api.ask('porter', '/api/v1/status'));
  assert.equal((status['cameras'] as readonly unknown[]).length, 1);
  const open = (await ok(await api.ask('porter', '/api/v1/alerts?open=true'))).items.length;
  assert.ok(open > 0);
  assert.deepEqual(status['alerts'], { open });
  assert.deepEqual((await ok(await api.ask('stranger', '/api/v1/status')))['alerts'], { open: 0 });
});

test('clean video of a masked camera is for admins: its address and its clips', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const rtsp = async (name: string) => (await ok(await api.ask(name, '/api/v1/cameras'))).items.map((camera) => camera['rtsp']);
  const [lobby, yard] = ['rtsp://127.0.0.1:8554/lobby', 'rtsp://127.0.0.1:8554/yard'];
  assert.deepEqual(await rtsp('operator'), [
    { clean: lobby, annotated: `${lobby}/annotated` },
    { annotated: `${yard}/annotated` },
  ]);
  assert.deepEqual((await rtsp('admin'))[1], { clean: yard, annotated: `${yard}/annotated` });
  // The host as the browser wrote it, which a trusted proxy alone can tell; the port is the RTSP server's.
  const seen = async (of: TestApi, headers: Readonly<Record<string, string>>) => {
    const camera = await of.ask('viewer', '/api/v1/cameras/yard', { headers });
    return ((await camera.json()) as { readonly rtsp: unknown }).rtsp;
  };
  const forwarded = { 'x-forwarded-host': 'cam.example:8443' };
  assert.deepEqual(await seen(api, forwarded), { annotated: `${yard}/annotated` });
  await using folder = await temporaryDirectory();
  const secretFile = join(folder.path, 'proxy.secret');
  await writeFile(secretFile, 'a secret of the proxy\n');
  const names = { userHeader: 'Remote-User', secretHeader: 'X-Sightline-Proxy' };
  await using behind = await startTestApi(ctx, { trustedProxy: { ...names, addresses: ['127.0.0.1'], secretFile } });
  assert.deepEqual(await seen(behind, forwarded), { annotated: 'rtsp://cam.example:8554/yard/annotated' });
  assert.deepEqual(await seen(behind, { 'x-forwarded-host': '[2001:db8::1]:1' }), {
    annotated: 'rtsp://[2001:db8::1]:8554/yard/annotated',
  });
  assert.deepEqual(await seen(behind, {}), { annotated: `${yard}/annotated` });
  assert.equal(await refused(await api.ask('operator', `/api/v1/alerts/${alertIds.yard}/clip`)), '403 http.forbidden');
  assert.equal((await api.ask('admin', `/api/v1/alerts/${alertIds.yard}/clip`)).status, 200);
  const { accounts, clipCameras } = api;
  const by = { user: 'admin', via: 'session' } as const;
  const { token } = await accounts.addToken({ name: 'every', scopes: permissions, cameras: 'all' }, by);
  assert.equal(await refused(await api.ask(token, `/api/v1/alerts/${alertIds.yard}/clip`)), '403 http.forbidden');
  assert.equal((await api.ask('only-alerts.read', `/api/v1/alerts/${alertIds.lobby}/clip`)).status, 200);

  clipCameras.delete(alertIds.yard);
  const due = await api.ask('admin', `/api/v1/alerts/${alertIds.yard}/clip/index`);
  const { code, detail, details } = problemSchema.parse(await due.json());
  assert.deepEqual([due.status, code, typeof details['dueAt']], [404, 'clip.unknown', 'number']);
  assert.match(detail, /has no clip: it is being written$/);

  // The clip is of the camera where the alert began, wherever it is now: of one with masks, of another's, of one that is gone.
  const ask = async (name: string, camera: string) => {
    clipCameras.set(alertIds.lobby, camera);
    const answers = await Promise.all(
      ['clip', 'clip/index'].map((what) => api.ask(name, `/api/v1/alerts/${alertIds.lobby}/${what}`)),
    );
    return await Promise.all(
      answers.map(async (answer) => {
        const body = await answer.text();
        return answer.ok ? String(answer.status) : `${answer.status} ${problemSchema.parse(JSON.parse(body)).code}`;
      }),
    );
  };
  assert.deepEqual(await ask('operator', 'yard'), ['403 http.forbidden', '200']);
  assert.deepEqual(await ask('admin', 'yard'), ['200', '200']);
  assert.deepEqual(await ask('porter', 'yard'), ['404 clip.unknown', '404 clip.unknown']);
  assert.deepEqual(await ask('operator', 'gone'), ['403 http.forbidden', '200']);
  assert.deepEqual(await ask('porter', 'lobby'), ['200', '200']);
  await until('every clip is closed', () => api.openClips() === 0);
});

test('clips come in parts, pictures with a tag, and watchlist pictures only for those granted them, noted', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const clip = `/api/v1/alerts/${alertIds.lobby}/clip`;
  const part = async (range: string, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await api.ask('viewer', clip, { headers: { range, ...headers } });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, bytes, range: answer.headers.get('content-range'), etag: answer.headers.get('etag') ?? '' };
  };
  const whole = await part('bytes=x');
  assert.equal(whole.status, 200);
  assert.ok(whole.bytes.equals(clipBytes));
  const cases: readonly (readonly [string, number, number])[] = [
    ['bytes=0-0', 0, 1],
    ['bytes=150-349', 150, 350],
    ['bytes=990-', 990, 1000],
    ['bytes=-10', 990, 1000],
    ['bytes=0-5000', 0, 1000],
  ];
  for (const [range, from, to] of cases) {
    const got = await part(range);
    assert.deepEqual([got.status, got.range], [206, `bytes ${from}-${to - 1}/1000`], range);
    assert.ok(got.bytes.equals(clipBytes.subarray(from, to)), range);
  }
  assert.deepEqual([(await part('bytes=1000-')).status, (await part('bytes=1000-')).range], [416, 'bytes */1000']);
  assert.equal((await part('bytes=5-', { 'if-range': '"other"' })).status, 200);
  assert.equal((await part('bytes=5-', { 'if-range': whole.etag })).status, 206);
  assert.equal((await api.ask('viewer', clip, { headers: { 'if-none-match': whole.etag } })).status, 304);
  assert.equal((await api.ask('viewer', clip, { method: 'HEAD' })).headers.get('content-length'), '1000');
  assert.equal(await refused(await api.ask('viewer', `/api/v1/alerts/${alertIds.newer}/clip`)), '404 clip.unknown');

  const pictures = [
    [`/api/v1/alerts/${alertIds.lobby}/snapshot`, 'viewer'],
    [`/api/v1/alerts/${alertIds.lobby}/reference`, 'painter'],
    [`/api/v1/watchlist/references/${api.entry.referenceId}/picture`, 'painter'],
  ] as const;
  for (const [path, name] of pictures) {
    const picture = await api.ask(name, path);
    assert.equal(picture.headers.get('content-type'), 'image/jpeg', path);
    assert.ok((await picture.arrayBuffer()).byteLength > 10);
    const again = await api.ask(name, path, { headers: { 'if-none-match': picture.headers.get('etag') ?? '' } });
    assert.equal(again.status, 304, path);
    if (name === 'painter') assert.equal((await api.ask('operator', path)).status, 403, path);
  }
  const noted = await until('the rows are stored', async () => {
    const rows = await api.audited();
    return rows.filter((row) => row.includes('picture.viewed')).length >= 4 ? rows : undefined;
  });
  assert.ok(noted.includes(`painter picture.viewed ${api.entry.referenceId}`), String(noted));
  assert.ok(noted.includes(`viewer picture.viewed ${alertIds.lobby}`), String(noted));
});

test('acknowledge, resolve, reject: each once, and "not this person" makes a negative example of the crop only when it is asked for', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const act = (name: string, id: string, verb: string, json?: unknown) =>
    api.ask(name, `/api/v1/alerts/${id}/${verb}`, { method: 'POST', ...(json === undefined ? {} : { json }) });
  const seen = await ok(await act('porter', alertIds.lobby, 'acknowledge', { reason: 'on my way' }));
  assert.equal(seen['state'], 'acknowledged');
  assert.deepEqual((seen['steps'] as readonly unknown[]).length, 2);
  assert.equal(await refused(await act('porter', alertIds.lobby, 'acknowledge')), '409 alert.transition');
  assert.equal((await ok(await act('porter', alertIds.lobby, 'resolve')))['state'], 'resolved');
  const plain = await ok(await act('operator', alertIds.newer, 'reject', { reason: 'her sister' }));
  assert.equal(plain['negative'], undefined);
  assert.equal(api.watchlist.get(api.entry.id).references.length, 1);
  // A token that may act and not enrol gets nothing done in part.
  assert.equal(await refused(await act('only-alerts.act', alertIds.yard, 'reject', { negative: true })), '403 http.forbidden');
  const rejected = await ok(await act('operator', alertIds.yard, 'reject', { negative: true }));
  assert.equal(rejected['state'], 'rejected');
  const { referenceId } = rejected['negative'] as { readonly referenceId?: string };
  const added = api.watchlist.get(api.entry.id).references.find(({ id }) => id === referenceId);
  assert.deepEqual([added?.negative, added?.source], [true, `alert ${alertIds.yard}`]);
  const rows = await api.audited();
  assert.ok(rows.includes(`operator alert.rejected ${alertIds.yard}`), String(rows));
  assert.ok(rows.includes(`operator watchlist.enrol ${api.entry.id}`), String(rows));
});

test('a description is enrolled, listed with its words, has no picture and takes no negative example', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const post = (path: string, json: unknown) => api.ask('operator', path, { method: 'POST', json });
  const words = { text: 'red jacket,black cap', name: 'Cap', list: 'banned' };
  assert.equal(
    await refused(await api.ask('viewer', '/api/v1/watchlist/descriptions', { method: 'POST', json: words })),
    '403 http.forbidden',
  );
  const added = await ok(await post('/api/v1/watchlist/descriptions', words));
  assert.deepEqual(added['warnings'], ['experimental, matches a description, not a person']);
  const { id } = added['entry'] as { readonly id: string };
  const { references } = (await ok(await api.ask('operator', `/api/v1/watchlist/${id}`))) as unknown as {
    readonly references: readonly { readonly id: string; readonly text?: string }[];
  };
  assert.deepEqual(
    references.map(({ text }) => text),
    ['red jacket, black cap'],
  );
  const referenceId = references[0]?.id ?? '';
  assert.equal(
    await refused(await api.ask('admin', `/api/v1/watchlist/references/${referenceId}/picture`)),
    '404 watchlist.unknown',
  );
  const alert = { id: 'alert-cap', kind: 'description', entry: { id, name: 'Cap', list: 'banned' }, referenceId } as const;
  await api.store.alerts.commit(exampleCommit({ events: [exampleEvent(alert, 1, fakePhoto({ person: 'alex' }))] }));
  const rejected = await ok(await post('/api/v1/alerts/alert-cap/reject', { negative: true }));
  assert.equal(rejected['state'], 'rejected');
  assert.deepEqual(rejected['negative'], { refused: 'a description has no negative examples' });
  assert.equal(api.watchlist.get(id).references.length, 1);
});

test('the watchlist: enrolled with what would be refused said before, listed by pages, exported, erased', async () => {
  using ctx = testContext();
  await using api = await startTestApi(ctx);
  const post = (path: string, json: unknown) => api.ask('operator', path, { method: 'POST', json });
  const photo = (...subjects: readonly FakeSubject[]) => Buffer.from(fakePhoto(...subjects)).toString('base64');
  const crowd = photo({ person: 'cy', left: 500 }, { person: 'di', left: 10, quality: { sharpness: 1, heightPx: 20 } });
  const checked = await ok(await post('/api/v1/watchlist/check', { photoBase64: crowd }));
  const faces = checked['faces'] as readonly {
    readonly box: { readonly left: number };
    readonly refusals: readonly string[];
  }[];
  assert.deepEqual(
    faces.map(({ box, refusals }) => [box.left, refusals.length]),
    [
      [10, 2],
      [500, 0],
    ],
  );
  assert.match(String(checked['refusals']), /2 faces are on this photo/);
  assert.equal(api.watchlist.list().length, 1);
  assert.equal(await refused(await post('/api/v1/watchlist/check', { photoBase64: 'aGVsbG8=' })), '422 photo.undecodable');

  const several = await post('/api/v1/watchlist', { photoBase64: crowd, name: 'Cy', list: 'banned' });
  const problem = problemSchema.parse(await several.json());
  assert.deepEqual([problem.status, problem.code], [422, 'photo.refused']);
  assert.equal((problem.details['boxes'] as readonly unknown[]).length, 2);
  const cy = await ok(await post('/api/v1/watchlist', { photoBase64: crowd, name: 'Cy', list: 'banned', pick: 2 }));
  const { id } = cy['entry'] as { readonly id: string };
  assert.equal(
    await refused(await post('/api/v1/watchlist', { photoBase64: crowd, name: 'Cy', list: 'nobody', pick: 2 })),
    '404 watchlist.unknown',
  );
  const negative = { photoBase64: photo({ person: 'dee' }), name: 'Cy', list: 'banned', entryId: id, negative: true };
  const added = await ok(await post('/api/v1/watchlist', negative));
  assert.equal((added['reference'] as { readonly negative: boolean }).negative, true);

  const first = await ok(await api.ask('operator', '/api/v1/watchlist?limit=1'));
  assert.deepEqual((first.items[0]?.['lastSighting'] as { readonly alertId: string } | undefined)?.alertId, alertIds.newer);
  const second = await ok(await api.ask('operator', `/api/v1/watchlist?limit=1&cursor=${first['cursor']}`));
  assert.deepEqual(
    [(second.items[0]?.['entry'] as { readonly id: string } | undefined)?.id, second['cursor']],
    [id, undefined],
  );
  assert.equal((await ok(await api.ask('operator', '/api/v1/watchlist?list=staff'))).items.length, 0);
  // By id alone: whoever bears the name of another one is not erased instead.
  assert.equal(await refused(await api.ask('operator', '/api/v1/watchlist/Cy')), '404 watchlist.unknown');
  assert.equal(await refused(await api.ask('operator', '/api/v1/watchlist/Cy', { method: 'DELETE' })), '404 watchlist.unknown');

  const lines = (await (await api.ask('admin', '/api/v1/watchlist/export')).text()).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).entry.name),
    ['Alex Example', 'Cy'],
  );
  const reference = `/api/v1/watchlist/${api.entry.id}/references/${(added['reference'] as { readonly id: string }).id}`;
  assert.equal(await refused(await api.ask('operator', reference, { method: 'DELETE' })), '404 watchlist.unknown');
  const own = reference.replace(api.entry.id, id);
  assert.equal((await api.ask('operator', own, { method: 'DELETE' })).status, 204);
  assert.equal((await api.ask('operator', `/api/v1/watchlist/${id}`, { method: 'DELETE' })).status, 204);
  assert.equal(await refused(await api.ask('operator', `/api/v1/watchlist/${id}`)), '404 watchlist.unknown');
  const rows = await api.audited();
  for (const row of [
    'operator watchlist.enrol',
    'admin watchlist.export',
    'operator watchlist.removeReference',
    'operator watchlist.remove',
  ])
    assert.ok(
      rows.some((found) => found.startsWith(`${row} `)),
      `${row} in ${rows}`,
    );
});
