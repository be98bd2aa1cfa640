import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { ConfigInput } from '../../src/config/schema.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import {
  alertWith,
  createWorkplace,
  cutClip,
  filesBelow,
  patience,
  processesOf,
  type RunningDaemon,
  readProcess,
  statesIn,
  type Workplace,
} from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { closedPort } from '../support/port.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

/** A camera that asks for a login and takes none; keeps what it was told. */
async function closedCamera() {
  let told = '';
  const server = createServer((socket) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      told += text;
      for (const [, number] of text.matchAll(/^CSeq: *(\d+)/gim)) {
        socket.write(`RTSP/1.0 401 Unauthorized\r\nCSeq: ${number}\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n`);
      }
    });
    socket.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    logins: () =>
      [...told.matchAll(/^Authorization: Basic (\S+)/gim)].map(([, text]) => Buffer.from(text ?? '', 'base64').toString()),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.unref();
    },
  };
}

async function closedWebCamera() {
  const logins: string[] = [];
  const server = createHttpServer((request, response) => {
    const [, login] = /^Basic (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
    if (login !== undefined) logins.push(Buffer.from(login, 'base64').toString());
    response.writeHead(401, { 'www-authenticate': 'Basic realm="camera"', connection: 'close' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    logins: () => logins,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const word = 'Zaphod';
/** As people choose them: with everything that means something in a URL. */
const secrets = {
  CAM_PASSWORD: `p@ss/${word}:4?2#x`,
  MQTT_PASSWORD: `${word} mqtt%20&1`,
};

/** Everything that can be seen of a daemon from outside, by where. */
async function seenOf(place: Workplace, daemon: RunningDaemon): Promise<ReadonlyMap<string, string>> {
  const seen = new Map<string, string>();
  seen.set('log', daemon.stderr());
  for (const pid of [daemon.pid, ...processesOf(place.dataDir)])
    seen.set(`command line of ${pid}`, readProcess(pid, 'cmdline'));
  for (const pid of processesOf(place.dataDir)) seen.set(`environment of ${pid}`, readProcess(pid, 'environ'));
  for (const path of ['/metrics', '/readyz', '/healthz']) seen.set(path, await (await fetch(daemon.url(path))).text());
  for (const args of [
    ['status'],
    ['status', '--json'],
    ['alerts', 'list', '--json'],
    ['reload', '--json'],
    ['watchlist', 'list', '--json'],
  ]) {
    const { stdout, stderr } = await place.command(...args);
    seen.set(args.join(' '), `${stdout}${stderr}`);
  }
  for (const [file, text] of filesBelow(place.dataDir)) seen.set(`file ${file}`, text);
  return seen;
}

test('passwords of cameras and of the broker are used and shown nowhere', { skip }, async () => {
  await using camera = await closedCamera();
  await using web = await closedWebCamera();
  await using nobody = await closedPort();
  await using broker = await startBroker({ users: { sightline: secrets.MQTT_PASSWORD, reader: 'reader' } });
  await using listener = await listen(broker.port, '#', { username: 'reader', password: 'reader' });
  await using place = await createWorkplace();
  const clip = cutClip(place.directory, 'ada', 17, 55);
  const config: ConfigInput = {
    logLevel: 'debug',
    mqtt: { url: broker.url, username: 'sightline', password: '${MQTT_PASSWORD}' },
    lists: { watch: {} },
    cameras: {
      lobby: { source: clip, loop: true, realtime: true },
      door: { source: `rtsp://viewer:\${CAM_PASSWORD}@127.0.0.1:${camera.port}/stream`, group: 'doors' },
      yard: { source: `rtsp://viewer:\${CAM_PASSWORD}@127.0.0.1:${nobody.port}/stream` },
      gate: { source: `http://viewer:\${CAM_PASSWORD}@127.0.0.1:${web.port}/video` },
      desk: {
        source: 'gst:rtsp',
        properties: { LOCATION: `rtsp://127.0.0.1:${camera.port}/desk`, USER: 'viewer', PASSWORD: '${CAM_PASSWORD}' },
        openTimeout: '5s',
      },
      roof: {
        source: clip,
        realtime: true,
        loop: true,
        detectSource: `rtsp://viewer:\${CAM_PASSWORD}@127.0.0.1:${camera.port}/sub`,
      },
    },
  };
  place.configure(config);
  await using daemon = await place.start({ env: secrets });
  await place.enrol('watch', 'ada');
  await alertWith(listener, { name: 'ada', state: 'opened' }); // the broker took the password
  for (const name of ['door', 'yard', 'gate', 'desk']) {
    await until(
      `${name} is away`,
      () => statesIn(listener, name).some((state) => state?.state === 'away' || state?.state === 'failed'),
      patience,
    );
  }
  await until('the camera was told the password', () => camera.logins().includes(`viewer:${secrets.CAM_PASSWORD}`), patience);
  await until('so was the other', () => web.logins().includes(`viewer:${secrets.CAM_PASSWORD}`), patience);
  await until(
    'the log says that it was refused',
    () => /"camera":"door".*"code":"source.auth"/.test(daemon.stderr()),
    patience,
  );
  assert.ok(processesOf(place.dataDir).length >= 3, 'the test sees the workers and the media door');

  // Words about a wrong configuration quote what is wrong.
  const wrong = {
    url: 'http://sightline:${MQTT_PASSWORD}@localhost',
    password: '${MQTT_PASSWORD}',
    baseTopic: '#${CAM_PASSWORD}',
  };
  place.configure({ ...config, mqtt: wrong });
  await until('the refusal', () => daemon.said('configuration refused, the old one stays'), patience);

  const seen = new Map(await seenOf(place, daemon));
  for (const [index, message] of listener.messages.entries()) seen.set(`message ${index} on ${message.topic}`, message.text);
  const forms = [
    word,
    encodeURIComponent(secrets.CAM_PASSWORD),
    ...Object.values(secrets).map((text) => Buffer.from(text).toString('base64')),
  ];
  forms.push(Buffer.from(`viewer:${secrets.CAM_PASSWORD}`).toString('base64'));
  for (const [where, text] of seen) {
    for (const form of forms) {
      const at = text.indexOf(form);
      assert.equal(at, -1, `${where}: ${text.slice(Math.max(0, at - 200), at + 80)}`);
    }
  }
  assert.match(seen.get('log') ?? '', /"camera":"door".*"code":"source.auth"/, 'the log was looked at');
  await daemon.stop();
  assert.ok(!daemon.stderr().includes(word));
});
