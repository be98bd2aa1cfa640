import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import type { CameraId } from '../core/types.ts';
import type {
  CameraConfig as CameraMessage,
  Configure,
  InferenceConfig as InferenceMessage,
} from '../gen/sightline/bridge/v1/bridge.ts';
import type { WorkerCamera } from '../workers/plan.ts';

/** A camera's settings as the bridge carries them. `revision` changes with every setting that the worker must reopen for. */
export function cameraMessage(camera: CameraId, settings: WorkerCamera): CameraMessage {
  const message: CameraMessage = {
    camera,
    source: settings.source,
    detectSource: settings.detectSource ?? '',
    transport: settings.transport,
    decode: settings.decode,
    realtime: settings.realtime,
    loop: settings.loop,
    detect: settings.detect.map(({ model, fps, minScore, classes, minSize, width }) => ({
      model,
      fps,
      minScore: minScore ?? 0,
      classes: [...classes],
      minSize,
      width: width ?? 0,
    })),
    masks: settings.masks.map((polygon) => ({ points: polygon.flat() })),
    motion: {
      enabled: settings.motion.enabled,
      threshold: settings.motion.threshold,
      keepMs: settings.motion.keep,
      refreshMs: settings.motion.refresh,
      refreshEmptyMs: settings.motion.refreshEmpty,
    },
    crops: {
      faces: settings.recognise.includes('face'),
      bodies: settings.recognise.includes('appearance'),
      minFaceHeight: settings.crops.minFaceHeight,
      minBodyHeight: settings.crops.minBodyHeight,
      refreshMs: settings.crops.refresh,
      betterBy: settings.crops.betterBy,
      jpegQuality: 0,
      maxSide: 0,
    },
    openTimeoutMs: settings.openTimeout,
    silenceTimeoutMs: settings.silenceTimeout,
    revision: '',
    properties: { ...settings.properties },
  };
  const revision = createHash('sha256').update(JSON.stringify(message)).digest('hex').slice(0, 16);
  return { ...message, revision };
}

export function configureMessage(cameras: ReadonlyMap<CameraId, WorkerCamera>, inference: Config['inference']): Configure {
  const engine: InferenceMessage = {
    engine: inference.engine,
    repository: inference.repository,
    threads: inference.threads,
    urls: inference.url,
    inFlight: cameras.size,
    caFile: inference.caFile ?? '',
    certFile: inference.certFile ?? '',
    keyFile: inference.keyFile ?? '',
    fallback: inference.fallback,
    sharedMemory: inference.sharedMemory,
    queueTimeout: inference.queueTimeout,
    traceRatio: inference.traceRatio,
    headers: { ...inference.headers },
  };
  return { cameras: [...cameras].map(([camera, settings]) => cameraMessage(camera, settings)), inference: engine };
}
