import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPath } from './data.ts';
import { temporaryDirectory } from './directory.ts';
import { parserLibrary, sanitizerEnv, standinBuild, trackerLibrary } from './standin.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';

/** The program of a DeepStream container (deepstream/app) on the stand-in, outside of a container. */

export interface AppOptions {
  readonly directory: string;
  readonly bridge: string;
  readonly media?: string;
  readonly cameras: readonly string[];
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

function inferConfig(uniqueId: number, model: string, url: string, labels: string): string {
  return `infer_config {
  unique_id: ${uniqueId}
  gpu_ids: [0]
  max_batch_size: 8
  backend {
    inputs [ { name: "images" dims: [3, 384, 640] } ]
    triton { model_name: "${model}" version: -1 grpc { url: "${url}" } }
    output_mem_type: MEMORY_TYPE_CPU
  }
  preprocess {
    network_format: IMAGE_FORMAT_RGB
    tensor_order: TENSOR_ORDER_LINEAR
    maintain_aspect_ratio: 1
    symmetric_padding: 1
    normalize { scale_factor: 0.0039215686 }
  }
  postprocess {
    labelfile_path: "${labels}"
    detection {
      num_detected_classes: 1
      custom_parse_bbox_func: "SightlineParseYoloEnd2end_${uniqueId}"
      simple_cluster { threshold: 0.3 }
    }
  }
  custom_lib { path: "${parserLibrary}" }
}
input_control { process_mode: PROCESS_MODE_FULL_FRAME }
output_control { output_tensor_meta: true }
`;
}

/** Writes what the daemon would render, and gives the path of container.json. */
export async function renderApp(options: AppOptions): Promise<string> {
  const { directory } = options;
  const at = (name: string) => join(directory, name);
  await writeFile(at('token'), 'a token of the test\n', { mode: 0o400 });
  await writeFile(
    at('tracker.yml'),
    'TargetManagement:\n  probationAge: 0\n  maxShadowTrackingAge: 50\nStateEstimator:\n  stateEstimatorType: 1\n',
  );
  for (const { model, uniqueId, label } of models) {
    await writeFile(at(`labels-${model}.txt`), `${label}\n`);
    const url = options.triton ?? 'localhost:1';
    await writeFile(at(`infer-${model}.txt`), inferConfig(uniqueId, model, url, at(`labels-${model}.txt`)));
  }
  if (options.script !== undefined) {
    const clips = Object.fromEntries(
      options.cameras.flatMap((camera, i) => {
        const clip = options.script?.[camera];
        return clip === undefined ? [] : [[String(i), dataPath(`clips/${clip}.gt.json`)]];
      }),
    );
    const script = { 1: { objects: 'persons', clips }, 2: { objects: 'faces', clips } };
    await writeFile(at('script.json'), JSON.stringify(script));
  }
  await writeControl(options, options.control ?? {});
  const container = {
    version: 1,
    worker: 'main',
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
    tracker: { library: trackerLibrary, config: at('tracker.yml'), width: 640, height: 384 },
    encoder: { kind: options.encoder ?? 'software', bitrateKbps: 2000 },
    limits: { startMs: 60_000, batchMs: 20_000, stopMs: 5000, aloneMs: 600_000, waitingMiB: 32, ...options.limits },
    cameras: options.cameras.map((camera, sourceId) => ({ camera, sourceId })),
  };
  await writeFile(at('container.json'), JSON.stringify(container));
  return at('container.json');
}

async function writeControl({ directory, script }: AppOptions, control: Readonly<Record<string, unknown>>): Promise<void> {
  const whole = { ...control, ...(script === undefined ? {} : { inference: { script: join(directory, 'script.json') } }) };
  await writeFile(join(directory, 'control.json'), JSON.stringify(whole));
}

/** What tells GStreamer where the stand-in is, and that where its control file is. */
export function standinEnv(directory: string): Readonly<Record<string, string>> {
  return {
    GST_PLUGIN_PATH: join(standinBuild, 'standin/elements'),
    GST_REGISTRY: join(standinBuild, `registry-${process.pid}.bin`),
    GST_REGISTRY_FORK: 'no',
    SIGHTLINE_STANDIN: join(directory, 'control.json'),
    ...sanitizerEnv(),
  };
}

export interface StartAppOptions {
  /** Whether the driver's management library is there. */
  readonly driver?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** The program, as a container starts it. */
export function startApp(container: string, directory: string, { driver = true, env }: StartAppOptions = {}): WorkerProcess {
  return startWorker(join(standinBuild, 'app/sightline-bridge'), [container], {
    ...standinEnv(directory),
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
