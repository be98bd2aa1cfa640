import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { type DoorWorker, type MediaDoor, type MediaDoorOptions, startMediaDoor } from '../../src/composition/media-door.ts';
import type { Principal } from '../../src/core/access.ts';
import type { DoorSettings } from '../../src/core/media-door.ts';
import { writeTicket } from '../../src/core/tickets.ts';
import { makeCertificates } from '../support/certificates.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { type Encoded, encode } from '../support/encoded.ts';
import { connectLive } from '../support/live-client.ts';
import { connectMediaWorker, type MediaWorker } from '../support/media-worker.ts';
import { until } from '../support/until.ts';

/** The real process with the real sockets: a worker on one side, subscribers and players on the other, and the daemon's part between. */

const cameras = ['lobby', 'door', 'vault'];
const ticketKey = Buffer.alloc(32, 7);
const admin: Principal = { user: 'ada', role: 'admin', cameras: 'all', pictures: true, via: 'session' };
const viewer: Principal = { user: 'vic', role: 'viewer', cameras: ['lobby', 'vault'], pictures: false, via: 'session' };
const ticket = (principal: Principal) => writeTicket(principal, ticketKey, Date.now()).ticket;
const frameMs = 40;

interface House extends AsyncDisposable {
  readonly ctx: TestContext;
  readonly door: MediaDoor;
  readonly settings: DoorSettings;
  readonly url: string;
  readonly server: Server;
  readonly wants: string[];
  readonly clips: string[];
  worker(): Promise<MediaWorker>;
}

let clip: Encoded;
let clip265: Encoded;
let made: Awaited<ReturnType<typeof temporaryDirectory>>;

before(async () => {
  made = await temporaryDirectory();
  clip = encode(made.path, { codec: 'h264', frames: 100, width: 640, height: 360, bFrames: 0 });
  clip265 = encode(made.path, { codec: 'h265', frames: 25, width: 640, height: 360, bFrames: 2 });
});
after(() => made[Symbol.asyncDispose]());

async function house(change: Partial<MediaDoorOptions> = {}): Promise<House> {
  const ctx = testContext();
  const directory = await temporaryDirectory();
  const wants: string[] = [];
  const clips: string[] = [];
  const settings: DoorSettings = {
    mediaSocket: join(directory.path, 'media.sock'),
    rtsp: { host: '127.0.0.1', port: 0, udp: true, open: true, maxReaders: 16 },
    ring: { seconds: 10, bytes: 2 ** 24 },
    ticketKey,
    logLevel: 'debug',
  };
  const door = await startMediaDoor(
    {
      settings,
      onWant: (camera, annotated) => wants.push(`${camera} ${annotated}`),
      onClip: (answer) => clips.push(`${answer.id} ${answer.type === 'clipFailed' ? answer.code : 'done'}`),
      ...change,
    },
    ctx,
  );
  const workers: readonly DoorWorker[] = [{ worker: 'w1', token: 'secret', cameras }];
  door.workers(workers);
  door.cameras(cameras.map((camera) => ({ camera, masked: camera === 'vault' })));
  const server = createServer((_request, response) => response.end());
  server.on('upgrade', (request, socket, head) => door.live(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ctx,
    door,
    settings,
    server,
    wants,
    clips,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/live`,
    worker: () => connectMediaWorker(settings.mediaSocket, 'w1', 'secret'),
    [Symbol.asyncDispose]: async () => {
      await door[Symbol.asyncDispose]();
      // Sockets that were handed over must not keep it.
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await directory[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

/** Units of the clip from `from` on, with their boxes where `door` is given. */
function play(
  worker: MediaWorker,
  from: number,
  to: number,
  options: {
    readonly camera?: string;
    readonly epoch?: number;
    readonly beginMs?: number;
    readonly base?: bigint;
    readonly door?: MediaDoor;
    readonly variant?: 'clean' | 'annotated';
    readonly of?: Encoded;
  } = {},
): void {
  const { camera = 'lobby', epoch = 1, beginMs = 1_000_000, base = 0n, variant = 'clean', of = clip } = options;
  for (const { key, pts, dts, nals } of of.units.slice(from, to)) {
    const captureMs = beginMs + Number(pts) / 90;
    const box = { track: 1, label: 'person', box: [0, 0, 1, 1] as const, score: 0.5, colour: '#9a9a9a', decided: false };
    options.door?.overlay({
      camera,
      epoch,
      pts90k: pts + base,
      time: captureMs,
      predicted: false,
      boxes: [{ ...box, box: [...box.box] }],
    });
    worker.unit({ camera, epoch, variant, key, pts: pts + base, dts: dts + base, captureMs, nals });
  }
}

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

test('every unit and its boxes arrive under one time, over an epoch change, and who comes late has a picture at once', async () => {
  await using all = await house();
  const { door } = all;
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  await until('welcome', () => client.said('welcome')[0]);
  client.say({ type: 'subscribe', stream: 3, camera: 'lobby' });
  worker.format('lobby', 1, clip);
  play(worker, 0, 50, { door, base: 900_000n });
  // Opened again, 1.5 s after the last picture, with another clock.
  worker.format('lobby', 2, clip);
  play(worker, 50, 100, { door, epoch: 2, beginMs: 1_001_460, base: -170_000n });
  await until('all units', () => client.units.length === 100 && client.said('frame').length === 100);
  assert.deepEqual(
    client.units.map(({ pts }) => pts),
    client.said('frame').map(({ pts }) => pts),
  );
  const steps = client.units.map(({ pts }, index) => pts - (client.units[index - 1]?.pts ?? pts - 3600));
  assert.deepEqual(
    steps.filter((step) => step !== 3600),
    [1500 * 90],
  );
  assert.equal(steps[50], 1500 * 90);
  for (const [index, unit] of client.units.entries()) {
    const sent = clip.units[index]?.nals.filter((nal) => ![7, 8, 9].includes((nal[0] ?? 0) & 31)) ?? [];
    assert.deepEqual(
      unit.nals.map((nal) => nal.toString('base64')),
      sent.map((nal) => Buffer.from(nal).toString('base64')),
    );
    assert.equal(unit.stream, 3);
    assert.equal(unit.captureMs, client.said('frame')[index]?.time);
  }
  const [config, ...more] = client.said('config');
  assert.deepEqual([config?.stream, config?.width, config?.height, more.length], [3, 640, 360, 0]);
  assert.match(config?.codec ?? '', /^avc1\.42[0-9A-F]{4}$/);

  using late = await connectLive(all.url, { ticket: ticket(viewer) });
  late.say({ type: 'subscribe', stream: 0, camera: 'lobby' });
  await until('the last group of pictures', () => late.units.length === 25);
  assert.deepEqual(
    late.units.map(({ pts }) => pts),
    client.units.slice(75).map(({ pts }) => pts),
  );
  assert.deepEqual(
    late.said('frame').map(({ pts }) => pts),
    late.units.map(({ pts }) => pts),
  );
  assert.equal(late.answers.findIndex((one) => 'type' in one && one.type === 'config') >= 0, true);

  // H.265, with pictures that are decoded before those that are shown earlier.
  client.say({ type: 'subscribe', stream: 4, camera: 'door', metadata: false });
  worker.format('door', 1, clip265);
  play(worker, 0, 25, { camera: 'door', of: clip265 });
  await until('the other camera', () => client.units.filter(({ stream }) => stream === 4).length === 25);
  assert.match(client.said('config').find(({ stream }) => stream === 4)?.codec ?? '', /^hvc1\.1\.6\.L\d+\.90$/);
  assert.ok(client.units.some(({ ptsMinusDts }) => ptsMinusDts > 0));

  // Over RTSP the same clock, and the same pictures.
  const { rtspPort } = all.door.ready ?? {};
  const rtsp = (path: string) => `rtsp://127.0.0.1:${rtspPort}/${path}`;
  const probe = promisify(execFile)('ffprobe', [
    ...[
      '-v',
      'error',
      '-rtsp_transport',
      'tcp',
      '-read_intervals',
      '%+#40',
      '-show_entries',
      'packet=pts,flags',
      '-of',
      'csv=p=0',
    ],
    rtsp('lobby'),
  ]);
  let done = false;
  await until('the player', () => (door.stats?.rtspReaders ?? 0) === 1);
  const playing = (async () => {
    for (let round = 0; !done; round++) {
      play(worker, 0, 100, { epoch: 2, beginMs: 1_005_460 + round * 4000, base: 190_000n + BigInt(round) * 360_000n });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  const packets = (await probe).stdout.trim().split('\n');
  done = true;
  await playing;
  assert.match(packets[0] ?? '', /K/);
  assert.ok(packets.length >= 40);
});

test('nobody is let in without a ticket that is right, and nobody sees what is not theirs', async () => {
  await using all = await house();
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
  await using all = await house();
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

test('a subscriber that does not read loses its own units, whole groups of them, and is told; the others lose nothing', async () => {
  await using all = await house();
  using worker = await all.worker();
  using quick = await connectLive(all.url, { ticket: ticket(admin) });
  using slow = await connectLive(all.url, { ticket: ticket(admin) });
  for (const client of [quick, slow]) client.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  await until('both', () => all.door.stats?.streams.find(({ camera }) => camera === 'lobby')?.readers === 2);
  worker.format('lobby', 1, clip);
  const filler = Buffer.alloc(400_000, 0x55);
  let sent = 0;
  const push = (count: number) => {
    for (const end = sent + count; sent < end; sent++) {
      const unit = clip.units[sent % 100];
      const pts = BigInt(sent) * 3600n;
      const nals = [...(unit?.nals ?? []), Buffer.concat([Buffer.of(6), filler])];
      worker.unit({ camera: 'lobby', epoch: 1, key: sent % 25 === 0, pts, captureMs: 1e6 + sent * frameMs, nals });
    }
  };
  push(25);
  await until('the first', () => slow.units.length === 25);
  slow.webSocket.pause();
  for (let round = 0; round < 4; round++) {
    push(25);
    await until('the quick one has all', () => quick.units.length === sent);
  }
  slow.webSocket.resume();
  await until('it reads again', () => slow.units.at(-1)?.pts !== undefined && all.door.stats !== undefined);
  for (let round = 0; slow.said('lost').length === 0 && round < 20; round++) {
    push(25);
    await until('the quick one has all', () => quick.units.length === sent);
  }
  await until('both are at the end', () => slow.units.at(-1)?.pts === quick.units.at(-1)?.pts);
  const lost = slow.said('lost').reduce((sum, { units }) => sum + units, 0);
  assert.ok(lost > 0);
  assert.equal(slow.units.length + lost, sent);
  assert.equal(quick.said('lost').length, 0);
  for (const [index, unit] of slow.units.entries()) {
    const before = slow.units[index - 1];
    if (before !== undefined && unit.pts - before.pts !== 3600) assert.ok(unit.key, 'after a gap comes a key frame');
  }
  await until('counted', () => all.door.stats?.streams.find(({ camera }) => camera === 'lobby')?.lost === lost);
  assert.match(
    await all.ctx.metrics.registry.metrics(),
    new RegExp(`sightline_media_lost_total{camera="lobby",variant="clean"} ${lost}\\n`),
  );
});

test('sockets are handed over without leaving anything behind, of TLS too', async () => {
  await using all = await house();
  await using certificates = await makeCertificates();
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
  play(worker, 0, 100);
  await until('all units', () => secure.units.length === 100);
  secure.webSocket.terminate();
  await until('gone there as well', () => all.door.stats?.liveSubscribers === 0);
  await new Promise<void>((resolve) => tls.close(() => resolve()));
  worker[Symbol.dispose]();
  await until('nothing left', () => sockets(process.pid) <= before);
});

test('annotated video is asked for while somebody watches it by either way', async () => {
  await using all = await house();
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(viewer) });
  client.say({ type: 'subscribe', stream: 1, camera: 'vault', variant: 'annotated', video: true, metadata: false });
  await until('wanted', () => all.wants.length === 1);
  worker.format('vault', 1, clip, 'annotated');
  play(worker, 0, 25, { camera: 'vault', variant: 'annotated' });
  await until('units', () => client.units.length === 25);
  client.say({ type: 'unsubscribe', stream: 1 });
  await until('not wanted any more', () => all.wants.length === 2);
  assert.deepEqual(all.wants, ['vault true', 'vault false']);
  const { rtspPort } = all.door.ready ?? {};
  const player = spawn('ffmpeg', ['-v', 'error', '-i', `rtsp://127.0.0.1:${rtspPort}/vault/annotated`, '-f', 'null', '-']);
  await until('wanted by a player', () => all.wants.length === 3);
  player.kill('SIGKILL');
  await until('not wanted any more', () => all.wants.length === 4);
});

test('a killed door is started again and knows everything; a stopped one costs the daemon nothing', async () => {
  const ready: unknown[] = [];
  await using all = await house({ onReady: (what) => ready.push(what) });
  const { door } = all;
  door.state('lobby', { state: 'away', since: 7, reason: 'connection refused' });
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  client.say({ type: 'subscribe', stream: 1, camera: 'lobby', variant: 'annotated', video: true, metadata: true });
  await until('wanted', () => all.wants.length === 1);
  door.revoke('vic');
  door.clip({ id: 'a1', camera: 'lobby', atMs: Date.now(), beforeMs: 1000, afterMs: 60_000, path: join(made.path, 'a1') });
  process.kill(door.pid ?? 0, 'SIGKILL');
  await client.closed;
  await worker.closed;
  await until('started again', () => ready.length === 2);
  assert.deepEqual(all.wants, ['lobby true', 'lobby false']);
  assert.deepEqual(all.clips, ['a1 failed']);
  assert.equal(door.part().ready, true);
  using back = await all.worker();
  using again = await connectLive(all.url, { ticket: ticket(admin) });
  again.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  await until('its state', () => again.said('state')[0]?.reason === 'connection refused');
  back.format('lobby', 9, clip);
  play(back, 0, 25, { epoch: 9, door });
  await until('units', () => again.units.length === 25 && again.said('frame').length === 25);
  using vic = await connectLive(all.url, { ticket: writeTicket(viewer, ticketKey, Date.now() - 20_000).ticket });
  assert.equal((await vic.closed).reason, 'http.auth', 'revoked before the restart');

  // A door that does not read: what is of no use later is dropped, nothing waits.
  const dropped = async () =>
    Number(/media_frames_dropped_total (\d+)/.exec(await all.ctx.metrics.registry.metrics())?.[1] ?? Number.NaN);
  process.kill(door.pid ?? 0, 'SIGSTOP');
  for (let index = 0; index < 5000; index++)
    door.overlay({ camera: 'lobby', epoch: 9, pts90k: BigInt(index), time: index, predicted: false, boxes: [] });
  assert.ok((await dropped()) > 3000);
  process.kill(door.pid ?? 0, 'SIGCONT');
  await until('it has caught up', async () => {
    const before = await dropped();
    door.overlay({ camera: 'lobby', epoch: 9, pts90k: 0n, time: 0, predicted: false, boxes: [] });
    return (await dropped()) === before;
  });
});

test('a door whose daemon was killed does not outlive it', async () => {
  await using directory = await temporaryDirectory();
  const root = join(import.meta.dirname, '../..');
  const settings = {
    mediaSocket: join(directory.path, 'm.sock'),
    rtsp: undefined,
    ring: { seconds: 5, bytes: 1e6 },
    logLevel: 'info',
  };
  const program = `
    import { startMediaDoor } from '${root}/src/composition/media-door.ts';
    import { testContext } from '${root}/test/support/context.ts';
    const settings = { ...${JSON.stringify(settings)}, ticketKey: Buffer.alloc(32) };
    const door = await startMediaDoor({ settings, onWant: () => {}, onClip: () => {} }, testContext());
    console.log(door.pid);`;
  const daemon = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(daemon.stdout, 'data');
  const pid = Number(String(said));
  assert.ok(readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('media/main.ts'));
  daemon.kill('SIGKILL');
  await until('it has ended', () => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    } catch {
      return true;
    }
  });
});
