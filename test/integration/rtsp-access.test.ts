import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Principal } from '../../src/core/access.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { StreamUser } from '../../src/core/media-door.ts';
import { streamHa1 } from '../../src/core/stream-login.ts';
import { loginLimits } from '../../src/media/login-failures.ts';
import type { RtspAccess } from '../../src/media/rtsp-connection.ts';
import { makeCertificates } from '../support/certificates.ts';
import { ManualClock } from '../support/clock.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { connectRtsp, depacketise, type RtspClient } from '../support/rtsp-client.ts';
import { type House, house, tcp } from '../support/rtsp-house.ts';
import { until } from '../support/until.ts';

function principal(user: string): Principal {
  return { user, role: 'viewer', cameras: 'all', pictures: false, via: 'rtsp' };
}

interface Door extends RtspAccess {
  readonly users: Map<string, StreamUser>;
  /** Who may not watch. */
  readonly banished: Set<string>;
}

/** Two users whose passwords are their names; everybody may watch `lobby` and knows of nothing else. */
function door(): Door {
  const names = ['guard', 'owner'];
  const users = new Map(names.map((name) => [name, { principal: principal(name), ha1: streamHa1(name, name) }]));
  const banished = new Set<string>();
  return {
    users,
    banished,
    user: (name) => users.get(name),
    authorise: ({ user }, path) => (path !== 'lobby' ? 'unknown' : banished.has(user) ? 'forbidden' : 'ok'),
  };
}

const basic = (name: string, password = name) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

async function playAs(client: RtspClient, home: House, name: string): Promise<void> {
  assert.equal((await client.request('DESCRIBE', home.url, basic(name))).status, 200);
  const setup = await client.request('SETUP', `${home.url}/trackID=0`, { ...tcp, ...basic(name) });
  assert.equal(setup.status, 200);
  assert.equal((await client.request('PLAY', home.url, { Session: setup.headers['session'] ?? '' })).status, 200);
}

describe('rtsp server with logins', () => {
  it('tells nothing of a stream to who has not logged in, and lets in who has', async () => {
    await using home = await house({ access: door() });
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('OPTIONS', home.url)).status, 200);
    for (const url of [home.url, `${home.url}/nowhere`]) {
      const refused = await client.request('DESCRIBE', url);
      assert.equal(refused.status, 401);
      assert.match(refused.headers['www-authenticate'] ?? '', /^Basic realm="sightline"$/, 'the last of three lines');
      assert.equal((await client.request('SETUP', `${url}/trackID=0`, tcp)).status, 401);
    }
    assert.equal((await client.request('PLAY', home.url)).status, 455);
    assert.equal((await client.request('DESCRIBE', `${home.url}/nowhere`, basic('guard'))).status, 404);
    await playAs(client, home, 'guard');
    home.frame(true);
    await until('a picture', () => depacketise(client.packets).length === 3);
  });

  it('gives the places of strangers to others, and ends strangers after a while; readers stay', async () => {
    const clock = new ManualClock();
    await using home = await house({ access: door(), clock, maxReaders: 40 });
    using guard = await connectRtsp(home.server.port);
    await playAs(guard, home, 'guard');
    const strangers: RtspClient[] = [];
    // A few of each address.
    for (let count = 0; count < 39; count++) strangers.push(await connectRtsp(home.server.port, `127.0.0.${2 + (count % 5)}`));
    await until('many may come at once', () => home.server.clients === 40);
    using early = await connectRtsp(home.server.port);
    await until('it is full', () => early.closed);
    assert.ok(strangers.every(({ closed }) => !closed));
    await clock.advance(1000);
    using owner = await connectRtsp(home.server.port);
    await playAs(owner, home, 'owner');
    await until('the first stranger has left', () => strangers[0]?.closed);
    assert.equal(strangers.filter(({ closed }) => closed).length, 1);
    assert.equal(home.server.counters.turnedAway, 2);
    for (let ms = 0; ms < 20_000; ms += 5000) await clock.advance(5000);
    await until('all strangers have left', () => strangers.every(({ closed }) => closed));
    assert.deepEqual([guard.closed, owner.closed, home.server.readers, home.server.clients], [false, false, 2, 2]);
    for (const client of strangers) client[Symbol.dispose]();
  });

  it('lets in others while one address holds all places and takes each one that it loses at once', async () => {
    const clock = new ManualClock();
    await using home = await house({ access: door(), clock, maxReaders: 40 });
    using early = await connectRtsp(home.server.port);
    await until('it is there', () => home.server.clients === 1);
    using flooding = new DisposableStack();
    let lost = 0;
    function flood(): void {
      const socket = connect({ port: home.server.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      flooding.adopt(socket, () => void socket.destroy());
      socket.on('error', () => {});
      socket.once('close', () => {
        lost += 1;
        if (!flooding.disposed) flood();
      });
    }
    for (let count = 0; count < 60; count++) flood();
    await until('it is full, and they push each other out', () => home.server.clients === 40 && lost > 100);
    const honest: RtspClient[] = [];
    for (let count = 0; count < 20; count++) {
      const client = flooding.use(await connectRtsp(home.server.port));
      await playAs(client, home, 'guard');
      honest.push(client);
    }
    await playAs(early, home, 'owner');
    assert.deepEqual([home.server.readers, honest.some(({ closed }) => closed)], [21, false]);
    assert.ok(home.server.counters.turnedAway > 100);
  });

  it('answers 403 to who may not watch', async () => {
    const access = door();
    access.banished.add('guard');
    await using home = await house({ access });
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('DESCRIBE', home.url, basic('guard'))).status, 403);
    assert.equal((await client.request('DESCRIBE', home.url, basic('owner'))).status, 200);
  });

  it('asks nobody where it is open, but does not let everybody watch everything', async () => {
    const access = { ...door(), anonymous: principal('') };
    await using home = await house({ access });
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('DESCRIBE', home.url)).status, 200);
    assert.equal((await client.request('DESCRIBE', home.url, basic('guard', 'wrong'))).status, 200);
    assert.equal((await client.request('DESCRIBE', `${home.url}x`)).status, 404);
  });

  it('makes an address that guesses wait, but nobody there who has a right login; counts it, and tells the log no name', async () => {
    const clock = new ManualClock();
    await using home = await house({ access: door(), clock });
    using client = await connectRtsp(home.server.port);
    for (let guess = 0; guess < loginLimits.failures; guess++) {
      assert.equal((await client.request('DESCRIBE', home.url, basic('guard', `guess${guess}`))).status, 401);
    }
    using other = await connectRtsp(home.server.port);
    const blocked = await other.request('DESCRIBE', home.url, basic('guard', 'guess'));
    assert.deepEqual([blocked.status, blocked.headers['retry-after']], [503, '60']);
    assert.equal((await other.request('DESCRIBE', home.url)).status, 401, 'who has said nothing yet is asked');
    assert.equal((await other.request('DESCRIBE', home.url, basic('guard'))).status, 200, 'a right login');
    await clock.advance(loginLimits.windowMs);
    using again = await connectRtsp(home.server.port);
    assert.equal((await again.request('DESCRIBE', home.url, basic('guard', 'guess'))).status, 401, 'a minute later');
    const metrics = await home.ctx.metrics.registry.metrics();
    assert.match(metrics, new RegExp(`sightline_rtsp_logins_failed_total ${loginLimits.failures + 2}\n`));
    const said = home.ctx.lines.filter(({ msg }) => msg === 'rtsp login failed');
    assert.ok(said.length >= 1 && said.length <= 3, `${said.length} lines`);
    assert.doesNotMatch(JSON.stringify(home.ctx.lines), /guess\d|guard/);
  });

  it('ends all of a user at once when he is revoked, and nobody else', async () => {
    await using home = await house({ access: door() });
    using first = await connectRtsp(home.server.port);
    using second = await connectRtsp(home.server.port);
    using owner = await connectRtsp(home.server.port);
    await playAs(first, home, 'guard');
    assert.equal((await second.request('DESCRIBE', home.url, basic('guard'))).status, 200);
    await playAs(owner, home, 'owner');
    assert.deepEqual([home.server.readers, home.server.clients], [2, 3]);
    assert.equal(home.server.revoke('guard'), 2);
    await until('both are closed', () => first.closed && second.closed && home.server.clients === 1);
    home.frame(true);
    await until('a picture', () => depacketise(owner.packets).length === 3);
  });

  it('ends those who would not be let in now: gone, with a new password, banished', async () => {
    const access = door();
    await using home = await house({ access });
    const connected = async (name: string) => {
      const client = await connectRtsp(home.server.port);
      await playAs(client, home, name);
      return client;
    };
    using guard = await connected('guard');
    using owner = await connected('owner');
    assert.equal(home.server.recheck(), 0);
    access.banished.add('guard');
    assert.equal(home.server.recheck(), 1);
    await until('closed', () => guard.closed);
    access.users.set('owner', { principal: principal('owner'), ha1: streamHa1('owner', 'another') });
    assert.equal(home.server.recheck(), 1);
    await until('closed', () => owner.closed && home.server.clients === 0);

    // A login that was lent for one connection: what it has opened stays, nothing else is opened with it.
    const lend = (password = 'lent'): StreamUser => ({
      principal: principal('lent'),
      ha1: streamHa1('lent', password),
      lent: true,
    });
    access.users.set('lent', lend());
    using lent = await connected('lent');
    access.users.delete('lent');
    assert.equal(home.server.recheck(), 0);
    assert.equal((await lent.request('DESCRIBE', home.url, basic('lent'))).status, 401);
    access.banished.add('lent');
    assert.equal(home.server.recheck(), 1);
    access.banished.delete('lent');
    access.users.set('lent', lend());
    using second = await connected('lent');
    access.users.set('lent', lend('another'));
    assert.equal(home.server.recheck(), 1);
    await until('closed', () => lent.closed && second.closed);
  });

  it('counts who reads or is about to, from DESCRIBE on until he has left', async () => {
    const counts: number[] = [];
    await using home = await house({ access: door(), onReaders: (count) => counts.push(count) });
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('DESCRIBE', home.url)).status, 401);
    assert.deepEqual(counts, []);
    await playAs(client, home, 'guard');
    assert.deepEqual(counts, [1]);
    client[Symbol.dispose]();
    await until('he has left', () => counts.length === 2);
    assert.deepEqual(counts, [1, 0]);
  });
});

describe('rtsps', () => {
  it('is served beside rtsp, keeps media inside the connection, and survives handshakes that are broken off', async () => {
    await using certificates = await makeCertificates();
    const before = process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
    await using home = await house({ tls: { port: 0, ...certificates.server } });
    const port = home.server.tlsPort ?? 0;
    for (let count = 0; count < 10; count++) {
      using client = await connectRtsp(port);
      // The begin of a ClientHello of 512 bytes.
      client.socket.write(Buffer.from('160301020001000 1fc0303'.replace(' ', ''), 'hex'));
      if (count % 2 === 0) client.socket.resetAndDestroy();
    }
    const metric = () => home.ctx.metrics.registry.metrics();
    await until('they are counted', async () => /sightline_rtsp_handshakes_failed_total [1-9]/.test(await metric()));
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    let said = '';
    socket.setEncoding('latin1').on('data', (text) => (said += text));
    const udp =
      'SETUP rtsps://h/lobby/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n';
    socket.write(udp + udp.replace('RTP/AVP;unicast;client_port=5000-5001', tcp.Transport).replace('CSeq: 1', 'CSeq: 2'));
    await until('two answers', () => said.includes('CSeq: 2') && said.endsWith('\r\n\r\n'));
    assert.match(said, /^RTSP\/1\.0 461 .*RTSP\/1\.0 200 OK\r\nCSeq: 2/s);
    const session = /Session: (\w+)/.exec(said)?.[1];
    socket.write(`PLAY rtsps://h/lobby RTSP/1.0\r\nCSeq: 3\r\nSession: ${session}\r\n\r\n`);
    await until('it plays', () => home.server.readers === 1);
    home.frame(true, 200_000);
    await until('a picture', () => said.length > 200_000);
    socket.destroy();
    await until('all are gone', () => home.server.clients === 0);
    await home.server[Symbol.asyncDispose]();
    const after = () => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
    await until('nothing is left open', () => after() <= before);
  });

  it('lets in others while handshakes that nobody ends come without end, of one network and of many', async () => {
    await using certificates = await makeCertificates();
    // However long a busy machine takes: who goes, goes for the others.
    const tuning = { handshakeTimeoutMs: 600_000 };
    await using home = await house({ tls: { port: 0, ...certificates.server }, maxReaders: 40, tuning });
    const port = home.server.tlsPort ?? 0;
    using hanging = new DisposableStack();
    let ended = 0;
    /** Connects and says nothing. */
    async function hang(localAddress: string): Promise<void> {
      const socket = connect({ port, host: '127.0.0.1', localAddress });
      hanging.adopt(socket, () => void socket.destroy());
      socket.on('error', () => {}).once('close', () => (ended += 1));
      await once(socket, 'connect');
    }
    const isServed = async () => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      hanging.adopt(socket, () => void socket.destroy());
      socket.write('OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n');
      const [said] = await once(socket, 'data');
      assert.match(String(said), /^RTSP\/1\.0 200 OK\r\n/);
    };
    await hang('127.0.0.3');
    for (let count = 0; count < 30; count++) await hang('127.0.0.2');
    await until('a quarter of the places is left to one network', () => ended === 20);
    await isServed();
    for (let count = 0; count < 60; count++) await hang(`127.0.1.${count + 1}`);
    await until('all of them hold as many places as there are', () => ended === 20 + 11 + 60 - 40);
    await isServed();
    await until('one more has made room', () => ended === 52);
    assert.equal(home.server.counters.turnedAway, ended);
    assert.equal(home.server.clients, 2, 'none of them is a connection yet');
  });

  it('ends a handshake that does not get on, however often something of it comes', async () => {
    await using certificates = await makeCertificates();
    const tuning = { handshakeTimeoutMs: 500 };
    await using home = await house({ tls: { port: 0, ...certificates.server }, tuning });
    using client = await connectRtsp(home.server.tlsPort ?? 0);
    // A record of 16 KiB, a byte at a time.
    client.socket.write(Buffer.from('1603014000', 'hex'));
    using _trickle = systemClock.every(20, () => void client.socket.write(Buffer.of(1)));
    await until('it is ended', () => client.closed);
    assert.equal(home.server.counters.handshakesFailed, 1);
  });

  it('takes a new certificate without a restart, and keeps the old one while the new one is of no use', async () => {
    await using certificates = await makeCertificates();
    await using others = await makeCertificates();
    await using directory = await temporaryDirectory();
    const [certFile, keyFile] = [join(directory.path, 'cert.pem'), join(directory.path, 'key.pem')];
    const put = async (files: { readonly certFile: string; readonly keyFile: string }) => {
      await copyFile(files.certFile, certFile);
      await copyFile(files.keyFile, keyFile);
    };
    await put(certificates.server);
    const clock = new ManualClock();
    await using home = await house({ clock, tls: { port: 0, certFile, keyFile } });
    const shown = async () => {
      const socket = connectTls({ port: home.server.tlsPort ?? 0, host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const first = await shown();
    await writeFile(certFile, 'no certificate');
    await until('it is said', async () => {
      await clock.advance(60_000);
      return home.ctx.lines.some(({ msg }) => msg === 'rtsps keeps its certificate, the new one cannot be used');
    });
    assert.equal(await shown(), first);
    await put(others.server);
    await until('it is renewed', async () => {
      await clock.advance(60_000);
      return home.ctx.lines.some(({ msg }) => msg === 'rtsps has a new certificate');
    });
    assert.notEqual(await shown(), first);
  });

  it('says which file it cannot use, serves rtsp meanwhile, and begins once the files are mended', async () => {
    await using certificates = await makeCertificates();
    await using directory = await temporaryDirectory();
    const { server, client } = certificates;
    const files = { certFile: join(directory.path, 'cert.pem'), keyFile: join(directory.path, 'key.pem') };
    const clock = new ManualClock();
    let changes = 0;
    await using home = await house({ clock, tls: { port: 0, ...files }, onTlsChange: () => (changes += 1) });
    const says = (words: string) =>
      until(words, async () => {
        await clock.advance(5000);
        return home.server.tlsTrouble?.startsWith(`media.rtsp.tls${words}`);
      });
    await says(`.certFile: ${files.certFile}: there is no such file; rtsp is served meanwhile`);
    await writeFile(files.certFile, 'no certificate');
    await says(`.keyFile: ${files.keyFile}: there is no such file`);
    await copyFile(server.keyFile, files.keyFile);
    await says(`.certFile: ${files.certFile}: it holds no certificate in PEM`);
    await copyFile(client.certFile, files.certFile);
    await says(`.keyFile: ${files.keyFile}: it is not the key of the certificate in media.rtsp.tls.certFile`);
    assert.deepEqual([changes, home.server.tlsPort], [3, undefined]);
    using reader = await connectRtsp(home.server.port);
    assert.equal((await reader.request('DESCRIBE', home.url)).status, 200);
    await copyFile(server.certFile, files.certFile);
    await until('it is open', async () => {
      await clock.advance(5000);
      return home.server.tlsPort;
    });
    assert.deepEqual([changes, home.server.tlsTrouble], [4, undefined]);
    const socket = connectTls({ port: home.server.tlsPort ?? 0, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.destroy();
    const said = home.ctx.lines.filter(({ msg }) => msg === 'rtsps is not open');
    assert.equal(said.length, 4, 'each reason once');
  });

  it('is opened once its port is free; rtsp does not wait for it', async () => {
    await using certificates = await makeCertificates();
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const clock = new ManualClock();
    await using home = await house({ clock, tls: { port, ...certificates.server } });
    assert.match(home.server.tlsTrouble ?? '', new RegExp(`^cannot serve rtsps on 127.0.0.1:${port}: the port is taken: `));
    using reader = await connectRtsp(home.server.port);
    assert.equal((await reader.request('DESCRIBE', home.url)).status, 200);
    holder.close();
    await until('it is open', async () => {
      await clock.advance(5000);
      return home.server.tlsPort === port;
    });
  });
});
