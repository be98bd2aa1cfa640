import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { startLegacyView } from '../../src/composition/legacy-view.ts';
import { testContext } from '../support/context.ts';
import { createWorkplace, cutClip, patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { hasEnded } from '../support/ended-processes.ts';
import { freePort } from '../support/port.ts';
import { installedProgram } from '../support/programs.ts';
import { connectRtsp } from '../support/rtsp-client.ts';
import { until } from '../support/until.ts';

const modules = resolve(import.meta.dirname, '../../tools/legacy-view/node_modules/rtsp-relay');
const skip =
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  missingTool(existsSync(modules), 'rtsp-relay (tools/bootstrap legacy-view)');

test('the legacy view gives MPEG-1 of our own stream to whoever has a stream password, and nothing to others', {
  skip,
}, async () => {
  await using place = await createWorkplace();
  const source = cutClip(place.directory, 'ada', 12, 58);
  place.configure({
    cameras: { lobby: { source, realtime: true, loop: true }, yard: { source, realtime: true, loop: true } },
    media: { rtsp: { port: 0 }, legacyView: { enabled: true, port: 0 } },
  });
  await using daemon = await place.start();
  const actor = 'test';
  await place.ask('users.add', { user: 'old', password: 'an old browser', role: 'viewer', cameras: ['lobby'], actor });
  const { password } = await place.ask('users.streamPassword', { user: 'old', actor });
  const opened = await until('it is open', () => daemon.said('legacy view open'), patience);
  const base = `http://127.0.0.1:${String(opened['port'])}`;
  const authorization = `Basic ${Buffer.from(`old:${password}`).toString('base64')}`;
  const wrong = `Basic ${Buffer.from('old:an old browser').toString('base64')}`;

  const status = async (path: string, login?: string) =>
    (await fetch(`${base}${path}`, login === undefined ? {} : { headers: { authorization: login } })).status;
  assert.equal(await status('/'), 401);
  assert.equal(await status('/lobby', wrong), 401, 'the password of the pages is another');
  await until('users have arrived', async () => (await status('/', authorization)) === 200, patience);
  const policy = (await fetch(`${base}/lobby`, { headers: { authorization } })).headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none'.*style-src 'unsafe-inline'/, 'the player of the page brings styles in its script');
  const page = await (await fetch(`${base}/lobby`, { headers: { authorization } })).text();
  assert.match(page, /<script src="legacy\.js">/);
  assert.match(page, /similarities, not identities/);
  assert.equal(await status('/legacy.js', authorization), 200);
  assert.equal(await status('/jsmpeg.js', authorization), 200);
  assert.equal(await status('/yard', authorization), 404, 'not a camera of theirs');

  const refused = new WebSocket(`${base.replace('http', 'ws')}/lobby/stream`);
  await new Promise<void>((done) => refused.once('error', () => done()));
  const foreign = new WebSocket(`${base.replace('http', 'ws')}/lobby/stream`, {
    headers: { authorization, origin: 'http://127.0.0.1:1' },
  });
  const [error] = await once(foreign, 'error');
  assert.match(String(error), /404/, 'a page of somebody else, whose browser sends the login by itself');
  // Whoever guesses passwords here or at the RTSP port is not answered in the end, and shuts nobody out: not those who know theirs, nor its
  // own ffmpeg, which comes from the same address.
  const guess = `Basic ${Buffer.from('old:a guess').toString('base64')}`;
  await until('a guess too many', async () => (await status('/lobby', guess)) === 503);
  await until('a guess too many for a stream', async () => {
    const guessing = new WebSocket(`${base.replace('http', 'ws')}/lobby/stream`, { headers: { authorization: guess } });
    const [refusal] = await once(guessing, 'error');
    return /503/.test(String(refusal));
  });
  assert.equal(await status('/lobby', authorization), 200);
  await until(
    'they are counted',
    async () => (await daemon.metric('sightline_legacy_view_logins_failed_total')) > 10,
    patience,
  );
  const rtspPort = Number(daemon.said('media door ready')?.['rtspPort']);
  using rtsp = await connectRtsp(rtspPort);
  const url = `rtsp://127.0.0.1:${rtspPort}/lobby/annotated`;
  await until(
    'a guess too many there',
    async () => (await rtsp.request('DESCRIBE', url, { Authorization: guess })).status === 503,
  );
  const socket = new WebSocket(`${base.replace('http', 'ws')}/lobby/stream`, { headers: { authorization, origin: base } });
  const parts: Buffer[] = [];
  let newest = 0;
  socket.on('message', (data) => {
    parts.push(data as Buffer);
    newest = Date.now();
  });
  // The relay's own header, then an MPEG transport stream: packets of 188 bytes, each begins with 0x47.
  await until('video comes', () => Buffer.concat(parts).length > 8 + 188 * 20, patience);
  const bytes = Buffer.concat(parts);
  assert.equal(bytes.subarray(0, 4).toString(), 'jsmp');
  for (let at = 8; at < 8 + 188 * 20; at += 188) assert.equal(bytes[at], 0x47, `byte ${at}`);
  // Connections that are reset and refused ones end, and end nothing else.
  const { port } = new URL(base);
  for (let index = 0; index < 20; index++) {
    const hasty = connect(Number(port), '127.0.0.1').on('error', () => {});
    const ends = once(hasty, 'close');
    hasty.write('GET /lobby/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    if (index % 2 === 0) setTimeout(() => hasty.resetAndDestroy(), index / 4);
    else hasty.resume();
    await ends;
  }
  // The login of its ffmpeg has been withdrawn by then, not what it watches.
  const began = Date.now();
  await until('video still flows', () => newest - began > 12_000, patience);
  assert.equal(socket.readyState, WebSocket.OPEN);
  socket.close();
  await daemon.stop();
});

test('a legacy view that hangs when its daemon is killed is ended by the next one, which has its port', { skip }, async () => {
  await using directory = await temporaryDirectory();
  const port = await freePort();
  const view = { enabled: true, host: '127.0.0.1', port };
  const root = resolve(import.meta.dirname, '../..');
  const program = `
    import { startLegacyView } from '${root}/src/composition/legacy-view.ts';
    import { testContext } from '${root}/test/support/context.ts';
    import { until } from '${root}/test/support/until.ts';
    const options = { view: ${JSON.stringify(view)}, dataDir: '${directory.path}', rtspPort: () => 1, onLogins: () => {} };
    const legacy = startLegacyView(options, testContext());
    await until('it is open', () => legacy.part().ready);
    console.log('open');`;
  const daemon = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const killed = once(daemon, 'exit');
  const [said] = await Promise.race([once(daemon.stdout, 'data'), killed]);
  assert.match(String(said), /open/);
  const { pid } = JSON.parse(readFileSync(join(directory.path, 'legacy-view.json'), 'utf8'));
  process.kill(pid, 'SIGSTOP');
  daemon.kill('SIGKILL');
  await killed;
  assert.equal(hasEnded(pid), false);
  using ctx = testContext();
  await using legacy = startLegacyView({ view, dataDir: directory.path, rtspPort: () => 1, onLogins: () => {} }, ctx);
  await until('the next one is open', () => legacy.part().ready, patience);
  assert.equal(hasEnded(pid), true);
  assert.ok(ctx.lines.some(({ msg, pids }) => msg === 'legacy view of an earlier run was ended' && String(pids) === `${pid}`));
  await legacy[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(directory.path), [], 'nothing of it is left');
});
