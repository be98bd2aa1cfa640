import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { isUsable } from '../alerts/evidence.ts';
import { startBridge } from '../bridge/server.ts';
import type { ModelFacts } from '../config/check.ts';
import { ConfigError } from '../config/issues.ts';
import { loadConfig, loadInference, loadModels } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createMetrics } from '../core/metrics.ts';
import type { FaceFlaw, ProbeProgress, ProbeReport, ProbeRequest } from '../core/probe.ts';
import { redact } from '../core/redact.ts';
import type { Quality } from '../core/types.ts';
import { startEngine } from '../inference/engine.ts';
import { describeModel, listModels } from '../inference/repository.ts';
import { findEntry } from '../models/catalogue.ts';
import { type QualityFactors, qualityFactors } from '../models/quality.ts';
import { cameraYaml } from '../probe/camera-yaml.ts';
import type { FaceRules } from '../probe/face-tally.ts';
import { createObservation, type Observation, type ProbeFailure } from '../probe/observation.ts';
import { withRemedy } from '../probe/remedies.ts';
import { judge } from '../probe/verdict.ts';
import { liveWorker, type WorkerAttachment } from '../workers/life.ts';
import { desiredWorkers, type WorkerCamera } from '../workers/plan.ts';
import { createProcessLauncher } from '../workers/process.ts';
import { defaultTimings } from '../workers/supervisor.ts';
import { modelFacts } from './checked-config.ts';
import { describeSource, readWrittenSource } from './probe-source.ts';
import { createWorkerLink } from './worker-link.ts';

/**
 * Watches one source as the daemon would, with the real worker in a process of its own and nothing else: no store, no outputs, no
 * embeddings. What is measured is what Sightline will get.
 */
export interface ProbeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Ends the probe before its time; what was seen by then is reported, if anything was. */
  readonly stop: AbortSignal;
  onProgress(progress: ProbeProgress): void;
}

const worker = 'probe';
/** A camera that sends a key frame every ten seconds shall be told so, not be called silent. */
const silenceTimeout = '25s';
const lookEveryMs = 200;

/** Rejects with `cli.usage`, `config.invalid`, `model.*` for what was asked, `source.*` when there is no video, `worker.*`. */
export async function probeCamera(request: ProbeRequest, options: ProbeOptions): Promise<ProbeReport> {
  const written = readWrittenSource(request.source);
  const plan = await planProbe(request, options);
  const detector = plan.detector;
  try {
    return await watch(request, plan, written, options);
  } catch (error) {
    // A model that cannot be loaded says nothing about the camera.
    if (detector === undefined || !isSightlineError(error) || !error.code.startsWith('model.')) throw error;
    return await watch(request, { ...plan, detector: undefined, noDetector: error.message }, written, options);
  }
}

interface ProbePlan {
  readonly camera: WorkerCamera;
  readonly inference: Config['inference'];
  /** Undefined: `noDetector` says why. */
  readonly detector: string | undefined;
  readonly noDetector: string | undefined;
  /** For the YAML, whether it can be tried here or not. */
  readonly model: string;
}

async function planProbe(request: ProbeRequest, options: ProbeOptions): Promise<ProbePlan> {
  const { env } = options;
  const { config: file } = request;
  const shipped = fileURLToPath(new URL('../../model_repository', import.meta.url));
  const configured = file === undefined ? undefined : loadInference(file, env);
  const repository = request.repository ?? configured?.repository ?? shipped;
  const config = configOf(request, repository, env);
  const [spec] = desiredWorkers(config.cameras);
  const camera = spec?.cameras.get(worker);
  if (camera === undefined) throw new TypeError('the configuration of the probe has no camera');
  const model = request.detector ?? (file === undefined ? config : { models: loadModels(file, env) }).models.enrolment;
  const inference = configured?.engine === 'triton' ? { ...configured, repository } : config.inference;
  const choice =
    inference.engine === 'triton'
      ? await askServers(inference, model, options)
      : await chooseDetector(repository, model, request.detector === undefined);
  return { camera, inference, model, detector: choice.detector, noDetector: choice.missing };
}

/**
 * Whether a Triton server can run the face detector that is meant: a film would wait for one for ever. Where the embedded engine stands
 * in, nothing waits. Rejects as `chooseDetector`.
 */
async function askServers(inference: Config['inference'], model: string, { clock, stop }: ProbeOptions): Promise<Choice> {
  await refuseOthers(inference.repository, model, 'triton');
  if (inference.fallback === 'embedded') return { detector: model, missing: undefined };
  const log = createLogger({ level: 'error', destination: { write: () => {} } });
  await using engine = await startEngine(inference, { log, clock, metrics: createMetrics(), signal: stop });
  try {
    await engine.load(model);
    return { detector: model, missing: undefined };
  } catch (error) {
    if (!isSightlineError(error, 'inference.unavailable')) throw error;
    return { detector: undefined, missing: error.message };
  }
}

/** What a configuration with this camera would say, variables filled in and defaults added. */
function configOf(request: ProbeRequest, repository: string, env: ProbeOptions['env']): Config {
  const { source, transport } = request;
  const text = stringify({
    inference: { repository },
    cameras: { [worker]: { source, transport, silenceTimeout } },
  });
  const readFile = () => {
    throw new TypeError('the configuration of the probe names no file');
  };
  try {
    return loadConfig(text, { file: resolve('probe'), env, readFile }).config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new SightlineError('cli.usage', error.issues.map(({ message }) => message).join('; '));
  }
}

interface Choice {
  readonly detector: string | undefined;
  readonly missing: string | undefined;
}

function seesFaces({ kind, labels, landmarks }: ModelFacts): boolean {
  return kind === 'detector' && landmarks && labels.includes('face');
}

/** Rejects with `model.unknown` or `model.invalid` for what is no face detector. */
async function refuseOthers(repository: string, model: string, engine: Config['inference']['engine']): Promise<ModelFacts> {
  const facts = modelFacts(repository, await describeModel(repository, model, engine));
  if (seesFaces(facts)) return facts;
  throw new SightlineError('model.invalid', `${model} finds no faces with five points; a detector such as centerface does`);
}

/**
 * The face detector that looks: the one meant, if its weights are there, else (`mayDiffer`) another that the catalogue fetches
 * and that has some. Rejects with `model.unknown` or `model.invalid` when the one meant is no face detector.
 */
async function chooseDetector(repository: string, meant: string, mayDiffer: boolean): Promise<Choice> {
  const facts = await refuseOthers(repository, meant, 'embedded');
  if (facts.missing === undefined) return { detector: meant, missing: undefined };
  for (const name of mayDiffer ? await listModels(repository) : []) {
    // What comes with the program is for the demo's drawn faces, and of a person's own only they know what it is for.
    if (findEntry(name)?.source === undefined) continue;
    const other = modelFacts(repository, await describeModel(repository, name));
    if (seesFaces(other) && other.missing === undefined) return { detector: name, missing: undefined };
  }
  return { detector: undefined, missing: `no face detector is here: ${facts.missing}` };
}

const flaws: Readonly<Record<keyof QualityFactors, Exclude<FaceFlaw, 'too_small'>>> = {
  size: 'small',
  sharpness: 'blurred',
  roll: 'tilted',
  yaw: 'turned',
  visible: 'cut_off',
  score: 'uncertain',
};

/** As crops are chosen and weighed when the daemon runs. */
function faceRules({ crops }: WorkerCamera): FaceRules {
  return {
    minFaceHeightPx: crops.minFaceHeight,
    isUsable: ({ overall }) => isUsable(overall),
    worst: (quality: Quality) => {
      const factors = Object.entries(qualityFactors(quality, 'face')) as [keyof QualityFactors, number][];
      const [worst] = factors.reduce((least, next) => (next[1] < least[1] ? next : least));
      return flaws[worst];
    },
  };
}

async function watch(
  request: ProbeRequest,
  plan: ProbePlan,
  written: ReturnType<typeof readWrittenSource>,
  options: ProbeOptions,
): Promise<ProbeReport> {
  const { fps } = request;
  const source = describeSource(plan.camera.source, request.transport);
  if (source.path !== undefined) await refusePipe(source.path);
  const detector = plan.detector === undefined ? undefined : { model: plan.detector, fps };
  const observation = createObservation({
    seconds: request.seconds,
    transport: source.transport,
    ...(detector === undefined ? {} : { detector }),
    rules: faceRules(plan.camera),
  });
  const detect = detector === undefined ? [] : [{ ...detector, classes: [], minSize: 0 }];
  const end = await observe({ ...plan.camera, detect }, plan.inference, observation, options);
  if (end !== 'enough') throw new SightlineError(end.code, withRemedy(end, source.transport));
  const measured = {
    stream: observation.streamFigures(),
    ...whereKnown('detector', observation.detectorFigures()),
    ...(detector === undefined ? whereKnown('noDetector', plan.noDetector) : { faces: observation.faceFigures() }),
  };
  return {
    source: source.shown,
    stopped: options.stop.aborted,
    engine: plan.inference.engine,
    ...measured,
    verdict: judge(measured),
    yaml: cameraYaml({
      ...measured,
      name: request.name ?? source.name,
      source: source.transport === 'file' ? plan.camera.source : written.concealed,
      fps,
      model: plan.model,
    }),
    // One that was invented may be set already, to something else.
    variables: written.variables.filter((name) => options.env[name] === undefined || written.invented.includes(name)),
    writtenOut: written.invented.length > 0,
  };
}

/** Opening one waits for its writer, however long that takes: fit for a camera, not for a look at it. */
async function refusePipe(path: string): Promise<void> {
  const about = await stat(path).catch(() => undefined); // what cannot be looked at, the worker names
  if (about?.isFIFO() === true)
    throw new SightlineError('source.unsupported', `${path} is a pipe: what comes out of it once cannot be probed`);
}

/** `key` with its value, or no such key. */
function whereKnown<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: T });
}

/** Runs a worker for the camera until the observation has its end. Leaves no process and no file behind. */
async function observe(
  camera: WorkerCamera,
  inference: Config['inference'],
  observation: Observation,
  options: ProbeOptions,
): Promise<'enough' | ProbeFailure> {
  const { clock, stop } = options;
  stop.throwIfAborted();
  const over = new AbortController();
  let lastWords: string | undefined;
  const log = createLogger({
    level: 'error',
    destination: {
      write: (line) => {
        const { reason } = JSON.parse(line);
        if (typeof reason === 'string') lastWords = reason;
      },
    },
  });
  const ctx: Context = { log, clock, metrics: createMetrics(), signal: over.signal };
  const directory = await mkdtemp(join(tmpdir(), 'sightline-probe-'));
  try {
    const told = new AbortController();
    const result = Promise.withResolvers<'enough' | ProbeFailure>();
    let epoch = 0;
    await using bridge = await startBridge(
      {
        socketPath: join(directory, 'bridge.sock'),
        sink: {
          frame: (frame) => observation.frame(frame),
          cameraState: (_camera, _epoch, state, code) => observation.state(state, code),
          stats: (_worker, stats) => observation.stats(stats),
          epoch: async () => {
            epoch += 1;
            return epoch;
          },
        },
      },
      ctx,
    );
    let attachment: WorkerAttachment | undefined;
    const life = liveWorker(
      {
        spec: { worker, runtime: 'software', cameras: new Map([[worker, camera]]) },
        capacity: 1,
        launcher: createProcessLauncher({ bridgePath: bridge.socketPath, dataDir: directory }),
        link: createWorkerLink(bridge, inference, ctx.metrics),
        timings: defaultTimings,
        stop: told.signal,
        onAttached: (made) => {
          attachment = made;
        },
        onHello: () => attachment?.configure(new Map([[worker, camera]])),
      },
      ctx,
    );
    using _looking = clock.every(lookEveryMs, () => {
      options.onProgress(observation.progress(clock.mono()));
      const end = observation.end(clock.mono());
      if (end !== undefined) result.resolve(end);
    });
    const stopped = () => {
      if (observation.begun) result.resolve('enough');
      else result.reject(stop.reason);
    };
    stop.addEventListener('abort', stopped, { once: true });
    if (stop.aborted) stopped();
    try {
      const died = life.then((end) => {
        if (end.how === 'stopped') return result.promise;
        const why = lastWords === undefined ? '' : `: ${redact(lastWords)}`;
        throw new SightlineError(end.death.code, `the worker that reads the camera ended, ${end.death.reason}${why}`);
      });
      return await Promise.race([result.promise, died]);
    } finally {
      stop.removeEventListener('abort', stopped);
      told.abort();
      await life;
    }
  } finally {
    over.abort();
    await rm(directory, { recursive: true, force: true });
  }
}
