import { SightlineError } from '../core/errors.ts';
import type { CameraConfig, InferenceConfig } from '../gen/sightline/bridge/v1/bridge.ts';
import type { EngineSettings } from '../inference/engine.ts';
import type { DecodeChoice } from './decoder.ts';
import type { Corner } from './masks.ts';
import type { MotionGateOptions } from './motion.ts';

/** A camera's settings as the worker uses them; what the wire leaves at zero has its default. Pure. */
export interface CameraSettings {
  readonly camera: string;
  readonly revision: string;
  readonly source: string;
  readonly detectSource: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly transport: 'tcp' | 'udp';
  readonly decode: DecodeChoice;
  readonly realtime: boolean;
  readonly loop: boolean;
  readonly openTimeoutMs: number;
  readonly silenceTimeoutMs: number;
  readonly detect: readonly DetectSettings[];
  readonly masks: readonly (readonly Corner[])[];
  /** Undefined: the gate is off. */
  readonly motion: MotionGateOptions | undefined;
  readonly crops: CropSettings;
}

export interface DetectSettings {
  readonly model: string;
  readonly fps: number;
  readonly minScore: number | undefined;
  readonly classes: ReadonlySet<string>;
  /** Box height in source pixels. */
  readonly minSize: number;
  readonly width: number | undefined;
}

export interface CropSettings {
  readonly faces: boolean;
  readonly bodies: boolean;
  readonly minFaceHeight: number;
  readonly minBodyHeight: number;
  readonly refreshMs: number;
  readonly betterBy: number;
  readonly jpegQuality: number;
  readonly maxSide: number;
}

const defaults = { fps: 5, timeoutMs: 10_000, refreshMs: 2000, betterBy: 0.15, jpegQuality: 90, maxSide: 512 } as const;

function decodeChoice(text: string): DecodeChoice {
  return text === 'vaapi' || text === 'qsv' || text === 'nvdec' || text === 'software' ? text : 'auto';
}

function corners(points: readonly number[]): readonly Corner[] {
  return Array.from({ length: Math.floor(points.length / 2) }, (_, i) => [points[2 * i] ?? 0, points[2 * i + 1] ?? 0] as const);
}

export function readSettings(wire: CameraConfig): CameraSettings {
  const { motion, crops } = wire;
  return {
    camera: wire.camera,
    revision: wire.revision,
    source: wire.source,
    detectSource: wire.detectSource === '' ? undefined : wire.detectSource,
    properties: wire.properties,
    transport: wire.transport === 'udp' ? 'udp' : 'tcp',
    decode: decodeChoice(wire.decode),
    realtime: wire.realtime,
    loop: wire.loop,
    openTimeoutMs: wire.openTimeoutMs || defaults.timeoutMs,
    silenceTimeoutMs: wire.silenceTimeoutMs || defaults.timeoutMs,
    detect: wire.detect.map((detect) => ({
      model: detect.model,
      fps: detect.fps || defaults.fps,
      minScore: detect.minScore || undefined,
      classes: new Set(detect.classes),
      minSize: detect.minSize,
      width: detect.width || undefined,
    })),
    masks: wire.masks.map(({ points }) => corners(points)),
    motion:
      motion?.enabled === true
        ? {
            threshold: motion.threshold,
            keepMs: motion.keepMs,
            refreshMs: motion.refreshMs,
            refreshEmptyMs: motion.refreshEmptyMs,
          }
        : undefined,
    crops: {
      faces: crops?.faces ?? false,
      bodies: crops?.bodies ?? false,
      minFaceHeight: crops?.minFaceHeight ?? 0,
      minBodyHeight: crops?.minBodyHeight ?? 0,
      refreshMs: crops?.refreshMs || defaults.refreshMs,
      betterBy: crops?.betterBy ?? defaults.betterBy,
      jpegQuality: crops?.jpegQuality || defaults.jpegQuality,
      maxSide: crops?.maxSide || defaults.maxSide,
    },
  };
}

/** Throws `worker.settings` for an engine that this worker does not have. */
export function readEngine(wire: InferenceConfig): EngineSettings {
  const { engine, repository, threads, urls, caFile, certFile, keyFile, fallback } = wire;
  if (engine !== 'embedded' && engine !== 'triton') {
    throw new SightlineError(
      'worker.settings',
      `inference engine ${engine} is not known to this worker; embedded and triton are`,
    );
  }
  return {
    engine,
    repository,
    threads: threads || 1,
    url: urls,
    ...(caFile === '' ? {} : { caFile }),
    ...(certFile === '' ? {} : { certFile }),
    ...(keyFile === '' ? {} : { keyFile }),
    fallback: fallback === 'embedded' ? 'embedded' : 'none',
    sharedMemory: wire.sharedMemory,
    queueTimeout: wire.queueTimeout,
    traceRatio: wire.traceRatio,
    headers: wire.headers,
  };
}
