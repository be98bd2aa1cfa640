import { stringify } from 'yaml';
import type { DetectorFigures, StreamFigures } from '../core/probe.ts';

/** The camera as the configuration takes it, with what the probe has taught. Pure. */

export interface CameraAdvice {
  readonly name: string;
  /** Credentials as `${NAME}`. */
  readonly source: string;
  readonly stream: StreamFigures;
  /** Frames a second that were asked for. */
  readonly fps: number;
  readonly detector?: DetectorFigures;
  /** The detector to name where none could be tried. */
  readonly model: string;
}

/** Share of one core's time that looks of one camera may take; the rest is for decoding and for bursts. */
const busyShare = 0.7;
/** The default of `silenceTimeout`, which also counts the wait for the first key frame. */
const silenceTimeoutMs = 10_000;
/** The most that it may be. */
const longestSilenceTimeoutMs = 600_000;

/** What this machine can look at, at most what was asked for and what comes; whole frames a second from 1 on. */
export function advisedFps({ stream, fps, detector }: Pick<CameraAdvice, 'stream' | 'fps' | 'detector'>): number {
  const capacity = detector?.msPerLook === undefined ? Number.POSITIVE_INFINITY : (busyShare * 1000) / detector.msPerLook;
  const most = Math.min(fps, capacity, Math.ceil(stream.fps ?? fps));
  return most < 1 ? Math.max(0.2, Math.round(most * 10) / 10) : Math.floor(most);
}

export function cameraYaml(advice: CameraAdvice): string {
  const { name, stream, detector, source } = advice;
  const keyIntervalMs = stream.keyFrames.longestIntervalMs;
  const patience =
    stream.live && keyIntervalMs > 0.8 * silenceTimeoutMs
      ? [`    silenceTimeout: ${Math.ceil(Math.min(2 * keyIntervalMs, longestSilenceTimeoutMs) / 1000)}s`]
      : [];
  return [
    'cameras:',
    `  ${stringify(name).trim()}:`,
    `    source: ${stringify(source, { lineWidth: 0 }).trim()}`,
    ...(stream.transport === 'udp' ? ['    transport: udp'] : []),
    ...patience,
    '    detect:',
    `      - { model: ${stringify(detector?.model ?? advice.model).trim()}, fps: ${advisedFps(advice)} }`,
  ].join('\n');
}
