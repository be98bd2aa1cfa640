import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { LiveBox } from '../../src/core/live-messages.ts';
import { severityColours } from '../../src/core/severity-colours.ts';
import { type Listener, listen, startBroker } from '../support/broker.ts';
import { type Card, missingCard, shippedConfig, startCard } from '../support/card.ts';
import { cutLaterHalf, readClip, readManifest } from '../support/clips.ts';
import { containersOf, removeContainersOf } from '../support/container-world.ts';
import { alertWith, createWorkplace, patience, type RunningDaemon, type Workplace } from '../support/daemon.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { docker } from '../support/docker.ts';
import { connectLive } from '../support/live-client.ts';
import { ask, Person } from '../support/login.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { until } from '../support/until.ts';

/** `config/deepstream.yaml` in one run: cameras, containers of the real program, a real Triton server and a real broker. */
const skip = missingRtspCamera() || (await missingCard());
const login = { user: 'viewer', password: 'secret-of-camera' };
const brokerLogin = { sightline: 'secret-of-broker' };
const env = { CAM_USER: login.user, CAM_PASSWORD: login.password, MQTT_PASSWORD: brokerLogin.sightline };
const visitorId = 'visitor_1';

describe('the shipped configuration for a GPU, on the stand-in', { skip }, () => {
  const parts = new AsyncDisposableStack();
  const face = readClip('real_tilt_m');
  const visits = readClip('real_visits_a');
  const [person = ''] = face.watchlist;
  let place: Workplace;
  let daemon: RunningDaemon;
  let listener: Listener;
  let admin: Person;

  before(async () => {
    const card: Card = parts.use(await startCard());
    const broker = parts.use(await startBroker({ users: brokerLogin }));
    listener = parts.use(
      await listen(broker.port, 'sightline/v1/+/+', { username: 'sightline', password: brokerLogin.sightline }),
    );
    const lobby = parts.use(await startRtspCamera(face.path, { ...login }));
    const yard = parts.use(await startRtspCamera(visits.path, { ...login }));
    const config = await shippedConfig(card, { mqtt: broker.url, sources: { lobby: lobby.url, yard: yard.url } });
    const workplace = await createWorkplace(
      { ...config, models: { ...config.models, face: 'face_embed', enrolment: 'centerface', enrolmentBody: 'yolox_nano' } },
      { env },
    );
    parts.defer(async () => {
      await workplace[Symbol.asyncDispose]();
    });
    parts.defer(() => removeContainersOf(workplace.dataDir));
    place = workplace;
    await enrolEverybody();
    daemon = await place.start();
    admin = await firstAdmin();
  });
  after(() => parts.disposeAsync());

  async function enrolEverybody(): Promise<void> {
    const photos = join(place.directory, 'photos', person);
    mkdirSync(photos, { recursive: true });
    for (const photo of readManifest().people[person]?.enrol ?? []) symlinkSync(dataPath(photo), join(photos, basename(photo)));
    await place.succeed('enroll', '--list', 'watched', join(place.directory, 'photos'));
    const visit = visits.persons.find(({ id }) => id === visitorId);
    assert.ok(visit);
    await using pictures = await temporaryDirectory();
    const bodies = cutLaterHalf(visits, visit, pictures.path);
    await place.succeed('enroll', '--list', 'watched', '--kind', 'body', '--name', visitorId, ...bodies);
  }

  async function firstAdmin(): Promise<Person> {
    const link = new URL(String(daemon.lines().find(({ msg }) => msg.startsWith('nobody can log in yet'))?.['link']));
    const body = { token: link.hash.slice(1), user: 'ada', password: 'a long night shift' };
    const made = await ask(daemon.url(''), 'POST', '/api/v1/setup', { body });
    assert.equal(made.status, 201, made.text);
    const found = new Person(daemon.url(''));
    await found.logIn('ada', body.password);
    return found;
  }

  test('tells the broker of a face on one camera and of clothes on the other', async () => {
    const seen = await alertWith(listener, { name: person, camera: 'lobby', state: 'opened' });
    assert.equal(seen.kind, 'face');
    assert.equal(seen.severity, 'high');
    const dressed = await alertWith(listener, { name: visitorId, camera: 'yard', state: 'opened' });
    assert.equal(dressed.kind, 'appearance');
    assert.match(seen.space, /^mobilefacenet@/);
    assert.match(dressed.space, /^clip/);
  });

  test('draws over the video: boxes and names by WebSocket under the time stamps of the pictures', async () => {
    const { value } = await admin.ask('POST', '/api/v1/tickets');
    using feed = await connectLive(daemon.url('/api/v1/live').replace('http', 'ws'), { ticket: value.ticket });
    feed.say({ type: 'subscribe', stream: 1, camera: 'lobby' });
    const first = await until('a key frame', () => feed.units.find(({ key }) => key)?.pts, patience);
    const isNamed = ({ boxes }: { readonly boxes: readonly LiveBox[] }) => boxes.some(({ match }) => match?.name === person);
    const named = await until(
      'the name over the video',
      () => feed.said('frame').find((frame) => frame.pts >= first && isNamed(frame)),
      patience,
    );
    const box = named.boxes.find(({ match }) => match?.name === person);
    assert.deepEqual([box?.label, box?.colour, box?.match?.kind], ['face', severityColours.high, 'face']);
    await until('its picture', () => feed.units.some(({ pts }) => pts === named.pts), patience);
  });

  test('serves the clean and the annotated stream, which differ by what is drawn', async () => {
    const { value } = await admin.ask('POST', '/api/v1/users/ada/stream-password');
    const port = String(daemon.said('media door ready')?.['rtspPort']);
    const stream = (path: string) => `rtsp://ada:${value.password}@127.0.0.1:${port}/${path}`;
    const [clean, annotated] = await Promise.all([drawn(stream('lobby')), drawn(stream('lobby/annotated'))]);
    assert.equal(clean, 0, 'nothing of the colour is in the clean pictures');
    assert.ok(annotated > 0.8, `${annotated} of the annotated pictures have a box in the colour of the list`);
  });

  test('says what its containers look with', async () => {
    const { value } = await admin.ask('GET', '/api/v1/status');
    const ofWorkers = value.models.filter(({ workers }: { readonly workers: readonly string[] }) => workers.length > 0);
    assert.deepEqual(
      ofWorkers,
      ['centerface', 'yolox_nano'].map((model) => ({ model, state: 'ready', workers: ['deepstream-main'] })),
    );
  });

  test('keeps the secrets to itself', async () => {
    const inspected = await docker('inspect', ...(await containersOf(place.dataDir)));
    const folder = join(place.dataDir, 'deepstream/deepstream-main');
    const rendered = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    for (const secret of [login.password, brokerLogin.sightline])
      assert.ok(![inspected, daemon.stderr(), ...rendered].some((text) => text.includes(secret)));
  });

  test('ran without a complaint, and its containers end with the daemon', async () => {
    for (const complaint of ['connection refused at the media socket', 'media door is away, video waits for it', 'worker died'])
      assert.equal(daemon.said(complaint), undefined, JSON.stringify(daemon.said(complaint)));
    await daemon.stop();
    assert.deepEqual(await containersOf(place.dataDir), []);
  });

  /** The share of 40 pictures of a stream with some pixels in the colour of the list. */
  async function drawn(url: string): Promise<number> {
    const pixels = 480 * 270;
    const wanted = [1, 3, 5].map((at) => Number.parseInt(severityColours.high.slice(at, at + 2), 16));
    const read = ['-v', 'error', '-rtsp_transport', 'tcp', '-i', url, '-frames:v', '40', '-vf', 'scale=480:270:flags=neighbor'];
    const play = () =>
      promisify(execFile)('ffmpeg', [...read, '-pix_fmt', 'rgb24', '-f', 'rawvideo', '-'], {
        encoding: 'buffer',
        maxBuffer: 1 << 28,
      });
    // Whoever asks before the first picture is encoded is told 503, and asks again, as players do.
    const tooEarly = (error: { readonly stderr: Buffer }) => {
      assert.match(error.stderr.toString(), /503 Service Unavailable/);
      return undefined;
    };
    const { stdout } = await until('pictures', () => play().catch(tooEarly), patience);
    assert.equal(stdout.length, 40 * pixels * 3);
    let withBox = 0;
    for (let picture = 0; picture < 40; picture += 1) {
      let found = 0;
      for (let pixel = picture * pixels; pixel < (picture + 1) * pixels; pixel += 1)
        if (wanted.every((level, channel) => Math.abs((stdout[3 * pixel + channel] ?? 0) - level) < 30)) found += 1;
      if (found > 20) withBox += 1;
    }
    return withBox / 40;
  }
});
