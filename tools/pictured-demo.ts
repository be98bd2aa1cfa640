import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseDocument } from 'yaml';
import type { Alert } from '../src/core/alerts.ts';
import type { LiveFrame } from '../src/core/live-messages.ts';
import type { CameraState } from '../src/core/types.ts';
import { createDemoStage } from '../test/support/demo.ts';
import { Person, type Reply } from '../test/support/login.ts';
import { until } from '../test/support/until.ts';

/**
 * The real demo as the pictures of the viewer need it: three cameras, one more that is away, somebody on a list of its own, users, and
 * alerts with their clips. Everything is done as an operator does it: in the configuration and through the API.
 */
export interface PicturedDemo extends AsyncDisposable {
  readonly url: string;
  /** Of an admin who is logged in. */
  readonly cookie: string;
  /** Of somebody on a list, with a clip that begins well before the sighting. */
  readonly alert: string;
  /** Entry with a reason and notes. */
  readonly entry: string;
  /** With two people on it. */
  readonly photo: Buffer;
  /** Waits until people on lists are in view of these cameras, and somebody else too. */
  inView(cameras: readonly string[]): Promise<void>;
}

/** Those that have pictures. */
export const liveCameras = ['lobby', 'lobby-2', 'lobby-3'] as const;

const scene = resolve(import.meta.dirname, '../demo');
/** Of the film, with Ada before the camera and Otto at the side. */
const photoSecond = '8';
/** The film comes round once a minute. */
const patienceMs = 150_000;
/** A clip begins 5 s before its sighting, at a key frame: the film has one every two seconds. */
const beforeClipMs = 8000;
/** Nothing listens there. */
const awaySource = 'rtsp://127.0.0.1:9/yard';

const list = 'wanted';
const listSettings = { severity: 'critical', purpose: 'the demo: to be told of first', maxAge: '30d' };

export async function startPicturedDemo(): Promise<PicturedDemo> {
  await using undone = new AsyncDisposableStack();
  const stage = undone.use(await createDemoStage());
  const directory = join(stage.temporary, 'demo');
  const running = stage.start('--cameras', String(liveCameras.length), '--keep', directory);
  const [, url = '', user = '', password = ''] = await running.said(/^ *viewer +(\S+), user (\S+), password (\S+)$/m);
  await addToConfiguration(join(directory, 'demo.yaml'));

  const first = new Person(url);
  expect(await first.logIn(user, password), 200);
  const nadia = newPassword();
  expect(await first.ask('POST', '/api/v1/users', { user: 'nadia', password: nadia, role: 'admin' }), 201);
  const admin = new Person(url);
  expect(await admin.logIn('nadia', nadia), 200);
  await until('the new list is there', async () => {
    const { items } = expect(await admin.ask('GET', '/api/v1/lists'), 200);
    return items.some((known: { readonly list: string }) => known.list === list);
  });
  await until('pictures of before the alerts that are to come', async () => {
    const { items } = expect(await admin.ask('GET', '/api/v1/cameras'), 200);
    const states: readonly CameraState[] = items.map(({ state }: { readonly state: CameraState }) => state);
    return (
      states.filter(({ state, since }) => state === 'live' && Date.now() - since > beforeClipMs).length >= liveCameras.length
    );
  });
  const entry = await enrol(admin, 'kofi', {
    reason: 'left without the briefcase that he came with',
    notes: 'Gold glasses; mostly meets Lena below the clock.',
  });
  const omar = await addUsers(admin);
  const photo = await photoOfTwo(stage.temporary);

  const alerts = await until(
    'alerts of three people',
    async () => {
      const { items } = expect(await admin.ask('GET', '/api/v1/alerts'), 200) as { readonly items: readonly Alert[] };
      return new Set(items.map((one) => one.entry?.name)).size >= 3 && items;
    },
    patienceMs,
  );
  const idOf = (name: string) => alerts.find((one) => one.entry?.name === name)?.id;
  const alert = idOf('kofi') ?? '';
  expect(await omar.ask('POST', `/api/v1/alerts/${idOf('bruno')}/acknowledge`, {}), 200);
  await until(
    'the clip of an alert',
    async () => (await admin.ask('GET', `/api/v1/alerts/${alert}/clip/index`)).status === 200,
    patienceMs,
  );

  const frameAt = async (camera: string): Promise<LiveFrame | undefined> => {
    const reply = await admin.ask('GET', `/api/v1/cameras/${camera}/frame`);
    return reply.status === 200 ? reply.value : undefined;
  };
  const kept = undone.move();
  return {
    url,
    cookie: admin.cookie,
    alert,
    entry,
    photo,
    inView: async (cameras) => {
      await until(
        `people on lists before ${cameras.join(', ')}`,
        async () => {
          const boxes = await Promise.all(cameras.map(async (camera) => (await frameAt(camera))?.boxes ?? []));
          const listed = boxes.map((some) => some.filter(({ match }) => match !== undefined && match.list !== 'staff'));
          return listed.every((some) => some.length > 0) && boxes.flat().length > cameras.length;
        },
        patienceMs,
      );
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function newPassword(): string {
  return randomBytes(12).toString('base64url');
}

/** The value of an answer of this status; throws for every other. */
function expect({ status, text, value }: Reply, wanted: number): Reply['value'] {
  if (status !== wanted) throw new Error(`expected ${wanted}, not ${status}: ${text}`);
  return value;
}

/** The daemon takes it over while it runs. */
async function addToConfiguration(file: string): Promise<void> {
  const document = parseDocument(await readFile(file, 'utf8'));
  document.setIn(['lists', list], document.createNode(listSettings));
  document.setIn(['cameras', 'yard'], document.createNode({ source: awaySource, detect: [{ model: 'demo_face' }] }));
  await writeFile(file, document.toString({ lineWidth: 120 }));
}

async function enrol(admin: Person, name: string, about: object): Promise<string> {
  let entry = '';
  for (const source of ['front.jpg', 'left.jpg', 'right.jpg']) {
    const photoBase64 = (await readFile(join(scene, 'photos', name, source))).toString('base64');
    const body = { photoBase64, source, name, list, kind: 'face', ...about };
    entry = expect(await admin.ask('POST', '/api/v1/watchlist', body), 201).entry.id;
  }
  return entry;
}

/** Gives the operator. */
async function addUsers(admin: Person): Promise<Person> {
  const omar = new Person(admin.base);
  const others = [
    { user: 'omar', role: 'operator', pictures: true },
    { user: 'vera', role: 'viewer', cameras: ['lobby', 'lobby-2'] },
    { user: 'wim', role: 'viewer' },
  ];
  for (const other of others) {
    const password = newPassword();
    expect(await admin.ask('POST', '/api/v1/users', { ...other, password }), 201);
    const person = other.user === 'omar' ? omar : new Person(admin.base);
    expect(await person.logIn(other.user, password), 200);
  }
  expect(await admin.ask('PATCH', '/api/v1/users/wim', { disabled: true }), 200);
  expect(await admin.ask('POST', '/api/v1/users/nadia/stream-password'), 200);
  expect(await admin.ask('POST', '/api/v1/tokens', { name: 'home-assistant', scopes: ['live', 'alerts.read'] }), 201);
  return omar;
}

async function photoOfTwo(directory: string): Promise<Buffer> {
  const path = join(directory, 'two.jpg');
  const film = join(scene, 'lobby.mp4');
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-ss', photoSecond, '-i', film, '-frames:v', '1', '-q:v', '2', path]);
  return await readFile(path);
}
