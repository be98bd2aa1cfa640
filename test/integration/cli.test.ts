import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { commands } from '../../src/cli/commands.ts';
import type { Alert } from '../../src/core/alerts.ts';
import type { AlertEventView, ControlHandlers, EntryView, PortableEntry, StatusView } from '../../src/core/control.ts';
import { isSightlineError, SightlineError } from '../../src/core/errors.ts';
import type { EntryRecord } from '../../src/core/store.ts';
import { makeCertificates } from '../support/certificates.ts';
import { runCommand, runProgram, scriptedDaemon, startProgram } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

const at = Date.UTC(2026, 10, 21, 14, 3, 5);
const entry: EntryRecord = {
  id: 'e1',
  name: 'Ada',
  list: 'banned',
  kind: 'face',
  notes: '',
  reason: 'theft',
  addedBy: 'operator',
  addedAt: at,
};
const view: EntryView = {
  entry,
  references: [
    {
      id: 'r1',
      entryId: 'e1',
      negative: false,
      space: 'x@1',
      box: { left: 0, top: 0, width: 1, height: 1 },
      quality: 0.9,
      accepted: true,
      source: 'ada.jpg',
      addedAt: at,
    },
  ],
};
const alert = {
  id: 'a1',
  rule: 'default',
  severity: 'high',
  kind: 'face',
  entry: { id: 'e1', name: 'Ada', list: 'banned' },
  state: 'opened',
  steps: [{ state: 'opened', at, actor: 'sightline' }],
  camera: 'lobby',
  cameras: ['lobby'],
  score: 0.714,
  threshold: 0.5,
  margin: 0.3,
  top: [{ entryId: 'e1', entryName: 'Ada', list: 'banned', score: 0.714 }],
  quality: { overall: 0.8, heightPx: 64 },
  sightings: 3,
  firstSeenAt: at,
  lastSeenAt: at,
  durable: true,
} as unknown as Alert;
const event = { alert, step: { state: 'opened', at, actor: 'sightline' }, revision: 1 } satisfies AlertEventView;
const status: StatusView = {
  version: '1.2.3',
  pid: 7,
  startedAt: at,
  configFile: '/etc/s.yaml',
  parts: [
    { name: 'store', ready: true },
    { name: 'output mqtt', ready: false, reason: 'connection refused' },
  ],
  cameras: [
    { camera: 'lobby', state: { state: 'live', since: at, codec: 'h264', width: 640, height: 480, decode: 'software' } },
  ],
  watchlist: { entries: 2, references: 3, descriptions: 0 },
  alerts: { open: 1 },
  outbox: { waiting: 4, dead: 0 },
  served: [
    {
      model: 'centerface',
      server: 'a:8001',
      answersPerSecond: 40,
      roundTripMs: 14.25,
      queueMs: 2,
      computeMs: 9,
      networkMs: 3.25,
    },
    { model: 'face_embed', server: 'a:8001', answersPerSecond: 2.5, roundTripMs: 8 },
  ],
};

// The real program

test('help is there without loading anything but the program itself, and so is every help of a command', async () => {
  await using directory = await temporaryDirectory();
  const { code, stdout, stderr } = await runProgram(['--help'], { env: { NODE_V8_COVERAGE: directory.path } });
  assert.deepEqual([code, stderr], [0, '']);
  for (const name of Object.keys(commands)) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
  const [coverage = ''] = await readdir(directory.path);
  const { result } = JSON.parse(await readFile(join(directory.path, coverage), 'utf8')) as { result: { url: string }[] };
  const loaded = result
    .filter(({ url }) => url.startsWith('file:'))
    .map(({ url }) => fileURLToPath(url).replace(/^.*\/src\//, ''));
  assert.deepEqual(loaded.toSorted(), [
    'cli/commands.ts',
    'cli/printable.ts',
    'core/clock.ts',
    'core/compile-cache.ts',
    'core/errors.ts',
    'core/heap.ts',
    'core/log-stream.ts',
    'core/nearest.ts',
    'core/redact.ts',
    'core/secret-name.ts',
    'main.ts',
    'program.ts',
  ]);
});

test('every command has a help that begins with what it does and shows its use', async () => {
  for (const [name, command] of Object.entries(commands)) {
    const { help } = await command.load();
    assert.match(help, /^[A-Z].*\.\n/, name);
    assert.match(help, new RegExp(`^Usage: sightline ${name}\\b`, 'm'), name);
  }
  const { code, stdout } = await runProgram(['alerts', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /sightline alerts tail/);
});

test('wrong usage is 2 and says what is right', async () => {
  const [nothing, unknown, option] = await Promise.all([
    runProgram([]),
    runProgram(['chekc']),
    runProgram(['check', '--colour', 'x.yaml']),
  ]);
  assert.deepEqual([nothing.code, unknown.code, option.code], [2, 2, 2]);
  assert.equal(unknown.stderr, 'sightline has no command chekc; did you mean check?\n');
  assert.equal(option.stderr, "sightline check: unknown option '--colour'\nsee: sightline check --help\n");
});

test('the version is that of the package', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.deepEqual(await runProgram(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('check says every issue on stderr and is 78, or is 0', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 's.yaml');
  await writeFile(file, 'logLevl: info\nmqtt: { url: "http://u:hunter2@h" }\n');
  const bad = await runProgram(['check', file]);
  assert.deepEqual([bad.code, bad.stdout], [78, '']);
  assert.equal(
    bad.stderr,
    `${file}:1:1 logLevl: unknown key; did you mean logLevel?\n${file}:2:14 mqtt.url: "http://u:***@h" is not allowed; expected a broker URL that begins with mqtt://, mqtts://, ws:// or wss://\n`,
  );
  await writeFile(file, 'cameras: { a: { source: x.mp4, recognise: [appearance] } }');
  const starving = await runProgram(['check', file]);
  assert.equal(starving.code, 78);
  assert.match(starving.stderr, /cameras\.a\.recognise\[0\]: no detector feeds appearance/);
  await writeFile(file, 'lists: { banned: {} }\ncameras: { a: { source: x.mp4 } }');
  const good = await runProgram(['check', file]);
  assert.deepEqual([good.code, good.stdout], [0, `${file} is fine: 1 camera, 1 list, 0 rules\n`]);
  assert.match(good.stderr, /^warning: .*cameras\.a\.source: there is no such file yet/m);
  assert.match(good.stderr, /^(warning: .*\n)+$/);
});

test('check warns of the broker files that are missing or do not fit', async () => {
  await using certificates = await makeCertificates();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 's.yaml');
  const broker = `url: mqtts://h, caFile: gone.pem, certFile: ${certificates.client.certFile}`;
  const check = async (enabled: boolean) => {
    await writeFile(file, `mqtt: { enabled: ${enabled}, ${broker}, keyFile: ${certificates.server.keyFile} }`);
    const { code, stderr } = await runProgram(['check', file]);
    assert.equal(code, 0);
    return stderr.split('\n').filter((line) => line.includes('mqtt.'));
  };
  const [ca, key, ...more] = await check(true);
  assert.match(ca ?? '', /mqtt\.caFile: no alert can be sent: \S+\/gone\.pem: there is no such file$/);
  assert.match(key ?? '', /mqtt\.keyFile: no alert can be sent: \S+: it is not the key of the certificate in mqtt\.certFile$/);
  assert.deepEqual(more, []);
  assert.deepEqual(await check(false), []);
});

test('the configuration is the one named, else sightline.yaml of this folder, and where there is none it says how to name one', async () => {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  for (const command of ['check', 'run', 'status']) {
    const { code, stderr } = await runProgram([command], { cwd });
    assert.equal(code, 2, command);
    assert.match(
      stderr,
      /^sightline \w+: there is no \S+\/sightline\.yaml; name the configuration .*\$SIGHTLINE_CONFIG/,
      command,
    );
  }
  await writeFile(join(cwd, 'sightline.yaml'), 'lists: { banned: {} }');
  assert.equal((await runProgram(['check'], { cwd })).code, 0);
});

test('without a daemon a command says so, and how to name another', async () => {
  await using directory = await temporaryDirectory();
  const { code, stdout, stderr } = await runProgram(['status', '--data', directory.path]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.equal(
    stderr,
    `sightline status: cannot talk to a daemon at ${directory.path}/control.sock: no daemon is running there\nis it running? sightline run FILE; another one is named with --config FILE or --data DIR\n`,
  );
});

test('the data directory is found although variables that only the daemon has are missing', async () => {
  await using daemon = await scriptedDaemon({ status: async () => status });
  await using directory = await temporaryDirectory();
  await writeFile(
    join(directory.path, 'sightline.yaml'),
    `dataDir: ${daemon.path}\ncameras: { a: { source: "rtsp://\${CAM_PASSWORD}@h" } }`,
  );
  const { stdout } = await runProgram(['status'], { cwd: directory.path });
  assert.match(stdout, /^sightline 1\.2\.3, process 7/);
});

test('alerts tail shows alerts as they come and ends with 0 at Ctrl-C', async () => {
  const more = Promise.withResolvers<void>();
  await using daemon = await scriptedDaemon({
    'alerts.tail': async function* (_request, signal) {
      yield event;
      await more.promise;
      yield { ...event, step: { state: 'closed', at: at + 1000, actor: 'sightline', reason: 'left' } };
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const tail = startProgram(['alerts', 'tail', '--data', daemon.path]);
  const first = '14:03:05 opened: high lobby Ada (banned) face similarity 0.71 [default] a1\n';
  await until('the first line', () => tail.stdout() === first);
  more.resolve();
  await until('the second line', () =>
    tail.stdout().endsWith('14:03:06 closed (left): high lobby Ada (banned) face similarity 0.71 [default] a1\n'),
  );
  tail.kill('SIGINT');
  const { code, stderr } = await tail.finished;
  assert.deepEqual([code, stderr], [0, '']);
});

test('what nobody caught ends the program with 1, without showing a secret', async () => {
  await using daemon = await scriptedDaemon({
    'alerts.tail': async function* (_request, signal) {
      yield event;
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const bomb = join(daemon.path, 'bomb.mjs');
  await writeFile(bomb, "process.on('SIGUSR2', () => { throw new Error('lost rtsp://u:hunter2@h'); })");
  const tail = startProgram(['alerts', 'tail', '--data', daemon.path], {
    env: { NODE_OPTIONS: `--import=${bomb}` },
  });
  await until('the first line', () => tail.stdout() !== '');
  tail.kill('SIGUSR2');
  const { code, stderr } = await tail.finished;
  assert.equal(code, 1);
  assert.match(stderr, /^sightline alerts failed: Error: lost rtsp:\/\/u:\*\*\*@h\n/);
  assert.doesNotMatch(stderr, /hunter2/);
});

// Commands against a scripted daemon

test('status shows parts, cameras and counts, and is 1 while some part is not ready', async () => {
  await using daemon = await scriptedDaemon({ status: async () => status });
  const shown = await daemon.run('status');
  assert.equal(shown.code, 1);
  assert.deepEqual(shown.out, [
    'sightline 1.2.3, process 7, running since 2026-11-21 14:03:05 with /etc/s.yaml',
    'store         ready',
    'output mqtt   not ready  connection refused',
    'camera lobby  live       640 x 480 h264, decoded by software, since 2026-11-21 14:03:05',
    'centerface on a:8001: 40.0 answers a second, 14.3 ms (queue 2.0, compute 9.0, network 3.3)',
    'face_embed on a:8001: 2.5 answers a second, 8.0 ms',
    'watchlist: 2 entries, 3 pictures',
    'alerts: 1 open',
    'outbox: 4 waiting, 0 refused',
  ]);
  const json = await daemon.run('status', '--json');
  assert.deepEqual(JSON.parse(json.out[0] ?? ''), status);
});

test('status names a part whose work others do as degraded, and is 0', async () => {
  const parts = [
    { name: 'triton 10.0.0.7:8001', ready: true },
    { name: 'triton 10.0.0.8:8001', ready: false, needed: false, reason: 'it is away; other servers do its work' },
  ] as const;
  await using daemon = await scriptedDaemon({ status: async () => ({ ...status, parts }) });
  const { code, out } = await daemon.run('status');
  assert.equal(code, 0);
  assert.deepEqual(out.slice(1, 3), [
    'triton 10.0.0.7:8001  ready',
    'triton 10.0.0.8:8001  degraded  it is away; other servers do its work',
  ]);
});

test('status counts descriptions beside pictures', async () => {
  const watchlist = { entries: 3, references: 4, descriptions: 1 };
  await using daemon = await scriptedDaemon({ status: async () => ({ ...status, watchlist }) });
  const { out } = await daemon.run('status');
  assert.ok(out.includes('watchlist: 3 entries, 3 pictures, 1 description'), out.join('\n'));
});

test('alerts list, show and answer ask for what was said on the command line', async () => {
  const asked: unknown[] = [];
  await using daemon = await scriptedDaemon({
    status: async () => status,
    'alerts.list': async (query) => {
      asked.push(query);
      return { alerts: [alert], cursor: 'more' };
    },
    'alerts.show': async () => ({ alert }),
    'alerts.snapshot': async () => ({ jpegBase64: Buffer.from('jpeg').toString('base64') }),
    'alerts.act': async (request) => {
      asked.push(request);
      const durable = request.step !== 'rejected';
      return { alert: { ...alert, state: request.step, durable }, step: { state: request.step, at, actor: request.actor } };
    },
  });
  const list = await daemon.run('alerts', 'list', '--camera', 'lobby', '--open', '--limit', '5');
  assert.deepEqual(list.out, ['2026-11-21 14:03:05  opened  high  lobby  Ada (banned)  face 0.71  default  a1']);
  assert.deepEqual(list.said, ['there are more; raise --limit or narrow the question']);
  const picture = join(daemon.path, 'a1.jpg');
  const show = await daemon.run('alerts', 'show', 'a1', '--snapshot', picture);
  assert.ok(show.out.includes('similarity  face 0.714, threshold 0.500, nobody else to compare with'), show.out.join('\n'));
  assert.ok(!show.out.some((line) => line.startsWith('next')), 'the match itself is not the next one');
  assert.equal(await readFile(picture, 'utf8'), 'jpeg');
  assert.deepEqual(show.said, [`its picture is in ${picture}`]);
  const ack = await daemon.run('alerts', 'ack', 'a1', '--reason', 'on my way');
  assert.deepEqual(ack.out, ['a1 is acknowledged']);
  assert.deepEqual(asked, [
    { camera: 'lobby', open: true, limit: 5 },
    { id: 'a1', step: 'acknowledged', actor: 'operator', reason: 'on my way' },
  ]);
  assert.deepEqual(ack.said, []);
  const reject = await daemon.run('alerts', 'reject', 'a1');
  assert.deepEqual(reject.out, ['a1 is rejected']);
  assert.match(reject.said.join('\n'), /announced but could not be stored/);
  const usage = await daemon.run('alerts', 'lsit');
  assert.ok(isSightlineError(usage.error, 'cli.usage'));
});

test('why asks in the reader’s own time', async () => {
  let asked: unknown;
  await using daemon = await scriptedDaemon({
    status: async () => status,
    why: async (question) => {
      asked = question;
      return { lines: ['one', 'two'] };
    },
  });
  const { out } = await daemon.run('why', '--camera', 'lobby', '--at', '2026-11-21 14:03', '--within', '30s');
  assert.deepEqual(out, ['one', 'two']);
  assert.deepEqual(asked, { camera: 'lobby', at: Date.UTC(2026, 10, 21, 14, 3), windowMs: 30_000, timeZone: 'UTC' });
  assert.ok(isSightlineError((await daemon.run('why', '--camera', 'lobby')).error, 'cli.usage'));
});

test('reload says what changed, and is 78 when the file was refused', async () => {
  let refused = false;
  await using daemon = await scriptedDaemon({
    'config.reload': async () => ({
      state: refused ? 'refused' : 'applied',
      at,
      changes: refused ? [] : [{ path: 'logLevel', reload: 'live' }],
      needsDaemonRestart: [],
      issues: refused ? ['s.yaml:1:1 x: unknown key'] : [],
    }),
  });
  const good = await daemon.run('reload');
  assert.deepEqual([good.code, good.out], [0, ['logLevel (live)', 'applied']]);
  refused = true;
  const bad = await daemon.run('reload');
  assert.deepEqual([bad.code, bad.out, bad.said], [78, ['refused'], ['s.yaml:1:1 x: unknown key']]);
});

test('reload says what the daemon had taken from the file before it was asked', async () => {
  const changes = [
    { path: 'logLevel', reload: 'live' },
    { path: 'cameras.lobby.source', reload: 'camera' },
  ];
  await using daemon = await scriptedDaemon({
    'config.reload': async () => ({
      state: 'unchanged',
      at,
      changes: [],
      taken: { at, changes },
      needsDaemonRestart: [],
      issues: [],
    }),
  });
  const { code, out } = await daemon.run('reload');
  assert.equal(code, 0);
  assert.match(out[0] ?? '', /^already taken at \S+ \S+: logLevel \(live\), cameras\.lobby\.source \(camera\)$/);
  assert.deepEqual(out.slice(1), ['unchanged']);
});

function enrolling(asked: Parameters<ControlHandlers['watchlist.enrol']>[0][]): Partial<ControlHandlers> {
  return {
    status: async () => status,
    'watchlist.enrol': async (request) => {
      asked.push(request);
      if (request.source === 'bad.jpg') throw new SightlineError('photo.refused', 'bad.jpg is refused: no face was found');
      return { entry: { ...entry, name: request.name }, reference: view.references[0] as never, warnings: ['near to Bob'] };
    },
  };
}

test('enroll takes files, says which photos were refused and why, and is then 1', async () => {
  const asked: Parameters<ControlHandlers['watchlist.enrol']>[0][] = [];
  await using daemon = await scriptedDaemon(enrolling(asked));
  const [good, bad] = [join(daemon.path, 'good.jpg'), join(daemon.path, 'bad.jpg')];
  await writeFile(good, 'photo');
  await writeFile(bad, 'photo');
  const result = await daemon.run(
    'enroll',
    good,
    bad,
    '--name',
    'Ada',
    '--list',
    'banned',
    '--face',
    '2',
    '--accept-quality',
    '--reason',
    'theft',
    '--expires',
    '2027-01-01 00:00',
  );
  assert.equal(result.error, undefined);
  assert.equal(result.code, 1);
  assert.deepEqual(result.out, [`${good}: enrolled as Ada (banned), quality 0.90, entry e1`]);
  assert.deepEqual(result.said, [`${good}: warning: near to Bob`, `${bad}: bad.jpg is refused: no face was found`]);
  assert.deepEqual(asked[0], {
    photoBase64: Buffer.from('photo').toString('base64'),
    source: 'good.jpg',
    name: 'Ada',
    list: 'banned',
    kind: 'face',
    pick: 2,
    acceptQuality: true,
    negative: false,
    reason: 'theft',
    expiresAt: Date.UTC(2027, 0, 1),
    actor: 'operator',
  });
});

test('enroll --text takes a description instead of photos, named after it unless told, and says what it is', async () => {
  const asked: Parameters<ControlHandlers['watchlist.describe']>[0][] = [];
  const meaning = 'experimental, matches a description, not a person';
  await using daemon = await scriptedDaemon({
    status: async () => status,
    'watchlist.describe': async (request) => {
      asked.push(request);
      const described = { ...entry, name: request.name, kind: 'description' } as const;
      return { entry: described, reference: view.references[0] as never, warnings: [meaning] };
    },
  });
  const text = ['enroll', '--list', 'banned', '--text', ' red jacket,black cap, '] as const;
  const plain = await daemon.run(...text);
  assert.deepEqual(plain.out, ['"red jacket, black cap": enrolled as red jacket, black cap (banned), entry e1']);
  assert.deepEqual(plain.said, [`"red jacket, black cap": warning: ${meaning}`]);
  await daemon.run(...text, '--name', 'Cap', '--reason', 'theft', '--threshold', '0.3', '--entry', 'e1');
  assert.deepEqual(asked, [
    { text: 'red jacket, black cap', name: 'red jacket, black cap', list: 'banned', actor: 'operator' },
    {
      text: 'red jacket, black cap',
      name: 'Cap',
      list: 'banned',
      entryId: 'e1',
      reason: 'theft',
      threshold: 0.3,
      actor: 'operator',
    },
  ]);
  for (const [args, says] of [
    [['--kind', 'body'], /--kind is about photos and cannot stand beside --text/],
    [['--negative'], /--negative is about photos/],
    [['photo.jpg'], /photo\.jpg cannot stand beside --text/],
  ] as const) {
    const { error } = await daemon.run(...text, ...args);
    assert.ok(isSightlineError(error, 'cli.usage') && says.test(error.message), String(error));
  }
  assert.equal(asked.length, 2);
});

test('alerts and entries of a description say so wherever their score or they are listed', async () => {
  const meaning = 'experimental, matches a description, not a person';
  const described = { ...alert, kind: 'description', score: 0.31 } as const;
  const reference = { ...view.references[0], text: 'red jacket' } as never;
  const listed = { entry: { ...entry, kind: 'description' } as const, references: [reference] };
  await using daemon = await scriptedDaemon({
    status: async () => status,
    'alerts.list': async () => ({ alerts: [described] }),
    'alerts.show': async () => ({ alert: described }),
    'watchlist.list': async () => ({ entries: [listed] }),
    'watchlist.show': async () => listed,
  });
  assert.match((await daemon.run('alerts', 'list')).out.join(), new RegExp(`description 0\\.31, ${meaning}`));
  assert.match((await daemon.run('alerts', 'show', 'a1')).out.join('\n'), new RegExp(`^meaning +${meaning}$`, 'm'));
  assert.deepEqual((await daemon.run('watchlist', 'list')).out, [`Ada  banned  description  "red jacket" (${meaning})    e1`]);
  const shown = (await daemon.run('watchlist', 'show', 'Ada', '--save', daemon.path)).out.join('\n');
  assert.match(shown, new RegExp(`^meaning +${meaning}$`, 'm'));
  assert.match(shown, /^description .* "red jacket"$/m);
});

test('enroll refuses a name that is none before it enrols anybody, and whoever has an entry already is not asked for one', async () => {
  const asked: Parameters<ControlHandlers['watchlist.enrol']>[0][] = [];
  await using daemon = await scriptedDaemon(enrolling(asked));
  await using directory = await temporaryDirectory();
  for (const name of ['ada', 'bo\u200bb']) {
    await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, name, 'good.jpg'), 'photo');
  }
  const { error } = await daemon.run('enroll', directory.path, '--list', 'banned');
  assert.ok(isSightlineError(error, 'control.request') && error.message.includes('bo\ufffdb has U+200B'), String(error));
  assert.deepEqual(asked, []);
  await daemon.run('enroll', directory.path, '--list', 'banned', '--entry', 'e1');
  assert.equal(asked.length, 2);
});

test('enroll reads neither a file above the limit nor something that is no file', async () => {
  await using daemon = await scriptedDaemon(enrolling([]));
  const large = join(daemon.path, 'large.jpg');
  await writeFile(large, '');
  await truncate(large, 21 * 1024 * 1024);
  const result = await daemon.run('enroll', large, '--name', 'Ada', '--list', 'banned');
  assert.deepEqual(result.said, [`${large}: ${large} has 21 MiB; at most 20 are taken: scale it down`]);
  const { error } = await daemon.run('enroll', '/dev/zero', '--name', 'Ada', '--list', 'banned');
  assert.match(String(error), /\/dev\/zero is neither a file nor a folder/);
});

test('enroll names what it cannot read in a folder, takes the rest, and is then 1', async () => {
  const asked: Parameters<ControlHandlers['watchlist.enrol']>[0][] = [];
  await using daemon = await scriptedDaemon(enrolling(asked));
  const people = join(daemon.path, 'people');
  const ada = join(people, 'ada');
  await mkdir(ada, { recursive: true });
  await writeFile(join(ada, 'good.jpg'), 'photo');
  await writeFile(Buffer.concat([Buffer.from(`${ada}/M`), Buffer.of(0xfc), Buffer.from('ller.jpg')]), 'photo');
  await symlink('circle.jpg', join(ada, 'circle.jpg'));
  await symlink('gone.jpg', join(ada, 'dangling.jpg'));
  await symlink('gone', join(people, 'bob'));
  const said = [
    `${ada}/circle.jpg: it is a link that leads to itself`,
    `${ada}/dangling.jpg: it is a link to nothing, or was removed`,
    `${ada}/M\ufffdller.jpg: its name is not UTF-8; give it another one`,
  ];
  const named = await daemon.run('enroll', ada, '--name', 'Ada', '--list', 'banned');
  assert.deepEqual(
    [named.error, named.code, named.said.toSorted()],
    [undefined, 1, [...said, `${ada}/good.jpg: warning: near to Bob`].toSorted()],
  );
  const all = await daemon.run('enroll', people, '--list', 'banned');
  const bob = `${people}/bob: it is a link to nothing, or was removed`;
  assert.deepEqual(
    [all.error, all.code, all.said.toSorted()],
    [undefined, 1, [...said, bob, `${ada}/good.jpg: warning: near to Bob`].toSorted()],
  );
  assert.deepEqual(
    asked.map(({ name, source }) => [name, source]),
    [
      ['Ada', 'good.jpg'],
      ['ada', 'good.jpg'],
    ],
  );
});

test('enroll takes the pictures of a folder, or a folder of people', async () => {
  const asked: Parameters<ControlHandlers['watchlist.enrol']>[0][] = [];
  await using daemon = await scriptedDaemon(enrolling(asked));
  const people = join(daemon.path, 'people');
  for (const [person, photo] of [
    ['ada', '2.JPG'],
    ['ada', '1.png'],
    ['ada', 'notes.txt'],
    ['bob', '1.webp'],
  ] as const) {
    await mkdir(join(people, person), { recursive: true });
    await writeFile(join(people, person, photo), 'photo');
  }
  await daemon.run('enroll', people, '--list', 'banned');
  await daemon.run('enroll', join(people, 'bob'), '--name', 'Robert', '--list', 'staff');
  assert.deepEqual(
    asked.map(({ name, source, list }) => `${name} ${source} ${list}`),
    ['ada 1.png banned', 'ada 2.JPG banned', 'bob 1.webp banned', 'Robert 1.webp staff'],
  );
  const empty = await daemon.run('enroll', people, '--name', 'x', '--list', 'banned');
  assert.match(String(empty.error), /has no pictures/);
  const missing = await daemon.run('enroll', join(people, 'none'), '--name', 'x', '--list', 'banned');
  assert.ok(isSightlineError(missing.error, 'cli.usage'));
});

test('a photo that is too large never travels', async () => {
  await using daemon = await scriptedDaemon({ status: async () => status });
  const file = join(daemon.path, 'large.jpg');
  await writeFile(file, Buffer.alloc(20 * 1024 * 1024 + 1));
  const { code, said } = await daemon.run('enroll', file, '--name', 'Ada', '--list', 'banned');
  assert.deepEqual([code, said], [1, [`${file}: ${file} has 21 MiB; at most 20 are taken: scale it down`]]);
});

test('the watchlist is listed, shown, erased, exported and imported', async () => {
  const portable: PortableEntry = {
    entry,
    references: [
      {
        id: 'r1',
        entryId: 'e1',
        negative: false,
        box: { left: 0, top: 0, width: 1, height: 1 },
        quality: 0.9,
        accepted: true,
        source: 'ada.jpg',
        addedAt: at,
        imageBase64: 'anBlZw==',
      },
    ],
  };
  const imported: unknown[] = [];
  const removed: unknown[] = [];
  await using daemon = await scriptedDaemon({
    status: async () => status,
    'watchlist.list': async () => ({ entries: [view] }),
    'watchlist.show': async () => view,
    'watchlist.image': async () => ({ jpegBase64: 'anBlZw==' }),
    'watchlist.remove': async (request) => {
      removed.push(request);
      return { entry };
    },
    'watchlist.removeReference': async (request) => {
      removed.push(request);
      return { removed: request.referenceId };
    },
    'watchlist.export': async function* () {
      yield portable;
      yield portable;
    },
    'watchlist.import': async ({ record }) => {
      imported.push(record);
      return { entry, references: 1, warnings: ['was there already'] };
    },
  });
  assert.deepEqual((await daemon.run('watchlist', 'list')).out, ['Ada  banned  face  1 picture    e1']);
  const pictures = join(daemon.path, 'pictures');
  const shown = await daemon.run('watchlist', 'show', 'Ada', '--save', pictures);
  assert.ok(shown.out.includes('picture  r1  ada.jpg  quality 0.90  accepted despite its quality'), shown.out.join('\n'));
  assert.equal(await readFile(join(pictures, 'r1.jpg'), 'utf8'), 'jpeg');
  assert.deepEqual((await daemon.run('watchlist', 'remove', 'Ada')).out, ['Ada (banned) is erased']);
  assert.deepEqual((await daemon.run('watchlist', 'remove', 'Ada', '--picture', 'r1')).out, ['picture r1 of Ada is erased']);
  assert.ok(isSightlineError((await daemon.run('watchlist', 'remove', 'Ada', '--picture', 'r9')).error, 'watchlist.unknown'));
  assert.deepEqual(removed, [
    { entry: 'Ada', actor: 'operator' },
    { referenceId: 'r1', actor: 'operator' },
  ]);
  const file = join(daemon.path, 'export.ndjson');
  assert.deepEqual((await daemon.run('watchlist', 'export', file)).said, [`2 entries written to ${file}`]);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(isSightlineError((await daemon.run('watchlist', 'export', file)).error, 'cli.usage'), 'nothing is overwritten');
  const result = await daemon.run('watchlist', 'import', file);
  assert.deepEqual(result.out, Array(2).fill('Ada (banned): 1 picture added'));
  assert.deepEqual(imported, [portable, portable]);
});

test('a list that nobody is on is said, with the lists that there are', async () => {
  await using daemon = await scriptedDaemon({
    status: async () => status,
    'watchlist.list': async ({ list }) => ({ entries: list === undefined || list === view.entry.list ? [view] : [] }),
  });
  const typo = await daemon.run('watchlist', 'list', '--list', 'baned');
  assert.deepEqual([typo.code, typo.out], [0, []]);
  assert.deepEqual(typo.said, ['nobody is on the list baned; lists with entries: banned']);
  assert.deepEqual((await daemon.run('watchlist', 'list', '--list', 'banned')).said, []);
});

test('a file that is no export is refused before anything is imported', async () => {
  await using daemon = await scriptedDaemon({ status: async () => status });
  const file = join(daemon.path, 'x.ndjson');
  const header = '{"sightline":"watchlist","version":1}\n';
  for (const [text, message] of [
    ['', /is not an export of a watchlist/],
    ['\n\n', /is not an export of a watchlist/],
    [`${header}{"entry":{"id":"../x"}}\n`, /:2 is not an .* entry\.id: expected 1 to 200 letters/],
    ['{}\n', /is not an export of a watchlist/],
    ['not json\n', /x\.ndjson:1 is not a line of an export/],
    ['{"sightline":"watchlist","version":2}\n', /written by another version/],
    [`${header}{"entry":{}}\n`, /x\.ndjson:2 is not an entry of an export: entry\.id/],
  ] as const) {
    await writeFile(file, text);
    const { error } = await daemon.run('watchlist', 'import', file);
    assert.match(String(error), message, text);
  }
});

test('without a daemon the store is opened by the command itself and closed again', async () => {
  let closed = false;
  const asked: string[] = [];
  const result = await runCommand(['watchlist', 'list', '--config', 's.yaml'], {
    connect: async () => ({
      call: () => Promise.reject(new SightlineError('control.unavailable', 'none', { details: { missing: true } })),
      stream: () => {
        throw new Error('not part of this test');
      },
    }),
    openStore: async (file) => {
      asked.push(file);
      return {
        call: async () => ({ entries: [view] }) as never,
        stream: () => {
          throw new Error('not part of this test');
        },
        [Symbol.asyncDispose]: async () => {
          closed = true;
        },
      };
    },
  });
  assert.deepEqual([result.code, result.out.length, closed], [0, 1, true]);
  assert.match(asked[0] ?? '', /\/s\.yaml$/);
});

test('a daemon that answers with an error is not mistaken for none', async () => {
  const failing = await runCommand(['watchlist', 'list'], {
    connect: async () => ({
      call: () => Promise.reject(new SightlineError('control.unavailable', 'it belongs to another user')),
      stream: () => {
        throw new Error('not part of this test');
      },
    }),
  });
  assert.ok(isSightlineError(failing.error, 'control.unavailable'));
});
