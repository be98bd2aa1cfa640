import type { Frame } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { isAbort, isSightlineError } from '../core/errors.ts';
import { isShed } from '../core/inference.ts';
import type { FloodGate } from '../core/log.ts';
import type { DetectedObject, Detector } from '../core/models.ts';
import { type BeginTrace, type Trace, traceField } from '../core/trace.ts';
import { blacken, type Cutter, createCutter } from './cutter.ts';
import type { DetectStream } from './detect-stream.ts';
import type { DetectorHealth } from './detector-health.ts';
import { createMask, type Mask } from './masks.ts';
import type { Picture } from './pictures.ts';
import type { CameraSettings, DetectSettings } from './settings.ts';
import type { Slots } from './slots.ts';

/** The detectors of one camera at work on one frame after the other. */
export interface Detection extends Disposable {
  /** What the detectors `due` see. `later`: a later frame is the one the substream shows. */
  look(picture: Picture, frameMs: number, due: readonly number[]): Promise<Look | 'later'>;
}

export interface Look {
  /** In source pixels, persons before faces; of the detectors that looked. */
  readonly found: readonly Found[];
  /** One that was due and works could not look in time: there was too much to do. */
  readonly late: boolean;
}

export interface Found {
  readonly model: string;
  readonly objects: readonly DetectedObject[];
}

export interface CameraDetector {
  readonly settings: DetectSettings;
  readonly detector: Detector;
}

export interface DetectionOptions {
  readonly settings: CameraSettings;
  /** Of the main stream, whatever the detectors look at. */
  readonly size: { readonly width: number; readonly height: number };
  /** A frame is never given up because a detector is busy. */
  readonly paced: boolean;
  readonly detectors: readonly CameraDetector[];
  readonly slots: Slots;
  readonly flood: FloodGate;
  /** Asked once for each frame: all that looks at it shares a trace. */
  readonly beginTrace: BeginTrace;
  /** Where detectors look instead of at the picture itself. */
  readonly detectStream: DetectStream | undefined;
  readonly health: DetectorHealth;
}

/** How old a live frame may grow before its detection is given up, and how long a file waits for one. */
const detectWithinMs = { paced: 120_000, live: 2000 } as const;
const retryAfterMs = 50;
const failuresForgiven = 3;

/** What detectors look at: the picture, or its counterpart in the substream. */
interface View {
  readonly frame: Frame;
  readonly cutter: Cutter;
}

function isWanted({ label, score, box }: DetectedObject, { classes, minScore, minSize }: DetectSettings): boolean {
  const listed = classes.size === 0 || classes.has(label);
  return listed && score >= (minScore ?? 0) && box.height >= minSize && box.width > 0 && box.height > 0;
}

export function createDetection(options: DetectionOptions, ctx: Context): Detection {
  const { settings, size, detectors, detectStream, health } = options;
  const { signal } = ctx;
  const cutter = createCutter();
  let sub: { readonly width: number; readonly height: number; readonly mask: Mask; readonly cutter: Cutter } | undefined;
  const isFace = (index: number) => Number(detectors[index]?.detector.landmarks ?? false);
  // Persons first, so that a face of the same frame finds the person it belongs to.
  const personsFirst = (a: number, b: number) => isFace(a) - isFace(b) || a - b;

  async function detect(
    view: View,
    { settings: wanted, detector }: CameraDetector,
    trace: Trace | undefined,
  ): Promise<Found | 'late' | 'failed'> {
    const content = detector.contentSize(size, wanted.width);
    for (let failures = 0; ; ) {
      const image = await view.cutter.scale(view.frame, content);
      try {
        const slot = await options.slots.take(signal);
        try {
          const objects = await detector.detect(image, size, {
            signal,
            deadlineMs: ctx.clock.mono() + detectWithinMs[options.paced ? 'paced' : 'live'],
            stream: settings.camera,
            impatient: !options.paced,
            ...(wanted.minScore === undefined ? {} : { minScore: wanted.minScore }),
            ...(trace === undefined ? {} : { trace }),
          });
          health.worked(wanted.model);
          return { model: wanted.model, objects: objects.filter((object) => isWanted(object, wanted)) };
        } finally {
          slot[Symbol.dispose]();
        }
      } catch (error) {
        if (isAbort(error) || signal.aborted) throw error;
        const late = isShed(error);
        if (!late) {
          failures += 1;
          health.failed(wanted.model, isSightlineError(error) ? error.code : 'inference.failed', ctx.clock.mono());
          const fields = { camera: settings.camera, model: detector.model, err: error, ...traceField(trace) };
          options.flood.warn('detection failed', fields);
        }
        if (!options.paced || failures > failuresForgiven) return late ? 'late' : 'failed';
        await ctx.clock.sleep(retryAfterMs, signal);
      }
    }
  }

  async function lookAt(view: View, due: readonly number[]): Promise<Look> {
    const found: Found[] = [];
    let late = false;
    const trace = options.beginTrace();
    for (const index of [...due].sort(personsFirst)) {
      const detector = detectors[index];
      if (detector === undefined) continue;
      const seen = await detect(view, detector, trace);
      if (seen === 'late') late ||= health.works(detector.settings.model);
      else if (seen !== 'failed') found.push(seen);
    }
    return { found, late };
  }

  /** Masks and scaling for the substream, made anew when its size changes. */
  function forSubstream({ width, height }: Picture): { readonly mask: Mask; readonly cutter: Cutter } {
    if (sub?.width !== width || sub.height !== height) {
      sub?.cutter[Symbol.dispose]();
      sub = { width, height, mask: createMask(settings.masks, width, height), cutter: createCutter() };
    }
    return sub;
  }

  return {
    look: async (picture, frameMs, due) => {
      const match = detectStream === undefined ? 'away' : await detectStream.match(picture, frameMs);
      if (match === 'later') return 'later';
      if (match === 'away') return await lookAt({ frame: picture.frame, cutter }, due);
      try {
        const { mask, cutter: subCutter } = forSubstream(match);
        if (!mask.empty) blacken(match.frame, mask);
        return await lookAt({ frame: match.frame, cutter: subCutter }, due);
      } finally {
        match.frame.free();
      }
    },
    [Symbol.dispose]: () => {
      cutter[Symbol.dispose]();
      sub?.cutter[Symbol.dispose]();
    },
  };
}
