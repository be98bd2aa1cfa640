import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerPaths } from '../../src/workers/container-spec.ts';
import * as container from '../../src/workers/render.ts';
import { dataPath } from './data.ts';
import { temporaryDirectory } from './directory.ts';
import { inferConfig } from './infer-config.ts';
import { parserLibrary, parserLibraryOf, standinBuild, standinEnv, trackerLibrary, trackerLibraryOf } from './standin.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';

/** The program of a DeepStream container (deepstream/app) on the stand-in, outside of a container. */

export interface AppOptions {
  readonly directory: string;
  readonly bridge: string;
  readonly media?: string;
  readonly cameras: readonly string[];
  readonly worker?: string;
  readonly token?: string;
  /** Of the C++, where it is not the tests' own. */
  readonly build?: string;
  /** Clip whose recorded persons and faces are "found", by camera; without it a Triton server is asked. */
  readonly script?: Readonly<Record<string, string>>;
  readonly triton?: string;
  readonly fps?: number;
  readonly encoder?: 'auto' | 'hardware' | 'software' | 'none';
  readonly mux?: { readonly width: number; readonly height: number };
  readonly limits?: Readonly<Record<string, number>>;
  /** More of the stand-in's control file. */
  readonly control?: Readonly<Record<string, unknown>>;
}

const models = [
  { model: 'persons', uniqueId: 1, label: 'person' },
  { model: 'faces', uniqueId: 2, label: 'face' },
] as const;

/** Writes what the daemon would render, and gives the path of container.json. */
export async function renderApp(options: AppOptions): Promise<string> {
  const { directory, build = standinBuild } = options;
  const at = (name: string) => join(directory, name);
  await writeFile(at('token'), `${options.token ?? 'a token of the test'}\n`, { mode: 0o400 });
  await writeFile(
    at('tracker.yml'),
    'TargetManagement:\n  probationAge: 0\n  maxShadowTrackingAge: 50\nStateEstimator:\n  stateEstimatorType: 1\n',
  );
  for (const { model, uniqueId, label } of models) {
    await writeFile(at(`labels-${model}.txt`), `${label}\n`);
    const infer = inferConfig({
      ...{ uniqueId, model, url: options.triton ?? 'localhost:1', dims: '3, 384, 640', batch: 8 },
      ...{ classes: 1, labels: at(`labels-${model}.txt`), parsers: parserLibraryOf(build) },
    });
    await writeFile(at(`infer-${model}.txt`), infer);
  }
  if (options.script !== undefined) {
    const clips = Object.fromEntries(
      options.cameras.flatMap((camera, i) => {
        const clip = options.script?.[camera];
        return clip === undefined ? [] : [[String(i), dataPath(`clips/${clip}.gt.json`)]];
      }),
    );
    await writeScript(directory, clips);
  }
  await writeControl(options, options.control ?? {});
  const container = {
    version: 1,
    worker: options.worker ?? 'main',
    bridge: options.bridge,
    ...(options.media === undefined ? {} : { media: options.media }),
    tokenFile: at('token'),
    logLevel: 'debug',
    gpu: 0,
    mux: { width: 1280, height: 720, batchedPushTimeoutUs: 40_000, bufferPoolSize: 8, ...options.mux },
    detectors: models.map(({ model, uniqueId, label }) => ({
      ...{ model, uniqueId, kind: 'yolo-end2end', labels: [label], fps: options.fps ?? 5 },
      config: at(`infer-${model}.txt`),
    })),
    tracker: { library: trackerLibraryOf(build), config: at('tracker.yml'), width: 640, height: 384 },
    encoder: { kind: options.encoder ?? 'software', bitrateKbps: 2000 },
    limits: { startMs: 60_000, batchMs: 20_000, stopMs: 5000, aloneMs: 600_000, waitingMiB: 32, ...options.limits },
    cameras: options.cameras.map((camera, sourceId) => ({ camera, sourceId })),
  };
  await writeFile(at('container.json'), JSON.stringify(container));
  return at('container.json');
}

/** What is "found": files as the clips' *.gt.json, by number of the camera. */
export async function writeScript(directory: string, clips: Readonly<Record<string, string>>): Promise<void> {
  const found = models.map(({ model, uniqueId }) => [uniqueId, { objects: model, clips }]);
  await writeFile(join(directory, 'script.json'), JSON.stringify(Object.fromEntries(found)));
}

/** Settings that the daemon renders for a container, as they hold outside of one: with the stand-in's libraries, and their files in `directory`. */
export function onStandin(rendered: string, directory: string): string {
  return rendered
    .replaceAll(`${containerPaths.settings}/`, `${directory}/`)
    .replaceAll(container.parserLibrary, parserLibrary)
    .replaceAll(container.trackerLibrary, trackerLibrary);
}

async function writeControl({ directory, script }: AppOptions, control: Readonly<Record<string, unknown>>): Promise<void> {
  const whole = { ...control, ...(script === undefined ? {} : { inference: { script: join(directory, 'script.json') } }) };
  await writeFile(join(directory, 'control.json'), JSON.stringify(whole));
}

export interface StartAppOptions {
  /** Whether the driver's management library is there. */
  readonly driver?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** The program, as a container starts it. */
export function startApp(container: string, directory: string, { driver = true, env }: StartAppOptions = {}): WorkerProcess {
  return startWorker(join(standinBuild, 'app/sightline-bridge'), [container], {
    ...standinEnv({ control: join(directory, 'control.json') }),
    ...(driver ? { LD_LIBRARY_PATH: join(standinBuild, 'standin/nvml') } : {}),
    ...env,
  });
}

/** The program with what is rendered for it in a folder of its own. */
export async function startRenderedApp({
  env,
  ...options
}: Omit<AppOptions, 'directory'> & { readonly env?: Readonly<Record<string, string>> }) {
  const directory = await temporaryDirectory();
  const app = startApp(
    await renderApp({ ...options, directory: directory.path }),
    directory.path,
    env === undefined ? {} : { env },
  );
  return {
    app,
    directory: directory.path,
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Adds a fault to what the stand-in reads, in one go. */
export async function changeControl(directory: string, fault: Readonly<Record<string, unknown>>): Promise<void> {
  const path = join(directory, 'control.json');
  const whole = { ...(JSON.parse(await readFile(path, 'utf8')) as object), ...fault };
  await writeFile(`${path}.new`, JSON.stringify(whole));
  await rename(`${path}.new`, path);
}
