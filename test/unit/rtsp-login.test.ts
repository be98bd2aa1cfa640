import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { StreamUser } from '../../src/core/media-door.ts';
import { networkOf } from '../../src/core/network.ts';
import { streamHa1 } from '../../src/core/stream-login.ts';
import { LoginFailures, loginLimits } from '../../src/media/login-failures.ts';
import { authParameters, ConnectionLogin, nonceLifeMs } from '../../src/media/rtsp-login.ts';
import { ManualClock } from '../support/clock.ts';

const password = 'pass:word "ü"';
const guard: StreamUser = {
  principal: { user: 'guard', role: 'viewer', cameras: 'all', pictures: false, via: 'rtsp' },
  ha1: streamHa1('guard', password),
};
const users = (name: string) => (name === 'guard' ? guard : undefined);
const uri = 'rtsp://host:8554/lobby';

function hex(algorithm: 'md5' | 'sha256', text: string): string {
  return createHash(algorithm).update(text).digest('hex');
}

interface Answer {
  readonly algorithm?: 'md5' | 'sha256';
  readonly user?: string;
  readonly password?: string;
  readonly method?: string;
  readonly uri?: string;
  readonly count?: number;
  readonly nonce?: string;
  readonly realm?: string;
}

/** What a client answers, computed here on its own. */
function digest(login: ConnectionLogin, answer: Answer = {}): string {
  const nonce = answer.nonce ?? authParameters(login.challenges(false)[0] ?? '').get('nonce') ?? '';
  const { algorithm = 'md5', user = 'guard', method = 'DESCRIBE', uri: asked = uri, realm = 'sightline', count } = answer;
  const ha1 = hex(algorithm, `${user}:${realm}:${answer.password ?? password}`);
  const nc = count?.toString(16).padStart(8, '0');
  const between = nc === undefined ? '' : `${nc}:abc:auth:`;
  const response = hex(algorithm, `${ha1}:${nonce}:${between}${hex(algorithm, `${method}:${asked}`)}`);
  const qop = nc === undefined ? '' : `, qop=auth, nc=${nc}, cnonce="abc"`;
  return `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${asked}", response="${response}"${qop}`;
}

describe('rtsp logins', () => {
  const check = (login: ConnectionLogin, authorization: string, method = 'DESCRIBE') =>
    login.check({ authorization, method, uri }, users).kind;
  const fresh = (clock = new ManualClock()) => new ConnectionLogin(clock);

  it('compute as RFC 7616 section 3.9.1 does', () => {
    const ha1 = hex('sha256', 'Mufasa:http-auth@example.org:Circle of Life');
    const ha2 = hex('sha256', 'GET:/dir/index.html');
    const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
    const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
    assert.equal(
      hex('sha256', `${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}`),
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    );
    assert.equal(streamHa1('a', 'b').md5, hex('md5', 'a:sightline:b'));
  });

  it('offer SHA-256, MD5 and Basic in one realm, the Digests with one nonce, MD5 behind SHA-256', () => {
    const [sha256 = '', md5 = '', basic = '', ...more] = fresh().challenges(false);
    assert.deepEqual(more, []);
    assert.match(sha256, /^Digest realm="sightline", nonce="[\w-]{24}", qop="auth", algorithm=SHA-256$/);
    assert.equal(md5, sha256.replace('SHA-256', 'MD5'));
    assert.equal(basic, 'Basic realm="sightline"');
    assert.match(fresh().challenges(true)[0] ?? '', /stale=true/);
  });

  for (const [what, answer] of [
    ['MD5 without qop, as GStreamer', {}],
    ['MD5 with qop, as FFmpeg', { count: 1 }],
    ['SHA-256', { algorithm: 'sha256', count: 1 }],
    ['the address with a slash', { uri: `${uri}/` }],
    ['the path alone', { uri: '/lobby' }],
    ['the track', { uri: `${uri}/trackID=0` }],
  ] as const) {
    it(`take Digest: ${what}`, () => {
      const login = fresh();
      assert.equal(check(login, digest(login, answer)), 'ok');
    });
  }

  for (const [what, answer] of [
    ['another password', { password: 'x' }],
    ['a name that nobody has', { user: 'nobody' }],
    ['another method', { method: 'SETUP' }],
    ['another stream', { uri: 'rtsp://host:8554/vault' }],
    ['another realm', { realm: 'elsewhere' }],
    ['a count of nothing', { count: 0 }],
    ['another password and an old nonce', { password: 'x', nonce: 'old' }],
  ] as const) {
    it(`refuse Digest: ${what}`, () => {
      const login = fresh();
      assert.equal(check(login, digest(login, answer)), 'failed');
    });
  }

  it('take a count once on a connection, and a nonce on its own connection only', () => {
    const login = fresh();
    assert.equal(check(login, digest(login, { count: 1 })), 'ok');
    assert.equal(check(login, digest(login, { count: 1 })), 'failed', 'replayed');
    assert.equal(check(login, digest(login, { count: 5 })), 'ok');
    assert.equal(check(login, digest(login, { count: 4 })), 'failed');
    assert.equal(check(fresh(), digest(login, { count: 6 })), 'stale');
  });

  it('let a nonce expire, and say so to who knows the password', async () => {
    const clock = new ManualClock();
    const login = fresh(clock);
    const old = digest(login, { count: 1 });
    await clock.advance(nonceLifeMs + 1);
    assert.equal(check(login, old), 'stale');
    assert.equal(check(login, digest(login, { count: 1 })), 'ok');
  });

  it('take Basic', () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    assert.equal(check(fresh(), basic(`guard:${password}`)), 'ok');
    for (const text of ['guard:x', `nobody:${password}`, 'guard', '', ':'])
      assert.equal(check(fresh(), basic(text)), 'failed', text);
  });

  it('take nothing else for a login', () => {
    for (const text of ['', 'Bearer x', 'Digest', 'Basic']) assert.equal(check(fresh(), text), 'none', text);
    for (const text of ['Digest x', 'Digest response=""', 'Digest username="guard"'])
      assert.equal(check(fresh(), text), 'failed', text);
  });
});

describe('failed rtsp logins', () => {
  it('make an address wait, and no other, until the minute is over', async () => {
    const clock = new ManualClock();
    const failures = new LoginFailures(clock);
    for (let count = 0; count < loginLimits.failures; count++) {
      assert.equal(failures.blockedMs('10.0.0.1'), 0);
      failures.add('10.0.0.1');
      await clock.advance(1000);
    }
    assert.equal(failures.blockedMs('::ffff:10.0.0.1'), loginLimits.windowMs - 10_000);
    assert.equal(failures.blockedMs('10.0.0.2'), 0);
    await clock.advance(loginLimits.windowMs - 10_000);
    assert.equal(failures.blockedMs('10.0.0.1'), 0);
  });

  it('take no more memory than the table has room', () => {
    const failures = new LoginFailures(new ManualClock());
    for (let index = 0; index < loginLimits.addresses + 50; index++) failures.add(`10.1.${index >> 8}.${index & 255}`);
    assert.equal(failures.size, loginLimits.addresses);
  });

  it('count by network where one customer has many addresses', () => {
    assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
    assert.equal(networkOf('2001:db8::6'), '2001:db8:0:0');
    assert.equal(networkOf('::1'), '0:0:0:0');
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0');
    assert.equal(networkOf('::ffff:192.0.2.7'), '192.0.2.7');
  });
});
