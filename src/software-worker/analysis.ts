import type { Context } from '../core/context.ts';
import { isAbort, isSightlineError } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import type { DetectedObject, Detector } from '../core/models.ts';
import type { Crop, FivePoints } from '../core/types.ts';
import type { Label, Frame as WireFrame } from '../gen/sightline/bridge/v1/bridge.ts';
import { assessCrop } from '../models/quality.ts';
import { createCropPolicy, cropRect } from './crops.ts';
import { blacken, type Cutter, createCutter, gateView, intoPiece, pointsIntoPiece } from './cutter.ts';
import { createLane, type LaneItem } from './lane.ts';
import { createMask } from './masks.ts';
import { frameToWire, type SeenObject } from './messages.ts';
import { createMotionGate } from './motion.ts';
import type { Picture } from './pictures.ts';
import { createDetectSchedule } from './schedule.ts';
import type { CameraSettings, DetectSettings } from './settings.ts';
import type { Slots } from './slots.ts';
import type { TimeBase } from './times.ts';
import { createTracker, type TrackedObject } from './track.ts';

/**
 * What happens to the decoded frames of one epoch: masks, motion gate, schedule, detection, tracking, crops, message. A frame
 * leaves as a message whether a detector looked at it or not; those without carry the tracker's predictions.
 */
export interface Analysis extends AsyncDisposable {
  /** Takes the picture over. At full speed it waits until there is room. Rejects when the analysis broke. */
  push(picture: Picture): Promise<void>;
  /** Everything pushed has left as messages. */
  idle(): Promise<void>;
  label(labels: readonly Label[]): void;
}

/** Counters of one camera since the worker started. */
export interface CameraCounters {
  framesDecoded: number;
  framesDetected: number;
  framesGated: number;
  framesDropped: number;
  batchesDropped: number;
  crops: number;
}

export interface CameraDetector {
  readonly settings: DetectSettings;
  readonly detector: Detector;
}

export interface AnalysisOptions {
  readonly settings: CameraSettings;
  readonly epoch: number;
  readonly timeBase: TimeBase;
  readonly size: { readonly width: number; readonly height: number };
  /** A file at full speed: decoding waits for the detectors, and nothing is passed over. */
  readonly paced: boolean;
  readonly detectors: readonly CameraDetector[];
  readonly slots: Slots;
  readonly counters: CameraCounters;
  readonly flood: FloodGate;
  /** Resolves when the message is queued. */
  send(frame: WireFrame): Promise<void>;
}

interface LaneFrame extends LaneItem {
  readonly picture: Picture;
  readonly sequence: number;
}

/** Frames that may wait behind one that is being looked at: decoded pixels at full speed, mere time stamps when live. */
const waitingFrames = { paced: 3, live: 512 } as const;
/** How old a live frame may grow before its detection is given up, and how long a file waits for one. */
const detectWithinMs = { paced: 120_000, live: 2000 } as const;
const retryAfterMs = 50;
const failuresForgiven = 3;

export function createAnalysis(options: AnalysisOptions, ctx: Context): Analysis {
  const { settings, size, counters, detectors } = options;
  const pace = options.paced ? 'paced' : 'live';
  const mask = settings.masks.length === 0 ? undefined : createMask(settings.masks, size.width, size.height);
  const gate = settings.motion === undefined ? undefined : createMotionGate(settings.motion);
  const schedule = createDetectSchedule(detectors.map(({ settings: { fps } }) => fps));
  const tracker = createTracker();
  const policy = createCropPolicy(settings.crops);
  const cutter: Cutter = createCutter();
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  let sequence = 0;
  // Persons first, so that a face of the same frame finds the person it belongs to.
  const order = (a: number, b: number) =>
    Number(detectors[a]?.detector.landmarks ?? false) - Number(detectors[b]?.detector.landmarks ?? false) || a - b;

  function isWanted(object: DetectedObject, { classes, minScore, minSize }: DetectSettings): boolean {
    return (
      (classes.size === 0 || classes.has(object.label)) &&
      object.score >= (minScore ?? 0) &&
      object.box.height >= minSize &&
      object.box.width > 0 &&
      object.box.height > 0
    );
  }

  /** Undefined when the detector could not look at the frame in time. */
  async function detect(
    item: LaneFrame,
    { settings: wanted, detector }: CameraDetector,
  ): Promise<readonly DetectedObject[] | undefined> {
    const { picture } = item;
    const content = detector.contentSize(size, wanted.width);
    for (let failures = 0; ; ) {
      const image = await cutter.scale(picture.frame, content);
      try {
        using slot = await options.slots.take(signal);
        const objects = await detector.detect(image, size, {
          signal,
          deadlineMs: ctx.clock.mono() + detectWithinMs[pace],
          stream: settings.camera,
          ...(wanted.minScore === undefined ? {} : { minScore: wanted.minScore }),
        });
        slot[Symbol.dispose]();
        return objects.filter((object) => isWanted(object, wanted));
      } catch (error) {
        if (isAbort(error) || signal.aborted) throw error;
        const busy = isSightlineError(error, 'inference.overload') || isSightlineError(error, 'inference.deadline');
        if (!busy) {
          failures += 1;
          options.flood.warn('detection failed', { camera: settings.camera, model: detector.model, err: error });
        }
        if (!options.paced || failures > failuresForgiven) {
          counters.framesDropped += 1;
          return undefined;
        }
        await ctx.clock.sleep(retryAfterMs, signal);
      }
    }
  }

  async function crop(picture: Picture, tracked: TrackedObject): Promise<Crop | undefined> {
    const { mediaMs, frame } = picture;
    // Nothing is cut that even perfect quality would not make worth cutting.
    if (!policy.wants(tracked, 1, mediaMs)) return undefined;
    const piece = await cutter.cut(frame, cropRect(tracked.box, tracked.landmarks, size), settings.crops.maxSide);
    const box = intoPiece(piece, tracked.box);
    const landmarks = tracked.landmarks === undefined ? undefined : pointsIntoPiece(piece, tracked.landmarks);
    const quality = assessCrop({
      grey: piece.grey,
      width: piece.width,
      height: piece.height,
      box,
      ...(landmarks === undefined ? {} : { landmarks }),
      score: tracked.score,
      visible: visibleShare(tracked.landmarks, size),
      heightPx: tracked.box.height,
    });
    if (!policy.wants(tracked, quality.overall, mediaMs)) return undefined;
    const jpeg = await cutter.jpeg(frame, piece, settings.crops.jpegQuality);
    policy.cropped(tracked.trackId, quality.overall, mediaMs);
    counters.crops += 1;
    return {
      jpeg,
      rect: piece.rect,
      width: piece.width,
      height: piece.height,
      ...(landmarks === undefined ? {} : { landmarks }),
      box,
      quality,
    };
  }

  async function look(item: LaneFrame): Promise<{ readonly objects: readonly SeenObject[]; readonly detectedMonoUs: bigint }> {
    const { picture } = item;
    const objects: SeenObject[] = [];
    let looked = false;
    for (const index of [...item.due].sort(order)) {
      const detector = detectors[index];
      if (detector === undefined) continue;
      const found = await detect(item, detector);
      if (found === undefined) continue;
      looked = true;
      const tracked = tracker.update({ mediaMs: picture.mediaMs, model: detector.settings.model, objects: found, ...size });
      for (const object of tracked) objects.push({ tracked: object, crop: await crop(picture, object) });
    }
    if (!looked) return predicted(picture.mediaMs);
    counters.framesDetected += 1;
    return { objects, detectedMonoUs: BigInt(Math.round(ctx.clock.mono() * 1000)) };
  }

  function predicted(mediaMs: number): { readonly objects: readonly SeenObject[]; readonly detectedMonoUs: bigint } {
    return { objects: tracker.predict(mediaMs).map((tracked) => ({ tracked, crop: undefined })), detectedMonoUs: 0n };
  }

  async function work(item: LaneFrame): Promise<void> {
    const { picture } = item;
    const { objects, detectedMonoUs } = item.due.length === 0 ? predicted(picture.mediaMs) : await look(item);
    const endedTracks = tracker.takeEnded();
    policy.ended(endedTracks);
    await options.send(
      frameToWire({
        camera: settings.camera,
        epoch: options.epoch,
        sequence: item.sequence,
        timeBase: options.timeBase,
        clock: picture,
        receivedMonoUs: picture.receivedMonoUs,
        decodedMonoUs: picture.decodedMonoUs,
        detectedMonoUs,
        ...size,
        objects,
        endedTracks,
      }),
    );
  }

  const lane = createLane<LaneFrame>({
    paced: options.paced,
    limit: waitingFrames[pace],
    work,
    onTakenOver: () => {
      counters.framesDropped += 1;
    },
    onLost: () => {
      counters.batchesDropped += 1;
    },
  });

  return {
    push: async (picture) => {
      counters.framesDecoded += 1;
      if (mask !== undefined) blacken(picture.frame, mask);
      const view = gate === undefined ? undefined : gateView(picture.frame);
      const motion =
        view === undefined ? 'motion' : (gate?.consider(view.grey, view.width, view.height, picture.mediaMs) ?? 'motion');
      const { due, gated } = schedule.due(picture.mediaMs, motion);
      if (gated > 0) counters.framesGated += 1;
      let held = true;
      const release = () => {
        if (held) picture.frame.free();
        held = false;
      };
      if (due.length === 0) release();
      await lane.push({ picture, sequence: sequence++, due, release });
    },
    idle: () => lane.idle(),
    label: (labels) => {
      for (const { trackId, decided } of labels) policy.decided(trackId, decided);
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort(new DOMException('the analysis was closed', 'AbortError'));
      await lane.idle().catch((error: unknown) => {
        if (!isAbort(error)) options.flood.warn('analysis ended with an error', { camera: settings.camera, err: error });
      });
      cutter[Symbol.dispose]();
    },
  };
}

/** Detectors clip boxes to the frame; what lies beyond shows in the points alone. */
function visibleShare(points: FivePoints | undefined, size: { readonly width: number; readonly height: number }): number {
  if (points === undefined) return 1;
  const inside = points.filter(({ x, y }) => x >= 0 && y >= 0 && x < size.width && y < size.height);
  return inside.length / points.length;
}
