import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { listen } from '../support/broker.ts';
import { mainFile } from '../support/cli.ts';
import { readProcess } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { createDemoStage, demoTemplate, fixtureScene } from '../support/demo.ts';
import { installedProgram } from '../support/programs.ts';
import { shippedRepository } from '../support/repository.ts';
import { pause, until } from '../support/until.ts';

/** `sightline demo` on the drawn fixtures: short, and independent of what the demo's own networks can do. */

const patience = 90_000;

/**
 * The port is taken, by whomever: by a server of this test where nobody listens yet, and as soon as somebody leaves it. Demos of other
 * tests come and go meanwhile.
 */
async function occupy(port: number): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  const over = new AbortController();
  const listens = async (): Promise<boolean> => {
    const listening = once(server.listen(port, '127.0.0.1'), 'listening');
    return await listening.then(
      () => true,
      () => false,
    );
  };
  const isOurs = await listens();
  const taking = (async () => {
    while (!isOurs && !over.signal.aborted && !(await listens())) await pause(1);
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await taking;
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}

test('one loop: one plain line for each listed visit, nothing else on stdout, and nothing left behind', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const { code, stdout, stderr } = await stage.command('demo', '--scene', scene, '--loops', '1');
  assert.equal(code, 0, stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  assert.equal(lines.length, 2, stdout);
  for (const [index, name] of ['ada', 'ben'].entries()) {
    assert.match(
      lines[index] ?? '',
      new RegExp(
        `^alert time=\\d\\d:\\d\\d:\\d\\d name=${name} camera=lobby similarity=(0\\.\\d\\d|1\\.00) needs=0\\.65 told_after_s=\\d+\\.\\d\\d list=watched id=[\\w-]+$`,
      ),
    );
  }
  assert.match(stderr, /^ {2}detector +fixture_face$/m);
  assert.match(stderr, /^ {2}embedder +fixture_embed, similarity needed 0\.65$/m);
  assert.match(stderr, /^ {2}engine +embedded: ONNX Runtime/m);
  assert.match(stderr, /^ {2}vector index +(faiss-flat|a plain scan.*)$/m);
  assert.match(stderr, /^ {2}broker +mqtt:\/\/127\.0\.0\.1:\d+ \(embedded, loopback only\)/m);
  assert.match(stderr, /^ {2}1 camera +rtsp:\/\/127\.0\.0\.1:\d+\/lobby$/m);
  assert.match(stderr, /^what to try next$/m);
  assert.doesNotMatch(stderr, /^warning: .* (is away|is failed|cannot be reached|does not answer)/m);
  assert.match(stderr, /^2 alerts; nothing is left behind$/m);
  assert.deepEqual(stage.leftovers(), ['scene']);
  assert.deepEqual(stage.processes(), []);
});

test('taken ports are replaced and named; a second terminal lists somebody; Ctrl-C leaves no process, port or file', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary, { ignored: 'dee' });
  await using _mqtt = await occupy(1883);
  await using _rtsp = await occupy(8554);
  const demo = stage.start('--scene', scene, '--cameras', '2');
  await demo.said(/^the demo runs$/m);
  const [, mqttPort] = await demo.said(/^port 1883 is taken: the broker is on (\d+)$/m);
  const [, rtspPort] = await demo.said(/^port 8554 is taken: the RTSP of Sightline is on (\d+)$/m);
  await demo.said(
    new RegExp(`^ {2}RTSP +rtsp://127\\.0\\.0\\.1:${rtspPort}/lobby and .*/annotated: of Sightline, for players$`, 'm'),
  );
  const [, cameraPort] = await demo.said(/^ {2}2 cameras +rtsp:\/\/127\.0\.0\.1:(\d+)\/lobby$/m);
  await demo.said(new RegExp(`rtsp://127\\.0\\.0\\.1:${cameraPort}/lobby-2$`, 'm'));
  assert.notEqual(cameraPort, rtspPort);
  {
    await using consumer = await listen(Number(mqttPort), 'sightline-demo/#', { protocolVersion: 4 });
    await until('another consumer hears of the cameras', () => consumer.messages.length > 0, patience);
  }

  assert.match(demo.stderr(), /^ {2}ignored +dee$/m);
  await demo.said(/^not told: dee on lobby(-2)? is on the ignore list staff$/m);
  await until('a listed person is told of', () => demo.alerts().length > 0, patience);
  assert.ok(
    demo.alerts().every(({ name }) => name === 'ada' || name === 'ben'),
    demo.stdout(),
  );

  const unknown = await stage.command('demo', '--watch', 'zoe');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /nobody in the scene is called zoe; .*there are ada, ben, cyd, dee, eve$/m);
  const listed = await stage.command('demo', '--watch', 'Dee');
  assert.deepEqual([listed.code, listed.stdout], [0, ''], listed.stderr);
  assert.match(listed.stderr, /^dee is listed now; wait for the next visit \(in the demo that runs, process \d+\)$/m);
  const again = await stage.command('demo', '--watch', 'dee');
  assert.match(again.stderr, /^dee is listed already/m);
  await until('dee is told of', () => demo.alerts().some(({ name }) => name === 'dee'), patience);

  demo.kill('SIGINT');
  const { code, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
  assert.deepEqual(stage.leftovers(), ['scene']);
  assert.deepEqual(stage.processes(), []);
  assert.ok(await refuses(Number(mqttPort)));
  assert.ok(await refuses(Number(rtspPort)));
  assert.ok(await refuses(Number(cameraPort)));
});

test('a camera that breaks ends the demo with its reason', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const demo = stage.start('--scene', scene);
  await demo.said(/^the demo runs$/m);
  const camera = stage.processes().find((pid) => readProcess(pid, 'cmdline').includes('media/camera.ts'));
  assert.ok(camera);
  process.kill(camera, 'SIGKILL');
  const { code, stderr } = await demo.finished;
  assert.equal(code, 1);
  assert.match(stderr, /^sightline demo: the demo's camera ended: it ended with SIGKILL$/m);
  assert.deepEqual(stage.leftovers(), ['scene']);
  assert.deepEqual(stage.processes(), []);
});

test('in a terminal: a card for each alert, names can be typed, and closing it leaves nothing', {
  skip: missingTool(installedProgram('script'), 'script of util-linux'),
}, async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const command = [process.execPath, mainFile, 'demo', '--scene', scene].join(' ');
  // Its end of the terminal is closed when it is killed.
  const window = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { ...process.env, ...stage.environment, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(window, 'close').then(() => assert.fail(`the window closed: ${screen}`));
  let screen = '';
  window.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const shows = (pattern: RegExp) => Promise.race([until(`it shows ${pattern}`, () => pattern.test(screen), patience), closed]);
  try {
    await shows(/Type a name and Enter to list somebody else: cyd, dee(.\[0m)?\r?\n/);
    window.stdin.write('Zoe\ndee\n');
    await shows(/! nobody in the scene is called Zoe/);
    await shows(/dee is listed now/);
    await shows(/.\[1mada +.\[0m lobby .*█.* \d\.\d\d .*similarity, not identity/);
    await shows(/told \d+\.\d\d s after first seen, \d+\.\d\d s after the deciding frame; needs 0\.65/);
  } finally {
    window.kill('SIGKILL');
    await assert.rejects(closed);
  }
  await until('all processes end', () => stage.processes().length === 0, patience);
  assert.deepEqual(stage.leftovers(), ['scene']);
});

test('a full disk is said, and the demo ends with 1', {
  skip: missingTool(process.getuid?.() === 0 && installedProgram('unshare'), 'unshare as root'),
}, async (t) => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const small = join(stage.temporary, 'small');
  mkdirSync(small);
  // A mount that nobody else sees and that goes with the process.
  const inside = 'mount -t tmpfs -o size=64k tmpfs "$TMPDIR" && exec "$0" "$@"';
  const args = ['-m', 'sh', '-c', inside, process.execPath, mainFile, 'demo', '--scene', scene];
  const { status, stderr } = spawnSync('unshare', args, { env: { ...process.env, TMPDIR: small }, encoding: 'utf8' });
  if (/unshare failed|permission denied/i.test(stderr)) {
    t.skip('mount namespaces are not allowed here');
    return;
  }
  assert.match(stderr, /^sightline demo: .*no space/m);
  assert.equal(status, 1, stderr);
});

test('what cannot work is refused in words before anything is left behind', async (t) => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  async function refused(code: number, words: RegExp, ...args: readonly string[]): Promise<void> {
    const before = stage.leftovers();
    const finished = await stage.command('demo', '--scene', scene, ...args);
    assert.match(finished.stderr, words);
    assert.equal(finished.code, code, finished.stderr);
    assert.equal(finished.stdout, '');
    assert.deepEqual(stage.leftovers(), before);
    assert.deepEqual(stage.processes(), []);
  }
  await t.test('too many cameras', () => refused(2, /--cameras 17 is not a whole number from 1 to 16/, '--cameras', '17'));
  await t.test('an unknown name', () =>
    refused(2, /nobody in the scene is called adda; did you mean ada\?/, '--watch', 'adda'),
  );
  await t.test('somebody whose face nobody has seen', () =>
    refused(2, /eve hides the face: there is no photo to list by/, '--watch', 'eve'),
  );
  await t.test('no photos', async () => {
    renameSync(join(scene, 'photos', 'ben'), join(scene, 'photos', 'elsewhere'));
    await refused(1, /there are no photos of ben in /);
    renameSync(join(scene, 'photos', 'elsewhere'), join(scene, 'photos', 'ben'));
  });
  await t.test('a folder for a photo', async () => {
    const photo = join(scene, 'photos', 'ben', 'more.jpg');
    mkdirSync(photo);
    await refused(1, /the photo of ben .*more\.jpg is no file/);
    rmSync(photo, { recursive: true });
  });
  await t.test('no broker URL, before anything is begun', () =>
    refused(
      2,
      /^sightline demo: --mqtt takes the URL of a broker/,
      '--mqtt',
      'localhost',
      '--keep',
      join(stage.temporary, 'none'),
    ),
  );
  await t.test('a directory of somebody else', async () => {
    const folder = join(stage.temporary, 'full');
    mkdirSync(folder);
    writeFileSync(join(folder, 'letter.txt'), 'dear');
    await refused(1, /full is not empty and not of an earlier demo/, '--keep', folder);
  });
  await t.test('the directory of a scene: its demo.yaml is not overwritten', async () => {
    const template = join(scene, 'demo.yaml');
    const before = readFileSync(template, 'utf8');
    await refused(1, /not of an earlier demo/, '--keep', scene);
    assert.equal(readFileSync(template, 'utf8'), before);
  });
  await t.test('a file for a directory', () =>
    refused(1, /the demo cannot use .*lobby\.mp4: it is no directory/, '--keep', join(scene, 'lobby.mp4')),
  );
  await t.test('an empty name for a directory', () => refused(2, /--keep is empty/, '--keep', ''));
  await t.test('a directory that cannot be', () =>
    refused(1, /the demo cannot use \/proc\/nowhere/, '--keep', '/proc/nowhere'),
  );
  await t.test('no scene', () => refused(1, /the list of characters .*nowhere\/cast\.json is missing/, '--scene', '/nowhere'));
  await t.test('no networks', async () => {
    const template = join(scene, 'demo.yaml');
    const before = readFileSync(template, 'utf8');
    writeFileSync(template, before.replaceAll('fixture_embed', 'no_such_model'));
    await refused(78, /demo\.yaml:\d+:\d+ models\.face: .*no_such_model/);
    writeFileSync(template, before);
  });
  await t.test('damaged networks of our own', async () => {
    const template = join(scene, 'demo.yaml');
    const before = readFileSync(template, 'utf8');
    const repository = join(stage.temporary, 'damaged');
    cpSync(shippedRepository, repository, { recursive: true });
    writeFileSync(join(repository, 'demo_face/1/model.onnx'), '');
    writeFileSync(template, `${demoTemplate}inference: { repository: ${JSON.stringify(repository)} }\n`);
    await refused(1, /demo_face has weights that cannot be used; git checkout model_repository brings back/);
    writeFileSync(template, before);
  });
  await t.test('a film that is none', async () => {
    rmSync(join(scene, 'lobby.mp4'));
    writeFileSync(join(scene, 'lobby.mp4'), 'no film');
    await refused(1, /the demo's camera cannot be started: .*lobby\.mp4/);
  });
  await t.test('a directory for a film', async () => {
    rmSync(join(scene, 'lobby.mp4'));
    mkdirSync(join(scene, 'lobby.mp4'));
    await refused(1, /^sightline demo: .* the film .*lobby\.mp4 is no file$/m);
  });
  await t.test('no film', async () => {
    rmSync(join(scene, 'lobby.mp4'), { recursive: true });
    assert.ok(!existsSync(join(scene, 'lobby.mp4')));
    await refused(1, /the film .*lobby\.mp4 is missing/);
  });
});
