import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import type { InferenceEngine } from '../core/inference.ts';
import { FloodGate, longFloodMs } from '../core/log.ts';
import type { Detector } from '../core/models.ts';
import type { BeginTrace } from '../core/trace.ts';
import {
  CameraConfig,
  type Configure,
  type Frame,
  type InferenceConfig,
  type WantVideo,
  type WorkerStats,
} from '../gen/sightline/bridge/v1/bridge.ts';
import type { BridgeClient, Command } from './bridge-client.ts';
import { type Camera, type CameraServices, startCamera } from './camera.ts';
import type { Hardware } from './decoder.ts';
import type { MediaSender } from './media-sender.ts';
import { createModelCounts } from './model-counts.ts';
import { readSettings } from './settings.ts';
import { createSlots } from './slots.ts';
import { createTextMasks } from './text-masks.ts';

/** The cameras of this process, kept as the daemon's latest Configure wants them. */
export interface Worker extends AsyncDisposable {
  command(command: Exclude<Command, { $case: 'welcome' | 'drain' | 'ping' }>): void;
  framesDropped(frames: readonly Frame[]): void;
  /** Reads no further and resolves when everything decoded has been given to the bridge. */
  drain(): Promise<void>;
}

export interface WorkerOptions {
  readonly bridge: Pick<BridgeClient, 'send' | 'sendFrame' | 'room'>;
  readonly hardware: Hardware;
  readonly inference: InferenceConfig;
  readonly engine: InferenceEngine;
  /** Asked once for each frame that is looked at. */
  readonly beginTrace: BeginTrace;
  /** Undefined: there is no media door, and no video is sent. */
  readonly media: MediaSender | undefined;
  createDetector(model: string): Promise<Detector>;
}

const statsEveryMs = 1000;

interface Running {
  readonly revision: string;
  readonly camera: Camera;
  framesBefore: number;
}

function revisionOf(config: CameraConfig): string {
  if (config.revision !== '') return config.revision;
  return createHash('sha256').update(CameraConfig.encode(config).finish()).digest('hex');
}

export function startWorker(options: WorkerOptions, ctx: Context): Worker {
  const { bridge, engine } = options;
  const flood = new FloodGate(ctx.log, ctx.clock, longFloodMs);
  const slots = createSlots(options.inference.inFlight || 1);
  const running = new Map<string, Running>();
  /** Cameras whose annotated video is wanted. */
  const watched = new Set<string>();
  const epochs = new Map<string, ((epoch: number) => void)[]>();
  const detectors = new Map<string, Promise<Detector>>();
  const models = createModelCounts(engine, ctx);
  /** Changes of the set of cameras happen one after the other. */
  let reconciling = Promise.resolve();
  let closing = false;

  function detector(model: string): Promise<Detector> {
    const known = detectors.get(model);
    if (known !== undefined) return known;
    const made = options.createDetector(model).then((created) => models.counted(created));
    detectors.set(model, made);
    // A model whose files arrive later is asked for again.
    made.catch(() => detectors.delete(model));
    return made;
  }

  const services: CameraServices = {
    slots,
    hardware: options.hardware,
    flood,
    beginTrace: options.beginTrace,
    video:
      options.media === undefined
        ? undefined
        : {
            sender: options.media,
            texts: createTextMasks((reason) => ctx.log.warn({ reason }, 'names cannot be drawn on annotated video')),
          },
    detector,
    status: (value) => bridge.send({ $case: 'status', value }),
    sendFrame: (frame) => bridge.sendFrame(frame),
    room: (signal) => bridge.room(signal),
    epoch: async (camera, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const waiting = epochs.get(camera) ?? [];
      epochs.set(camera, [...waiting, resolve]);
      const give = () => reject(signal.reason);
      signal.addEventListener('abort', give, { once: true });
      bridge.send({ $case: 'epochRequest', value: { camera } });
      try {
        return await promise;
      } finally {
        signal.removeEventListener('abort', give);
      }
    },
  };

  async function reconcile(wanted: readonly CameraConfig[]): Promise<void> {
    const desired = new Map(wanted.map((config) => [config.camera, config]));
    for (const name of watched) if (!desired.has(name)) watched.delete(name);
    const leaving = [...running].filter(([name, { revision }]) => {
      const config = desired.get(name);
      return config === undefined || revisionOf(config) !== revision;
    });
    await Promise.all(
      leaving.map(async ([name, { camera }]) => {
        running.delete(name);
        await camera[Symbol.asyncDispose]();
      }),
    );
    for (const [name, config] of desired) {
      if (closing) continue;
      const known = running.get(name);
      if (known !== undefined) {
        known.camera.retry();
        continue;
      }
      const camera = startCamera(readSettings(config), services, ctx);
      if (watched.has(name)) camera.want(true);
      running.set(name, { revision: revisionOf(config), camera, framesBefore: 0 });
    }
  }

  function configure({ cameras, inference }: Configure): void {
    if (inference !== undefined) {
      slots.resize(inference.inFlight || 1);
      if (!isDeepStrictEqual({ ...inference, inFlight: 0 }, { ...options.inference, inFlight: 0 }))
        ctx.log.warn({}, 'inference settings changed, they count from the next start of the worker');
    }
    reconciling = reconciling.then(() => reconcile(cameras));
  }

  /** Kept for cameras that are opened anew with other settings. */
  function want({ camera, annotated }: WantVideo): void {
    if (annotated) watched.add(camera);
    else watched.delete(camera);
    running.get(camera)?.camera.want(annotated);
  }

  function stats(): WorkerStats {
    const inUse = new Set([...running.values()].flatMap(({ camera }) => camera.settings.detect.map(({ model }) => model)));
    return {
      cameras: [...running].map(([camera, entry]) => {
        entry.camera.tick();
        const { counters } = entry.camera;
        const fps = (counters.framesDecoded - entry.framesBefore) / (statsEveryMs / 1000);
        entry.framesBefore = counters.framesDecoded;
        return {
          camera,
          framesDecoded: BigInt(counters.framesDecoded),
          framesDetected: BigInt(counters.framesDetected),
          framesGated: BigInt(counters.framesGated),
          framesDropped: BigInt(counters.framesDropped),
          batchesDropped: BigInt(counters.batchesDropped),
          crops: BigInt(counters.crops),
          fps,
          stream: entry.camera.stream(),
          videoDropped: BigInt(entry.camera.videoDropped()?.clean ?? 0),
          annotatedDropped: BigInt(entry.camera.videoDropped()?.annotated ?? 0),
          unitsSkipped: BigInt(counters.unitsSkipped),
          // Only a GPU's encoder refuses.
          cropsRefused: 0n,
          objectsLeftOut: 0n,
        };
      }),
      rssBytes: BigInt(process.memoryUsage.rss()),
      cpuSeconds: (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
      inferQueue: slots.waiting,
      inferenceDeaths: engine.deaths,
      models: models.stats(inUse),
      served: (engine.traffic?.() ?? []).map((traffic) => ({ ...traffic, answers: BigInt(traffic.answers) })),
      gpu: undefined,
    };
  }

  const reporting = ctx.clock.every(statsEveryMs, () => bridge.send({ $case: 'stats', value: stats() }));

  return {
    command: (command) => {
      switch (command.$case) {
        case 'configure':
          configure(command.value);
          return;
        case 'epoch': {
          const [first, ...rest] = epochs.get(command.value.camera) ?? [];
          epochs.set(command.value.camera, rest);
          first?.(command.value.epoch);
          return;
        }
        case 'labels':
          running.get(command.value.camera)?.camera.label(command.value.epoch, command.value.labels);
          return;
        case 'wantVideo':
          want(command.value);
          return;
        default:
          throw new SightlineError('bridge.protocol', 'the daemon sent a command this worker does not know');
      }
    },
    framesDropped: (frames) => {
      for (const { camera } of frames) {
        const counters = running.get(camera)?.camera.counters;
        if (counters !== undefined) counters.batchesDropped += 1;
      }
      flood.warn('the daemon does not read, frames were dropped', { frames: frames.length });
    },
    drain: async () => {
      closing = true;
      await reconciling;
      await Promise.all([...running.values()].map(({ camera }) => camera.drain()));
    },
    [Symbol.asyncDispose]: async () => {
      closing = true;
      reporting[Symbol.dispose]();
      await reconciling;
      await Promise.all([...running.values()].map(({ camera }) => camera[Symbol.asyncDispose]()));
      running.clear();
      await options.media?.[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      flood[Symbol.dispose]();
    },
  };
}
