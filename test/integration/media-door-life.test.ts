import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { createClipFiles } from '../../src/composition/clip-files.ts';
import { startClips } from '../../src/composition/clips.ts';
import { startMediaDoor } from '../../src/composition/media-door.ts';
import type { DoorSettings } from '../../src/core/media-door.ts';
import { startStore } from '../../src/store/store.ts';
import { makeCertificates } from '../support/certificates.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { encode } from '../support/encoded.ts';
import { hasEnded } from '../support/ended-processes.ts';
import { connectLive } from '../support/live-client.ts';
import { admin, play, sockets, startMediaHouse, ticket, ticketKey, viewer } from '../support/media-house.ts';
import { freePort } from '../support/port.ts';
import { connectRtsp } from '../support/rtsp-client.ts';
import { exampleEvent } from '../support/store.ts';
import { until } from '../support/until.ts';

/** The process of the media door: killed, stopped, and left behind. */

test('a killed door is started again and knows everything; a stopped one costs the daemon nothing', async () => {
  const ready: unknown[] = [];
  await using made = await temporaryDirectory();
  const clip = encode(made.path, { codec: 'h264', frames: 25, bFrames: 0 });
  await using all = await startMediaHouse({ onReady: (what) => ready.push(what) });
  const { door } = all;
  door.state('lobby', { state: 'away', since: 7, reason: 'connection refused' });
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  client.say({ type: 'subscribe', stream: 1, camera: 'lobby', variant: 'annotated', video: true, metadata: true });
  await until('wanted', () => all.wants.length === 1);
  door.revoke('vic', 'rights');
  door.clip({ id: 'a1', camera: 'lobby', atMs: Date.now(), beforeMs: 1000, afterMs: 60_000, path: join(made.path, 'a1') });
  process.kill(door.pid ?? 0, 'SIGKILL');
  await client.closed;
  await worker.closed;
  await until('started again', () => ready.length === 2);
  assert.deepEqual(all.wants, ['lobby true', 'lobby false']);
  assert.deepEqual(all.clips, ['a1 gone']);
  assert.deepEqual(door.parts(), [{ name: 'media door', ready: true }]);
  using back = await all.worker();
  using again = await connectLive(all.url, { ticket: ticket(admin) });
  again.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
  await until('its state', () => again.said('state')[0]?.reason === 'connection refused');
  back.format('lobby', 9, clip);
  play(back, 0, 25, { of: clip, epoch: 9, door });
  await until('units', () => again.units.length === 25 && again.said('frame').length === 25);
  using vic = await connectLive(all.url, { ticket: ticket(viewer, { agoMs: 20_000 }) });
  assert.equal((await vic.closed).reason, 'http.auth', 'revoked before the restart');

  // A door that does not read: what is of no use later is dropped, nothing waits.
  const dropped = async () =>
    Number(/media_frames_dropped_total (\d+)/.exec(await all.ctx.metrics.registry.metrics())?.[1] ?? Number.NaN);
  process.kill(door.pid ?? 0, 'SIGSTOP');
  for (let index = 0; index < 5000; index++)
    door.overlay({ camera: 'lobby', epoch: 9, pts90k: BigInt(index), time: index, predicted: false, boxes: [] });
  assert.ok((await dropped()) > 3000);
  // Connections that are on their way to a door that dies end with it; nothing of them is left.
  const before = sockets(process.pid);
  const onTheWay = Array.from({ length: 5 }, () => connectLive(all.url, { ticket: ticket(admin) }).catch(String));
  await until('they have come', () => sockets(process.pid) >= before + 10 - 1);
  process.kill(door.pid ?? 0, 'SIGKILL');
  for (const refused of await Promise.all(onTheWay)) assert.match(String(refused), /503|hang up|ECONNRESET/);
  await until('started again', () => ready.length === 3);
  await until('nothing of them is left', () => sockets(process.pid) <= before);
});

test('a door that hangs is killed and started again', async () => {
  const ready: unknown[] = [];
  await using all = await startMediaHouse({ onReady: (what) => ready.push(what) });
  process.kill(all.door.pid ?? 0, 'SIGSTOP');
  await until('started again', () => ready.length === 2, 60_000);
  const said = all.ctx.lines.find(({ msg }) => msg === 'media door ended');
  assert.equal(said?.['reason'], '10 pings in a row were not answered');
  assert.match(await all.ctx.metrics.registry.metrics(), /media_restarts_total 1\n/);
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  await until('it is served', () => client.said('welcome')[0]);
});

test('a door whose RTSP port is taken says so, serves the live feed, and has the port once it is free', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  await using all = await startMediaHouse({}, { port });
  const part = () => all.door.parts().find(({ name }) => name === 'media door');
  assert.equal(part()?.ready, false);
  assert.match(part()?.reason ?? '', new RegExp(`^cannot serve rtsp on 127.0.0.1:${port}: the port is taken: `));
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  await until('it is served', () => client.said('welcome')[0]);
  holder.close();
  await until('the port is open', () => part()?.ready, 60_000);
  assert.deepEqual(all.door.ready, { rtspPort: port });
});

test('a door whose RTSPS certificate is of no use says so, serves RTSP, and RTSPS once it is mended', async () => {
  await using certificates = await makeCertificates();
  await using made = await temporaryDirectory();
  const files = { certFile: join(made.path, 'cert.pem'), keyFile: join(made.path, 'key.pem') };
  await copyFile(certificates.server.keyFile, files.keyFile);
  await using all = await startMediaHouse({}, { tls: { port: 0, ...files } });
  const { rtspPort = 0 } = all.door.ready ?? {};
  const reason = `media.rtsp.tls.certFile: ${files.certFile}: there is no such file; rtsp is served meanwhile, rtsps as soon as this is mended`;
  assert.deepEqual(all.door.parts(), [
    { name: 'media door', ready: true },
    { name: 'rtsps', ready: false, reason },
  ]);
  // What it logs comes another way than what it is ready for.
  await until('its line', () => all.ctx.lines.filter(({ msg }) => msg === 'rtsps is not open').length === 1);
  using client = await connectRtsp(rtspPort);
  assert.equal((await client.request('OPTIONS', `rtsp://127.0.0.1:${rtspPort}/lobby`)).status, 200);
  using live = await connectLive(all.url, { ticket: ticket(admin) });
  await until('welcome', () => live.said('welcome')[0]);
  await copyFile(certificates.server.certFile, files.certFile);
  await until('rtsps is served', () => all.door.parts().every(({ ready }) => ready));
  const { rtspsPort = 0 } = all.door.ready ?? {};
  assert.deepEqual(all.door.ready, { rtspPort, rtspsPort });
  const socket = connectTls({ port: rtspsPort, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.destroy();
  assert.equal((await client.request('OPTIONS', `rtsp://127.0.0.1:${rtspPort}/lobby`)).status, 200, 'the same server');
  using again = await connectLive(all.url, { ticket: ticket(admin) });
  await until('live feeds are handed over as before', () => again.said('welcome')[0]);
});

test('clients that reset their connections on the way cost the door nothing', async () => {
  await using all = await startMediaHouse();
  const { door, server } = all;
  const { pid } = door;
  const { port } = server.address() as AddressInfo;
  const upgrade = `GET /api/v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  for (let round = 0; round < 20; round++) {
    const closed = Array.from({ length: 10 }, async (_, place) => {
      const hasty = connect(port, '127.0.0.1').on('error', () => {});
      const ends = once(hasty, 'close');
      hasty.write(upgrade);
      // From before the daemon has it until after the door has it.
      setTimeout(() => hasty.resetAndDestroy(), (round % 10) + place / 10);
      await ends;
    });
    await Promise.all(closed);
  }
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  await until('it is served', () => client.said('welcome')[0]);
  assert.equal(door.pid, pid, 'the same process');
});

test('a clip that a killed door was writing leaves nothing on the disk', async () => {
  await using made = await temporaryDirectory();
  using ctx = testContext();
  await using store = await startStore({ directory: made.path }, ctx);
  const files = createClipFiles(made.path, store.clips, () => undefined);
  await files.reconcile();
  await using all = await startMediaHouse({ onClip: (answer) => clips.answer(answer) });
  const { door } = all;
  await using clips = startClips(
    {
      files,
      settings: { enabled: true, beforeMs: 5000, afterMs: 60_000, diskBytes: 1e9, retentionMs: 1e9 },
      mayExpire: () => true,
      spaceOf: async () => ({ bavail: 50, blocks: 100 }),
      isMasked: () => false,
      door: { clip: (request) => door.clip(request), forget: (entryId, ids) => door.forget(entryId, ids) },
    },
    ctx,
  );
  using _worker = await all.worker();
  const there = () => readdirSync(files.directory);
  clips.alerts([exampleEvent({ id: 'a', camera: 'lobby', cameraTime: Date.now() })]);
  await until('it is written', () => there().includes('a.part'));
  process.kill(door.pid ?? 0, 'SIGKILL');
  await until('nothing of it is left', () => clips.queue.waiting === 0 && there().length === 0);
});

/** A daemon's side of the door in a process of its own, to be killed; resolves when the door is ready. */
async function startDoomed(settings: DoorSettings): Promise<{ readonly daemon: ChildProcess; readonly pid: number }> {
  const root = join(import.meta.dirname, '../..');
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
  return { daemon, pid };
}

function doorIn(directory: string): DoorSettings {
  return {
    mediaSocket: join(directory, 'm.sock'),
    rtsp: undefined,
    ring: { seconds: 5, bytes: 1e6 },
    ticketKey,
    logLevel: 'info',
  };
}

test('a door whose daemon was killed does not outlive it', async () => {
  await using directory = await temporaryDirectory();
  const { daemon, pid } = await startDoomed(doorIn(directory.path));
  daemon.kill('SIGKILL');
  await until('it has ended', () => hasEnded(pid));
});

test('a door that hangs when its daemon is killed is ended by the next one, which has its socket and its port', async () => {
  await using directory = await temporaryDirectory();
  using ctx = testContext();
  const port = await freePort();
  const settings: DoorSettings = {
    ...doorIn(directory.path),
    rtsp: { host: '127.0.0.1', port, udp: true, open: true, maxReaders: 16 },
  };
  const { daemon, pid } = await startDoomed(settings);
  process.kill(pid, 'SIGSTOP');
  const killed = once(daemon, 'exit');
  daemon.kill('SIGKILL');
  await killed;
  assert.equal(hasEnded(pid), false);
  await using door = await startMediaDoor({ settings, onWant: () => {}, onClip: () => {} }, ctx);
  assert.deepEqual(door.ready, { rtspPort: port });
  assert.equal(hasEnded(pid), true);
  assert.ok(ctx.lines.some(({ msg, pids }) => msg === 'media door of an earlier run was ended' && String(pids) === `${pid}`));
  await door[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(directory.path), [], 'nothing of it is left');
});
