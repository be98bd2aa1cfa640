import type { Clock } from '../core/clock.ts';
import type { Box, CameraState, Crop, Detection, FivePoints, FrameMeta, FrameTime, Quality } from '../core/types.ts';
import {
  CameraTimeSource,
  type Frame,
  type GpuStats,
  type Rect,
  type ServedModel,
  SourceState,
  type SourceStatus,
  type Crop as WireCrop,
  type Object as WireObject,
  type Quality as WireQuality,
  type WorkerStats,
} from '../gen/sightline/bridge/v1/bridge.ts';

/**
 * Wire messages to core types. What does not hold (numbers that are not finite, boxes without size, a crop without bytes) is
 * refused as a whole frame: a worker that sends such a thing is broken, and half a frame would be worse than none.
 */

/** Largest frame side, objects and text a message may claim, longest media time of an epoch, and the last moment a Date can name. */
const limits = {
  side: 16_384,
  objects: 1024,
  text: 64,
  /** NVML's own. */
  gpuText: 96,
  words: 1000,
  models: 64,
  served: 1024,
  codes: 8,
  jpegBytes: 4 * 1024 * 1024,
  mediaMs: 366 * 86_400_000,
  dateMs: 8.64e15,
} as const;

class Refusal extends Error {}

function number(value: number, what: string, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY): number {
  if (!Number.isFinite(value) || value < least || value > most) throw new Refusal(`${what} is ${value}`);
  return value;
}

function text(value: string, what: string): string {
  if (value.length === 0 || value.length > limits.text) throw new Refusal(`${what} has ${value.length} characters`);
  return value;
}

function box(rect: Rect | undefined, what: string): Box {
  if (rect === undefined) throw new Refusal(`${what} is missing`);
  return {
    left: number(rect.left, `${what}.left`),
    top: number(rect.top, `${what}.top`),
    width: number(rect.width, `${what}.width`, Number.MIN_VALUE),
    height: number(rect.height, `${what}.height`, Number.MIN_VALUE),
  };
}

function landmarks(values: readonly number[], what: string): FivePoints | undefined {
  if (values.length === 0) return undefined;
  if (values.length !== 10) throw new Refusal(`${what} has ${values.length} numbers, 10 expected`);
  const at = (index: number) => ({
    x: number(values[2 * index] ?? Number.NaN, what),
    y: number(values[2 * index + 1] ?? Number.NaN, what),
  });
  return [at(0), at(1), at(2), at(3), at(4)];
}

function quality(wire: WireQuality | undefined): Quality {
  if (wire === undefined) throw new Refusal('crop.quality is missing');
  return {
    heightPx: number(wire.heightPx, 'quality.height_px', 0),
    sharpness: number(wire.sharpness, 'quality.sharpness', 0),
    rollDegrees: number(wire.rollDegrees, 'quality.roll_degrees', -180, 180),
    yaw: number(wire.yaw, 'quality.yaw'),
    visible: number(wire.visible, 'quality.visible', 0, 1),
    score: number(wire.score, 'quality.score', 0, 1),
    overall: number(wire.overall, 'quality.overall', 0, 1),
  };
}

function crop(wire: WireCrop): Crop {
  if (wire.jpeg.length === 0 || wire.jpeg.length > limits.jpegBytes)
    throw new Refusal(`crop.jpeg has ${wire.jpeg.length} bytes`);
  const points = landmarks(wire.landmarks, 'crop.landmarks');
  return {
    jpeg: wire.jpeg,
    rect: box(wire.rect, 'crop.rect'),
    width: number(wire.width, 'crop.width', 1, limits.side),
    height: number(wire.height, 'crop.height', 1, limits.side),
    box: box(wire.box, 'crop.box'),
    quality: quality(wire.quality),
    ...(points === undefined ? {} : { landmarks: points }),
  };
}

function detection(wire: WireObject): Detection {
  const points = landmarks(wire.landmarks, 'landmarks');
  return {
    trackId: number(wire.trackId, 'track_id', 1),
    label: text(wire.label, 'label'),
    model: text(wire.model, 'model'),
    score: number(wire.score, 'score', 0, 1),
    box: box(wire.box, 'box'),
    ...(points === undefined ? {} : { landmarks: points }),
    ...(wire.personTrackId === 0 ? {} : { personTrackId: wire.personTrackId }),
    ...(wire.crop === undefined ? {} : { crop: crop(wire.crop) }),
  };
}

export interface FrameDecoder {
  /** The frame, or the reason why it is refused. */
  decode(frame: Frame): { readonly frame: FrameMeta } | { readonly refused: string };
  /** Forgets the camera's event time. */
  forget(camera: string): void;
}

/** The event time of one epoch. */
interface Anchor {
  readonly epoch: number;
  readonly pts: bigint;
  /** When the first frame arrived, by the wall clock and by the monotonic one. */
  readonly wallMs: number;
  readonly monoMs: number;
  /** By how much event time has been moved since, because the camera's clock is not ours and because the wall clock was set. */
  driftMs: number;
  setMs: number;
  mediaMs: number;
  eventMs: number;
}

/**
 * How fast event time of a camera may move towards arrival, as a share of media time: ten times what a bad crystal is off (100 ppm),
 * and too slow for jitter, a stall or a wall clock that was set to show.
 */
const slewShare = 0.001;
/**
 * Cameras that stamp by counting frames are off by more (24.9 frames a second called 25): beyond a second from arrival it moves faster by 1 %
 * for each further second.
 */
const calmMs = 1000;
const hurryMs = 100_000;
const mostShare = 0.05;

/** How much of `offMs` is made good within so much media time. */
function slewed(offMs: number, elapsedMs: number, share: number): number {
  const mostMs = share * elapsedMs;
  return Math.min(mostMs, Math.max(-mostMs, offMs));
}

/**
 * Event time is anchored at the first frame of an epoch: the wall clock at which it arrived, plus media time since. A file at
 * ten times its speed therefore runs through event time as at one. A camera's clock is not ours: its event time is slewed towards
 * arrival, never jumps and never runs backwards.
 */
export function createFrameDecoder(clock: Clock): FrameDecoder {
  const anchors = new Map<string, Anchor>();

  function eventTime(frame: Frame, receivedMonoMs: number, msPerTick: number): number {
    const arrivedMs = clock.now() - Math.max(0, clock.mono() - receivedMonoMs);
    let anchor = anchors.get(frame.camera);
    if (anchor === undefined || anchor.epoch !== frame.epoch) {
      const { epoch, pts } = frame;
      anchor = { epoch, pts, wallMs: arrivedMs, monoMs: receivedMonoMs, driftMs: 0, setMs: 0, mediaMs: 0, eventMs: arrivedMs };
      anchors.set(frame.camera, anchor);
    }
    const mediaMs = number(Number(frame.pts - anchor.pts) * msPerTick, 'media time in ms', -limits.mediaMs, limits.mediaMs);
    if (!frame.live) return anchor.wallMs + mediaMs;
    const elapsedMs = Math.max(0, mediaMs - anchor.mediaMs);
    const sinceMs = receivedMonoMs - anchor.monoMs;
    const behindMs = sinceMs - mediaMs - anchor.driftMs;
    const share = Math.min(mostShare, slewShare + Math.max(0, Math.abs(behindMs) - calmMs) / hurryMs);
    anchor.driftMs += slewed(behindMs, elapsedMs, share);
    anchor.setMs += slewed(arrivedMs - anchor.wallMs - sinceMs - anchor.setMs, elapsedMs, slewShare);
    anchor.mediaMs = Math.max(anchor.mediaMs, mediaMs);
    anchor.eventMs = Math.max(anchor.eventMs, anchor.wallMs + mediaMs + anchor.driftMs + anchor.setMs);
    return anchor.eventMs;
  }

  function time(frame: Frame): FrameTime {
    const numerator = number(frame.timeBaseNum, 'time_base_num', 1);
    const denominator = number(frame.timeBaseDen, 'time_base_den', 1);
    const receivedMonoMs = Number(frame.receivedMonoUs) / 1000;
    return {
      pts: frame.pts,
      timeBase: { numerator, denominator },
      receivedMonoMs,
      cameraTimeMs: number(Number(frame.cameraTimeUs) / 1000, 'camera_time in ms', -limits.dateMs, limits.dateMs),
      cameraTimeSource: frame.cameraTimeSource === CameraTimeSource.RTCP ? 'rtcp' : 'arrival',
      eventTimeMs: eventTime(frame, receivedMonoMs, (numerator * 1000) / denominator),
    };
  }

  function build(frame: Frame): FrameMeta {
    if (frame.objects.length > limits.objects) throw new Refusal(`${frame.objects.length} objects`);
    const stage = (us: bigint) => Number(us) / 1000;
    return {
      camera: frame.camera,
      epoch: frame.epoch,
      sequence: Number(frame.sequence),
      time: time(frame),
      width: number(frame.width, 'width', 1, limits.side),
      height: number(frame.height, 'height', 1, limits.side),
      predicted: frame.predicted,
      detections: frame.objects.map(detection),
      endedTracks: frame.endedTracks,
      stages: {
        receivedMs: stage(frame.receivedMonoUs),
        ...(frame.decodedMonoUs === 0n ? {} : { decodedMs: stage(frame.decodedMonoUs) }),
        ...(frame.detectedMonoUs === 0n ? {} : { detectedMs: stage(frame.detectedMonoUs) }),
        ...(frame.sentMonoUs === 0n ? {} : { sentMs: stage(frame.sentMonoUs) }),
        bridgedMs: clock.mono(),
      },
    };
  }

  return {
    decode: (frame) => {
      try {
        return { frame: build(frame) };
      } catch (error) {
        if (error instanceof Refusal) return { refused: error.message };
        throw error;
      }
    },
    forget: (camera) => void anchors.delete(camera),
  };
}

/** The same words for every attempt that ends the same way: the state is said once. */
function failedReason(reason: string, retryInMs: number): string {
  return retryInMs === 0 ? reason : `${reason}; tried again every ${Math.round(retryInMs / 60_000)} min`;
}

/** Words of a worker go into states that are retained and logged. The copy is so that what was cut off is not kept as well. */
function short(words: string): string {
  return words.length <= limits.words ? words : `${Buffer.from(words.slice(0, limits.words)).toString()}…`;
}

function isCard({ uuid, name, utilizationPercent = 0, decoderPercent = 0, encoderPercent = 0 }: GpuStats): boolean {
  const isNamed = [uuid, name].every(({ length }) => length > 0 && length <= limits.gpuText);
  return isNamed && Math.max(utilizationPercent, decoderPercent, encoderPercent) <= 100;
}

/**
 * A worker's counters; undefined where they name models or servers as no worker has, or count what cannot be: they become metrics. A GPU of that
 * kind is left out alone: its figures are its driver's, not the worker's.
 */
export function decodeStats(stats: WorkerStats): WorkerStats | undefined {
  const { models, served, gpu } = stats;
  const known = ({ model }: { readonly model: string }) => model.length > 0 && model.length <= limits.text;
  const countable = ({ server, roundTripSeconds }: ServedModel) =>
    server.length <= limits.words && Number.isFinite(roundTripSeconds) && roundTripSeconds >= 0;
  if (models.length > limits.models || !models.every(known)) return undefined;
  if (served.length > limits.served || !served.every((one) => known(one) && countable(one))) return undefined;
  return {
    ...stats,
    gpu: gpu !== undefined && isCard(gpu) ? gpu : undefined,
    models: models.map((model) => ({ ...model, failing: short(model.failing) })),
  };
}

/** A worker's word on a source, as the state of its camera. `now` is wall clock milliseconds. */
export function decodeStatus(status: SourceStatus, now: number): CameraState | undefined {
  const reason = status.reason === '' ? 'no reason given' : short(status.reason);
  const code = status.code === '' ? {} : { code: short(status.code) };
  const others = status.otherCodes.slice(0, limits.codes).map(short);
  const otherCodes = others.length === 0 ? {} : { otherCodes: others };
  switch (status.state) {
    case SourceState.CONNECTING:
      return { state: 'connecting', since: now, ...(status.reason === '' ? {} : { reason }) };
    case SourceState.LIVE:
      return {
        state: 'live',
        since: now,
        codec: short(status.codec),
        width: status.width,
        height: status.height,
        decode: short(status.decode),
        ...(status.reason === '' ? {} : { reason, ...code, ...otherCodes }),
      };
    case SourceState.AWAY:
      return {
        state: 'away',
        since: now,
        reason,
        ...code,
        ...(status.retryInMs === 0 ? {} : { retryAt: now + status.retryInMs }),
      };
    case SourceState.ENDED:
      return { state: 'ended', since: now, reason };
    case SourceState.FAILED:
      return { state: 'failed', since: now, reason: failedReason(reason, status.retryInMs), ...code };
    default:
      return undefined;
  }
}
