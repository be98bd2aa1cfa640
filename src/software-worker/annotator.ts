import { AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, AVCOL_SPC_BT709, type AVPixelFormat, SWS_BILINEAR } from 'node-av/constants';
import { FFmpegError, type Frame } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { errorText, isAbort } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import { toPts90k } from '../core/media-time.ts';
import type { Label } from '../gen/sightline/bridge/v1/bridge.ts';
import { drawNoSignal, drawObjects, textsOf, timeOfDay } from './annotation.ts';
import { type Canvas, createCanvas, readingOf, scaleContext } from './cutter.ts';
import { type Encoder, openEncoder } from './encoder.ts';
import type { SentFormat, SentStream } from './media-sender.ts';
import { parameterSetsOf } from './nal-units.ts';
import type { Picture } from './pictures.ts';
import type { TextMasks } from './text-masks.ts';
import type { TimeBase } from './times.ts';
import type { TrackedObject } from './track.ts';

/**
 * One camera's annotated video, while somebody wants it: each decoded frame is kept until its boxes are known, drawn on and encoded,
 * with the frame's own time stamp. While the camera is away, a picture that says so goes on in its place: in the last epoch, with time
 * stamps that go on as the clock does. Nothing is kept, drawn or encoded while nobody wants it.
 */
export interface Annotator extends AsyncDisposable {
  /** Wanted again while it is wanted: a key frame comes. */
  want(annotated: boolean): void;
  /** Frames that come from now on are of this epoch. */
  begin(epoch: AnnotatedEpoch): void;
  /** A decoded frame, masks black; its boxes come with `seen` of the same sequence. The frame stays the caller's. */
  hold(sequence: number, picture: Picture): void;
  /** In the order of the frames; a frame that is left out was lost. */
  seen(sequence: number, objects: readonly TrackedObject[], endedTracks: readonly number[]): void;
  label(labels: readonly Label[]): void;
  /** Whether there are pictures of the camera. */
  signal(live: boolean): void;
  /** Frames that were wanted and not drawn, as there was too much to do, or drawn and not taken by the door. */
  readonly dropped: number;
}

export interface AnnotatedEpoch {
  readonly epoch: number;
  readonly timeBase: TimeBase;
  readonly frameRate: number | undefined;
}

export interface AnnotatorOptions {
  readonly camera: string;
  readonly stream: SentStream;
  readonly texts: TextMasks;
  readonly flood: FloodGate;
  /** An epoch for a camera that has had none yet. */
  epoch(signal: AbortSignal): Promise<number>;
}

/** Decoded frames that may wait for their boxes: a detector that takes a second at 25 frames a second; large ones are fewer. */
const heldFrames = 32;
const heldBytes = 96 * 1024 * 1024;
/** A frame whose boxes are known waits no longer for the encoder while others wait behind it. A slow look frees many frames at once. */
const drawnWithinMs = 200;
const noSignalEveryMs = 500;
const retryMs = 5000;
/** 90 kHz. */
const keyEvery = 180_000n;
const labelsKept = 1024;
const assumedFrameRate = 25;
/** Largest output, in either direction. */
const largest = { long: 1920, short: 1080 } as const;
const firstSize = { width: 1280, height: 720 } as const;

interface Moment {
  readonly epoch: number;
  /** 90 kHz. */
  readonly pts: bigint;
  readonly captureTimeUs: number;
  readonly receivedMonoUs: bigint;
}

interface HeldFrame {
  readonly sequence: number;
  readonly frame: Frame;
  readonly moment: Moment;
}

interface Output {
  readonly canvas: Canvas;
  readonly encoder: Encoder;
}

export function createAnnotator(options: AnnotatorOptions, ctx: Context): Annotator {
  const { camera, stream, texts, flood } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  const labels = new Map<number, Label>();
  let spots: ReadonlyMap<number, number> = new Map();
  const held: HeldFrame[] = [];
  const waiting: { readonly frame: HeldFrame; readonly objects: readonly TrackedObject[]; readonly sinceMs: number }[] = [];
  const scaler = scaleContext(SWS_BILINEAR);
  let wanted = false;
  let dropped = 0;
  let current: AnnotatedEpoch | undefined;
  let asking = false;
  /** Of the latest frame, wanted or not. */
  let latest: { readonly pts: bigint; readonly monoMs: number } | undefined;
  let awaySinceMs: number | undefined = ctx.clock.now();
  let noSignalDue = false;
  let ticking: Disposable | undefined;
  let output: Output | undefined;
  let format: SentFormat | undefined;
  let keyDue = true;
  /** Encoding did not work: it is tried again from then on, or when it is wanted anew. */
  let brokenUntilMs = 0;
  /** Time of the encoder, which goes on where that of the source does not. */
  let encoded: { readonly pts: bigint; readonly sourcePts: bigint; readonly keyPts: bigint } | undefined;
  let working: Promise<void> | undefined;

  stream.onConnected = () => {
    keyDue = true;
  };

  function isBroken(): boolean {
    return ctx.clock.mono() < brokenUntilMs;
  }

  function giveUp(frames: HeldFrame[]): void {
    for (const { frame } of frames) frame.free();
  }

  function dropOldest(): void {
    const oldest = waiting.shift()?.frame ?? held.shift();
    if (oldest === undefined) return;
    dropped += 1;
    giveUp([oldest]);
  }

  function clear(): void {
    giveUp(held.splice(0));
    giveUp(waiting.splice(0).map(({ frame }) => frame));
  }

  function close(): void {
    output?.encoder[Symbol.dispose]();
    output?.canvas.frame.free();
    output = undefined;
    format = undefined;
    encoded = undefined;
  }

  /** Canvas and encoder for pictures of this size and these colours; the ones at hand where they fit. */
  async function outputFor(
    size: { readonly width: number; readonly height: number },
    pixels: AVPixelFormat,
    colours: Pick<Frame, 'colorRange' | 'colorSpace'>,
  ): Promise<Output> {
    const at = output?.canvas;
    const same = at?.width === size.width && at.height === size.height && at.format === pixels;
    if (output !== undefined && same) {
      const { frame } = output.canvas;
      if (frame.colorRange === colours.colorRange && frame.colorSpace === colours.colorSpace) return output;
    }
    close();
    const canvas = createCanvas(pixels, size.width, size.height);
    canvas.frame.colorRange = colours.colorRange;
    canvas.frame.colorSpace = colours.colorSpace;
    try {
      const frameRate = current?.frameRate ?? assumedFrameRate;
      output = { canvas, encoder: await openEncoder({ ...size, format: pixels, frameRate }, canvas.frame) };
    } catch (error) {
      canvas.frame.free();
      throw error;
    }
    keyDue = true;
    return output;
  }

  async function send({ canvas, encoder }: Output, moment: Moment): Promise<void> {
    if (format?.epoch !== moment.epoch) keyDue = true;
    const passed = encoded === undefined ? 0n : moment.pts - encoded.sourcePts;
    // The encoder wants times that grow, and goes by them for its rate.
    const pts90k = (encoded?.pts ?? 0n) + (passed <= 0n || passed > 90_000n ? 3600n : passed);
    const key = keyDue || encoded === undefined || pts90k - encoded.keyPts >= keyEvery;
    keyDue = false;
    encoded = { pts: pts90k, sourcePts: moment.pts, keyPts: key ? pts90k : (encoded?.keyPts ?? pts90k) };
    canvas.frame.pts = pts90k;
    const unit = await encoder.encode(canvas.frame, key);
    if (unit === undefined) return;
    const { width, height } = canvas;
    if (format?.epoch !== moment.epoch || format.width !== width || format.height !== height) {
      const parameterSets = parameterSetsOf(unit.data, 'h264');
      format = { epoch: moment.epoch, codec: 'h264', width, height, parameterSets };
    }
    const { pts, captureTimeUs, receivedMonoUs } = moment;
    stream.send({ ...unit, pts, dts: pts, captureTimeUs, receivedMonoUs }, format);
  }

  async function draw({ frame, moment }: HeldFrame, objects: readonly TrackedObject[]): Promise<void> {
    const size = fitted(frame);
    const scaled = size.width !== frame.width || size.height !== frame.height;
    const to = await outputFor(size, frame.format as AVPixelFormat, frame);
    const { canvas } = to;
    const wording = textsOf(objects, labels, canvas);
    await texts.ready(wording.texts, wording.size);
    if (scaled) FFmpegError.throwIfError(await scaler.scaleFrame(canvas.frame, frame), 'sws_scale_frame');
    else FFmpegError.throwIfError(canvas.frame.copy(frame), 'av_frame_copy');
    spots = drawObjects(canvas, objects, { labels, texts, reading: readingOf(canvas.frame), from: frame, spots });
    await send(to, moment);
  }

  async function drawAway(sinceMs: number): Promise<void> {
    if (current === undefined) return;
    const nowMs = ctx.clock.mono();
    const at = output?.canvas;
    const colours = at?.frame ?? { colorRange: AVCOL_RANGE_MPEG, colorSpace: AVCOL_SPC_BT709 };
    const to = await outputFor(at ?? firstSize, at?.format ?? AV_PIX_FMT_YUV420P, colours);
    await drawNoSignal(to.canvas, [camera, `no signal since ${timeOfDay(sinceMs)}`], {
      texts,
      reading: readingOf(to.canvas.frame),
    });
    latest ??= { pts: 0n, monoMs: nowMs };
    await send(to, {
      epoch: current.epoch,
      pts: latest.pts + BigInt(Math.round((nowMs - latest.monoMs) * 90)),
      captureTimeUs: ctx.clock.now() * 1000,
      receivedMonoUs: BigInt(Math.round(nowMs * 1000)),
    });
  }

  async function work(): Promise<void> {
    try {
      while (wanted) {
        const next = waiting.shift();
        if (next !== undefined) {
          try {
            await draw(next.frame, next.objects);
          } finally {
            next.frame.frame.free();
          }
        } else if (noSignalDue && awaySinceMs !== undefined) {
          noSignalDue = false;
          await drawAway(awaySinceMs);
        } else return;
      }
    } catch (error) {
      brokenUntilMs = ctx.clock.mono() + retryMs;
      flood.warn('annotated video is interrupted', { camera, reason: errorText(error), retryInMs: retryMs });
    } finally {
      working = undefined;
      if (!wanted || isBroken()) {
        clear();
        close();
      }
    }
  }

  function kick(): void {
    if (wanted && !isBroken()) working ??= work();
  }

  /** A camera that has had no epoch yet shows all the same that it is away. */
  async function askEpoch(): Promise<void> {
    asking = true;
    try {
      const epoch = await options.epoch(signal);
      current ??= { epoch, timeBase: { num: 1, den: 90_000 }, frameRate: undefined };
    } catch (error) {
      if (!isAbort(error)) flood.warn('no epoch for a camera that is away', { camera, reason: errorText(error) });
    } finally {
      asking = false;
    }
  }

  function tick(): void {
    if (awaySinceMs === undefined || isBroken()) return;
    if (current === undefined) {
      if (!asking) void askEpoch();
      return;
    }
    noSignalDue = true;
    kick();
  }

  function stop(): void {
    wanted = false;
    ticking?.[Symbol.dispose]();
    ticking = undefined;
    if (working !== undefined) return;
    clear();
    close();
  }

  return {
    want: (annotated) => {
      if (!annotated) {
        stop();
        return;
      }
      keyDue = true;
      brokenUntilMs = 0;
      wanted = true;
      ticking ??= ctx.clock.every(noSignalEveryMs, tick);
      tick();
    },
    begin: (epoch) => {
      giveUp(held.splice(0));
      labels.clear();
      current = epoch;
      latest = undefined;
    },
    hold: (sequence, picture) => {
      if (current === undefined) return;
      const { num, den } = current.timeBase;
      const pts = toPts90k(picture.pts, { numerator: num, denominator: den });
      latest = { pts, monoMs: ctx.clock.mono() };
      if (!wanted || isBroken()) return;
      const frame = picture.frame.clone();
      if (frame === null) return;
      const { cameraTimeUs: captureTimeUs, receivedMonoUs } = picture;
      held.push({ sequence, frame, moment: { epoch: current.epoch, pts, captureTimeUs, receivedMonoUs } });
      const room = Math.max(2, Math.min(heldFrames, Math.floor(heldBytes / (picture.width * picture.height * 1.5))));
      if (held.length + waiting.length > room) dropOldest();
    },
    seen: (sequence, objects, endedTracks) => {
      for (const track of endedTracks) labels.delete(track);
      const lost = held.findIndex((frame) => frame.sequence >= sequence);
      const before = held.splice(0, lost < 0 ? held.length : lost);
      dropped += before.length;
      giveUp(before);
      const [frame] = held;
      if (frame?.sequence !== sequence) return;
      held.shift();
      const nowMs = ctx.clock.mono();
      waiting.push({ frame, objects, sinceMs: nowMs });
      while (waiting.length > 1 && nowMs - (waiting[0]?.sinceMs ?? nowMs) > drawnWithinMs) dropOldest();
      kick();
    },
    label: (known) => {
      for (const label of known) {
        labels.delete(label.trackId);
        labels.set(label.trackId, label);
      }
      for (const track of labels.keys()) {
        if (labels.size <= labelsKept) break;
        labels.delete(track);
      }
    },
    signal: (live) => {
      awaySinceMs = live ? undefined : (awaySinceMs ?? ctx.clock.now());
      if (!live && wanted) tick();
    },
    get dropped() {
      return dropped + stream.dropped;
    },
    [Symbol.asyncDispose]: async () => {
      stop();
      closing.abort(new DOMException('the annotator was closed', 'AbortError'));
      await working;
      scaler[Symbol.dispose]();
      stream[Symbol.dispose]();
    },
  };
}

/** Even, and no larger than the output may be. */
function fitted({ width, height }: { readonly width: number; readonly height: number }): {
  readonly width: number;
  readonly height: number;
} {
  const [long, short] = width >= height ? [width, height] : [height, width];
  const shrink = Math.min(1, largest.long / long, largest.short / short);
  const even = (side: number) => Math.max(2, 2 * Math.floor((side * shrink) / 2));
  return { width: even(width), height: even(height) };
}
