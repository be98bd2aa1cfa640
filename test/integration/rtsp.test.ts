import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, it } from 'node:test';
import { nalType } from '../../src/media/nal.ts';
import { serveConnection } from '../../src/media/rtsp-connection.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream } from '../../src/media/video-stream.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { connectRtsp, depacketise, type RtspClient } from '../support/rtsp-client.ts';
import { format, house, play, pps, sps, tcp } from '../support/rtsp-house.ts';
import { until } from '../support/until.ts';

const noIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1')
  ? false
  : 'this machine has no IPv6';

describe('rtsp server', () => {
  it('serves a stream from a key frame on, with a sender report first, and the pictures arrive as they were', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    const options = await client.request('OPTIONS', home.url);
    assert.match(
      options.headers['public'] ?? '',
      /^OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN$/,
    );
    const description = await client.request('DESCRIBE', home.url);
    assert.equal(description.headers['content-base'], `${home.url}/`);
    assert.match(description.body, /a=control:trackID=0/);
    const setup = await client.request('SETUP', `${home.url}/trackID=0`, { Transport: 'RTP/AVP/TCP;unicast;interleaved=2-3' });
    assert.match(setup.headers['transport'] ?? '', /^RTP\/AVP\/TCP;unicast;interleaved=2-3;ssrc=[0-9A-F]{8};mode="PLAY"$/);
    assert.match(setup.headers['session'] ?? '', /^[0-9A-F]{16};timeout=60$/);
    const session = { Session: setup.headers['session'] ?? '' };
    assert.equal((await client.request('PLAY', home.url, session)).headers['range'], 'npt=now-');

    home.frame(false);
    const sent = [home.frame(true), home.frame(false), home.frame(false, 500)];
    await until(
      'three pictures',
      () =>
        depacketise(client.packets, 2).filter(({ nal }) => (nal[0] ?? 0) < 0x67).length === 3 && client.packets.length >= 10,
    );
    const received = depacketise(client.packets, 2);
    assert.deepEqual(
      received.map(({ nal }) => nalType('h264', nal)),
      [7, 8, 5, 1, 1],
    );
    assert.deepEqual(
      received.map(({ nal }) => Uint8Array.from(nal)),
      [sps, pps, ...sent],
    );
    assert.deepEqual(
      received.map(({ timestamp }) => timestamp),
      [1_003_600, 1_003_600, 1_003_600, 1_007_200, 1_010_800],
    );

    const [report] = client.packets;
    assert.equal(report?.channel, 3);
    assert.equal(report.bytes.readUInt32BE(8) - 2_208_988_800, Date.UTC(2026, 0, 1) / 1000, 'NTP seconds of the capture');
    assert.equal(Math.round((report.bytes.readUInt32BE(12) / 2 ** 32) * 1000), 40);
    assert.equal(report.bytes.readUInt32BE(16), 1_003_600, 'the same moment on the RTP clock');
    assert.equal(
      `ssrc=${report.bytes.readUInt32BE(4).toString(16).toUpperCase().padStart(8, '0')}`,
      setup.headers['transport']?.split(';')[3],
    );
  });

  it('reports again every two and a half seconds, with what was sent so far', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using client = await connectRtsp(home.server.port);
    await play(client, home.url);
    const reports = () => client.packets.filter(({ channel }) => channel === 1);
    home.frame(true, 100);
    await clock.advance(2499);
    home.frame(false, 200);
    await clock.advance(1);
    home.frame(false, 300);
    await until('all pictures', () => depacketise(client.packets).length === 5);
    assert.equal(reports().length, 2);
    assert.equal(reports()[1]?.bytes.readUInt32BE(20), 4, 'packets');
    assert.equal(reports()[1]?.bytes.readUInt32BE(24), 5 + 3 + 100 + 200, 'payload bytes');
  });

  it('pauses, plays again from a key frame, and ends the session at TEARDOWN', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    const session = await play(client, home.url);
    home.frame(true);
    await until('a picture', () => depacketise(client.packets).length === 3);
    assert.equal((await client.request('PAUSE', home.url, session)).status, 200);
    assert.equal(home.stream.readers, 0);
    home.frame(true);
    assert.equal((await client.request('GET_PARAMETER', home.url, session)).status, 200);
    assert.equal(depacketise(client.packets).length, 3);
    const again = await client.request('PLAY', home.url, session);
    assert.equal(again.status, 200);
    home.frame(false);
    await until('the picture that came in the pause, and the next', () => depacketise(client.packets).length === 7);
    const [first] = client.packets.filter(({ channel }) => channel === 0).slice(-8);
    assert.equal(
      again.headers['rtp-info'],
      `url=${home.url}/trackID=0;seq=${first?.bytes.readUInt16BE(2)};rtptime=${first?.bytes.readUInt32BE(4)}`,
    );
    assert.equal((await client.request('TEARDOWN', home.url, session)).status, 200);
    assert.equal(home.stream.readers, 0);
    assert.equal((await client.request('PLAY', home.url, session)).status, 454);
  });

  it('gives a new reader the pictures since the last key frame at once, with their own times, and names the first', async () => {
    await using home = await house();
    const frames = [home.frame(true), home.frame(true), home.frame(false)];
    using client = await connectRtsp(home.server.port);
    await play(client, home.url);
    await until('the pictures before', () => depacketise(client.packets).length === 4);
    frames.push(home.frame(false));
    await until('the next', () => depacketise(client.packets).length === 5);
    const received = depacketise(client.packets);
    assert.deepEqual(
      received.slice(2).map(({ nal }) => Uint8Array.from(nal)),
      frames.slice(1),
    );
    assert.deepEqual(
      received.slice(2).map(({ timestamp }) => timestamp),
      [1_003_600, 1_007_200, 1_010_800],
    );
    assert.equal(client.packets[0]?.channel, 1, 'the report first');
    assert.equal(client.packets[0].bytes.readUInt32BE(16), 1_003_600);
    const numbers = client.packets.filter(({ channel }) => channel === 0).map(({ bytes }) => bytes.readUInt16BE(2));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => ((numbers[0] ?? 0) + index) % 65_536),
    );
  });

  it('hurries players that keep the pace of their first picture, and gives nothing to who wants nothing', async () => {
    await using home = await house();
    home.frame(true);
    home.frame(false);
    const first = async (url: string, agent: string) => {
      using client = await connectRtsp(home.server.port);
      await client.request('DESCRIBE', url, { 'User-Agent': agent });
      const setup = await client.request('SETUP', `${home.url}/trackID=0`, tcp);
      await client.request('PLAY', home.url, { Session: setup.headers['session'] ?? '' });
      home.frame(false, 10);
      await client.request('OPTIONS', '*');
      return depacketise(client.packets)[0]?.timestamp;
    };
    assert.equal(await first(home.url, 'libmpv'), 1_003_599, 'a tick before the newest');
    assert.equal(await first(home.url, 'Lavf59.27.100'), 1_000_000);
    assert.equal(await first(`${home.url}?replay=none`, 'libmpv'), undefined);
  });

  it('keeps its readers while the source is away: the clocks go on, and the picture returns', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using client = await connectRtsp(home.server.port);
    await play(client, home.url);
    home.frame(true, 10);
    const reports = () => client.packets.filter(({ channel }) => channel === 1).map(({ bytes }) => bytes);
    for (let step = 0; step < 24; step++) await clock.advance(5000);
    await until('reports', () => reports().length >= 24);
    assert.equal(reports().at(-1)?.readUInt32BE(16), 1_000_000 + 120 * 90_000);
    const seconds = (report: Buffer | undefined) => (report?.readUInt32BE(8) ?? 0) - 2_208_988_800;
    assert.equal(seconds(reports().at(-1)), Date.UTC(2026, 0, 1, 0, 2) / 1000);
    home.stream.cut();
    home.frame(false, 20);
    home.frame(true, 30);
    await until('the picture', () => depacketise(client.packets).at(-1)?.nal.length === 30);
    assert.equal(client.packets.at(-4)?.channel, 1, 'the clocks of the source again, before its first picture');
    assert.ok(
      depacketise(client.packets).every(({ nal }) => nal.length !== 20),
      'nothing before a key frame',
    );
  });

  it('gives nothing of what was withdrawn to a reader that is behind', async () => {
    await using home = await house();
    using slow = await connectRtsp(home.server.port);
    await play(slow, home.url);
    slow.socket.pause();
    // More than the system holds of a connection: what comes then waits here.
    for (let index = 0; home.stream.lost === 0; index++) home.frame(index === 0, 200_000);
    for (const key of [true, false, false]) home.frame(key, 50_000);
    home.stream.cut(true);
    home.frame(true, 30);
    slow.socket.resume();
    await until('what came after', () => depacketise(slow.packets).at(-1)?.nal.length === 30, 30_000);
    assert.equal(depacketise(slow.packets).filter(({ nal }) => nal.length === 50_000).length, 0);
  });

  it('says of each stream once a second how slow its readers are', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using slow = await connectRtsp(home.server.port);
    await play(slow, home.url);
    slow.socket.pause();
    home.frame(true, 1000);
    for (let index = 0; index < 400; index++) {
      home.frame(index % 25 === 0, 200_000);
      if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(home.stream.lost > 100, `${home.stream.lost} lost`);
    const said = () => home.ctx.lines.filter(({ msg }) => msg === 'rtsp client reads too slowly');
    assert.equal(said().length, 1);
    await clock.advance(1000);
    assert.equal(said().length, 2);
    assert.equal(said()[1]?.['stream'], 'lobby');
    assert.ok(Number(said()[1]?.['count']) > 1);
  });

  it('makes DESCRIBE wait for parameter sets, answers 503 when none come, and forgets who left meanwhile', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock, announce: false });
    using patient = await connectRtsp(home.server.port);
    const answer = patient.request('DESCRIBE', home.url);
    using impatient = await connectRtsp(home.server.port);
    impatient.socket.write(`DESCRIBE ${home.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n`);
    await until('both ask', () => home.server.clients === 2);
    impatient[Symbol.dispose]();
    await until('one left', () => home.server.clients === 1);
    home.stream.push({ nals: [sps, pps, Uint8Array.of(0x65, 1)], pts90k: 0n, captureTimeMs: 0, key: true });
    assert.equal((await answer).status, 200);
  });

  it('answers 503 when no parameter sets come', async () => {
    await using home = await house({ announce: false, tuning: { describeTimeoutMs: 30 } });
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('DESCRIBE', home.url)).status, 503);
  });

  it('refuses what it does not serve, in the words of the standard', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    const { url } = home;
    const status = async (method: string, uri: string, headers: Readonly<Record<string, string>> = {}, body = '') =>
      (await client.request(method, uri, headers, body)).status;
    assert.equal(await status('DESCRIBE', `${url}x`), 404);
    assert.equal(await status('DESCRIBE', 'http://host/lobby'), 400);
    assert.equal(await status('DESCRIBE', url, { Accept: 'text/html' }), 406);
    assert.equal(await status('DESCRIBE', url, { Require: 'com.example.magic' }), 551);
    assert.equal(await status('ANNOUNCE', url), 405);
    assert.equal(await status('DANCE', url), 501);
    assert.equal(await status('PLAY', url), 455);
    assert.equal(await status('PLAY', url, { Session: 'ABC' }), 454);
    assert.equal(
      await status('SETUP', `${url}/trackID=0`, { Transport: 'RTP/AVP;unicast;destination=10.0.0.1;client_port=5000-5001' }),
      461,
    );
    assert.equal(await status('SETUP', `${url}/trackID=0`, { Transport: 'RTP/AVP;multicast' }), 461);
    assert.equal(await status('SETUP', `${url}/trackID=0`), 461);
    assert.equal(await status('SETUP', `${url}/trackID=1`, tcp), 404);
    assert.equal(await status('SETUP', `${url}x/trackID=0`, tcp), 404);
    assert.equal(await status('OPTIONS', '*'), 200);
    assert.equal(await status('SET_PARAMETER', url, {}, 'brightness: 11'), 451);
    const session = await play(client, url);
    assert.equal(await status('SETUP', `${url}/trackID=0`, { ...tcp, ...session }), 455);
    assert.equal(await status('SETUP', `${url}/trackID=0`, tcp), 454);
    assert.equal(await status('PAUSE', url, { Session: 'ABC' }), 454);
    assert.equal(await status('PAUSE', url, session), 200);
    client.socket.write('OPTIONS * RTSP/1.0\r\n\r\n');
    assert.equal((await client.reply()).status, 400, 'no CSeq');
    assert.match(await home.ctx.metrics.registry.metrics(), /sightline_rtsp_refused_total\{status="461"\} 3/);
  });

  it('answers malformed input once and closes', async () => {
    await using home = await house();
    for (const [text, status] of [
      ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['OPTIONS * RTSP/2.0\r\n\r\n', 505],
      [`OPTIONS * RTSP/1.0\r\nContent-Length: 99999\r\n\r\n`, 413],
    ] as const) {
      using client = await connectRtsp(home.server.port);
      client.socket.write(text);
      assert.equal((await client.reply()).status, status);
      await until('closed', () => client.closed);
    }
    await until('nobody is left', () => home.server.clients === 0);
  });

  it('answers requests that come in one go in their order, between packets from the client', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    const packet = '$\x01\x00\x04abcd';
    client.socket.write(`OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n${packet}`.repeat(40), 'latin1');
    for (let index = 0; index < 40; index++) assert.equal((await client.reply()).status, 200);
    assert.equal((await client.request('DESCRIBE', home.url)).status, 200);
  });

  it('stops reading a client that asks faster than it can be answered', async () => {
    using ctx = testContext();
    const stream = createVideoStream({ name: 'lobby' }, ctx);
    const accepted = Promise.withResolvers<Socket>();
    const listening = createServer((socket) => {
      serveConnection(
        {
          socket,
          find: () => stream,
          cname: 'x',
          describeTimeoutMs: 60_000,
          onEstablished() {},
          onRefused() {},
          onLoginFailed() {},
          onFlood() {},
          onDrop() {},
        },
        ctx,
      );
      accepted.resolve(socket);
    }).listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const address = listening.address();
    assert.ok(typeof address === 'object' && address !== null);
    using client = await connectRtsp(address.port);
    client.socket.write('DESCRIBE rtsp://h/lobby RTSP/1.0\r\nCSeq: 1\r\n\r\n');
    client.socket.write('OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n'.repeat(20));
    const socket = await accepted.promise;
    await until('the socket is paused', () => socket.isPaused());
    stream.announce(format);
    for (let index = 0; index < 21; index++) assert.equal((await client.reply()).status, 200);
    assert.equal(socket.isPaused(), false);
    listening.close();
  });

  it('describes a stream for the kind of IP that the client came by', { skip: noIPv6 }, async () => {
    for (const [host, from, lines] of [
      ['127.0.0.1', '127.0.0.1', ['o=- 0 0 IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0']],
      ['::1', '::1', ['o=- 0 0 IN IP6 ::1', 'c=IN IP6 ::']],
      // The kernel says ::ffff:127.0.0.1 of it.
      ['::', '127.0.0.1', ['o=- 0 0 IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0']],
    ] as const) {
      await using home = await house({ host });
      using client = await connectRtsp(home.server.port, from);
      const { body } = await client.request('DESCRIBE', home.url);
      assert.deepEqual(
        body.split('\r\n').filter((line) => /^[oc]=/.test(line)),
        lines,
        host,
      );
    }
  });

  it('ends a client that floods it before it may read anything', async () => {
    await using home = await house({ clock: new ManualClock() });
    for (const text of ['OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n', '$\x00\x00\x00']) {
      using client = await connectRtsp(home.server.port);
      client.socket.on('error', () => {});
      client.socket.write(text.repeat(200), 'latin1');
      await until('it is ended', () => client.closed);
    }
    assert.deepEqual([home.server.clients, home.server.counters.flooded], [0, 2]);
  });

  it('answers others while one asks two thousand things at once', async () => {
    await using home = await house();
    using eager = await connectRtsp(home.server.port);
    using other = await connectRtsp(home.server.port);
    assert.equal((await eager.request('DESCRIBE', home.url)).status, 200);
    let answers = 0;
    eager.socket.on('data', (bytes) => {
      answers += bytes.toString('latin1').split('RTSP/1.0 200').length - 1;
    });
    eager.socket.write('OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n'.repeat(2000));
    await until('it is being answered', () => answers > 0);
    assert.equal((await other.request('OPTIONS', home.url)).status, 200);
    assert.ok(answers < 1500, `${answers} answers came first`);
    await until('all is answered', () => answers >= 1990);
  });

  it('ends a client that asks on without reading the answers', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    assert.equal((await client.request('DESCRIBE', home.url)).status, 200);
    client.socket.pause();
    const requests = 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n'.repeat(2000);
    await until('it is ended', () => {
      if (client.socket.writableLength < 1_000_000) client.socket.write(requests);
      return home.server.clients === 0;
    });
  });

  it('lets a slow client lose its own pictures until the next key frame, and nobody else', async () => {
    await using home = await house();
    using slow = await connectRtsp(home.server.port);
    using quick = await connectRtsp(home.server.port);
    await play(slow, home.url);
    await play(quick, home.url);
    slow.socket.pause();
    const dropped = async () => {
      const metric = await home.ctx.metrics.registry.getSingleMetric('sightline_rtsp_units_dropped_total')?.get();
      return metric?.values[0]?.value ?? 0;
    };
    const pictures = (client: RtspClient) =>
      client.packets.filter(({ channel, bytes }) => channel === 0 && (bytes[1] ?? 0) > 127).length;
    let frames = 0;
    while ((await dropped()) < 3) {
      home.frame(frames % 25 === 0, 200_000);
      frames += 1;
      await until('the quick one has it', () => pictures(quick) === frames);
      assert.ok(frames < 500, 'nothing was dropped');
    }
    slow.socket.resume();
    // A key frame brings it back once its connection has room again.
    await until('the slow one is back', () => {
      home.frame(true, 1000);
      frames += 1;
      return slow.packets.slice(-20).some(({ bytes }) => bytes.length === 1012);
    });
    await until(
      'the quick one has all',
      () =>
        depacketise(quick.packets).filter(({ nal }) => nalType('h264', nal) === 5 || nalType('h264', nal) === 1).length ===
        frames,
    );
    const numbers = (client: RtspClient) =>
      client.packets.filter(({ channel }) => channel === 0).map(({ bytes }) => bytes.readUInt16BE(2));
    const gaps = (values: readonly number[]) =>
      values.flatMap((value, index) => (index > 0 && value !== ((values[index - 1] ?? 0) + 1) % 65_536 ? [index] : []));
    assert.deepEqual(gaps(numbers(quick)), []);
    const [gap, ...more] = gaps(numbers(slow));
    assert.deepEqual(more, []);
    assert.ok(gap !== undefined);
    const after = slow.packets.filter(({ channel }) => channel === 0)[gap];
    assert.equal((after?.bytes[12] ?? 0) & 31, 7, 'the first packet after the gap is a parameter set of a key frame');
  });

  it('ends clients that stopped reading or never say anything, and lets the others be', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using stuck = await connectRtsp(home.server.port);
    using silent = await connectRtsp(home.server.port);
    using healthy = await connectRtsp(home.server.port);
    using looking = await connectRtsp(home.server.port);
    assert.equal((await looking.request('DESCRIBE', home.url)).status, 200);
    await play(stuck, home.url);
    await play(healthy, home.url);
    stuck.socket.pause();
    const ends = () => healthy.packets.filter(({ channel, bytes }) => channel === 0 && (bytes[1] ?? 0) > 127).length;
    for (let count = 1; count <= 12; count++) {
      home.frame(count === 1, 1_000_000);
      await until('the healthy one has read it', () => ends() === count);
    }
    for (let step = 0; step < 4; step++) await clock.advance(5000);
    await until('the silent one is gone', () => silent.closed && home.server.clients === 3);
    for (let step = 0; step < 4; step++) await clock.advance(5000);
    await until('the stuck one is gone', () => home.server.clients === 2);
    for (let step = 0; step < 6; step++) await clock.advance(5000);
    await until('who only looked is gone', () => looking.closed && home.server.clients === 1);
    home.frame(true, 10);
    await until('the healthy one still plays', () => depacketise(healthy.packets).at(-1)?.nal.length === 10);
  });

  it('tells its readers when the stream ends', async () => {
    await using home = await house();
    using client = await connectRtsp(home.server.port);
    await play(client, home.url);
    home.frame(true);
    home.stream.end();
    await until('closed', () => client.closed);
    const last = client.packets.at(-1);
    assert.equal(last?.channel, 1);
    assert.equal(last.bytes[1], 203, 'BYE');
    assert.equal(depacketise(client.packets).length, 3, 'what was sent before has arrived');
  });

  it('holds no descriptor of clients that came and went in every way', async () => {
    await using home = await house();
    home.frame(true);
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let cycle = 0; cycle < 50; cycle++) {
      using client = await connectRtsp(home.server.port);
      const transport = cycle % 3 === 0 ? { Transport: 'RTP/AVP;unicast;client_port=50000-50001' } : undefined;
      if (cycle % 5 === 0) client.socket.write('DESCRIBE rtsp://h/lob');
      else await play(client, home.url, transport);
      if (cycle % 7 === 0) client.socket.resetAndDestroy();
    }
    await until('all are gone', () => home.server.clients === 0 && descriptors() <= before);
  });

  it('turns clients away beyond its limit', async () => {
    await using home = await house({ maxReaders: 1 });
    using first = await connectRtsp(home.server.port);
    assert.equal((await first.request('OPTIONS', '*')).status, 200);
    using second = await connectRtsp(home.server.port);
    await until('turned away', () => second.closed);
    assert.equal((await first.request('OPTIONS', '*')).status, 200);
  });

  it('says when it cannot listen', async () => {
    await using home = await house();
    const again = startRtspServer({ host: '127.0.0.1', port: home.server.port, find: () => undefined }, home.ctx);
    await assert.rejects(again, { code: 'media.unavailable', message: /the port is taken/ });
  });

  it('survives clients that say anything and leave at any moment', async () => {
    await using home = await house({ announce: false, tuning: { describeTimeoutMs: 5 } });
    let seed = 12_345;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const pieces = [
      `OPTIONS ${home.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n`,
      `DESCRIBE ${home.url} RTSP/1.0\r\nCSeq: 2\r\n\r\n`,
      `SETUP ${home.url}/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n`,
      `PLAY ${home.url} RTSP/1.0\r\nCSeq: 4\r\nSession: 0\r\n\r\n`,
      'TEARDOWN * RTSP/1.0\r\nCSeq: 5\r\n\r\n',
      '$\x00\x00\x10',
      '\x00\xff\x80garbage\r\n',
      'SET_PARAMETER * RTSP/1.0\r\nCSeq: 6\r\nContent-Length: 5\r\n\r\nab',
    ];
    for (let round = 0; round < 200; round++) {
      using client = await connectRtsp(home.server.port);
      for (let count = random(6); count > 0; count--) {
        const bytes = Buffer.from(pieces[random(pieces.length)] ?? '', 'latin1');
        if (random(3) === 0) bytes[random(bytes.length)] = random(256);
        client.socket.write(bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length));
      }
      if (random(2) === 0) await new Promise((resolve) => setImmediate(resolve));
      if (random(4) === 0) client.socket.resetAndDestroy();
    }
    await until('all are gone', () => home.server.clients === 0);
    assert.equal(home.stream.readers, 0);
    home.stream.announce(format);
    using client = await connectRtsp(home.server.port);
    await play(client, home.url);
    home.frame(true);
    await until('a picture', () => depacketise(client.packets).length === 3);
  });
});
