import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { may, mayWatch, type Permission, type Principal, permissions, permissionsOf, roles } from '../../src/core/access.ts';
import { SightlineError } from '../../src/core/errors.ts';
import { plainAddress, unmapped } from '../../src/core/network.ts';
import { sameSecret } from '../../src/core/same-secret.ts';
import type { AuditStore, UserRecord, UserStore } from '../../src/core/store.ts';
import { streamHa1 } from '../../src/core/stream-login.ts';
import { losesRights, startAccounts } from '../../src/http/auth/accounts.ts';
import { addressKind, addressList, isLoopbackHost, isSameSite, placeOf, seenAs } from '../../src/http/auth/addresses.ts';
import { readCookie, writeCookie } from '../../src/http/auth/cookie.ts';
import { createPasswords, requireGoodPassword } from '../../src/http/auth/passwords.ts';
import { csrfToken, newStreamPassword } from '../../src/http/auth/secrets.ts';
import { absoluteMs, createSessions, idleMs } from '../../src/http/auth/sessions.ts';
import { createLoginThrottle, createThrottle } from '../../src/http/auth/throttle.ts';
import { createTokens, tokenPrincipal } from '../../src/http/auth/tokens.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { until } from '../support/until.ts';

describe('access', () => {
  const principal = (changes: Partial<Principal>): Principal => ({
    user: 'x',
    role: 'viewer',
    cameras: 'all',
    pictures: false,
    via: 'session',
    ...changes,
  });

  test('a role has all that the role below it has, and the admin everything', () => {
    for (const [at, role] of roles.entries()) {
      const below = roles[at - 1];
      if (below !== undefined)
        assert.ok(
          permissionsOf(below).every((one) => permissionsOf(role).includes(one)),
          role,
        );
    }
    assert.deepEqual(permissionsOf('admin'), permissions);
    const admins: readonly Permission[] = ['users.manage', 'audit.read', 'config.reload', 'watchlist.export', 'metrics.read'];
    for (const one of admins) assert.ok(!may(principal({ role: 'operator', pictures: true }), one), one);
  });

  test('a token has the least role that has its scopes, and sees no clean picture behind masks', () => {
    const of = (...scopes: Permission[]) =>
      tokenPrincipal({ id: '1', hash: '', name: 'x', scopes, cameras: 'all', createdBy: 'ada', createdAt: 0 });
    assert.deepEqual(
      [of('live', 'pictures').role, of('alerts.act').role, of('metrics.read', 'live').role],
      ['viewer', 'operator', 'admin'],
    );
    assert.ok(may(of('pictures'), 'pictures') && !may(of('pictures'), 'live'));
    const clean = { variant: 'clean', masked: true } as const;
    assert.ok(!mayWatch(of('live', 'users.manage'), 'lobby', clean));
    assert.ok(mayWatch(principal({ role: 'admin' }), 'lobby', clean));
    assert.ok(mayWatch(of('live'), 'lobby', { variant: 'annotated', masked: true }));
  });

  test('rights are lost by a lower role, fewer cameras, pictures taken away, being disabled', () => {
    const before: UserRecord = {
      name: 'bo',
      role: 'operator',
      cameras: ['a', 'b'],
      pictures: true,
      disabled: false,
      passwordHash: '',
      createdAt: 0,
    };
    const loses = (changes: Partial<UserRecord>, from: Partial<UserRecord> = {}) =>
      losesRights({ ...before, ...from }, { ...before, ...from, ...changes });
    assert.deepEqual(
      [{ role: 'viewer' }, { cameras: ['a', 'c'] }, { cameras: [] }, { pictures: false }, { disabled: true }].map((changes) =>
        loses(changes as Partial<UserRecord>),
      ),
      [true, true, true, true, true],
    );
    assert.ok(loses({ cameras: ['a'] }, { cameras: 'all' }));
    assert.ok(!loses({ role: 'admin', cameras: 'all' }));
    assert.ok(!loses({ cameras: ['b', 'a', 'c'] }));
    assert.ok(!loses({ disabled: false }, { disabled: true }));
  });
});

describe('addresses', () => {
  test('an address is one however it is written, and a list knows its networks', () => {
    assert.deepEqual(['::ffff:10.0.0.1', ' 10.0.0.1', 'FE80::1%eth0', '10.0.0', '', undefined].map(plainAddress), [
      '10.0.0.1',
      '10.0.0.1',
      'fe80::1',
      undefined,
      undefined,
      undefined,
    ]);
    assert.deepEqual(['::ffff:10.0.0.1', '::FFFF:10.0.0.1', 'fe80::1%eth0', '::ffff:0:1', '10.0.0.1'].map(unmapped), [
      '10.0.0.1',
      '10.0.0.1',
      'fe80::1%eth0',
      '::ffff:0:1',
      '10.0.0.1',
    ]);
    const has = addressList(['172.30.32.0/23', '::1', 'fd00::/8'], 'x');
    assert.deepEqual(['172.30.33.255', '172.30.34.0', '::1', '::2', 'fd12::1', '127.0.0.1'].map(has), [
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    for (const wrong of ['lan', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '/8'])
      assert.throws(() => addressList([wrong], 'http.trustedProxy.addresses'), { code: 'config.invalid' }, wrong);
    assert.deepEqual(['127.4.5.6', '::1', '192.168.1.4', 'fd00::1', '9.9.9.9'].map(addressKind), [
      'loopback',
      'loopback',
      'private',
      'private',
      'public',
    ]);
  });

  test('a /64 of IPv6 is one place', () => {
    assert.equal(placeOf('2001:db8::1'), '2001:db8:0:0::/64');
    assert.equal(placeOf('2001:db8:0:0:ffff::2'), '2001:db8:0:0::/64');
    assert.notEqual(placeOf('2001:db8:0:1::1'), placeOf('2001:db8::1'));
    assert.equal(placeOf('::1'), '0:0:0:0::/64');
    assert.equal(placeOf('10.0.0.1'), '10.0.0.1');
  });

  test('what is forwarded counts from proxies alone, and of it only what a proxy has seen', () => {
    const isProxy = addressList(['10.0.0.0/24'], 'x');
    const see = (peer: string, headers: Readonly<Record<string, string>>) =>
      seenAs({ peer, encrypted: false, headers: { host: 'inner:8080', ...headers } }, isProxy);
    const forwarded = {
      'x-forwarded-for': '1.1.1.1, 9.9.9.9, 10.0.0.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'out',
    };
    assert.deepEqual(see('9.9.9.8', forwarded), { address: '9.9.9.8', https: false, host: 'inner:8080' });
    assert.deepEqual(see('10.0.0.8', forwarded), { address: '9.9.9.9', https: true, host: 'out' });
    assert.equal(see('10.0.0.8', { 'x-forwarded-for': '1.1.1.1, garbage' }).address, '10.0.0.8');
    assert.equal(see('10.0.0.8', {}).address, '10.0.0.8');
  });

  test('a request from another site is known by Sec-Fetch-Site, else by its Origin', () => {
    const from = (headers: Readonly<Record<string, string>>) => isSameSite(headers, ['cam.example:8080', 'out.example']);
    assert.deepEqual(
      [
        {},
        { origin: 'http://cam.example:8080' },
        { origin: 'https://out.example' },
        { 'sec-fetch-site': 'same-origin', origin: 'https://rewritten' },
        { 'sec-fetch-site': 'none' },
      ].map((headers) => from(headers as Record<string, string>)),
      [true, true, true, true, true],
    );
    assert.deepEqual(
      [
        { origin: 'http://cam.example' },
        { origin: 'null' },
        { origin: 'http://evil.example' },
        { origin: 'file:///x' },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'cross-site', origin: 'http://cam.example:8080' },
      ].map((headers) => from(headers as Record<string, string>)),
      [false, false, false, false, false, false],
    );
  });

  test('only names that mean this machine are loopback hosts', () => {
    assert.deepEqual(
      ['localhost', 'localhost:80', '127.0.0.1:8080', '[::1]:8080', 'evil.example', '127.0.0.1.evil.example', '', 'a b'].map(
        isLoopbackHost,
      ),
      [true, true, true, true, false, false, false, false],
    );
  });
});

describe('secrets', () => {
  test('the cookie is found among others, and written closed', () => {
    assert.equal(readCookie('a=1; sightline=x=y ; b=2'), 'x=y');
    assert.equal(readCookie('xsightline=1'), undefined);
    assert.equal(readCookie(undefined), undefined);
    assert.equal(
      writeCookie('v', { secure: true, maxAgeS: 9 }),
      'sightline=v; Path=/; Max-Age=9; HttpOnly; SameSite=Strict; Secure',
    );
  });

  test('a CSRF token is of its credential and tells nothing of it; secrets of any length are compared', () => {
    assert.equal(csrfToken('a'), csrfToken('a'));
    assert.notEqual(csrfToken('a'), csrfToken('b'));
    assert.ok(sameSecret('abc', 'abc') && !sameSecret('abc', 'abcd') && !sameSecret('', 'a'));
  });

  test('stream passwords are of 120 bits, and their HA1 is that of RFC 7616', () => {
    const made = new Set(Array.from({ length: 100 }, newStreamPassword));
    assert.equal(made.size, 100);
    for (const one of made) assert.match(one, /^[a-km-np-z2-9]{24}$/);
    // printf 'ada:sightline:secret' | md5sum, sha256sum
    assert.deepEqual(streamHa1('ada', 'secret'), {
      md5: '5a132ed6877f3ec871bd42fc69daa26f',
      sha256: '5b00cc84eed8c4a48116fde46c0496173c733c9b814a61a2da4c76754d61d060',
    });
  });

  test('passwords: weak ones are refused in words; a hash is another each time and is of its password alone', async () => {
    for (const [password, words] of [
      ['short', /has 5 characters; at least 10/],
      ['aaaaaaaaaaaa', /fewer than 4 different/],
      ['Somebody.Here', /name of the user/],
      ['x'.repeat(201), /at most 200/],
    ] as const)
      assert.throws(() => requireGoodPassword(password, 'somebody.here'), { code: 'user.refused', message: words }, password);
    requireGoodPassword('ünï cødé 👩‍🚒!', 'x');
    using ctx = testContext();
    const passwords = createPasswords(ctx);
    const [a, b] = await Promise.all([passwords.hash('correct horse Å'), passwords.hash('correct horse Å')]);
    assert.notEqual(a, b);
    const verified = await Promise.all([
      passwords.verify('correct horse \u212b', a),
      passwords.verify('correct horse A', a),
      passwords.verify('correct horse Å', undefined),
      passwords.verify('correct horse Å', ''),
      passwords.verify('correct horse Å', '$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA'),
    ]);
    assert.deepEqual(verified, [true, false, false, false, false]);
    const many = Array.from({ length: 40 }, () => passwords.verify('x', undefined));
    const settled = await Promise.allSettled(many);
    const refused = settled.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 8, 'those beyond 32 are not kept waiting');
    assert.ok(refused.every(({ reason }) => reason instanceof SightlineError && reason.code === 'http.limited'));
  });
});

describe('sessions and tokens', () => {
  test('a session is over when idle or old, is one of few, and an interruption ends what goes on but not the session', () => {
    const sessions = createSessions([]);
    const { id, record } = sessions.open('bo', 'private', 0);
    assert.ok(!JSON.stringify(record).includes(id));
    assert.equal(sessions.use('guessed', 1), undefined);
    assert.equal(sessions.use(id, idleMs - 1)?.record.user, 'bo');
    assert.equal(sessions.use(id, 2 * idleMs - 2)?.record.lastSeenAt, 2 * idleMs - 2, 'each use keeps it');
    assert.equal(sessions.use(id, 3 * idleMs), undefined);
    for (let at = idleMs; at < absoluteMs; at += idleMs / 2) sessions.use(id, at);
    assert.equal(sessions.use(id, absoluteMs), undefined);
    assert.equal(sessions.endOver(absoluteMs).length, 1);

    const first = sessions.open('bo', 'private', 0);
    for (let at = 1; at < 20; at += 1) assert.deepEqual(sessions.open('bo', 'private', at).ended, []);
    sessions.open('al', 'private', 20);
    assert.deepEqual(sessions.open('bo', 'private', 21).ended, [first.record.hash], 'the one used least lately gives way');
    const before = sessions.open('cy', 'private', 0);
    const signal = sessions.use(before.id, 1)?.signal;
    sessions.interrupt('cy');
    assert.ok(signal?.aborted);
    assert.equal(sessions.use(before.id, 2)?.signal.aborted, false);
  });

  test('a token is over at its time, and what it opened with it', () => {
    const tokens = createTokens([]);
    const { token, record } = tokens.make({ name: 'x', scopes: ['live'], cameras: 'all', expiresAt: 100 }, 'ada', 0);
    tokens.put(record);
    const used = tokens.use(token, 99);
    assert.equal(tokens.use(token, 100), undefined);
    assert.deepEqual([tokens.endOver(99).length, tokens.endOver(100).length, tokens.endOver(101).length], [0, 1, 0]);
    assert.ok(used?.signal.aborted);
  });
});

describe('throttle', () => {
  const policy = { free: 3, firstMs: 1000, maxMs: 5000, forgetMs: 60_000 };

  test('a few failures are free, then each costs twice the one before, to a bound, until they are forgotten', () => {
    const throttle = createThrottle(policy, 10);
    const waits: number[] = [];
    let now = 0;
    for (let at = 0; at < 8; at += 1) {
      const ms = throttle.waitMs('a', now);
      waits.push(ms);
      now += ms;
      throttle.begin('a', now);
    }
    assert.deepEqual(waits, [0, 0, 0, 1000, 2000, 4000, 5000, 5000]);
    assert.equal(throttle.waitMs('b', now), 0);
    assert.equal(throttle.waitMs('a', now + 60_000), 0);
  });

  test('many at once are counted from their beginning; one that was not decided is given back', () => {
    const throttle = createThrottle(policy, 10);
    for (let at = 0; at < 3; at += 1) throttle.begin('a', 0);
    assert.equal(throttle.waitMs('a', 0), 1000);
    throttle.takeBack('a');
    assert.equal(throttle.waitMs('a', 0), 0);
    throttle.forgive('a');
    assert.equal(throttle.size, 0);
  });

  test('its table is bounded: the oldest is forgotten and counted', () => {
    const throttle = createThrottle(policy, 3);
    for (const key of ['a', 'b', 'a', 'c', 'd']) throttle.begin(key, 0);
    assert.deepEqual([throttle.size, throttle.evicted], [3, 1]);
    for (const key of ['a', 'b']) throttle.begin(key, 0);
    assert.equal(throttle.evicted, 2);
  });

  test('who guesses from elsewhere, at oneself or at others beside, locks nobody out of their own place', () => {
    const login = createLoginThrottle();
    const attempt = (user: string, place: string, now: number) =>
      login.attempt({ user, isKnown: user !== 'nobody', place }, now);
    const succeed = (user: string, place: string, now: number) => {
      const made = attempt(user, place, now);
      assert.ok(typeof made !== 'number', `${user} from ${place} has to wait`);
      made.succeed();
    };
    succeed('ada', 'home', 0);
    for (let at = 0; at < 30; at += 1) attempt('ada', `bot ${at}`, 1);
    assert.ok(Number(attempt('ada', 'hotel', 1)) > 0, 'a place that is new has to wait');
    assert.ok(Number(attempt('ada', 'hotel', 1)) <= 30_000, 'and not for long');
    succeed('ada', 'home', 1);
    for (let at = 0; at < 30; at += 1) attempt('bo', 'home', 2);
    assert.ok(Number(attempt('nobody', 'home', 2)) > 0);
    succeed('ada', 'home', 2);
    // One's own account washes off no guesses at others.
    for (let at = 0; at < 5; at += 1) attempt('bo', 'cafe', 3);
    const wait = attempt('eve', 'cafe', 3);
    assert.ok(Number(wait) > 0);
    succeed('eve', 'cafe', 3 + Number(wait));
    assert.ok(Number(attempt('bo', 'cafe', 4 + Number(wait))) > 0);
    for (let at = 0; at < 20; at += 1) attempt('ada', 'home', 5);
    assert.ok(Number(attempt('ada', 'home', 5)) > 0, 'guesses from the own place have to wait, too');
  });
});

test('nobody waits at the door for a disk that is full: sessions hold in memory, and their ends are stored once it takes writes', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  const bo: UserRecord = {
    name: 'bo',
    role: 'viewer',
    cameras: 'all',
    pictures: false,
    disabled: false,
    passwordHash: '',
    createdAt: 0,
  };
  let isFull = true;
  const calls: string[] = [];
  const write = (what: string) => async () => {
    if (isFull) throw new SightlineError('store.full', 'the disk is full');
    calls.push(what);
  };
  const users = {
    load: async () => ({ users: [bo], sessions: [], tokens: [], seen: [] }),
    addSession: write('add'),
    endSessions: write('end'),
    touch: write('touch'),
    replace: write('replace'),
    remove: write('remove'),
  } as unknown as UserStore;
  await using accounts = await startAccounts({ users, audit: { add: write('audit') } as unknown as AuditStore }, ctx);
  const revoked: string[] = [];
  accounts.onRevoke((user, cause) => revoked.push(`${user} ${cause}`));
  const [one, two] = [await accounts.openSession('bo', 'private'), await accounts.openSession('bo', 'private')];
  assert.ok(accounts.sessions.use(one.id, clock.now()) && accounts.sessions.use(two.id, clock.now()));
  await accounts.keeping.close(one.record.hash);
  assert.equal(accounts.sessions.use(one.id, clock.now()), undefined);
  await assert.rejects(accounts.remove('bo', { user: 'ada', via: 'session' }), { code: 'store.full' });
  assert.ok(accounts.user('bo'), 'what could not be stored is not done');
  assert.equal(calls.length, 0);
  isFull = false;
  await clock.advance(60_000);
  await until('the end is stored', () => calls.includes('end'));
  await clock.advance(idleMs);
  assert.equal(accounts.sessions.size, 0);
  assert.deepEqual(revoked, ['bo logout'], 'the last session is over');
  await accounts.remove('bo', { user: 'ada', via: 'session' });
  assert.deepEqual([accounts.user('bo'), revoked.at(-1)], [undefined, 'bo rights']);
  assert.match(await ctx.metrics.registry.metrics(), /sightline_auth_store_failures_total [1-9]/);
});
