import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Finding } from '../../src/core/doctor.ts';
import { runProgram, startProgram } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** For a GPU machine, with the engine of this socket. */
async function engineAt(socket: string, directory: string): Promise<string> {
  const file = join(directory, 'site.yaml');
  const settings = `deepstream: { socket: ${socket}, image: "of/nobody:1" }`;
  await writeFile(file, `lists: { watch: {} }\nmqtt: { enabled: false }\nhttp: { port: 0 }\ncameras: {}\n${settings}\n`);
  return file;
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function examine(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly found: readonly Finding[]; readonly all: string }> {
  const { code, stdout, stderr } = await runProgram(['doctor', '--json', '--timeout', '20', ...args]);
  const found = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Finding => JSON.parse(line));
  return { code, found, all: stdout + stderr };
}

test('the doctor finds what answers, what does not, and what holds a port, and shows no password', async () => {
  await using place = await temporaryDirectory();
  const camera = createServer();
  const holder = createServer();
  try {
    const [cameraPort, heldPort] = [await listening(camera), await listening(holder)];
    const file = join(place.path, 'site.yaml');
    await writeFile(
      file,
      `lists: { watch: {} }
mqtt: { enabled: false }
http: { port: ${heldPort} }
media: { enabled: false }
cameras:
  lobby: { source: "rtsp://user:s3cret@127.0.0.1:${cameraPort}/stream" }
  door: { source: "rtsp://user:s3cret@127.0.0.1:1/stream" }
  gone: { source: "rtsp://user:s3cret@127.0.0.1:1/stream", enabled: false }
`,
    );
    const { code, found, all } = await examine(file);
    const verdicts = new Map(found.map(({ subject, verdict }) => [subject, verdict]));
    assert.equal(code, 1);
    assert.deepEqual(
      ['disk', 'port', 'camera lobby', 'camera door', 'camera gone', 'MQTT broker', 'gpu'].map((subject) =>
        verdicts.get(subject),
      ),
      ['pass', 'fail', 'pass', 'fail', undefined, undefined, 'skip'],
    );
    assert.match(
      found.find(({ subject }) => subject === 'port')?.seen ?? '',
      new RegExp(`http.port 127.0.0.1:${heldPort}: something else`),
    );
    assert.ok(
      found.every(({ verdict, remedy }) => verdict !== 'fail' || remedy !== undefined),
      'every failure says what to do',
    );
    assert.doesNotMatch(all, /s3cret/);
  } finally {
    camera.close();
    holder.close();
  }
});

test('a file that is wrong is one finding an issue, and the machine is looked at all the same', async () => {
  await using place = await temporaryDirectory();
  const file = join(place.path, 'site.yaml');
  await writeFile(file, 'camras: {}\nlogLevel: loud\n');
  const { code, found } = await examine(file);
  const issues = found.filter(({ subject }) => subject === 'configuration');
  assert.equal(code, 1);
  assert.deepEqual(
    issues.map(({ verdict }) => verdict),
    ['fail', 'fail'],
  );
  assert.match(issues[0]?.seen ?? '', /site\.yaml:1:1 .*cameras/);
  assert.ok(found.some(({ subject }) => subject === 'memory'));
});

test('the first hour of a GPU machine asks for card, engine, toolkit and image, without a configuration', async () => {
  await using place = await temporaryDirectory();
  const { stdout, stderr } = await runProgram(['doctor', '--first-hour'], { cwd: place.path });
  for (const subject of ['gpu', 'docker', 'container toolkit', 'image'])
    assert.match(stdout, new RegExp(`^(PASS|FAIL|SKIP) +${subject}: `, 'm'));
  assert.match(stderr, /no configuration file/);
});

test('an engine that is not there has its remedy, and the image is not looked for', async () => {
  await using place = await temporaryDirectory();
  const socket = join(place.path, 'docker.sock');
  const { found } = await examine('--first-hour', await engineAt(socket, place.path));
  const of = (name: string) => found.find(({ subject }) => subject === name);
  assert.equal(of('docker')?.seen, `${socket}: no engine listens there`);
  assert.match(of('docker')?.remedy ?? '', /^start it: .* deepstream\.socket/);
  assert.deepEqual([of('container toolkit')?.verdict, of('image')?.verdict], ['skip', 'skip']);
});

test('an engine that is silent is given up in time, and at once when the doctor is told to stop', async () => {
  await using place = await temporaryDirectory();
  const socket = join(place.path, 'docker.sock');
  const file = await engineAt(socket, place.path);
  const server = createServer();
  let asked = Promise.withResolvers<void>();
  server.on('connection', () => asked.resolve());
  try {
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const { found } = await examine('--timeout', '2', '--first-hour', file);
    const docker = found.find(({ subject }) => subject === 'docker');
    assert.equal(docker?.seen, `the Docker engine of ${socket} gave no answer within 2 s`);

    asked = Promise.withResolvers<void>();
    const program = startProgram(['doctor', '--first-hour', '--timeout', '600', file]);
    await asked.promise;
    program.kill('SIGINT');
    const { stdout } = await program.finished;
    assert.doesNotMatch(stdout, /docker/);
  } finally {
    server.close();
  }
});
