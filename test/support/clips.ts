import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.ts';
import { type AlertMessage, alertMessage } from '../../src/outputs/topics.ts';
import { listen, startBroker } from './broker.ts';
import { runProgram, startProgram } from './cli.ts';
import { dataPath } from './data.ts';
import { temporaryDirectory } from './directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath } from './fixtures.ts';
import { realRepository, type TestRepository } from './repository.ts';

/** Clips with ground truth, and the whole program run on them: what `bench/recognition` and the recognition test share. */

export interface Visit {
  readonly id: string;
  /** First and last frame in which the person is visible. */
  readonly from: number;
  readonly to: number;
}

export interface ClipTruth {
  readonly name: string;
  /** The clip itself. */
  readonly path: string;
  readonly fps: number;
  readonly frames: number;
  readonly watchlist: readonly string[];
  readonly faces: readonly Visit[];
  readonly persons: readonly Visit[];
  /** Boxes x, y, width, height of one frame. */
  boxes(frame: number): { readonly faces: readonly TruthBox[]; readonly persons: readonly TruthBox[] };
}

export interface TruthBox {
  readonly id?: string;
  readonly box: readonly [number, number, number, number];
  readonly visible?: number;
}

interface TruthFile {
  readonly fps: number;
  readonly frame_count: number;
  readonly watchlist?: readonly string[];
  readonly face_intervals?: readonly Visit[];
  readonly person_intervals?: readonly Visit[];
  readonly frames: readonly { readonly faces?: readonly TruthBox[]; readonly persons?: readonly TruthBox[] }[];
}

interface Manifest {
  readonly people: Readonly<
    Record<string, { readonly enrol: readonly string[]; readonly probe: readonly string[]; readonly body?: readonly string[] }>
  >;
  readonly clips: readonly { readonly clip: string; readonly gt: string }[];
}

/** People, clips and the networks that see them. */
export interface ClipData {
  path(file: string): string;
  repository(): Promise<TestRepository>;
  /** Settings of `inference` beside the repository. */
  readonly inference?: ConfigInput['inference'];
  /** Lines of the configuration beside the shipped defaults. */
  readonly settings: readonly string[];
  /** Settings of a camera that compares faces, and of one that compares bodies; YAML flow style, empty for the defaults. */
  readonly cameras: { readonly face: string; readonly appearance: string };
  /** Takes away what a run that failed may have left outside of the data directory. */
  readonly cleanUp?: (dataDir: string) => Promise<void>;
}

/** Real people and real networks, with the shipped defaults. */
export const realData: ClipData = {
  path: dataPath,
  repository: realRepository,
  settings: [],
  cameras: { face: '', appearance: 'detect: [{ model: yolox_nano }], recognise: [appearance]' },
};

/** Drawn people and the hand-made networks that see them, for a clone without the test data. */
export const drawnData: ClipData = {
  path: fixturePath,
  repository: async () => ({ directory: fixtureModelRepository, [Symbol.asyncDispose]: async () => {} }),
  settings: [
    `models: { face: ${fixtureModels.faceEmbedder}, appearance: ${fixtureModels.appearanceEmbedder}, enrolment: ${fixtureModels.face}, enrolmentBody: ${fixtureModels.person}, text: ${fixtureModels.textEmbedder} }`,
  ],
  cameras: {
    face: `detect: [{ model: ${fixtureModels.face} }]`,
    appearance: `detect: [{ model: ${fixtureModels.person} }], recognise: [appearance]`,
  },
};

export function readManifest(data: ClipData = realData): Manifest {
  return JSON.parse(readFileSync(data.path('manifest.json'), 'utf8'));
}

/** Everybody with photos to enrol. */
export function enrollable(data: ClipData = realData): readonly string[] {
  return Object.entries(readManifest(data).people).flatMap(([person, { enrol }]) => (enrol.length > 0 ? [person] : []));
}

export function readClip(name: string, data: ClipData = realData): ClipTruth {
  const clip = readManifest(data).clips.find((item) => basename(item.clip, '.mp4') === name);
  assert.ok(clip, `the manifest has a clip ${name}`);
  const truth: TruthFile = JSON.parse(readFileSync(data.path(clip.gt), 'utf8'));
  return {
    name,
    path: data.path(clip.clip),
    fps: truth.fps,
    frames: truth.frame_count,
    watchlist: truth.watchlist ?? [],
    faces: truth.face_intervals ?? [],
    persons: truth.person_intervals ?? [],
    boxes: (frame) => ({ faces: truth.frames[frame]?.faces ?? [], persons: truth.frames[frame]?.persons ?? [] }),
  };
}

/** Visits of people on the clip's own watchlist. */
export function listedVisits(clip: ClipTruth): readonly Visit[] {
  return clip.faces.filter(({ id }) => clip.watchlist.includes(id));
}

export interface Gallery {
  /** Ids of people whose enrolment photos go on the list `watch`. */
  readonly watch: readonly string[];
  /** And on the list `others`, of kind `ignore`. */
  readonly ignore?: readonly string[];
  /** Bodies: pictures by name, all on `watch`. */
  readonly bodies?: Readonly<Record<string, readonly string[]>>;
  /** In words, all on `watch`. */
  readonly descriptions?: readonly string[];
}

export interface SceneOptions {
  readonly gallery: Gallery;
  /** Source by camera; a clip's path or a URL. */
  readonly cameras: Readonly<Record<string, string>>;
  /** Live sources never come to an end by themselves: the program is told to stop when this resolves. */
  readonly until?: Promise<void>;
  /** Called once the cameras are being opened; awaited with the run. */
  readonly during?: () => Promise<void>;
  /** What the cameras compare. */
  readonly kind?: 'face' | 'appearance';
  /** The real data by default. */
  readonly data?: ClipData;
}

export interface Scene {
  /** Every alert message, in order of arrival. */
  readonly messages: readonly AlertMessage[];
  /** Those that opened an alert. */
  readonly opened: readonly AlertMessage[];
  readonly seconds: number;
}

/** Runs the program as its users do: enroll, then `run --once` with the shipped defaults, alerts from a real broker. */
export async function playScene(options: SceneOptions): Promise<Scene> {
  await using directory = await temporaryDirectory();
  const data = options.data ?? realData;
  await using _left = { [Symbol.asyncDispose]: async () => data.cleanUp?.(join(directory.path, 'data')) };
  const settings = data.cameras[options.kind ?? 'face'];
  await using repository = await data.repository();
  await using broker = await startBroker();
  await using listener = await listen(broker.port, 'sightline/v1/#');
  const config = join(directory.path, 'sightline.yaml');
  const cameras = Object.entries(options.cameras).map(
    ([camera, source]) => `  ${camera}: { source: ${JSON.stringify(source)}${settings === '' ? '' : `, ${settings}`} }`,
  );
  writeFileSync(
    config,
    [
      'dataDir: data',
      `inference: ${JSON.stringify({ ...data.inference, repository: repository.directory })}`,
      `mqtt: { url: "${broker.url}", snapshot: "off" }`,
      'http: { enabled: false }',
      ...data.settings,
      ...(options.gallery.descriptions === undefined ? [] : ['watchlist: { text: true }']),
      'lists: { watch: { kind: watch }, others: { kind: ignore } }',
      'cameras:',
      ...cameras,
      '',
    ].join('\n'),
  );
  await enrolGallery(config, directory.path, options.gallery, data);
  const start = performance.now();
  await using running = startProgram(['run', '--once', config]);
  void options.until?.then(() => running.kill('SIGTERM'));
  const [run] = await Promise.all([running.finished, options.during?.()]);
  assert.equal(run.code, 0, run.stderr);
  await listener.settled();
  const messages = listener.messages
    .filter(({ topic }) => /\/(alerts|late)\//.test(topic))
    .map(({ text }) => alertMessage.parse(JSON.parse(text)));
  return {
    messages,
    opened: messages.filter(({ state }) => state === 'opened'),
    seconds: (performance.now() - start) / 1000,
  };
}

/** With the program's own command; `directory` is for links to the photos. */
export async function enrolGallery(
  config: string,
  directory: string,
  gallery: Gallery,
  data: ClipData = realData,
): Promise<void> {
  const { people } = readManifest(data);
  for (const [list, ids] of [
    ['watch', gallery.watch],
    ['others', gallery.ignore ?? []],
  ] as const) {
    if (ids.length === 0) continue;
    const folder = join(directory, list);
    for (const id of ids) {
      mkdirSync(join(folder, id), { recursive: true });
      for (const photo of people[id]?.enrol ?? []) symlinkSync(data.path(photo), join(folder, id, basename(photo)));
    }
    await expectEnrolled('--config', config, '--list', list, folder);
  }
  for (const [name, pictures] of Object.entries(gallery.bodies ?? {})) {
    await expectEnrolled('--config', config, '--list', 'watch', '--kind', 'body', '--name', name, ...pictures);
  }
  for (const text of gallery.descriptions ?? []) await expectEnrolled('--config', config, '--list', 'watch', '--text', text);
}

async function expectEnrolled(...args: readonly string[]): Promise<void> {
  const enrolled = await runProgram(['enroll', ...args]);
  assert.equal(enrolled.code, 0, enrolled.stderr + enrolled.stdout);
}

/** Frame of the clip at which an alert was published: the deciding frame plus what deciding and publishing took in real time. */
export function publishedAtFrame(alert: AlertMessage, clip: Pick<ClipTruth, 'fps'>): number {
  const latencyMs = Math.max(...alert.stages.map(({ sinceReceivedMs }) => sinceReceivedMs));
  return alert.frame.sequence + (latencyMs / 1000) * clip.fps;
}

/** Cuts a person out of a frame by the ground truth, with `margin` of the size around, as a PNG in `folder`. */
export function cutBody(clip: ClipTruth, id: string, frame: number, folder: string, margin = 0): string {
  const person = clip.boxes(frame).persons.find((item) => item.id === id);
  assert.ok(person, `${id} is in frame ${frame}`);
  const [left, top, wide, high] = person.box;
  const x = Math.max(0, Math.floor(left - margin * wide));
  const y = Math.max(0, Math.floor(top - margin * high));
  const width = Math.floor(left + wide + margin * wide - x);
  const height = Math.floor(top + high + margin * high - y);
  const file = join(folder, `${id}-${frame}.png`);
  const filter = `select=eq(n\\,${frame}),crop=min(${width}\\,iw-${x}):min(${height}\\,ih-${y}):${x}:${y}`;
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', clip.path, '-vf', filter, '-frames:v', '1', file]);
  return file;
}

/** Pictures of a body from the later half of its visit, as PNGs in `folder`. */
export function cutLaterHalf(clip: ClipTruth, { id, from, to }: Visit, folder: string): readonly string[] {
  return [0.5, 0.65, 0.8].map((part) => cutBody(clip, id, Math.floor(from + part * (to - from)), folder));
}

/** The ground truth begins a visit where most of a face is visible; half a second before, some of it is. */
export function tellsOf({ entry, frame }: AlertMessage, visit: Visit, { fps }: ClipTruth): boolean {
  return entry?.name === visit.id && frame.sequence >= visit.from - fps / 2 && frame.sequence <= visit.to;
}

/** Every visit alerted exactly once, published while the person was still in view, and nobody else alerted. */
export function assertVisits(
  clip: ClipTruth,
  visits: readonly Visit[],
  opened: readonly AlertMessage[],
  kind: AlertMessage['kind'] = 'face',
): void {
  for (const [visit, alert] of assertSeen(clip, visits, opened, kind))
    assert.ok(publishedAtFrame(alert, clip) < visit.to, `${visit.id} is told of while still in view`);
}

/** The same without a word on when: for a machine that is given more than it can do in time. Gives each visit's alert. */
export function assertSeen(
  clip: ClipTruth,
  visits: readonly Visit[],
  opened: readonly AlertMessage[],
  kind: AlertMessage['kind'] = 'face',
): ReadonlyMap<Visit, AlertMessage> {
  const said = opened.map((alert) => ({ who: alert.entry?.name, frame: alert.frame.sequence, score: alert.score }));
  const seen = new Map<Visit, AlertMessage>();
  for (const visit of visits) {
    const own = opened.filter((alert) => tellsOf(alert, visit, clip));
    assert.equal(own.length, 1, `${visit.id} from ${visit.from} to ${visit.to} alerts once: ${JSON.stringify(said)}`);
    const [alert] = own;
    assert.ok(alert);
    assert.equal(alert.kind, kind);
    assert.equal(alert.late, false);
    seen.set(visit, alert);
  }
  assert.equal(opened.length, visits.length, `nobody else alerts: ${JSON.stringify(said)}`);
  return seen;
}
