import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { ConfigInput } from '../../src/config/schema.ts';
import { createWorkplace, cutClip, patience, type RunningDaemon, type Workplace } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { connectLive } from '../support/live-client.ts';
import { ask, Person } from '../support/login.ts';
import { installedProgram } from '../support/programs.ts';
import { missingRtspCamera, type RtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { connectRtsp, depacketise } from '../support/rtsp-client.ts';
import { until } from '../support/until.ts';

/** What people see, through the whole program: camera, worker, media door, daemon, and those who look. */

const skip = missingTool(installedProgram('ffmpeg'), 'ffmpeg') || missingRtspCamera();
const password = 'a long night shift';

/** A player that is told nothing of what it should expect: ffmpeg, which says each access unit that it got. */
interface Player {
  readonly units: number;
  readonly ended: Promise<number | null>;
  kill(): void;
}

/** A mask from top to bottom, a fifth of the picture wide. */
function strip(left: number): [number, number][] {
  const right = left + 0.2;
  return [
    [left, 0],
    [right, 0],
    [right, 1],
    [left, 1],
  ];
}

describe('video for people', { skip }, () => {
  let place: Workplace;
  let daemon: RunningDaemon;
  let camera: RtspCamera;
  let clip: string;
  let config: ConfigInput & { readonly cameras: { readonly yard: NonNullable<ConfigInput['cameras']>[string] } };
  let admin: Person;
  let rtspPort: number;
  const streamPasswords = new Map<string, string>();
  const players = new Set<ChildProcess>();

  function rtsp(user: string, path: string): string {
    return `rtsp://${user}:${streamPasswords.get(user) ?? ''}@127.0.0.1:${rtspPort}/${path}`;
  }

  function player(user: string, path: string): Player {
    const child = spawn(
      'ffmpeg',
      [
        '-v',
        'error',
        '-rtsp_transport',
        'tcp',
        '-i',
        rtsp(user, path),
        '-c',
        'copy',
        '-flush_packets',
        '1',
        '-f',
        'framecrc',
        '-',
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    players.add(child);
    let units = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      units += text.split('\n').filter((line) => /^\d/.test(line)).length;
    });
    return {
      get units() {
        return units;
      },
      ended: new Promise((resolve) => child.once('exit', resolve)),
      kill: () => void child.kill('SIGKILL'),
    };
  }

  /** RTSP status by which a stream is refused; 200 when it can be read. */
  async function status(user: string, path: string): Promise<number> {
    const args = [
      '-v',
      'error',
      '-rtsp_transport',
      'tcp',
      '-show_entries',
      'stream=codec_name',
      '-of',
      'csv=p=0',
      rtsp(user, path),
    ];
    return await promisify(execFile)('ffprobe', args, { timeout: patience }).then(
      () => 200,
      (error: { stderr: string }) => Number(/(?:returned|error) (4\d\d)/i.exec(error.stderr)?.[1] ?? Number.NaN),
    );
  }

  async function makeUser(user: string, role: 'viewer' | 'admin', cameras: readonly string[] | 'all'): Promise<Person> {
    const made = await admin.ask('POST', '/api/v1/users', { user, password, role, cameras, pictures: false });
    assert.equal(made.status, 201, made.text);
    const given = await admin.ask('POST', `/api/v1/users/${user}/stream-password`);
    streamPasswords.set(user, given.value.password);
    const person = new Person(daemon.url(''));
    await person.logIn(user, password);
    return person;
  }

  async function live(person: Person) {
    const { value } = await person.ask('POST', '/api/v1/tickets');
    return await connectLive(daemon.url('/api/v1/live').replace('http', 'ws'), { ticket: value.ticket });
  }

  before(async () => {
    place = await createWorkplace();
    clip = cutClip(place.directory, 'ada', 12, 58);
    camera = await startRtspCamera(clip);
    config = {
      lists: { watch: { severity: 'high' } },
      cameras: {
        lobby: { source: camera.url, silenceTimeout: '60s' },
        // Of whom it sees nobody is told: an alert that began there would have no clip.
        yard: { source: clip, realtime: true, loop: true, masks: [strip(0)], recognise: [] },
      },
      alerting: { leaveAfter: '4s' },
      media: { rtsp: { port: 0 }, clips: { before: '1s', after: '2s' } },
    };
    place.configure(config);
    await place.enrol('watch', 'ada');
    daemon = await place.start();
    rtspPort = Number((await daemon.told('media door ready'))['rtspPort']);
  });
  after(async () => {
    for (const child of players) child.kill('SIGKILL');
    await camera[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  test('nobody sees anything before the set-up link is used, and it makes one admin', async () => {
    for (const path of ['/api/v1/cameras', '/api/v1/alerts', '/api/v1/status', '/api/v1/openapi.json'])
      assert.equal((await ask(daemon.url(''), 'GET', path)).status, 401, path);
    assert.equal((await ask(daemon.url(''), 'GET', '/')).status, 200, 'a page holds no data');
    const said = await until(
      'the set-up link',
      () => daemon.lines().find(({ msg }) => msg.startsWith('nobody can log in yet')),
      patience,
    );
    const link = new URL(String(said['link']));
    const body = { token: link.hash.slice(1), user: 'ada', password };
    const made = await ask(daemon.url(''), 'POST', '/api/v1/setup', { body });
    assert.equal(made.status, 201, made.text);
    assert.ok((await ask(daemon.url(''), 'POST', '/api/v1/setup', { body: { ...body, user: 'eve' } })).status >= 400);
    admin = new Person(daemon.url(''));
    await admin.logIn('ada', password);
    const given = await admin.ask('POST', '/api/v1/users/ada/stream-password');
    streamPasswords.set('ada', given.value.password);
  });

  test('players read the clean and the annotated stream; a masked camera clean is for admins alone', async () => {
    await makeUser('guard', 'viewer', 'all');
    await makeUser('desk', 'viewer', ['yard']);
    for (const camera of ['lobby', 'yard']) {
      await until(
        `${camera} is live`,
        async () => (await admin.ask('GET', `/api/v1/cameras/${camera}`)).value.state?.state === 'live',
        patience,
      );
    }
    const clean = player('guard', 'lobby');
    const annotated = player('guard', 'lobby/annotated');
    await until('both play', () => clean.units > 10 && annotated.units > 10, patience);
    clean.kill();
    annotated.kill();
    assert.deepEqual(
      {
        guardMasked: await status('guard', 'yard'),
        guardAnnotated: await status('guard', 'yard/annotated'),
        adminMasked: await status('ada', 'yard'),
        other: await status('desk', 'lobby'),
        none: await status('guard', 'cellar'),
        stranger: await status('eve', 'lobby'),
      },
      { guardMasked: 403, guardAnnotated: 200, adminMasked: 200, other: 404, none: 404, stranger: 401 },
    );
  });

  test('from the moment that other masks are confirmed nobody gets a picture with the ones before', async () => {
    const watching = player('guard', 'yard/annotated');
    await until('it plays', () => watching.units > 10, patience);
    // Ready to play, so that the first pictures are those that are kept at the moment of the confirmation.
    using client = await connectRtsp(rtspPort);
    const url = `rtsp://127.0.0.1:${rtspPort}/yard/annotated`;
    const login = Buffer.from(`guard:${streamPasswords.get('guard') ?? ''}`).toString('base64');
    const setup = await client.request('SETUP', `${url}/trackID=0`, {
      Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1',
      Authorization: `Basic ${login}`,
    });
    place.configure({ ...config, cameras: { ...config.cameras, yard: { ...config.cameras.yard, masks: [strip(0.8)] } } });
    const { state } = await place.ask('config.reload', {});
    assert.equal(state, 'applied');
    await client.request('PLAY', url, { Session: setup.headers['session']?.split(';')[0] ?? '' });
    const pictures = () => depacketise(client.packets).filter(({ nal }) => [1, 5].includes((nal[0] ?? 0) & 31)).length;
    await until('pictures', () => pictures() > 5, patience);
    const film = join(place.directory, 'masked.h264');
    writeFileSync(film, Buffer.concat(depacketise(client.packets).flatMap(({ nal }) => [Buffer.of(0, 0, 0, 1), nal])));
    const first = ['-v', 'error', '-f', 'h264', '-i', film, '-frames:v', '1', '-vf', 'scale=10:1:flags=area'];
    const { stdout } = await promisify(execFile)('ffmpeg', [...first, '-pix_fmt', 'gray', '-f', 'rawvideo', '-'], {
      encoding: 'buffer',
    });
    const [left = 0, right = 0] = [stdout[0], stdout[9]];
    assert.ok(right < 24 && left > 40, `the new mask is at the right: ${[...stdout]}`);
    const { units } = watching;
    await until('who watched goes on', () => watching.units > units + 10, patience);
    watching.kill();
  });

  test('the live feed has every picture and its boxes under one time stamp, with the name once it is known', async () => {
    using feed = await live(admin);
    feed.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
    const first = await until('a key frame', () => feed.units.find(({ key }) => key)?.pts, patience);
    const named = await until(
      'her name',
      () => feed.said('frame').find(({ pts, boxes }) => pts >= first && boxes.some(({ match }) => match?.name === 'ada')),
      patience,
    );
    const [box] = named.boxes.filter(({ match }) => match !== undefined);
    assert.equal(box?.colour, '#e69f00');
    assert.ok((box?.match?.similarity ?? 0) > 0.5);
    await until('its picture', () => feed.units.some(({ pts }) => pts === named.pts), patience);
    const last = feed.said('frame').at(-1)?.pts ?? 0;
    const pictures = feed.units.map(({ pts }) => pts).filter((pts) => pts >= first && pts <= last);
    const frames = new Set(feed.said('frame').map(({ pts }) => pts));
    const without = pictures.filter((pts) => !frames.has(pts));
    assert.ok(without.length <= 0.02 * pictures.length, `${without.length} of ${pictures.length} pictures have no boxes`);
  });

  test('an alert has its clip, whose boxes say who was seen', async () => {
    const found = await until(
      'a clip',
      async () => {
        const { value } = await admin.ask('GET', '/api/v1/alerts?camera=lobby');
        for (const { id } of value.items) {
          const clipOf = await admin.ask('GET', `/api/v1/alerts/${id}/clip/index`);
          if (clipOf.status === 200) return { id, index: clipOf.value };
        }
        return undefined;
      },
      patience,
    );
    const { frames, at } = found.index;
    assert.ok(frames.length > 5 && at >= 0);
    assert.ok(
      frames.some(({ boxes }: { boxes: { match?: { name: string } }[] }) => boxes.some(({ match }) => match?.name === 'ada')),
    );
    const video = await fetch(daemon.url(`/api/v1/alerts/${found.id}/clip`), { headers: { cookie: admin.cookie } });
    assert.equal(video.headers.get('content-type'), 'video/mp4');
    const file = join(place.directory, 'clip.mp4');
    writeFileSync(file, Buffer.from(await video.arrayBuffer()));
    const { stderr } = await promisify(execFile)('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
    assert.equal(stderr, '');
    const part = await fetch(daemon.url(`/api/v1/alerts/${found.id}/clip`), {
      headers: { cookie: admin.cookie, range: 'bytes=4-7' },
    });
    assert.deepEqual([part.status, await part.text()], [206, 'ftyp']);
  });

  test('a camera that is away keeps its readers, the annotated stream says so, and the picture returns', async () => {
    const clean = player('guard', 'lobby');
    const annotated = player('guard', 'lobby/annotated');
    await until('both play', () => clean.units > 5 && annotated.units > 5, patience);
    await camera.kill();
    await until(
      'the camera is away',
      async () => (await admin.ask('GET', '/api/v1/cameras/lobby')).value.state.state === 'away',
      patience,
    );
    const away = annotated.units;
    await until('no signal is shown', () => annotated.units > away + 3, patience);
    // By then the player has what was on its way.
    const before = { clean: clean.units, annotated: annotated.units };
    await until('it goes on', () => annotated.units > before.annotated + 3, patience);
    assert.equal(clean.units, before.clean, 'the clean stream is silent');
    camera = await startRtspCamera(clip, { port: camera.port });
    await until('the picture returns', () => clean.units > before.clean + 10, patience);
    const returned = annotated.units;
    await until('and the annotated one', () => annotated.units > returned + 10, patience);
    clean.kill();
    annotated.kill();
  });

  test('whoever is removed loses every stream at once', async () => {
    const leaving = await makeUser('leaving', 'viewer', 'all');
    const clean = player('leaving', 'lobby');
    using feed = await live(leaving);
    feed.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
    await until('they watch', () => clean.units > 3 && feed.units.length > 3, patience);
    assert.equal((await admin.ask('DELETE', '/api/v1/users/leaving')).status, 204);
    await feed.closed;
    await clean.ended;
    assert.equal((await leaving.ask('GET', '/api/v1/cameras')).status, 401);
    assert.equal(await status('leaving', 'lobby'), 401);
  });

  test('a killed media door comes back, and the daemon watches on meanwhile', async () => {
    const killedAt = Date.now();
    process.kill(Number((await daemon.told('worker sends video'))['pid']), 'SIGKILL');
    await until('it is said', () => daemon.said('media door ended'), patience);
    const seen = async () => (await admin.ask('GET', '/api/v1/cameras/lobby')).value.figures.lastFrameAt > killedAt;
    await until('pictures are looked at', seen, patience);
    const again = await until('it is ready', () => daemon.lines().filter(({ msg }) => msg === 'media door ready')[1], patience);
    rtspPort = Number(again['rtspPort']);
    const clean = player('guard', 'lobby');
    await until('it plays', () => clean.units > 5, patience);
    const lives = daemon.lines().filter(({ msg, state }) => msg === 'worker changed its state' && state === 'running');
    assert.equal(lives.length, 1, 'the worker is the same');
    clean.kill();
    await daemon.stop();
  });
});
