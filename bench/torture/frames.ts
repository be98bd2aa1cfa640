import { median } from '../recognition/statistics.ts';
import type { DoneFault } from './plan.ts';

/** Whether a kill of one worker slows the cameras of the others down: analysed frames per second of video, after against before. */

export interface FrameSample {
  /** Wall clock. */
  readonly atMs: number;
  readonly camera: string;
  /** Since the camera's worker started. */
  readonly decoded: number;
  readonly analysed: number;
}

/** The counts that a daemon's metrics give for its cameras. */
export function samplesOf(metrics: string, atMs: number): readonly FrameSample[] {
  const values = new Map<string, { decoded?: number; analysed?: number }>();
  for (const [, kind, camera = '', value] of metrics.matchAll(
    /^sightline_camera_frames_(decoded|detected)\{camera="([^"]+)"\} (\S+)$/gm,
  )) {
    const entry = values.get(camera) ?? {};
    if (kind === 'decoded') entry.decoded = Number(value);
    else entry.analysed = Number(value);
    values.set(camera, entry);
  }
  return [...values].map(([camera, { decoded = 0, analysed = 0 }]) => ({ atMs, camera, decoded, analysed }));
}

export interface Effect {
  readonly camera: string;
  readonly killed: string;
  /** Analysed frames per second of video before and after the kill. */
  readonly before: number;
  readonly after: number;
  /** Pictures per second of real time. */
  readonly picturesBefore: number;
  readonly picturesAfter: number;
}

export interface FrameRates {
  readonly effects: readonly Effect[];
  /** After divided by before: of all frames together, the middle one and the extremes. */
  readonly pooled: number;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly picturesPooled: number;
}

/** Analysed frames per second of video over all cameras and the whole run, holes and restarts left out; NaN without samples. */
export function analysedRate(samples: readonly FrameSample[], fps: number): number {
  let analysed = 0;
  let decoded = 0;
  for (const own of Map.groupBy(samples, ({ camera }) => camera).values()) {
    for (const [at, sample] of own.entries()) {
      const before = own[at - 1];
      if (before === undefined || sample.decoded < before.decoded) continue;
      analysed += sample.analysed - before.analysed;
      decoded += sample.decoded - before.decoded;
    }
  }
  return analysed / (decoded / fps);
}

const windowMs = 12_000;

function rateIn(samples: readonly FrameSample[], fromMs: number, toMs: number, fps: number) {
  const own = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const first = own[0];
  const last = own.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const decoded = last.decoded - first.decoded;
  const ms = last.atMs - first.atMs;
  // A worker that began anew counts from nought; a window with holes says nothing.
  if (ms < windowMs * 0.6 || own.some((sample, at) => at > 0 && sample.decoded < (own[at - 1]?.decoded ?? 0)) || decoded === 0)
    return undefined;
  return { analysed: (last.analysed - first.analysed) / (decoded / fps), pictures: (decoded / ms) * 1000 };
}

/** Windows in which something else was killed are left out. */
export function frameRates(samples: readonly FrameSample[], faults: readonly DoneFault[], fps: number): FrameRates | undefined {
  const byCamera = Map.groupBy(samples, ({ camera }) => camera);
  const effects: Effect[] = [];
  for (const fault of faults) {
    const { camera: killed } = fault;
    if (killed === undefined) continue;
    for (const [camera, own] of byCamera) {
      if (camera === killed) continue;
      const others = faults.some(
        (other) =>
          other !== fault &&
          (other.what === 'daemon' || other.camera === camera) &&
          Math.abs(other.wallMs - fault.wallMs) < windowMs + 10_000,
      );
      if (others) continue;
      const before = rateIn(own, fault.wallMs - windowMs, fault.wallMs, fps);
      const after = rateIn(own, fault.wallMs, fault.wallMs + windowMs, fps);
      if (before === undefined || after === undefined) continue;
      effects.push({
        camera,
        killed,
        before: before.analysed,
        after: after.analysed,
        picturesBefore: before.pictures,
        picturesAfter: after.pictures,
      });
    }
  }
  if (effects.length === 0) return undefined;
  const sum = (of: (effect: Effect) => number) => effects.reduce((total, effect) => total + of(effect), 0);
  const ratios = effects.map(({ before, after }) => after / before);
  return {
    effects,
    pooled: sum(({ after }) => after) / sum(({ before }) => before),
    median: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    picturesPooled: sum(({ picturesAfter }) => picturesAfter) / sum(({ picturesBefore }) => picturesBefore),
  };
}
