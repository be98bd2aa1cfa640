import type { Context } from '../core/context.ts';
import { isAbort } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import type { BeginTrace } from '../core/trace.ts';
import type { Crop, FivePoints } from '../core/types.ts';
import type { Label, Frame as WireFrame } from '../gen/sightline/bridge/v1/bridge.ts';
import { assessCrop } from '../models/quality.ts';
import type { Annotator } from './annotator.ts';
import { createCropPolicy, cropRect } from './crops.ts';
import { blacken, createCutter, createGateEye, intoPiece, pointsIntoPiece } from './cutter.ts';
import type { DetectStream } from './detect-stream.ts';
import { type CameraDetector, createDetection } from './detection.ts';
import type { DetectorHealth } from './detector-health.ts';
import { createLane, type LaneItem } from './lane.ts';
import { createMask } from './masks.ts';
import { frameToWire, type SeenObject } from './messages.ts';
import { createMotionGate } from './motion.ts';
import type { Picture } from './pictures.ts';
import { createDetectSchedule } from './schedule.ts';
import type { CameraSettings } from './settings.ts';
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
  /** A detector looked. */
  framesDetected: number;
  /** Every detector that was due and works looked. */
  framesInTime: number;
  framesGated: number;
  /** A detector that was due and works lost its turn: there was too much to do. */
  framesDropped: number;
  batchesDropped: number;
  crops: number;
  /** Units of live sources that were not decoded, because decoding was too far behind. */
  unitsSkipped: number;
}

export interface AnalysisOptions {
  readonly settings: CameraSettings;
  readonly epoch: number;
  readonly timeBase: TimeBase;
  readonly size: { readonly width: number; readonly height: number };
  /** A file at full speed: decoding waits for the detectors, and nothing is passed over. */
  readonly paced: boolean;
  /** The source is a camera, not a file. */
  readonly live: boolean;
  readonly detectors: readonly CameraDetector[];
  readonly slots: Slots;
  readonly counters: CameraCounters;
  readonly health: DetectorHealth;
  readonly flood: FloodGate;
  readonly beginTrace: BeginTrace;
  readonly detectStream: DetectStream | undefined;
  /** Draws the frames where somebody watches; undefined where nobody can. */
  readonly annotator: Pick<Annotator, 'hold' | 'seen'> | undefined;
  /** Resolves when the message is queued. */
  send(frame: WireFrame): Promise<void>;
}

interface LaneFrame extends LaneItem {
  readonly picture: Picture;
  readonly sequence: number;
  /** Media time since the frame before, or what it usually is. */
  readonly frameMs: number;
  /** False once its pixels were given up. */
  readonly held: boolean;
}

interface Seen {
  readonly objects: readonly SeenObject[];
  /** 0 when the objects are predictions. */
  readonly detectedMonoUs: bigint;
}

/** Frames that may wait behind one that is being looked at: decoded pixels at full speed, mere time stamps when live. */
const waitingFrames = { paced: 3, live: 512 } as const;
/** Frames kept with their pixels because the substream may yet choose one of them. */
const pixelsKept = 8;
const assumedFrameMs = 40;
/** What remains of a predicted box inside the frame, in pixels, to be worth showing. */
const leastSide = 1;

export function createAnalysis(options: AnalysisOptions, ctx: Context): Analysis {
  const { settings, size, counters, detectors, detectStream, health } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  const mask = createMask(settings.masks, size.width, size.height);
  const gate = settings.motion && { eye: createGateEye(), ...createMotionGate(settings.motion) };
  const schedule = createDetectSchedule(detectors.map(({ settings: { fps } }) => fps));
  const detection = createDetection(
    {
      settings,
      size,
      paced: options.paced,
      detectors,
      slots: options.slots,
      flood: options.flood,
      beginTrace: options.beginTrace,
      detectStream,
      health,
    },
    { ...ctx, signal },
  );
  const tracker = createTracker();
  const policy = createCropPolicy(settings.crops);
  const cutter = createCutter();
  let sequence = 0;
  let lastMediaMs: number | undefined;
  let usualFrameMs: number = assumedFrameMs;
  /** Detectors that wait for the main frame that goes with the substream's next one. */
  let carried: readonly number[] = [];
  const kept: LaneFrame[] = [];

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
    const jpeg = await cutter.jpeg(piece, settings.crops.jpegQuality);
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

  /** These detectors will not look at a frame that was due. What does not work has lost nothing. */
  function loseTurn(due: readonly number[]): void {
    if (due.some((index) => health.works(detectors[index]?.settings.model ?? ''))) counters.framesDropped += 1;
  }

  function indexOf(model: string): number {
    return detectors.findIndex(({ settings: detect }) => detect.model === model);
  }

  function predicted({ mediaMs }: Picture): Seen {
    const objects = tracker.predict(mediaMs).filter(({ box }) => box.width >= leastSide && box.height >= leastSide);
    return { objects: objects.map((tracked) => ({ tracked, crop: undefined })), detectedMonoUs: 0n };
  }

  async function see({ picture, frameMs, due, held }: LaneFrame): Promise<Seen> {
    const wanted = [...new Set([...carried, ...due])];
    if (!held) loseTurn(due);
    if (wanted.length === 0 || !held) return predicted(picture);
    const look = await detection.look(picture, frameMs, wanted);
    carried = look === 'later' ? wanted : [];
    if (look === 'later') return predicted(picture);
    const { found, late } = look;
    if (late) counters.framesDropped += 1;
    else if (found.length > 0) counters.framesInTime += 1;
    if (found.length === 0) return predicted(picture);
    const detectedMonoUs = BigInt(Math.round(ctx.clock.mono() * 1000));
    const objects: SeenObject[] = [];
    for (const { model, objects: detected } of found) {
      for (const tracked of tracker.update({ mediaMs: picture.mediaMs, model, objects: detected, ...size })) {
        const isNew = !policy.knows(tracked.trackId);
        const cut = await crop(picture, tracked);
        objects.push({ tracked, crop: cut });
        // Files are read ahead of their detection by as much as the machine allows, and are looked at the same way every time.
        if (isNew && cut !== undefined && options.live) schedule.hurry(indexOf(model), picture.mediaMs);
      }
    }
    counters.framesDetected += 1;
    gate?.looked(tracker.predict(picture.mediaMs).length > 0);
    return { objects, detectedMonoUs };
  }

  async function work(item: LaneFrame): Promise<void> {
    // From here on nobody else may free its pixels.
    const index = kept.indexOf(item);
    if (index >= 0) kept.splice(index, 1);
    const { picture } = item;
    const { objects, detectedMonoUs } = await see(item);
    const endedTracks = tracker.takeEnded();
    policy.ended(endedTracks);
    options.annotator?.seen(
      item.sequence,
      objects.map(({ tracked }) => tracked),
      endedTracks,
    );
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
        live: options.live,
      }),
    );
  }

  const lane = createLane<LaneFrame>({
    paced: options.paced,
    limit: waitingFrames[options.paced ? 'paced' : 'live'],
    work,
    onTakenOver: (_item, twice) => loseTurn(twice),
    onLost: () => {
      counters.batchesDropped += 1;
    },
  });

  function toItem(picture: Picture, due: readonly number[]): LaneFrame {
    if (lastMediaMs !== undefined && !picture.afterSkip) usualFrameMs = picture.mediaMs - lastMediaMs;
    lastMediaMs = picture.mediaMs;
    const frameMs = usualFrameMs;
    let held = true;
    return {
      picture,
      sequence: sequence++,
      frameMs,
      due,
      get held() {
        return held;
      },
      release: () => {
        if (held) picture.frame.free();
        held = false;
      },
    };
  }

  return {
    push: async (picture) => {
      counters.framesDecoded += 1;
      if (!mask.empty) blacken(picture.frame, mask);
      const view = gate?.wants(picture.mediaMs) === true ? gate.eye.look(picture.frame) : undefined;
      const motion = view && gate?.consider(view.grey, view.width, view.height, picture.mediaMs);
      const { due, gated } = schedule.due(picture.mediaMs, motion ?? 'motion');
      if (gated > 0) counters.framesGated += 1;
      const item = toItem(picture, due);
      options.annotator?.hold(item.sequence, picture);
      if (detectStream === undefined) {
        if (due.length === 0) item.release();
      } else {
        kept.push(item);
        if (kept.length > pixelsKept) kept.shift()?.release();
      }
      await lane.push(item);
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
      detection[Symbol.dispose]();
      cutter[Symbol.dispose]();
      gate?.eye[Symbol.dispose]();
    },
  };
}

/** Detectors clip boxes to the frame; what lies beyond shows in the points alone. */
function visibleShare(points: FivePoints | undefined, size: { readonly width: number; readonly height: number }): number {
  if (points === undefined) return 1;
  const inside = points.filter(({ x, y }) => x >= 0 && y >= 0 && x < size.width && y < size.height);
  return inside.length / points.length;
}
