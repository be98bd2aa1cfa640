import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { writeTicket } from '../../src/core/tickets.ts';
import { makeCertificates } from '../support/certificates.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { encode } from '../support/encoded.ts';
import { connectLive } from '../support/live-client.ts';
import { admin, type MediaHouse, play, startMediaHouse, ticket, ticketKey, viewer } from '../support/media-house.ts';
import { until } from '../support/until.ts';

/** Who is let in to the live feed, who is put out, and what becomes of the sockets. */

let house: MediaHouse;

before(async () => {
  house = await startMediaHouse();
});
after(() => house[Symbol.asyncDispose]());

function sockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

test('nobody is let in without a ticket that is right, and nobody sees what is not theirs', async () => {
  const all = house;
  all.reset();
  const { url } = all;
  const silent = await connectLive(url);
  await assert.rejects(connectLive(url, { protocol: '' }), /400/);
  await assert.rejects(connectLive(url, { protocol: 'other' }), /400/);
  const other = writeTicket(admin, Buffer.alloc(32, 8), Date.now()).ticket;
  const old = writeTicket(admin, ticketKey, Date.now() - 31_000).ticket;
  for (const wrong of [other, old, 'x', `${ticket(admin)}A`]) {
    using client = await connectLive(url, { ticket: wrong });
    assert.deepEqual(await client.closed, { code: 1008, reason: 'http.auth' });
    assert.equal(client.said('error')[0]?.code, 'http.auth');
    assert.equal(client.said('welcome').length, 0);
  }
  for (const wrong of [Buffer.of(1, 2), '{', '{"type":"subscribe","stream":-1,"camera":"lobby"}', '[]', '{"type":"hello"}']) {
    using client = await connectLive(url, { ticket: ticket(admin) });
    client.webSocket.send(wrong);
    assert.equal((await client.closed).code, 1008);
    assert.equal(client.said('error')[0]?.code, 'media.protocol');
  }
  using early = await connectLive(url);
  early.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  assert.equal((await early.closed).reason, 'http.auth');
  using long = await connectLive(url, { ticket: ticket(admin) });
  long.webSocket.send('x'.repeat(5000));
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
  all.door.cameras([{ camera: 'lobby', masked: true }]);
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
  all.door.revoke('vic');
  assert.deepEqual(await vic.closed, { code: 1008, reason: 'http.auth' });
  await until('the stalled one is gone too', () => all.door.stats?.liveSubscribers === 1);
  using again = await connectLive(all.url, { ticket: kept });
  assert.equal((await again.closed).reason, 'http.auth');
  await until('a later millisecond', () => Date.now() > all.ctx.clock.now() - 1);
  await new Promise((resolve) => setTimeout(resolve, 2));
  using fresh = await connectLive(all.url, { ticket: ticket(viewer) });
  await until('welcome', () => fresh.said('welcome')[0]);
  ada.say({ type: 'unsubscribe', stream: 1 });
  assert.equal(ada.webSocket.readyState, ada.webSocket.OPEN);
});

test('sockets are handed over without leaving anything behind, of TLS too', async () => {
  const all = house;
  all.reset();
  await using certificates = await makeCertificates();
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 100, bFrames: 0 });
  const before = sockets(process.pid);
  const clients = await Promise.all(Array.from({ length: 30 }, () => connectLive(all.url, { ticket: ticket(admin) })));
  await until('all of them', () => all.door.stats?.liveSubscribers === 30);
  // The clients of this test are in this process, too: one socket each, and nothing of the server's side.
  assert.equal(sockets(process.pid) - before, 30);
  assert.equal(await promisify(all.server.getConnections.bind(all.server))(), 0);
  // One that is gone before it is passed on.
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
  secure.webSocket.terminate();
  await until('gone there as well', () => all.door.stats?.liveSubscribers === 0);
  await new Promise<void>((resolve) => tls.close(() => resolve()));
  worker[Symbol.dispose]();
  await until('nothing left', () => sockets(process.pid) <= before);
});
