import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { createSocketHandover } from '../../src/composition/media-door-sockets.ts';
import type { Principal } from '../../src/core/access.ts';
import { liveMessageLimitBytes } from '../../src/core/live-messages.ts';
import { maxTicketLength, writeTicket } from '../../src/core/tickets.ts';
import { maxCameraName, maxUserCameras } from '../../src/core/users.ts';
import { createHub } from '../../src/media/hub.ts';
import { createLiveFeed } from '../../src/media/live-feed.ts';
import { makeCertificates } from '../support/certificates.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { encode, run } from '../support/encoded.ts';
import { connectLive, type LiveClient } from '../support/live-client.ts';
import {
  admin,
  houseCameras,
  type MediaHouse,
  play,
  sockets,
  startMediaHouse,
  streamUser,
  ticket,
  ticketKey,
  viewer,
} from '../support/media-house.ts';
import { until } from '../support/until.ts';

/** Who is let in to the live feed, who is put out, and what becomes of the sockets. */

let house: MediaHouse;
/** Sockets of this process while nobody is there. */
let own = 0;

before(async () => {
  house = await startMediaHouse({}, { open: false });
  own = sockets(process.pid);
});
after(() => house[Symbol.asyncDispose]());

test('nobody is let in without a ticket that is right, and nobody sees what is not theirs', async () => {
  const all = house;
  all.reset();
  const { url } = all;
  const silent = await connectLive(url);
  await assert.rejects(connectLive(url, { protocol: '' }), /400/);
  await assert.rejects(connectLive(url, { protocol: 'other' }), /400/);
  const other = ticket(admin, { key: Buffer.alloc(32, 8) });
  const old = ticket(admin, { agoMs: 31_000 });
  for (const wrong of [other, old, 'x', `${ticket(admin)}A`]) {
    using client = await connectLive(url, { ticket: wrong });
    assert.deepEqual(await client.closed, { code: 1008, reason: 'http.auth' });
    assert.equal(client.said('error')[0]?.code, 'http.auth');
    assert.equal(client.said('welcome').length, 0);
  }
  for (const [wrong, words] of [
    [Buffer.of(1, 2), /bytes/],
    ['{', /no JSON/],
    ['{"type":"subscribe","stream":-1,"camera":"lobby"}', /: stream: /],
    ['{"type":"subscribe","camera":"lobby"}', /: stream: .*number/],
    ['{"type":"subscribe","stream":1,"camera":"lobby","annotated":true}', /"annotated"/],
    ['{"type":"sing"}', /: type: .*hello.*subscribe/],
    ['[]', /object/],
    ['{"type":"hello"}', /: ticket: /],
  ] as const) {
    using client = await connectLive(url, { ticket: ticket(admin) });
    client.webSocket.send(wrong);
    assert.equal((await client.closed).code, 1008);
    assert.equal(client.said('error')[0]?.code, 'media.protocol');
    assert.match(client.said('error')[0]?.message ?? '', words);
  }
  using early = await connectLive(url);
  early.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  assert.equal((await early.closed).reason, 'http.auth');
  using long = await connectLive(url, { ticket: ticket(admin) });
  long.webSocket.send('x'.repeat(liveMessageLimitBytes + 1));
  assert.equal((await long.closed).code, 1009);

  using vic = await connectLive(url, { ticket: ticket(viewer) });
  vic.say({ type: 'subscribe', stream: 1, camera: 'door' });
  vic.say({ type: 'subscribe', stream: 2, camera: 'vault' });
  vic.say({ type: 'subscribe', stream: 3, camera: 'vault', variant: 'annotated', video: true, metadata: true });
  vic.say({ type: 'subscribe', stream: 4, camera: 'vault', video: false, metadata: true, variant: 'clean' });
  vic.say({ type: 'subscribe', stream: 4, camera: 'lobby' });
  vic.say({ type: 'unsubscribe', stream: 4 });
  await until('the answer', () => vic.said('unsubscribed')[0]);
  assert.deepEqual(
    vic.said('error').map(({ stream, code, message }) => [stream, code, message]),
    [
      [1, 'http.forbidden', 'camera door: vic may not watch it'],
      [
        2,
        'http.forbidden',
        'camera vault: its picture is masked: the clean stream is for admins, the annotated one for everybody',
      ],
      [4, 'media.protocol', 'stream 4 is in use; unsubscribe it first or take another number'],
    ],
  );
  using ada = await connectLive(url, { ticket: ticket(admin) });
  ada.say({ type: 'subscribe', stream: 1, camera: 'none' });
  ada.say({ type: 'subscribe', stream: 2, camera: 'vault' });
  // A camera that becomes masked, and one that goes.
  vic.say({ type: 'subscribe', stream: 5, camera: 'lobby' });
  vic.say({ type: 'renew', ticket: ticket(viewer) });
  await until('the renewal', () => vic.said('welcome').length === 2);
  all.door.cameras([{ camera: 'lobby', masked: true, revision: '' }]);
  await until('both', () => vic.said('unsubscribed').length === 3);
  assert.deepEqual(
    vic.said('unsubscribed').map(({ stream }) => stream),
    [4, 3, 5],
  );
  await until('unsubscribed', () => ada.said('unsubscribed')[0]?.reason === 'there is no camera vault');
  assert.deepEqual(
    ada.said('error').map(({ code }) => code),
    ['http.unknown'],
  );
  vic.say({ type: 'renew', ticket: ticket(admin) });
  assert.equal((await vic.closed).reason, 'media.protocol');
  assert.equal((await silent.closed).reason, 'http.auth');
  assert.match(silent.said('error')[0]?.message ?? '', /within 5 s/);
});

test('who is refused, or says more than it may, has no socket here afterwards', async () => {
  const all = house;
  all.reset();
  const { pid = 0 } = all.door;
  const { port } = all.server.address() as AddressInfo;
  const before = sockets(pid);
  const upgrade = 'GET /api/v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const halfOpen = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
      client.write(upgrade);
      const [said] = await once(client, 'data');
      assert.match(String(said), /^HTTP\/1\.1 400 /);
      return client;
    }),
  );
  await until('nothing is left of them', () => sockets(pid) <= before);
  for (const client of halfOpen) client.destroy();

  const floods: readonly ((client: LiveClient) => void)[] = [
    ({ webSocket }) => {
      for (let index = 0; index < 300; index++) webSocket.ping();
    },
    ({ webSocket }) => {
      for (let index = 0; index < 300; index++) webSocket.pong();
    },
    (client) => {
      for (let stream = 0; stream < 90; stream++) {
        client.say({ type: 'subscribe', stream, camera: 'lobby' });
        client.say({ type: 'unsubscribe', stream });
      }
    },
  ];
  for (const flood of floods) {
    using client = await connectLive(all.url, { ticket: ticket(admin) });
    await until('welcome', () => client.said('welcome')[0]);
    flood(client);
    assert.deepEqual(await client.closed, { code: 1008, reason: 'media.protocol' });
    assert.match(client.said('error')[0]?.message ?? '', /more than \d+ (messages|subscriptions) came in a second/);
  }
  // A wall of pictures begins at once, and a ping is answered.
  using wall = await connectLive(all.url, { ticket: ticket(admin) });
  for (let stream = 0; stream < 64; stream++) wall.say({ type: 'subscribe', stream, camera: 'lobby' });
  const ponged = once(wall.webSocket, 'pong');
  wall.webSocket.ping('there?');
  assert.equal(String((await ponged)[0]), 'there?');
  assert.equal(wall.said('error').length, 0);
  await until('counted', () => (all.door.stats?.live.refused ?? 0) >= 20);
});

test('of TLS no more connections are passed on than video of them can go through the daemon, and strangers keep nobody out', async () => {
  await using made = await temporaryDirectory();
  using ctx = testContext();
  let open = 0;
  let refused = 0;
  const passed: number[] = [];
  const handover = createSocketHandover({
    tunnelPath: () => `${made.path}/live.sock`,
    log: ctx.log,
    clock: ctx.clock,
    refused: () => (refused += 1),
    tunnels: (count) => {
      open = count;
    },
  });
  // The descriptor is the door's afterwards, where the connection lives on.
  const held: (() => void)[] = [];
  handover.open(({ id }, socket) => {
    passed.push(id);
    held.push(socket.destroy.bind(socket));
    Object.assign(socket, { destroy: () => socket });
    setImmediate(() => handover.taken(id));
  });
  const request = { url: '/', headers: {} };
  const come = (count: number, place?: string) =>
    Array.from({ length: count }, () => {
      const [here, there] = duplexPair();
      handover.offer({ request, socket: there, head: new Uint8Array(), place });
      return { here: here.resume(), there };
    });
  const decided = (count: number) => until('all are decided', () => passed.length === count);
  const people = come(2, 'crowd');
  await decided(2);
  for (const id of passed) handover.known(id);
  const crowd = come(20, 'crowd');
  await decided(22);
  assert.deepEqual([refused, open], [4, 18], 'of one place sixteen, and those who are known');
  assert.deepEqual(
    crowd.map(({ there }) => there.destroyed),
    crowd.map((_, index) => index < 4),
  );
  const many = come(52);
  await decided(74);
  assert.deepEqual([refused, open], [10, 64]);
  assert.ok(
    [...people, ...many].every(({ there }) => !there.destroyed),
    'the oldest strangers went',
  );
  for (const id of passed) handover.known(id);
  const late = come(1);
  await until('it is told to come again', () => refused === 11);
  assert.equal(late[0]?.there.writableEnded, true);
  for (const end of held) end();
  await until('none is left', () => open === 0);
  for (const { here } of [...people, ...crowd, ...many, ...late]) here.destroy();
});

test('a revoked user is out at once, with every ticket of before; nobody else notices', async () => {
  const all = house;
  all.reset();
  const kept = ticket(viewer);
  using vic = await connectLive(all.url, { ticket: kept });
  using stalled = await connectLive(all.url, { ticket: kept });
  using ada = await connectLive(all.url, { ticket: ticket(admin) });
  await until('welcome', () => [vic, stalled, ada].every((one) => one.said('welcome').length === 1));
  await until('counted', () => all.door.stats?.liveSubscribers === 3);
  stalled.webSocket.pause();
  all.door.revoke('vic', 'logout');
  assert.deepEqual(await vic.closed, { code: 1008, reason: 'http.auth' });
  await until('the stalled one is gone too', () => all.door.stats?.liveSubscribers === 1);
  using again = await connectLive(all.url, { ticket: kept });
  assert.equal((await again.closed).reason, 'http.auth');
  using fresh = await connectLive(all.url, { ticket: ticket(viewer) });
  await until('welcome', () => fresh.said('welcome')[0]);
  ada.say({ type: 'unsubscribe', stream: 1 });
  assert.equal(ada.webSocket.readyState, ada.webSocket.OPEN);
});

/** A live feed in this process, without cameras; `?place=` stands for an address. */
async function startFeed(ctx: TestContext) {
  const stream = { readers: 0, lost: 0, push: () => {}, announce: () => {}, cut: () => {}, end: () => {} };
  const hub = createHub({ makeStream: () => stream, onWant: () => {}, onClean: () => {} }, ctx);
  const known: number[] = [];
  const feed = createLiveFeed({ hub, onKnown: (id) => known.push(id) }, ctx);
  feed.setTicketKey(ticketKey);
  const server = createServer();
  let id = 0;
  server.on('upgrade', ({ url = '', headers }, socket, head) => {
    const place = new URL(url, 'http://x').searchParams.get('place');
    id += 1;
    const given = { id, url, headers: headers as Record<string, string>, head, ...(place === null ? {} : { place }) };
    feed.take(given, socket as Socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    feed,
    known,
    hub,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/live`,
    [Symbol.asyncDispose]: async () => {
      await feed[Symbol.asyncDispose]();
      hub[Symbol.dispose]();
      server.close();
    },
  };
}

test('a user of as many cameras as one may have is let in, by the longest names', async () => {
  using ctx = testContext();
  await using alone = await startFeed(ctx);
  const cameras = Array.from({ length: maxUserCameras }, (_, at) => `${at}`.padEnd(maxCameraName, 'x'));
  const everywhere: Principal = { ...viewer, user: `token:${'x'.repeat(64)}`, role: 'operator', cameras };
  const given = writeTicket(everywhere, ticketKey, ctx.clock).ticket;
  assert.ok(
    given.length <= maxTicketLength && given.length > maxTicketLength - 1000,
    'the limit is not larger than it need be',
  );
  using client = await connectLive(alone.url, { ticket: given });
  await until('welcome', () => client.said('welcome')[0]);
  client.say({ type: 'renew', ticket: given });
  await until('the renewal', () => client.said('welcome').length === 2);
  for (const camera of [cameras[999] ?? '', 'other']) client.say({ type: 'subscribe', stream: 1, camera });
  await until('both answers', () => client.said('error').length === 2);
  assert.deepEqual(
    client.said('error').map(({ code }) => code),
    ['http.unknown', 'http.forbidden'],
  );
  for (let count = 0; count < 20; count += 1) client.say({ type: 'renew', ticket: given });
  assert.equal((await client.closed).reason, 'media.protocol');
  assert.match(client.said('error')[2]?.message ?? '', /messages came in a second/);
});

test('those who say no hello keep nobody out: the oldest of them leave, of one place beyond sixteen', async () => {
  using ctx = testContext(new ManualClock());
  await using alone = await startFeed(ctx);
  const { feed, url, known } = alone;
  const fresh = () => writeTicket(viewer, ticketKey, ctx.clock).ticket;
  using early = await connectLive(`${url}?place=crowd`, { ticket: fresh() });
  await until('welcome', () => early.said('welcome')[0]);
  const crowd: LiveClient[] = [];
  for (let count = 0; count < 20; count += 1) crowd.push(await connectLive(`${url}?place=crowd`));
  await until('four have gone', () => crowd.filter(({ webSocket }) => webSocket.readyState !== WebSocket.OPEN).length === 4);
  await Promise.all(crowd.slice(0, 4).map(({ closed }) => closed));
  assert.equal(feed.refused, 4);
  const many: LiveClient[] = [];
  for (let count = 0; count < 260; count += 1) many.push(await connectLive(`${url}?place=${count}`));
  await until('as many as are too many have gone', () => feed.refused === 24);
  using late = await connectLive(url, { ticket: fresh() });
  await until('welcome', () => late.said('welcome')[0]);
  assert.equal(early.webSocket.readyState, WebSocket.OPEN);
  assert.equal(feed.subscribers, 2);
  assert.deepEqual(known, [1, 282]);
  for (const client of [...crowd, ...many]) client[Symbol.dispose]();
});

test('who comes without a word takes the places of such, and keeps nobody out who has a ticket', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  await using home = await startFeed(ctx);
  const fresh = () => writeTicket(viewer, ticketKey, clock).ticket;
  using early = await connectLive(home.url, { ticket: fresh() });
  await until('one is in', () => home.feed.subscribers === 1);
  await using strangers = new AsyncDisposableStack();
  const silent: LiveClient[] = [];
  for (let count = 0; count < 260; count += 1) silent.push(strangers.use(await connectLive(home.url)));
  using late = await connectLive(home.url, { ticket: fresh() });
  await until('another is in', () => late.said('welcome').length === 1);
  assert.equal(early.webSocket.readyState, early.webSocket.OPEN);
  const open = () => silent.filter(({ webSocket }) => webSocket.readyState === webSocket.OPEN).length;
  await until('the oldest have left', () => open() === 255);
  assert.notEqual(silent[0]?.webSocket.readyState, early.webSocket.OPEN);
  assert.equal(home.feed.refused, 5);
});

test('a connection ends a minute after its ticket, unless that was renewed', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  await using home = await startFeed(ctx);
  const { feed, url } = home;
  const fresh = () => writeTicket(viewer, ticketKey, clock).ticket;
  using idle = await connectLive(url, { ticket: fresh() });
  using renewed = await connectLive(url, { ticket: fresh() });
  await until('both are in', () => feed.subscribers === 2);
  for (let count = 0; count < 5; count += 1) {
    await clock.advance(15_000);
    const before = renewed.said('welcome').length;
    renewed.say({ type: 'renew', ticket: fresh() });
    await until('the renewal', () => renewed.said('welcome').length > before);
  }
  assert.equal(feed.subscribers, 2, 'within the grace');
  await clock.advance(30_000);
  assert.deepEqual(await idle.closed, { code: 1008, reason: 'http.auth' });
  assert.match(idle.said('error')[0]?.message ?? '', /the ticket is over/);
  assert.equal(renewed.webSocket.readyState, renewed.webSocket.OPEN);
  // Set back by an hour: the tickets of before end no later.
  await clock.advance(15_000);
  clock.jump(-3_600_000);
  await clock.advance(60_000);
  assert.equal((await renewed.closed).reason, 'http.auth');
});

test('of a camera whose masks were taken off nobody gets pictures from before, live or as a clip', async () => {
  const all = house;
  all.reset();
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 50, bFrames: 0 });
  const [first, second] = clip.units.flatMap(({ key }, index) => (key ? [index] : []));
  assert.ok(first === 0 && second !== undefined);
  using worker = await all.worker();
  using ada = await connectLive(all.url, { ticket: ticket(admin) });
  ada.say({ type: 'subscribe', stream: 1, camera: 'vault' });
  const beginMs = Date.now();
  worker.format('vault', 1, clip);
  play(worker, 0, second, { of: clip, camera: 'vault', beginMs });
  await until('an admin sees them', () => ada.units.length === second);
  all.door.cameras(houseCameras.map((camera) => ({ camera, masked: false, revision: '' })));
  using vic = await connectLive(all.url, { ticket: ticket(viewer) });
  vic.say({ type: 'subscribe', stream: 1, camera: 'vault' });
  const path = join(made.path, 'masked');
  all.door.clip({ id: 'masked', camera: 'vault', atMs: beginMs, beforeMs: 1000, afterMs: 1900, path });
  await until('its state', () => vic.said('welcome')[0]);
  play(worker, second, 50, { of: clip, camera: 'vault', beginMs });
  await until('what came later', () => vic.units.length === 50 - second && ada.units.length === 50);
  assert.ok(vic.units.every(({ captureMs }) => captureMs >= beginMs + Number(clip.units[second]?.pts ?? 0n) / 90));
  const answer = await until('the clip is answered', () => all.clips.find((one) => one.startsWith('masked ')));
  assert.equal(answer, 'masked done');
  const count = run('ffprobe', ['-count_packets', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', `${path}.mp4`]);
  const last = clip.units.findLastIndex(({ pts }) => Number(pts) / 90 <= 1900);
  assert.equal(Number(count), last + 1 - second);
});

test('of a camera with other masks nobody gets an annotated picture with the ones before, once that is confirmed', async () => {
  const all = house;
  all.reset();
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 75, bFrames: 0 });
  using worker = await all.worker();
  const watch = async () => {
    const client = await connectLive(all.url, { ticket: ticket(viewer) });
    client.say({ type: 'subscribe', stream: 1, camera: 'vault', video: true, metadata: false, variant: 'annotated' });
    return client;
  };
  const about = { of: clip, camera: 'vault', variant: 'annotated', beginMs: Date.now() } as const;
  using early = await watch();
  await until('it is wanted', () => all.wants.includes('vault true'));
  worker.format('vault', 1, clip, 'annotated');
  play(worker, 0, 10, about);
  await until('they are seen', () => early.units.length === 10);
  const masked = houseCameras.map((camera) => ({ camera, masked: camera === 'vault', revision: 'other masks' }));
  await all.door.cameras(masked);
  using late = await watch();
  await until('it is in', () => late.said('welcome')[0]);
  // Drawn by a worker that has not heard of them yet: with a key frame.
  const before = all.door.stats?.refused['epoch'] ?? 0;
  play(worker, 10, 40, about);
  await until('none is taken', () => (all.door.stats?.refused['epoch'] ?? 0) === before + 30);
  assert.deepEqual([early.units.length, late.units.length], [10, 0]);
  worker.format('vault', 2, clip, 'annotated', 'other masks');
  play(worker, 50, 75, { ...about, epoch: 2 });
  await until('what came with them', () => early.units.length === 35 && late.units.length === 25);
  all.reset();
});

test('who stops reading a small picture loses what would be more than 5 s late, and goes on at a key frame', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  await using home = await startFeed(ctx);
  const { hub, feed, url } = home;
  hub.setCameras([{ camera: 'lobby', masked: false, revision: '' }]);
  const about = { camera: 'lobby', epoch: 1, variant: 'clean' } as const;
  const annexB = (nals: readonly string[]) => Buffer.from(nals.map((nal) => `00000001${nal}`).join(''), 'hex');
  const sets = ['6742c00d8c8d40a0fd80f08846a0', '68ce3c80'];
  hub.format({ ...about, codec: 'h264', width: 320, height: 180, parameterSets: annexB(sets), revision: '' });
  let index = 0;
  /** Seconds of five pictures each, the first of them a key frame. */
  async function second(): Promise<void> {
    for (let each = 0; each < 5; each++, index++) {
      const pts = BigInt(index * 18_000);
      const key = index % 5 === 0;
      const data = annexB(key ? [...sets, '658880'] : ['419a20']);
      hub.unit({ ...about, key, pts, dts: pts, captureMs: clock.now(), data });
      await clock.advance(200);
    }
  }
  using client = await connectLive(url, { ticket: writeTicket(viewer, ticketKey, clock).ticket });
  client.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  const lost = () => hub.stats().reduce((sum, stream) => sum + stream.lost, 0);
  await until('it is in', () => feed.subscribers === 1 && hub.stats()[0]?.readers === 1);
  for (let count = 1; count <= 12; count++) {
    await second();
    await until('they are there', () => client.units.length === 5 * count);
  }
  assert.equal(lost(), 0);
  client.webSocket.pause();
  for (let count = 0; count < 20; count++) await second();
  assert.ok(lost() >= 60, `${lost()} of 100 were lost`);
  const before = lost();
  client.webSocket.resume();
  await until('it goes on', async () => {
    await second();
    return client.said('lost').length > 0;
  });
  const [said] = client.said('lost');
  assert.ok(said !== undefined && said.units >= before, JSON.stringify(said));
  const at = client.answers.indexOf(said);
  const next = await until('a unit behind it', () => client.units.find((unit) => client.answers.indexOf(unit) > at));
  assert.equal(next.key, true);
});

test('whose access was revoked may come back although the clock was set back meanwhile, and with no ticket of before', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  await using home = await startFeed(ctx);
  const fresh = () => writeTicket(viewer, ticketKey, clock).ticket;
  const before = fresh();
  home.feed.revoke(viewer.user, clock.mono());
  clock.jump(-3_600_000);
  await clock.advance(1);
  using late = await connectLive(home.url, { ticket: before });
  assert.equal((await late.closed).reason, 'http.auth');
  assert.match(late.said('error')[0]?.message ?? '', /the ticket was revoked/);
  using back = await connectLive(home.url, { ticket: fresh() });
  await until('welcome', () => back.said('welcome')[0]);
  // Set ahead: what was just given is not over.
  const given = fresh();
  clock.jump(7_200_000);
  using ahead = await connectLive(home.url, { ticket: given });
  await until('welcome', () => ahead.said('welcome')[0]);
});

test('sockets are handed over without leaving anything behind, of TLS too', async () => {
  const all = house;
  all.reset();
  await using certificates = await makeCertificates();
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 100, bFrames: 0 });
  await until('what the tests before had open is closed', () => sockets(process.pid) <= own);
  const before = sockets(process.pid);
  const clients = await Promise.all(Array.from({ length: 30 }, () => connectLive(all.url, { ticket: ticket(admin) })));
  await until('all of them', () => all.door.stats?.liveSubscribers === 30);
  // The clients of this test are in this process, too: one socket each, and nothing of the server's side.
  await until('one socket each', () => sockets(process.pid) - before === 30);
  assert.equal(await promisify(all.server.getConnections.bind(all.server))(), 0);
  // The server it came from ends without waiting for it, and some are gone before they are passed on.
  const second = createServer();
  second.on('upgrade', (request, socket, head) => all.door.live(request, socket, head));
  second.listen(0, '127.0.0.1');
  await once(second, 'listening');
  const { port } = second.address() as AddressInfo;
  using beyond = await connectLive(`ws://127.0.0.1:${port}/`, { ticket: ticket(admin) });
  for (let index = 0; index < 40; index++) {
    const hasty = connect(port, '127.0.0.1').on('error', () => {});
    const ends = once(hasty, 'close');
    hasty.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly`, () => {
      if (index % 2 === 0) hasty.destroy();
      else hasty.resume();
    });
    await ends;
  }
  await new Promise<void>((resolve) => second.close(() => resolve()));
  await until('it is served all the same', () => beyond.said('welcome')[0]);
  beyond.webSocket.terminate();
  const gone = clients.slice(0, 10);
  for (const client of gone) client.webSocket.terminate();
  await until('ten are gone', () => all.door.stats?.liveSubscribers === 20);
  for (const client of clients) client.webSocket.terminate();

  const ca = readFileSync(certificates.caFile, 'utf8');
  const tls = createTlsServer({
    cert: readFileSync(certificates.server.certFile),
    key: readFileSync(certificates.server.keyFile),
  });
  tls.on('upgrade', (request, socket, head) => all.door.live(request, socket, head));
  tls.listen(0);
  await once(tls, 'listening');
  using worker = await all.worker();
  using secure = await connectLive(`wss://localhost:${(tls.address() as AddressInfo).port}/`, { ticket: ticket(admin), ca });
  secure.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  await until('subscribed', () => all.door.stats?.streams[0]?.readers === 1);
  worker.format('lobby', 1, clip);
  play(worker, 0, 100, { of: clip });
  await until('all units', () => secure.units.length === 100);
  const tunnels = async () => Number(/media_tunnels (\d+)/.exec(await all.ctx.metrics.registry.metrics())?.[1] ?? Number.NaN);
  assert.equal(await tunnels(), 1);
  secure.webSocket.terminate();
  await until('gone there as well', () => all.door.stats?.liveSubscribers === 0);
  await until('nor a tunnel', async () => (await tunnels()) === 0);
  await new Promise<void>((resolve) => tls.close(() => resolve()));
  worker[Symbol.dispose]();
  await until('nothing left', () => sockets(process.pid) <= before);
});

test('streams over RTSP are for the same people, and end with their access', async () => {
  const all = house;
  all.reset();
  const { door } = all;
  const { rtspPort } = door.ready ?? {};
  door.users([streamUser(viewer, 'well kept'), streamUser(admin, 'better kept')]);
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 25, bFrames: 0 });
  using worker = await all.worker();
  const live = ['lobby', 'vault', 'door'];
  for (const camera of live) worker.format(camera, 1, clip);
  let round = 0;
  const pump = () => {
    const times = { beginMs: 1e6 + round * 1000, base: BigInt(round) * 90_000n };
    for (const camera of live) play(worker, 0, 25, { of: clip, camera, ...times });
    round += 1;
  };
  pump();
  // A player looks at some pictures before it begins.
  const pumping = setInterval(pump, 200);
  using _over = { [Symbol.dispose]: () => clearInterval(pumping) };
  const address = (login: string, path: string) => `rtsp://${login}127.0.0.1:${rtspPort}/${path}`;
  const described = async (login: string, path: string) => {
    const args = [
      '-v',
      'error',
      '-rtsp_transport',
      'tcp',
      '-timeout',
      '60000000',
      '-show_entries',
      'stream=codec_name',
      '-of',
      'csv=p=0',
    ];
    const [codec, error] = await promisify(execFile)('ffprobe', [...args, address(login, path)]).then(
      ({ stdout }) => [stdout.trim(), ''],
      ({ stderr }) => ['', String(stderr)],
    );
    return codec === '' ? /40[134]/.exec(error ?? '')?.[0] : codec;
  };
  const [vic, ada] = ['vic:well%20kept@', 'ada:better%20kept@'];
  assert.equal(await described('', 'lobby'), '401');
  assert.equal(await described('vic:guessed@', 'lobby'), '401');
  assert.equal(await described(vic, 'lobby'), 'h264');
  assert.equal(await described(vic, 'door'), '404', 'not theirs');
  assert.equal(await described(vic, 'vault'), '403', 'masked');
  assert.equal(await described(ada, 'vault'), 'h264');
  assert.equal(await described(ada, 'nowhere'), '404');
  await until('the figures of the server', () => (door.stats?.rtsp.refused['404'] ?? 0) >= 2);
  const exported = await all.ctx.metrics.registry.metrics();
  assert.match(exported, /sightline_rtsp_refused_total{status="401"} [1-9]/);
  assert.match(exported, /sightline_rtsp_logins_failed_total [1-9]/);
  for (const name of [
    'rtsp_clients',
    'rtsp_turned_away_total',
    'rtsp_flooded_total',
    'rtsp_handshakes_failed_total',
    'media_live_frames_lost_total',
  ])
    assert.match(exported, new RegExp(`sightline_${name} \\d`));
  const players = [vic, ada].map((login) =>
    spawn('ffmpeg', ['-v', 'error', '-rtsp_transport', 'tcp', '-i', address(login, 'lobby'), '-f', 'null', '-']),
  );
  await until('two players', () => door.stats?.rtspReaders === 2);
  const ended = players.map((player) => once(player, 'exit'));
  // Who logs out of a browser leaves their recorder be; the live feed of vic says when that was heard.
  using feed = await connectLive(all.url, { ticket: ticket(viewer) });
  await until('welcome', () => feed.said('welcome')[0]);
  door.revoke('vic', 'logout');
  assert.equal((await feed.closed).reason, 'http.auth');
  await until('both still read', () => door.stats?.liveSubscribers === 0 && door.stats.rtspReaders === 2);
  door.revoke('vic', 'rights');
  await ended[0];
  await until('one player', () => door.stats?.rtspReaders === 1);
  door.users([]);
  await ended[1];
});
