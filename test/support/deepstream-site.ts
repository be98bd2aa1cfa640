import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { ConfigInput } from '../../src/config/schema.ts';
import { runFolder } from '../../src/core/run-folder.ts';
import type { CameraState } from '../../src/core/types.ts';
import { containersByWorker, removeContainersOf } from './container-world.ts';
import { createWorkplace, patience, type RunningDaemon, type Workplace } from './daemon.ts';
import { type Image, missingEngine } from './docker.ts';
import { metricsOf } from './faults.ts';
import { fixtureModels, fixturePath } from './fixtures.ts';
import { missingRtspCamera, type RtspCamera, startRtspCamera } from './rtsp-camera.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { missingStandin } from './standin.ts';
import { buildStandinImage } from './standin-image.ts';
import { until } from './until.ts';

/** The real daemon with cameras in real containers, whose program is the real one on the stand-in, which misbehaves as told. */

export const missingSite = (): string | false => missingEngine() || missingStandin() || missingRtspCamera();

/** What the tests of a suite share: an image of the program and a camera that shows the lobby. There while they run. */
export function withImageAndCamera(): {
  readonly image: Image;
  readonly camera: RtspCamera;
  /** Of this image, with this camera as `lobby` where no others are given. */
  site(options?: Partial<SiteOptions>): Promise<Site>;
} {
  const parts = new AsyncDisposableStack();
  let image: Image | undefined;
  let camera: RtspCamera | undefined;
  before(
    async () => {
      image = parts.use(await buildStandinImage());
      camera = parts.use(await startRtspCamera(fixturePath('clips/lobby.mp4')));
    },
    { timeout: 600_000 },
  );
  after(() => parts.disposeAsync());
  const made = <T>(one: T | undefined): T => {
    if (one === undefined) throw new Error('the tests of the suite have not begun');
    return one;
  };
  return {
    get image() {
      return made(image);
    },
    get camera() {
      return made(camera);
    },
    site: (options) => deepstreamSite({ image: made(image).name, cameras: { lobby: made(camera).url }, ...options }),
  };
}

/** Boxes of a frame, `[left, top, width, height]` in pixels of the source; `null` is a number that is none. */
export type ScriptedBoxes = readonly (readonly [number | null, number | null, number | null, number | null])[];

export interface Site extends AsyncDisposable {
  readonly place: Workplace;
  /** Absent without `diskBytes`. */
  readonly disk: SmallDisk | undefined;
  /** Starts a daemon, which is gone with the site. */
  start(): Promise<RunningDaemon>;
  /** Ids of the containers by their workers. */
  containers(): Promise<Readonly<Record<string, string>>>;
  /** The container of `deepstream-main`, once it is not `before`. */
  container(before?: string): Promise<string>;
  /** The stand-in's faults from now on, beside the boxes it finds: `deepstream/standin/README.md`. */
  cause(faults: Readonly<Record<string, unknown>>): Promise<void>;
  /** What is said of a camera now. */
  state(camera: string): Promise<CameraState>;
  /** Waits until that is said; gives it. */
  says(camera: string, state: CameraState['state'], words?: RegExp): Promise<CameraState>;
}

export interface SiteOptions {
  readonly image: string;
  /** Sources, or settings of cameras. */
  readonly cameras: Readonly<Record<string, string | NonNullable<ConfigInput['cameras']>[string]>>;
  readonly deepstream?: ConfigInput['deepstream'];
  readonly config?: ConfigInput;
  /** A Triton server; without one the stand-in finds `boxes`. */
  readonly triton?: string;
  /** The data directory is on a disk of so many bytes, where one can be mounted. */
  readonly diskBytes?: number;
  /** In every frame, or by its number. */
  readonly boxes?: ScriptedBoxes | ((frame: number) => ScriptedBoxes);
}

const standing: ScriptedBoxes = [[200, 60, 120, 240]];
/** Frames that a script has boxes for: minutes. */
const scripted = 5000;

export function deepstreamConfig(options: SiteOptions): ConfigInput {
  const { image, triton } = options;
  const cameras = Object.entries(options.cameras).map(([name, camera]) => [
    name,
    {
      runtime: 'deepstream' as const,
      openTimeout: '5s',
      silenceTimeout: '3s',
      detect: [{ model: triton === undefined ? fixtureModels.person : fixtureModels.face }],
      ...(triton === undefined ? { recognise: ['appearance' as const] } : {}),
      ...(typeof camera === 'string' ? { source: camera } : camera),
    },
  ]);
  return {
    logLevel: 'debug',
    lists: { watch: {} },
    ...options.config,
    inference: { engine: 'triton', url: triton ?? '127.0.0.1:1', ...options.config?.inference },
    deepstream: {
      image,
      gpuAccess: 'none',
      width: 640,
      height: 360,
      memoryMegabytes: 1024,
      encoder: { kind: 'software' },
      ...options.deepstream,
    },
    cameras: Object.fromEntries(cameras),
  };
}

async function deepstreamSite(options: SiteOptions): Promise<Site> {
  const place = await createWorkplace(deepstreamConfig(options));
  const disk = options.diskBytes === undefined ? undefined : mountSmallDisk(place.dataDir, options.diskBytes);
  if (typeof disk === 'string') throw new Error(disk);
  const run = runFolder(place.dataDir);
  await mkdir(run, { recursive: true });
  const { boxes = standing } = options;
  if (options.triton === undefined) {
    const frames = Array.from({ length: scripted }, (_, i) => ({
      i,
      persons: (typeof boxes === 'function' ? boxes(i) : boxes).map((box) => ({ box })),
    }));
    await writeFile(join(run, 'boxes.json'), JSON.stringify({ frames }));
    const script = { 1: { objects: 'persons', clips: { '*': '/run/sightline/boxes.json' } } };
    await writeFile(join(run, 'script.json'), JSON.stringify(script));
  }
  const daemons: RunningDaemon[] = [];

  async function cause(faults: Readonly<Record<string, unknown>>): Promise<void> {
    const script = options.triton === undefined ? { script: '/run/sightline/script.json' } : {};
    const control = { ...faults, inference: { ...script, ...(faults['inference'] as object | undefined) } };
    await writeFile(join(run, 'standin.new'), JSON.stringify(control));
    await rename(join(run, 'standin.new'), join(run, 'standin.json'));
  }

  async function state(camera: string): Promise<CameraState> {
    const { cameras } = await place.ask('status', {});
    const found = cameras.find((one) => one.camera === camera)?.state;
    if (found === undefined) throw new Error(`nothing is said of ${camera}`);
    return found;
  }

  await cause({});
  const containers = () => containersByWorker(place.dataDir);
  return {
    place,
    disk,
    start: async () => {
      const daemon = await place.start();
      daemons.push(daemon);
      return daemon;
    },
    containers,
    container: (before) =>
      until(
        'a container of deepstream-main',
        async () => {
          const id = (await containers())['deepstream-main'];
          return id !== before && id;
        },
        patience,
      ),
    cause,
    state,
    says: async (camera, name, words = /^/) => {
      let last: CameraState | undefined;
      try {
        return await until(
          `${camera} is ${name}`,
          async () => {
            last = await state(camera).catch(() => undefined);
            return last?.state === name && words.test('reason' in last ? (last.reason ?? '') : '') && last;
          },
          patience,
        );
      } catch (error) {
        const said = daemons.at(-1)?.stderr().slice(-4000);
        throw new Error(`${camera} is not ${name}, ${words}, but ${JSON.stringify(last)}\n${said}`, { cause: error });
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      await removeContainersOf(place.dataDir);
      await disk?.[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** Waits for so many frames of a camera to be taken from now on. */
export async function moreFrames(daemon: RunningDaemon, camera: string, count = 20): Promise<void> {
  const taken = async () => (await metricsOf(daemon)).get(`sightline_bridge_frames_total{camera="${camera}"}`) ?? 0;
  const goal = (await taken()) + count;
  await until(`${count} more frames of ${camera}`, async () => (await taken()) >= goal, patience);
}

/** The text of one file of settings that a worker's container was started with. */
export async function settingsOf(site: Site, file: string): Promise<string> {
  return await readFile(join(site.place.dataDir, 'deepstream/deepstream-main', file), 'utf8');
}
