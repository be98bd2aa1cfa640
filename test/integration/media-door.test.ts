import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../support/directory.ts';
import { type Encoded, encode } from '../support/encoded.ts';
import { connectLive } from '../support/live-client.ts';
import { admin, type MediaHouse, play, startMediaHouse, ticket, viewer } from '../support/media-house.ts';
import { until } from '../support/until.ts';

/** Video and boxes through the real process with the real sockets: a worker on one side, subscribers and players on the other. */

let clip: Encoded;
let clip265: Encoded;
let house: MediaHouse;

before(async () => {
  await using made = await temporaryDirectory();
  clip = encode(made.path, { codec: 'h264', frames: 100, width: 640, height: 360, bFrames: 0 });
  clip265 = encode(made.path, { codec: 'h265', frames: 25, width: 640, height: 360, bFrames: 2 });
  house = await startMediaHouse();
});
after(() => house[Symbol.asyncDispose]());

test('every unit and its boxes arrive under one time, over an epoch change, and who comes late has a picture at once', async () => {
  const all = house;
  all.reset();
  const { door } = all;
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(admin) });
  await until('welcome', () => client.said('welcome')[0]);
  client.say({ type: 'subscribe', stream: 3, camera: 'lobby' });
  worker.format('lobby', 1, clip);
  play(worker, 0, 50, { of: clip, door, base: 900_000n });
  // Opened again, 1.5 s after the last picture, with another clock.
  worker.format('lobby', 2, clip);
  play(worker, 50, 100, { of: clip, door, epoch: 2, beginMs: 1_001_460, base: -170_000n });
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
  await until('the last group of pictures', () => late.units.length === 25 && late.said('frame').length >= 25);
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
      play(worker, 0, 100, {
        of: clip,
        epoch: 2,
        beginMs: 1_005_460 + round * 4000,
        base: 190_000n + BigInt(round) * 360_000n,
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  const packets = (await probe).stdout.trim().split('\n');
  done = true;
  await playing;
  assert.match(packets[0] ?? '', /K/);
  assert.ok(packets.length >= 40);
});

test('a subscriber that does not read loses its own units, whole groups of them, and is told; the others lose nothing', async () => {
  const all = house;
  all.reset();
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
      worker.unit({ camera: 'lobby', epoch: 1, key: sent % 25 === 0, pts, captureMs: 1e6 + sent * 40, nals });
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

test('annotated video is asked for while somebody watches it by either way', async () => {
  const all = house;
  all.reset();
  using worker = await all.worker();
  using client = await connectLive(all.url, { ticket: ticket(viewer) });
  client.say({ type: 'subscribe', stream: 1, camera: 'vault', variant: 'annotated', video: true, metadata: false });
  await until('wanted', () => all.wants.length === 1);
  worker.format('vault', 1, clip, 'annotated');
  play(worker, 0, 25, { camera: 'vault', variant: 'annotated', of: clip });
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
