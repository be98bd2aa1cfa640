import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { systemClock } from '../../src/core/clock.ts';
import { readTicket } from '../../src/core/tickets.ts';
import { maxCameraName, maxUserCameras } from '../../src/core/users.ts';
import { loadTls } from '../../src/http/auth/tls.ts';
import { makeCertificates } from '../support/certificates.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { adaPassword, ask, type Door, Person, type Reply, startDoor, startSetUpDoor } from '../support/login.ts';
import { until } from '../support/until.ts';

async function addUser(ada: Person, user: string, more: object = {}): Promise<string> {
  const password = `password of ${user}`;
  const added = await ada.ask('POST', '/api/v1/users', { user, password, role: 'viewer', ...more });
  assert.equal(added.status, 201, added.text);
  return password;
}

async function loggedIn(door: Door, user: string, password: string): Promise<Person> {
  const person = new Person(door.base);
  assert.equal((await person.logIn(user, password)).status, 200);
  return person;
}

/** A stream that is open; `ended` waits for its end. */
async function openStream(door: Door, headers: Readonly<Record<string, string>>): Promise<{ ended(): Promise<true> }> {
  const before = door.streams();
  let isOver = false;
  void ask(door.base, 'GET', '/api/v1/stream-of-a-test', { headers }).finally(() => {
    isOver = true;
  });
  await until('the stream is open', () => door.streams() > before);
  return { ended: () => until('the stream has ended', () => isOver && (true as const)) };
}

function statuses(replies: readonly Reply[]): readonly number[] {
  return replies.map(({ status }) => status);
}

test('the set-up link makes one admin, once, and no secret is anywhere in plain', async () => {
  await using directory = await temporaryDirectory();
  const secrets: string[] = [];
  let logged = '';
  {
    await using door = await startDoor(directory.path);
    const get = () => ask(door.base, 'GET', '/api/v1/setup');
    assert.deepEqual((await get()).value, { needed: true });
    const links = door.ctx.lines.filter(({ link }) => link !== undefined);
    assert.equal(links.length, 1);
    assert.match(String(links[0]?.['link']), /^http:\/\/127\.0\.0\.1:\d+\/setup#[\w-]{43}$/);
    const token = door.setupToken();
    const offer = (user: string, some: object = {}) =>
      ask(door.base, 'POST', '/api/v1/setup', { body: { token, user, password: adaPassword, ...some } });
    assert.equal((await offer('ada', { token: 'guessed' })).status, 401);
    const weak = await offer('ada', { password: 'short' });
    assert.deepEqual([weak.status, weak.value.code], [422, 'user.refused']);
    assert.match(weak.value.detail, /has 5 characters; at least 10/);
    assert.equal((await offer('Nobody')).value.code, 'user.refused', 'in the audit trail that is nobody');
    const both = await Promise.all([offer('ada'), offer('eve')]);
    assert.deepEqual(statuses(both).toSorted(), [201, 409]);
    assert.equal((await offer('later')).status, 409);
    assert.deepEqual((await get()).value, { needed: false });
    const won = both.find(({ status }) => status === 201);
    const { user, role, permissions, via } = won?.value ?? {};
    assert.deepEqual([role, via, permissions.includes('users.manage')], ['admin', 'session', true]);
    const [cookie = ''] = [won?.headers['set-cookie'] ?? []].flat();
    assert.match(cookie, /^sightline=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/);
    const admin = await loggedIn(door, user, adaPassword);
    const made = await admin.ask('POST', `/api/v1/users/${user}/stream-password`);
    assert.match(made.value.password, /^[a-km-np-z2-9]{24}$/);
    const ha1 = createHash('md5').update(`${user}:sightline:${made.value.password}`).digest('hex');
    assert.deepEqual([door.accounts.streamUsers()[0]?.principal.user, door.accounts.streamUsers()[0]?.ha1.md5], [user, ha1]);
    const api = await admin.ask('POST', '/api/v1/tokens', { name: 'home', scopes: ['live'] });
    assert.match(api.value.token, /^sl_[\w-]{43}$/);
    const lists = [await admin.ask('GET', '/api/v1/users'), await admin.ask('GET', '/api/v1/tokens')];
    const shown = lists.map(({ text }) => text).join();
    assert.doesNotMatch(shown, /hash|ha1|argon2|sl_/i);
    secrets.push(adaPassword, made.value.password, api.value.token, admin.cookie.split('=')[1] ?? '', admin.csrf);
    await ask(door.base, 'POST', '/api/v1/session', { body: { user: adaPassword, password: user } });
    logged = door.ctx.lines.map((line) => JSON.stringify(line)).join('\n');
    for (const secret of secrets) assert.ok(!logged.includes(secret), `${secret} is in the log`);
    assert.equal(logged.split(token).length, 2, 'the link is in the log once');
    secrets.push(token);
  }
  for (const name of readdirSync(directory.path)) {
    const content = readFileSync(join(directory.path, name));
    for (const secret of secrets) assert.ok(!content.includes(secret), `${secret} is in ${name}`);
  }
  const db = new Sqlite(join(directory.path, 'sightline.db'), { readonly: true });
  const [row] = db.prepare('SELECT password_hash AS hash FROM users').all() as { readonly hash: string }[];
  db.close();
  assert.match(row?.hash ?? '', /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
});

test('a session is a cookie that changes with each login, needs its CSRF token, comes from our own pages, and outlives a restart', async () => {
  await using directory = await temporaryDirectory();
  let kept: Person;
  {
    await using door = await startSetUpDoor(directory.path);
    const { ada } = door;
    const first = ada.cookie;
    assert.equal((await ada.logIn('ada', adaPassword)).status, 200);
    assert.notEqual(ada.cookie, first);
    const old = await ask(door.base, 'GET', '/api/v1/session', { headers: { cookie: first } });
    assert.equal(old.status, 401, 'the session before ends with the login');
    const session = await ada.ask('GET', '/api/v1/session');
    assert.deepEqual([session.value.user, session.value.cameras, session.headers['cache-control']], ['ada', 'all', 'no-store']);
    const days = (session.value.expiresAt - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days <= 7, `${days} days are left`);

    const change = (headers: Readonly<Record<string, string>>) =>
      ask(door.base, 'POST', '/api/v1/tickets', { headers: { cookie: ada.cookie, ...headers } });
    const csrf = { 'x-csrf': ada.csrf };
    const host = new URL(door.base).host;
    const asked = await Promise.all([
      change({}),
      change({ 'x-csrf': 'guessed' }),
      change({ ...csrf, origin: 'http://evil.example' }),
      change({ ...csrf, origin: 'null' }),
      change({ ...csrf, 'sec-fetch-site': 'cross-site' }),
      change({ ...csrf, 'sec-fetch-site': 'same-site' }),
      change(csrf),
      change({ ...csrf, origin: `http://${host}` }),
      change({ ...csrf, 'sec-fetch-site': 'same-origin', origin: 'https://behind.example' }),
    ]);
    assert.deepEqual(statuses(asked), [403, 403, 403, 403, 403, 403, 200, 200, 200]);
    assert.equal(asked[0]?.value.code, 'http.forbidden');
    const elsewhere = await ask(door.base, 'POST', '/api/v1/session', {
      body: { user: 'ada', password: adaPassword },
      headers: { origin: 'http://evil.example' },
    });
    assert.equal(elsewhere.status, 403, 'nobody is logged in from another site');

    const again = await loggedIn(door, 'ada', adaPassword);
    const stream = await openStream(door, { cookie: again.cookie });
    const out = await again.ask('DELETE', '/api/v1/session');
    assert.deepEqual([out.status, String(out.headers['set-cookie']).includes('Max-Age=0')], [204, true]);
    await stream.ended();
    assert.deepEqual(door.revoked, [], 'ada is logged in elsewhere');
    assert.equal((await ada.ask('GET', '/api/v1/session')).status, 200);
    kept = ada;
  }
  {
    await using door = await startDoor(directory.path);
    const back = new Person(door.base);
    back.cookie = kept.cookie;
    assert.equal((await back.ask('GET', '/api/v1/session')).value.csrf, kept.csrf);
    assert.equal((await back.ask('DELETE', '/api/v1/session')).status, 204);
    assert.deepEqual(door.revoked, ['ada logout'], 'the last session is over');
  }
  {
    await using door = await startDoor(directory.path);
    assert.equal((await ask(door.base, 'GET', '/api/v1/session', { headers: { cookie: kept.cookie } })).status, 401);
    assert.ok(
      door.ctx.lines.every(({ link }) => link === undefined),
      'who is set up is offered no link',
    );
  }
});

test('guesses are slowed by place and user, and lock nobody out who has been there before', async () => {
  await using directory = await temporaryDirectory();
  const secretFile = join(directory.path, 'proxy.secret');
  await writeFile(secretFile, 'a secret of the proxy\n');
  const trustedProxy = {
    addresses: ['127.0.0.1'],
    userHeader: 'Remote-User',
    secretHeader: 'X-Sightline-Proxy',
    secretFile,
  };
  await using door = await startSetUpDoor(directory.path, { trustedProxy });
  const logIn = (from: string, user: string, password: string) =>
    ask(door.base, 'POST', '/api/v1/session', {
      body: { user, password },
      headers: { 'x-forwarded-for': `6.6.6.6, ${from}`, 'x-forwarded-proto': 'https' },
    });
  const home = await logIn('203.0.113.9', 'ada', adaPassword);
  assert.match(String(home.headers['set-cookie']), /; Secure$/);

  const guesses: Reply[] = [];
  for (let at = 0; at < 6; at += 1) guesses.push(await logIn('198.51.100.1', at % 2 === 0 ? 'ada' : 'nobody', 'a guess'));
  assert.deepEqual(statuses(guesses), [401, 401, 401, 401, 401, 429]);
  assert.equal(guesses[0]?.text.replace(/ada/g, ''), guesses[1]?.text, 'whether there is such a user is not told');
  assert.match(String(guesses[5]?.headers['retry-after']), /^[1-9]\d*$/);
  assert.equal((await logIn('198.51.100.1', 'ada', adaPassword)).status, 429, 'nor does the right password help there');
  assert.equal((await logIn('198.51.100.2', 'ada', adaPassword)).status, 200, 'from elsewhere it does');
  // A whole /64 of IPv6 is one place.
  const many: Reply[] = [];
  for (let at = 0; at < 6; at += 1) many.push(await logIn(`2001:db8::${at + 1}`, 'nobody', 'a guess'));
  assert.equal(many[5]?.status, 429);
  // From so many places that the user is slowed everywhere.
  for (let at = 0; at < 21; at += 1) await logIn(`192.0.2.${at}`, 'ada', 'a guess');
  assert.equal((await logIn('192.0.2.99', 'ada', adaPassword)).status, 429);
  assert.equal((await logIn('203.0.113.9', 'ada', adaPassword)).status, 200, 'ada is let in where she was before');
  const metrics = await door.ctx.metrics.registry.metrics();
  assert.match(metrics, /sightline_auth_logins_total\{result="limited"\} [1-9]/);

  const flood = await Promise.all(Array.from({ length: 40 }, (_, at) => logIn(`10.1.${at}.1`, `user${at}`, 'a guess')));
  assert.deepEqual([...new Set(statuses(flood))].toSorted(), [401, 429], 'too many at once are told to come again');
});

test('users are managed; who loses rights loses what goes on at once; the last admin stays', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const { ada } = door;
  const changes: string[][] = [];
  door.accounts.onChange((users) => changes.push(users.map(({ principal }) => `${principal.user} ${principal.role}`)));
  const password = await addUser(ada, 'bo', { role: 'operator', cameras: ['lobby', 'gate'], pictures: true });
  const twice = await ada.ask('POST', '/api/v1/users', { user: 'Bo', password, role: 'viewer' });
  assert.deepEqual([twice.status, twice.value.code], [409, 'user.exists']);
  for (const user of ['a:b', '', '-x', 'x'.repeat(65)])
    assert.equal((await ada.ask('POST', '/api/v1/users', { user, password, role: 'viewer' })).status, 400, user);

  for (const user of ['nobody', 'Sightline']) {
    const reserved = await ada.ask('POST', '/api/v1/users', { user, password, role: 'viewer' });
    assert.deepEqual([reserved.status, reserved.value.code], [422, 'user.refused'], user);
  }

  const last = [
    await ada.ask('DELETE', '/api/v1/users/ada'),
    await ada.ask('PATCH', '/api/v1/users/ada', { role: 'operator' }),
    await ada.ask('PATCH', '/api/v1/users/ada', { disabled: true }),
  ];
  assert.deepEqual(statuses(last), [409, 409, 409]);
  assert.match(last[0]?.value.detail, /ada is the last admin/);

  const bo = await loggedIn(door, 'bo', password);
  assert.deepEqual((await bo.ask('GET', '/api/v1/session')).value.permissions.toSorted(), [
    'alerts.act',
    'alerts.read',
    'health.read',
    'ledger.read',
    'live',
    'pictures',
    'watchlist.read',
    'watchlist.write',
  ]);
  const refused = await Promise.all(['users', 'tokens', 'audit'].map((path) => bo.ask('GET', `/api/v1/${path}`)));
  assert.deepEqual(statuses(refused), [403, 403, 403]);
  assert.equal((await bo.ask('POST', '/api/v1/users/ada/stream-password')).status, 403);
  assert.equal((await bo.ask('POST', '/api/v1/users/bo/stream-password')).status, 200);

  const stays = await openStream(door, { cookie: bo.cookie });
  const most = Array.from({ length: maxUserCameras }, (_, at) => `${at}`.padEnd(maxCameraName, 'x'));
  assert.equal(
    (await ada.ask('POST', '/api/v1/users', { user: 'everywhere', role: 'viewer', cameras: most })).status,
    201,
    'as many cameras as one may have, by the longest names',
  );
  await ada.ask('PATCH', '/api/v1/users/bo', { cameras: ['lobby', 'gate', 'yard'] });
  assert.deepEqual(door.revoked, [], 'who is given more loses nothing');
  await ada.ask('PATCH', '/api/v1/users/bo', { cameras: ['lobby'] });
  await stays.ended();
  assert.deepEqual(door.revoked, ['bo rights']);
  assert.deepEqual((await bo.ask('GET', '/api/v1/session')).value.cameras, ['lobby'], 'and is still logged in');

  const again = await openStream(door, { cookie: bo.cookie });
  assert.equal((await ada.ask('PATCH', '/api/v1/users/bo', { role: 'viewer' })).value.role, 'viewer');
  await again.ended();
  await ada.ask('PATCH', '/api/v1/users/bo', { disabled: true });
  assert.equal((await bo.ask('GET', '/api/v1/session')).status, 401);
  const disabled = await new Person(door.base).logIn('bo', password);
  assert.deepEqual([disabled.status, disabled.value.detail], [403, 'bo is disabled; an admin can change that']);
  assert.deepEqual(door.accounts.streamUsers(), []);
  await ada.ask('PATCH', '/api/v1/users/bo', { disabled: false });

  const [here, there] = [await loggedIn(door, 'bo', password), await loggedIn(door, 'bo', password)];
  const put = (old: string, fresh: string) => here.ask('PUT', '/api/v1/session/password', { old, new: fresh });
  assert.deepEqual(statuses([await put('wrong', 'another password'), await put(password, 'short')]), [422, 422]);
  assert.equal((await put(password, 'another password')).status, 204);
  assert.deepEqual(statuses([await here.ask('GET', '/api/v1/session'), await there.ask('GET', '/api/v1/session')]), [200, 401]);

  const removed = await openStream(door, { cookie: here.cookie });
  assert.equal((await ada.ask('DELETE', '/api/v1/users/bo')).status, 204);
  await removed.ended();
  assert.equal((await here.ask('GET', '/api/v1/session')).status, 401);
  assert.equal((await ada.ask('PATCH', '/api/v1/users/bo', { role: 'admin' })).status, 404);
  assert.deepEqual(changes, [['bo operator'], ['bo operator'], ['bo operator'], ['bo viewer'], [], ['bo viewer'], []]);
});

test('a token does what its scopes allow, needs no CSRF token, and ends what it opened when it is removed', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const { ada } = door;
  const make = (body: object) => ada.ask('POST', '/api/v1/tokens', body);
  assert.deepEqual(
    statuses([
      await make({ name: 'x', scopes: [] }),
      await make({ name: 'x', scopes: ['everything'] }),
      await make({ name: 'x', scopes: ['live'], expiresAt: 1000 }),
    ]),
    [400, 400, 422],
  );
  const made = await make({ name: 'home', scopes: ['live', 'metrics.read'], cameras: ['lobby'] });
  const headers = { authorization: `Bearer ${made.value.token}` };
  const as = (method: string, path: string, more = {}) => ask(door.base, method, path, { headers: { ...headers, ...more } });
  const { user, role, cameras, permissions, via, csrf } = (await as('GET', '/api/v1/session')).value;
  assert.deepEqual([user, role, cameras, via, csrf], ['token:home', 'admin', ['lobby'], 'token', undefined]);
  assert.deepEqual(permissions, ['live', 'metrics.read']);
  assert.deepEqual(statuses([await as('GET', '/api/v1/users'), await as('GET', '/metrics')]), [403, 200]);
  const ticket = await as('POST', '/api/v1/tickets');
  const read = readTicket(ticket.value.ticket, door.ticketKey, systemClock.mono());
  assert.deepEqual([read.user, read.role, read.cameras, read.pictures], ['token:home', 'viewer', ['lobby'], false]);
  const theirs = readTicket((await ada.ask('POST', '/api/v1/tickets')).value.ticket, door.ticketKey, systemClock.mono());
  assert.deepEqual([theirs.user, theirs.role, theirs.cameras], ['ada', 'admin', 'all']);
  assert.equal((await as('PUT', '/api/v1/session/password')).status, 400);
  assert.equal(
    (await ask(door.base, 'PUT', '/api/v1/session/password', { headers, body: { old: 'x', new: 'y' } })).status,
    403,
  );
  const wrong = await as('GET', '/api/v1/session', { authorization: 'Bearer sl_guessed', cookie: ada.cookie });
  assert.equal(wrong.status, 401, 'a wrong token is not made good by a cookie');
  const [listed] = (await ada.ask('GET', '/api/v1/tokens')).value.items;
  assert.deepEqual([listed.name, listed.createdBy, listed.lastUsedAt > 0], ['home', 'ada', true]);

  const soon = await make({ name: 'soon', scopes: ['live'], expiresAt: Date.now() + 100 });
  await until('the token is over', async () => {
    const reply = await ask(door.base, 'GET', '/api/v1/session', { headers: { authorization: `Bearer ${soon.value.token}` } });
    return reply.status === 401;
  });
  const stream = await openStream(door, headers);
  assert.equal((await ada.ask('DELETE', `/api/v1/tokens/${made.value.id}`)).status, 204);
  await stream.ended();
  assert.deepEqual(door.revoked, ['token:home rights']);
  assert.equal((await as('GET', '/api/v1/session')).status, 401);
});

test('tokens end with their maker: all of one who is removed or disabled, of one with a lower role those that may do more', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const { ada } = door;
  const password = await addUser(ada, 'bo', { role: 'admin' });
  const make = async (name: string, scopes: readonly string[], as: Parameters<typeof ask>[3]) => {
    const made = await ask(door.base, 'POST', '/api/v1/tokens', { ...as, body: { name, scopes } });
    assert.equal(made.status, 201, made.text);
    return { headers: { authorization: `Bearer ${made.value.token}` } };
  };
  const session = async () => {
    const bo = await loggedIn(door, 'bo', password);
    return { headers: { cookie: bo.cookie, 'x-csrf': bo.csrf } };
  };
  const names = async () => (await ada.ask('GET', '/api/v1/tokens')).value.items.map(({ name }: { name: string }) => name);
  await make('of ada', ['users.manage'], { headers: { cookie: ada.cookie, 'x-csrf': ada.csrf } });
  const root = await make('root', ['users.manage', 'live'], await session());
  const child = await make('child', ['live', 'audit.read'], root);
  await make('grandchild', ['live'], root);
  const camera = await make('camera', ['live'], await session());
  const stream = await openStream(door, root.headers);

  assert.equal((await ada.ask('PATCH', '/api/v1/users/bo', { role: 'operator' })).status, 200);
  await stream.ended();
  assert.deepEqual(await names(), ['camera', 'grandchild', 'of ada']);
  const statusOf = async (as: Parameters<typeof ask>[3]) => (await ask(door.base, 'GET', '/api/v1/session', as)).status;
  assert.deepEqual([await statusOf(root), await statusOf(child), await statusOf(camera)], [401, 401, 200]);
  assert.ok(door.revoked.includes('token:root rights') && door.revoked.includes('token:child rights'), String(door.revoked));

  assert.equal((await ada.ask('PATCH', '/api/v1/users/bo', { role: 'admin' })).status, 200);
  assert.deepEqual(await names(), ['camera', 'grandchild', 'of ada']);
  assert.equal((await ada.ask('PATCH', '/api/v1/users/bo', { disabled: true })).status, 200);
  assert.deepEqual([await statusOf(camera), await names()], [401, ['of ada']]);
  await ada.ask('PATCH', '/api/v1/users/bo', { disabled: false });
  const again = await make('again', ['users.manage'], await session());
  await make('made by again', ['live'], again);
  assert.equal((await ada.ask('DELETE', '/api/v1/users/bo')).status, 204);
  assert.deepEqual([await statusOf(again), await names()], [401, ['of ada']]);
  const stored = (await door.store.users.load()).tokens.map(({ name }) => name);
  assert.deepEqual(stored, ['of ada']);
  const rows = await until('the rows are stored', async () => {
    const { items } = (await ada.ask('GET', '/api/v1/audit?actor=ada')).value;
    const removals = items.filter(({ action }: { action: string }) => action === 'token.remove');
    return removals.length === 6 ? removals : undefined;
  });
  for (const { details } of rows) assert.equal(details.maker, 'bo');
});

/** A request whose body is held back: `finish` sends it and gives the status. */
async function heldBack(door: Door, { cookie, csrf }: Person, method: string, path: string, body: object) {
  const { hostname, port } = new URL(door.base);
  const socket = connect(Number(port), hostname);
  let said = '';
  socket.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const text = JSON.stringify(body);
  // The server says that it has read the head and waits for the rest.
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nX-CSRF: ${csrf}\r\nExpect: 100-continue\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n`,
  );
  await until('the head is read', () => said.startsWith('HTTP/1.1 100'));
  return async (): Promise<number> => {
    socket.write(text);
    return await until('an answer', () => Number(/\r\n\r\nHTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0) || undefined);
  };
}

test('what somebody asked for before they were removed, and is not done by then, is not done', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const ada = await loggedIn(door, 'ada', adaPassword);
  const mallory = await loggedIn(door, 'mallory', await addUser(ada, 'mallory', { role: 'admin' }));
  await addUser(ada, 'bo');
  const password = 'a door at the back';
  const asked = await Promise.all([
    heldBack(door, mallory, 'POST', '/api/v1/users', { user: 'backdoor', role: 'admin', password }),
    heldBack(door, mallory, 'PATCH', '/api/v1/users/bo', { role: 'admin' }),
    heldBack(door, mallory, 'POST', '/api/v1/tokens', { name: 'backdoor', scopes: ['users.manage'] }),
    heldBack(door, mallory, 'POST', '/api/v1/tickets', {}),
    heldBack(door, mallory, 'DELETE', '/api/v1/users/ada', {}),
  ]);
  assert.equal((await ada.ask('DELETE', '/api/v1/users/mallory')).status, 204);
  assert.deepEqual(await Promise.all(asked.map((finish) => finish())), [403, 403, 403, 403, 403]);
  const users = (await ada.ask('GET', '/api/v1/users')).value.items;
  assert.deepEqual(
    users.map(({ user, role }: { readonly user: string; readonly role: string }) => `${user} ${role}`),
    ['ada admin', 'bo viewer'],
  );
});

test('a password that an admin gives anew holds, though its user was just giving themselves another', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const ada = await loggedIn(door, 'ada', adaPassword);
  const old = await addUser(ada, 'bo');
  const bo = await loggedIn(door, 'bo', old);
  // The old one is compared, the admin's is hashed, theirs is hashed: one password is computed at a time.
  const own = bo.ask('PUT', '/api/v1/session/password', { old, new: 'chosen by whoever stole it' });
  const given = await ada.ask('PATCH', '/api/v1/users/bo', { password: 'given by the admin' });
  assert.equal(given.status, 200);
  await own;
  assert.equal((await new Person(door.base).logIn('bo', 'given by the admin')).status, 200);
});

test('a token of a camera that its maker may no longer see ends with their role', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path);
  const ada = await loggedIn(door, 'ada', adaPassword);
  const bo = await loggedIn(door, 'bo', await addUser(ada, 'bo', { role: 'admin' }));
  for (const [name, cameras] of [
    ['everywhere', 'all'],
    ['both', ['lobby', 'yard']],
    ['lobby', ['lobby']],
  ])
    assert.equal((await bo.ask('POST', '/api/v1/tokens', { name, scopes: ['live'], cameras })).status, 201);
  const names = async () => (await ada.ask('GET', '/api/v1/tokens')).value.items.map(({ name }: { name: string }) => name);
  await ada.ask('PATCH', '/api/v1/users/bo', { cameras: ['lobby'] });
  assert.deepEqual(await names(), ['both', 'everywhere', 'lobby'], 'who manages users can give themselves all cameras');
  await ada.ask('PATCH', '/api/v1/users/bo', { role: 'viewer' });
  assert.deepEqual(await names(), ['lobby']);
});

test('a trusted proxy lets in whom it names, with its secret, from its address, and only users known here', async () => {
  await using directory = await temporaryDirectory();
  const secretFile = join(directory.path, 'proxy.secret');
  const secret = 'a secret of the proxy';
  await writeFile(secretFile, `${secret}\n`);
  const proxy = (addresses: readonly string[]) => ({
    trustedProxy: { addresses: [...addresses], userHeader: 'Remote-User', secretHeader: 'X-Sightline-Proxy', secretFile },
  });
  {
    await using door = await startSetUpDoor(directory.path, proxy(['127.0.0.0/8']));
    const password = await addUser(door.ada, 'bo@example.org', { cameras: ['lobby'] });
    await door.ada.ask('POST', '/api/v1/users', { user: 'ci', role: 'viewer' });
    const as = (user: string, given: string, more: Readonly<Record<string, string>> = {}, method = 'GET', path = 'session') =>
      ask(door.base, method, `/api/v1/${path}`, { headers: { 'remote-user': user, 'x-sightline-proxy': given, ...more } });
    const known = await as('bo@example.org', secret);
    assert.deepEqual([known.status, known.value.via, known.value.cameras], [200, 'proxy', ['lobby']]);
    assert.equal(known.value.expiresAt, undefined, 'the proxy knows when');
    assert.equal((await as('ci', secret)).status, 200, 'a user without a password');
    assert.deepEqual(statuses([await as('ada', 'a secret of somebody'), await as('ada', '')]), [403, 403]);
    const unknown = await as('mallory', secret);
    assert.deepEqual([unknown.status, /mallory.*is no user of sightline/.test(unknown.value.detail)], [403, true]);
    const unsafe = [
      await as('bo@example.org', secret, {}, 'POST', 'tickets'),
      await as('bo@example.org', secret, { 'x-csrf': known.value.csrf }, 'POST', 'tickets'),
      await as('bo@example.org', secret, { 'x-csrf': known.value.csrf, origin: 'https://evil.example' }, 'POST', 'tickets'),
      await as(
        'bo@example.org',
        secret,
        { 'x-csrf': known.value.csrf, origin: 'https://home.example', 'x-forwarded-host': 'home.example' },
        'POST',
        'tickets',
      ),
    ];
    assert.deepEqual(statuses(unsafe), [403, 200, 403, 200]);
    const stream = await openStream(door, { 'remote-user': 'bo@example.org', 'x-sightline-proxy': secret });
    await door.ada.ask('PATCH', '/api/v1/users/bo%40example.org', { disabled: true });
    await stream.ended();
    assert.equal((await as('bo@example.org', secret)).status, 403);
    assert.equal((await new Person(door.base).logIn('ci', '')).status, 400);
    assert.equal((await new Person(door.base).logIn('ci', password)).status, 401);
    const log = door.ctx.lines.map((line) => JSON.stringify(line)).join('\n');
    assert.ok(!log.includes(secret));
  }
  {
    await using door = await startDoor(directory.path, proxy(['172.30.32.0/23']));
    const headers = { 'remote-user': 'ada', 'x-sightline-proxy': secret, 'x-forwarded-proto': 'https' };
    assert.equal((await ask(door.base, 'GET', '/api/v1/session', { headers })).status, 401);
    const login = await ask(door.base, 'POST', '/api/v1/session', { headers, body: { user: 'ada', password: adaPassword } });
    assert.doesNotMatch(String(login.headers['set-cookie']), /Secure/);
  }
  await assert.rejects(startDoor(directory.path, proxy(['lan'])), {
    code: 'config.invalid',
    message: /lan is neither an address/,
  });
  await writeFile(secretFile, 'short');
  await assert.rejects(startDoor(directory.path, proxy(['::1'])), { code: 'config.invalid', message: /at least 16/ });
});

test('metrics are for who may, and on request for this machine, but not through a proxy nor by a name made to point here', async () => {
  await using directory = await temporaryDirectory();
  await using door = await startSetUpDoor(directory.path, { metrics: 'loopback' });
  const read = (headers: Readonly<Record<string, string>> = {}) => ask(door.base, 'GET', '/metrics', { headers });
  const replies = [
    await read(),
    await read({ 'x-forwarded-for': '203.0.113.9' }),
    await read({ host: 'rebound.example' }),
    await read({ host: 'rebound.example', cookie: door.ada.cookie }),
  ];
  assert.deepEqual(statuses(replies), [200, 401, 401, 200]);
  await using other = await temporaryDirectory();
  await using strict = await startSetUpDoor(other.path);
  const guest = await loggedIn(strict, 'bo', await addUser(strict.ada, 'bo'));
  const strictly = [
    await ask(strict.base, 'GET', '/metrics'),
    await guest.ask('GET', '/metrics'),
    await strict.ada.ask('GET', '/metrics'),
  ];
  assert.deepEqual(statuses(strictly), [401, 403, 200]);
});

test('what was done is written down, read page by page by admins, changed by nobody, and deleted by retention alone', async () => {
  await using directory = await temporaryDirectory();
  {
    await using door = await startSetUpDoor(directory.path);
    const { ada } = door;
    const password = await addUser(ada, 'bo', { cameras: ['lobby'] });
    await new Person(door.base).logIn('bo', 'wrong');
    await new Person(door.base).logIn(password, 'typed into the wrong field');
    const bo = await loggedIn(door, 'bo', password);
    await bo.ask('DELETE', '/api/v1/session');
    await ada.ask('PATCH', '/api/v1/users/bo', { role: 'operator' });
    const made = await ada.ask('POST', '/api/v1/tokens', { name: 'home', scopes: ['live'] });
    await ada.ask('DELETE', `/api/v1/tokens/${made.value.id}`);
    await ada.ask('DELETE', '/api/v1/users/bo');
    const read = async (query = '') => (await ada.ask('GET', `/api/v1/audit${query}`)).value;
    const all = await until('the last row is there', async () => {
      const { items } = await read();
      return items[0]?.action === 'user.remove' ? (items as Record<string, unknown>[]) : undefined;
    });
    assert.deepEqual(all.map(({ actor, action, subject }) => [actor, action, subject].join(' ')).toReversed(), [
      'ada setup.done ada',
      'ada user.add bo',
      'nobody session.refused bo',
      'nobody session.refused unknown user',
      'bo session.login bo',
      'bo session.logout bo',
      'ada user.change bo',
      'ada token.add home',
      'ada token.remove home',
      'ada user.remove bo',
    ]);
    assert.ok(!JSON.stringify(all).includes(password), 'not even what was typed as a name');
    const pages = [await read('?limit=6')];
    pages.push(await read(`?limit=6&cursor=${pages[0].cursor}`));
    assert.deepEqual([...pages[0].items, ...pages[1].items], all);
    assert.equal(pages[1].cursor, undefined);
    assert.equal((await read('?actor=bo')).items.length, 2);
    const at = Number(all[4]?.['at']);
    assert.equal((await read(`?from=${at + 1}`)).items.length + (await read(`?to=${at + 1}`)).items.length, all.length);
    const iso = new Date(at + 1).toISOString();
    for (const end of ['from', 'to'])
      assert.deepEqual(await read(`?${end}=${iso}`), await read(`?${end}=${at + 1}`), `${end} as alerts take it`);
    const wrong = await ada.ask('GET', '/api/v1/audit?from=yesterday');
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /from: expected milliseconds since 1970, or a time with its zone/);
    assert.equal((await ada.ask('GET', '/api/v1/audit?cursor=x')).status, 400);
  }
  const db = new Sqlite(join(directory.path, 'sightline.db'));
  assert.throws(() => db.exec("UPDATE audit SET actor = 'mallory'"), /only added to/);
  assert.throws(() => db.exec('DELETE FROM audit'), /only added to/);
  db.close();
  await using door = await startDoor(directory.path);
  const hour = 3_600_000;
  const keep = { alertsMs: 1e12, snapshotsMs: 1e12, ledgerMs: 1e12, auditMs: 24 * hour };
  await door.store.sweep(Date.now(), keep);
  assert.equal((await door.store.audit.list(100)).length, 10);
  await door.store.sweep(Date.now() + 25 * hour, keep);
  assert.equal((await door.store.audit.list(100)).length, 0);
});

test('over TLS the cookie is for TLS alone; files that cannot be used are named', async () => {
  await using directory = await temporaryDirectory();
  await using certificates = await makeCertificates();
  const { server, client } = certificates;
  const tls = await loadTls({ tls: server });
  {
    await using door = await startDoor(directory.path, {}, tls);
    const ca = readFileSync(certificates.caFile, 'utf8');
    const reply = await ask(door.base, 'POST', '/api/v1/setup', {
      body: { token: door.setupToken(), user: 'ada', password: adaPassword },
      ca,
    });
    assert.equal(reply.status, 201);
    assert.match(String(reply.headers['set-cookie']), /; Secure$/);
  }
  assert.equal(await loadTls({ tls: undefined }), undefined);
  const missing = join(directory.path, 'missing.pem');
  const wrong: readonly [string, string, RegExp][] = [
    [missing, server.keyFile, /^http\.tls\.certFile: .*missing\.pem: there is no such file$/],
    [server.keyFile, server.keyFile, /^http\.tls\.certFile: .* holds no certificate/],
    [server.certFile, server.certFile, /^http\.tls\.keyFile: .* holds no private key/],
    [server.certFile, client.keyFile, /^http\.tls\.keyFile: .* it is not the key of the certificate in http\.tls\.certFile$/],
  ];
  for (const [certFile, keyFile, message] of wrong)
    await assert.rejects(loadTls({ tls: { certFile, keyFile } }), { code: 'config.invalid', message });
});

test('when somebody was last there is known after their session has ended and the program was started again', async () => {
  await using directory = await temporaryDirectory();
  const seen = async (ada: Person) =>
    ((await ada.ask('GET', '/api/v1/users')).value.items as readonly { user: string; sessions: number; lastSeenAt?: number }[])
      .filter(({ user }) => user !== 'ada')
      .map(({ user, sessions, lastSeenAt }) => [user, sessions, lastSeenAt !== undefined]);
  {
    await using door = await startDoor(directory.path);
    const setUp = { token: door.setupToken(), user: 'ada', password: adaPassword };
    assert.equal((await ask(door.base, 'POST', '/api/v1/setup', { body: setUp })).status, 201);
    const ada = await loggedIn(door, 'ada', adaPassword);
    const password = await addUser(ada, 'bo');
    await addUser(ada, 'cy');
    const bo = await loggedIn(door, 'bo', password);
    assert.equal((await bo.ask('DELETE', '/api/v1/session')).status, 204);
    assert.deepEqual(await seen(ada), [
      ['bo', 0, true],
      ['cy', 0, false],
    ]);
  }
  await using door = await startDoor(directory.path);
  const ada = await loggedIn(door, 'ada', adaPassword);
  assert.deepEqual(await seen(ada), [
    ['bo', 0, true],
    ['cy', 0, false],
  ]);
  // Somebody of the same name who comes later is another one.
  assert.equal((await ada.ask('DELETE', '/api/v1/users/bo')).status, 204);
  await addUser(ada, 'bo');
  assert.deepEqual(await seen(ada), [
    ['bo', 0, false],
    ['cy', 0, false],
  ]);
});
