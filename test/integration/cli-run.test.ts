import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { copyFile, cp, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { mainFile, type Running, runProgram, startProgram } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixturePath } from '../support/fixtures.ts';
import { changeableRepository, shippedRepository } from '../support/repository.ts';
import { until } from '../support/until.ts';

const quiet = 'mqtt: { enabled: false }\nhttp: { port: 0 }\nlists: { banned: {} }\n';

async function workplace(text = quiet) {
  const directory = await temporaryDirectory();
  const file = join(directory.path, 'sightline.yaml');
  await writeFile(file, text);
  return { path: directory.path, file, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

function lines(program: Running): Record<string, unknown>[] {
  return program
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

const said = (program: Running, message: string) => lines(program).some(({ msg }) => msg === message);

test('everything that is wrong with a configuration is said, also when it is more than a pipe holds', async () => {
  const cameras = Array.from({ length: 5000 }, (_, index) => `  camera-${index}: { source: x, nonsense: true }`);
  await using place = await workplace(`${quiet}cameras:\n${cameras.join('\n')}\n`);
  const { code, stderr } = await runProgram(['run', place.file]);
  assert.equal(code, 78);
  assert.equal(stderr.match(/nonsense: unknown key/g)?.length, 5000);
});

async function running(file: string): Promise<Running> {
  const program = startProgram(['run', file]);
  const kill = async () => {
    program.kill('SIGKILL');
    await program.finished;
  };
  const watches = until('the daemon watches', () => said(program, 'sightline is watching'));
  try {
    await Promise.race([watches, program.finished.then(({ stderr }) => assert.fail(stderr))]);
  } catch (error) {
    await kill();
    throw error;
  }
  return { ...program, [Symbol.asyncDispose]: kill };
}

test('run watches, answers on its socket, and ends with 0 when told to', async () => {
  await using place = await workplace();
  await using program = await running(place.file);
  const status = await runProgram(['status'], { cwd: place.path });
  assert.match(status.stdout, /^sightline \S+, process \d+, running since .* with .*sightline\.yaml$/m);
  assert.match(status.stdout, /^store +ready$/m);
  program.kill('SIGTERM');
  const { code, stdout } = await program.finished;
  assert.deepEqual([code, stdout], [0, '']);
  assert.ok(said(program, 'stopped'));
  const gone = await runProgram(['status'], { cwd: place.path });
  assert.match(gone.stderr, /no daemon is running there/);
});

test('--once ends with 1 and names a camera that has failed', async () => {
  await using place = await workplace(`${quiet}cameras: { lobby: { source: 'gst:nothing' } }\n`);
  const { code, stderr } = await runProgram(['run', '--once', place.file]);
  assert.match(stderr, /^camera lobby failed: .*; tried again every 5 min$/m);
  assert.equal(code, 1);
});

for (const [how, ask] of [
  ['the command', async (path: string) => void (await runProgram(['reload'], { cwd: path }))],
  ['SIGHUP', async (_path: string, program: Running) => program.kill('SIGHUP')],
] as const) {
  test(`what has failed and was mended is tried again by ${how}, though the file is unchanged`, async () => {
    await using place = await workplace();
    await using repository = await changeableRepository();
    const clip = join(place.path, 'clip.mp4');
    const camera = `lobby: { source: ${clip}, loop: true, realtime: true, detect: [{ model: centerface }] }`;
    await writeFile(place.file, `${quiet}inference: { repository: ${repository.directory} }\ncameras: { ${camera} }\n`);
    await using program = await running(place.file);
    const became = (wanted: string) => lines(program).some(({ msg, state }) => msg === 'camera state' && state === wanted);
    await until('the camera to be away', () => became('away'));
    const model = join(repository.directory, 'centerface', 'config.pbtxt');
    const good = await readFile(model, 'utf8');
    await writeFile(model, good.replace('input', 'inputs'));
    await copyFile(fixturePath('clips/lobby.mp4'), clip);
    await until('the camera to fail', () => became('failed'));
    await writeFile(model, good);
    await ask(place.path, program);
    await until('the camera to heal', () => became('live'));
    assert.ok(!said(program, 'configuration reloaded'));
  });
}

test('a second daemon on the same data is refused with the pid of the first', async () => {
  await using place = await workplace();
  await using program = await running(place.file);
  const { code, stderr } = await runProgram(['run', place.file]);
  assert.equal(code, 1);
  const pid = /is in use by process (\d+)/.exec(stderr)?.[1];
  const status = await runProgram(['status', '--json'], { cwd: place.path });
  assert.equal(Number(pid), JSON.parse(status.stdout).pid);
  assert.ok(!said(program, 'stopping'), 'the first one is not disturbed');
});

test('SIGHUP and a changed file reload; a bad file changes nothing and is reported', async () => {
  await using place = await workplace();
  await using program = await running(place.file);
  await writeFile(place.file, `${quiet}logLevel: debug\n`);
  await until('the change is applied', () => said(program, 'configuration reloaded'));
  await writeFile(place.file, `${quiet}logLevel: loud\n`);
  await until('the refusal', () => said(program, 'configuration refused, the old one stays'));
  const refused = await runProgram(['reload'], { cwd: place.path });
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /logLevel: "loud" is not allowed/);
  const before = lines(program).filter(({ trigger }) => trigger === 'signal').length;
  program.kill('SIGHUP');
  await until('the signal is answered', () => lines(program).filter(({ trigger }) => trigger === 'signal').length > before);
  assert.equal((await runProgram(['reload'], { cwd: place.path })).code, 78);
});

test('run refuses a wrong configuration with 78 before anything is started', async () => {
  await using place = await workplace('cameras: { a: { source: x.mp4, detect: [{ model: nothing }] } }');
  const { code, stderr } = await runProgram(['run', place.file]);
  assert.equal(code, 78);
  assert.match(stderr, /sightline\.yaml:1:\d+ cameras\.a\.detect\[0\]\.model: the model repository has no nothing/);
});

test('a repository needs what the configuration uses, all of it named at once, and no more', async () => {
  await using repository = await temporaryDirectory();
  await using place = await workplace(
    `${quiet}inference: { repository: ${repository.path} }\ncameras: { lobby: { source: lobby.mp4, detect: [{ model: centerface }] } }\n`,
  );
  const describe = (model: string) =>
    cp(join(shippedRepository, model, 'config.pbtxt'), join(repository.path, model, 'config.pbtxt'), { recursive: true });
  await describe('yunet');
  for (const command of ['check', 'run']) {
    const { code, stderr } = await runProgram([command, place.file]);
    assert.equal(code, 78);
    assert.match(stderr, /cameras\.lobby\.detect\[0\]\.model: the model repository has no centerface/);
    assert.match(stderr, /models\.face: the model repository has no face_embed, which compares faces on lobby/);
    assert.match(stderr, /models\.enrolment: the model repository has no centerface, which finds faces on photos to enrol/);
    assert.doesNotMatch(stderr, /person_embed|yolox_nano/);
  }
  for (const model of ['centerface', 'face_embed']) await describe(model);
  const checked = await runProgram(['check', place.file]);
  assert.equal(checked.code, 0, checked.stderr);
  await using _program = await running(place.file);
  const enrolled = await runProgram(
    ['enroll', fixturePath('photos/ada/enrol_1.jpg'), '--name', 'p', '--list', 'banned', '--kind', 'body'],
    { cwd: place.path },
  );
  assert.match(
    enrolled.stderr,
    /bodies need models\.appearance and models\.enrolmentBody: no model "person_embed" .* no model "yolox_nano"/,
  );
});

test('weights for a model that the repository does not describe: what to copy is said', async () => {
  await using repository = await temporaryDirectory();
  await using place = await workplace();
  const add = (...args: readonly string[]) =>
    runProgram(['models', 'add', place.file, '--repository', repository.path, ...args]);
  const { code, stderr } = await add('--as', 'face_embed');
  assert.equal(code, 1);
  const copy = /copy its description first: (mkdir .* && cp .*)$/m.exec(stderr)?.[1];
  assert.ok(copy !== undefined, stderr);
  assert.equal(spawnSync('sh', ['-c', copy]).status, 0);
  assert.doesNotMatch((await add('--as', 'face_embed')).stderr, /no model/, 'what was said works');
  assert.match((await add('--as', 'mine')).stderr, /begins with its config\.pbtxt/);
});

test('a signal while starting ends the start', async () => {
  await using place = await workplace();
  const program = startProgram(['run', place.file]);
  await until('the store opens', () => said(program, 'store made'));
  program.kill('SIGINT');
  assert.equal((await program.finished).code, 0, program.stderr());
  assert.equal((await runProgram(['watchlist', 'list'], { cwd: place.path })).code, 0, 'the data is free again');
});

test('the second signal ends at once', async () => {
  await using place = await workplace();
  await using program = await running(place.file);
  program.kill('SIGTERM');
  program.kill('SIGINT');
  const { code } = await program.finished;
  assert.ok(code === 130 || code === 143, `exit code ${code}`);
});

test('without a daemon the commands open the store themselves', async () => {
  await using place = await workplace();
  const list = await runProgram(['watchlist', 'list', '--json'], { cwd: place.path });
  assert.deepEqual([list.code, list.stdout], [0, '']);
  const why = await runProgram(['why', '--camera', 'lobby', '--at', '00:00'], { cwd: place.path });
  assert.equal(why.code, 0, why.stderr);
  assert.match(why.stdout, /^lobby around .*: 0 alerts, 0 tracks that told nobody; no track was seen .* no daemon runs$/m);
  const tail = await runProgram(['alerts', 'tail'], { cwd: place.path });
  assert.equal(tail.code, 1);
  const missing = await runProgram(['watchlist', 'show', 'nobody'], { cwd: place.path });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^sightline watchlist: .*nobody/m);
});

test('a start without enough file descriptors ends with what to raise, in one line', async () => {
  await using place = await workplace();
  const main = join(import.meta.dirname, '../../src/main.ts');
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 36; exec "$@"', 'sh', process.execPath, main, 'run', place.file],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(status, 1, stderr);
  const words = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  assert.equal(words.length, 1, stderr);
  assert.match(words[0] ?? '', /^sightline run: no file descriptors are left; raise the limit \(LimitNOFILE, ulimit -n\): /);
});

/** Ports on which a process waits for connections over IPv4. */
async function listening(pid: number): Promise<readonly number[]> {
  const files = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(files.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  const inodes = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const rows = (await readFile(`/proc/${pid}/net/tcp`, 'utf8')).split('\n').map((row) => row.trim().split(/\s+/));
  return rows.flatMap((row) =>
    row[3] === '0A' && inodes.has(row[9]) ? [Number.parseInt(row[1]?.split(':')[1] ?? '', 16)] : [],
  );
}

test('a signal opens no debugger, in the daemon as bin/sightline starts it, its worker and its media door', async () => {
  const repository = resolve(import.meta.dirname, '../../model_repository');
  await using place = await workplace(
    `${quiet}inference: { repository: ${repository} }\nmodels: { face: demo_embed, enrolment: demo_face }\n` +
      'cameras: { gate: { source: "rtsp://127.0.0.1:1/x", detect: [{ model: demo_face }] } }\n',
  );
  const bin = resolve(import.meta.dirname, '../../bin/sightline');
  const daemon = spawn(bin, ['run', place.file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
  });
  let log = '';
  daemon.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  const exited = once(daemon, 'exit');
  try {
    const looked = until('its worker has looked for the camera', () => log.includes('"camera away"'), 60_000);
    await Promise.race([looked, exited.then(() => assert.fail(log))]);
    const pid = daemon.pid ?? 0;
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
    assert.equal(children.length, 2, 'the worker and the media door');
    for (const each of [pid, ...children]) {
      // The media door may be about to open its own.
      const others = async () => (await listening(each)).filter((port) => port !== 8554);
      const before = await others();
      const [, caught = ''] = /^SigCgt:\s+([0-9a-f]+)$/m.exec(await readFile(`/proc/${each}/status`, 'utf8')) ?? [];
      assert.equal((BigInt(`0x${caught}`) >> BigInt(constants.signals.SIGUSR1 - 1)) & 1n, 0n, `SIGUSR1 is caught by ${each}`);
      process.kill(each, 'SIGUSR1');
      assert.equal((await runProgram(['status'], { cwd: place.path })).stdout.match(/^camera gate +away/m)?.length, 1);
      assert.deepEqual(await others(), before);
    }
    assert.doesNotMatch(log, /Debugger listening/);
  } finally {
    daemon.kill('SIGTERM');
    await exited;
  }
});

test('results that could not be written, as on a full disk, are said and are a failure', async () => {
  await using place = await workplace();
  await using _program = await running(place.file);
  const full = openSync('/dev/full', 'w');
  try {
    for (const args of [['status'], ['status', '--json'], ['check', place.file], ['--version']]) {
      const child = spawn(process.execPath, [mainFile, ...args], { cwd: place.path, stdio: ['ignore', full, 'pipe'] });
      const [stderr, [code]] = await Promise.all([text(child.stderr ?? assert.fail()), once(child, 'exit')]);
      assert.match(
        stderr,
        /^sightline: not all of the output could be written: ENOSPC: no space left on device/m,
        args.join(' '),
      );
      assert.equal(code, 1, args.join(' '));
    }
  } finally {
    closeSync(full);
  }
});
