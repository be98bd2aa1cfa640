import type { Context } from '../core/context.ts';
import { type ErrorCode, errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import type { Detector } from '../core/models.ts';
import { redact } from '../core/redact.ts';
import type { BeginTrace } from '../core/trace.ts';
import {
  type Label,
  SourceState,
  type SourceStatus,
  type StreamStats,
  type Frame as WireFrame,
} from '../gen/sightline/bridge/v1/bridge.ts';
import { type Analysis, type CameraCounters, createAnalysis } from './analysis.ts';
import { createCameraTroubles } from './camera-troubles.ts';
import { type CameraVideo, type CameraVideoOptions, startCameraVideo } from './camera-video.ts';
import type { Hardware } from './decoder.ts';
import { metered, openDemuxer, type UnitSource } from './demux.ts';
import { type DetectStream, startDetectStream } from './detect-stream.ts';
import { createDetectorHealth } from './detector-health.ts';
import { openPipeline } from './gst.ts';
import { openPictures, type Picture, type PictureStream } from './pictures.ts';
import { readAhead } from './read-ahead.ts';
import { createSourceRetry } from './retry.ts';
import type { CameraSettings } from './settings.ts';
import type { Slots } from './slots.ts';
import { parseSource } from './source-address.ts';
import { createStreamMeter } from './stream-meter.ts';

/** What a camera needs of the worker around it. */
export interface CameraServices {
  /** Epoch for an open of this camera's source. */
  epoch(camera: string, signal: AbortSignal): Promise<number>;
  detector(model: string): Promise<Detector>;
  status(status: SourceStatus): void;
  sendFrame(frame: WireFrame): void;
  room(signal: AbortSignal): Promise<void>;
  readonly slots: Slots;
  readonly hardware: Hardware;
  readonly flood: FloodGate;
  readonly beginTrace: BeginTrace;
  /** Undefined: nobody takes video. */
  readonly video: Pick<CameraVideoOptions, 'sender' | 'texts'> | undefined;
}

/** One camera: opens its source, analyses it, comes back when it breaks; says its state in words. */
export interface Camera extends AsyncDisposable {
  readonly settings: CameraSettings;
  readonly counters: CameraCounters;
  /** What has arrived of the main source since it was opened last; undefined before that. */
  stream(): StreamStats | undefined;
  /** To be called once a second: judges whether the detectors work and keep up, and says it when they do not. */
  tick(): void;
  label(epoch: number, labels: readonly Label[]): void;
  /** Annotated video is wanted, or not any more. */
  want(annotated: boolean): void;
  /** Undefined where no video is sent. */
  videoDropped(): CameraVideo['dropped'] | undefined;
  /** Tries again now if it has failed; otherwise nothing. */
  retry(): void;
  /** Reads no further and resolves when everything decoded has left; disposal does not wait for that. */
  drain(): Promise<void>;
}

/** A source that lasted this long is tried again without the delays of earlier failures. */
const steadyMs = 10_000;
/** What has failed may be mended outside the configuration: a model's files, a library, a camera's own settings. */
const failedRetryMs = 300_000;
/** Errors that trying again at once does not mend. */
const lasting: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['source.unsupported', 'model.unknown', 'model.invalid']);

export function startCamera(settings: CameraSettings, services: CameraServices, ctx: Context): Camera {
  const { camera } = settings;
  const stopping = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stopping.signal]);
  const own: Context = { ...ctx, signal };
  const retry = createSourceRetry();
  const counters: CameraCounters = {
    framesDecoded: 0,
    framesDetected: 0,
    framesInTime: 0,
    framesGated: 0,
    framesDropped: 0,
    batchesDropped: 0,
    crops: 0,
    unitsSkipped: 0,
  };
  let epoch = 0;
  let analysis: Analysis | undefined;
  let playing: PictureStream | undefined;
  let measured: (() => StreamStats) | undefined;
  let draining = false;
  /** Sources whose redirects led nowhere the last time. */
  const redirected = new Set<string>();
  let liveSinceMs: number | undefined;
  const health = createDetectorHealth();
  const troubles = createCameraTroubles({ settings, counters, health, flood: services.flood }, own);
  const video =
    services.video === undefined
      ? undefined
      : startCameraVideo(
          { camera, revision: settings.revision, ...services.video, flood: services.flood, epoch: nextEpoch },
          own,
        );
  /** Says the state anew, while it is live. */
  let sayLive: (() => void) | undefined;
  /** Why it has failed, until it is live again or away. */
  let failure: string | undefined;
  let again = new AbortController();

  function nextEpoch(end: AbortSignal): Promise<number> {
    return services.epoch(camera, end);
  }

  /** A file at full speed: its analysis, not its clock, sets the pace. */
  function isPaced({ kind }: Pick<UnitSource, 'kind'>): boolean {
    return kind === 'file' && !settings.realtime;
  }

  function status(state: SourceState, more: Partial<SourceStatus> = {}): void {
    if (state !== SourceState.LIVE) troubles.forgetPace();
    video?.signal(state === SourceState.LIVE);
    services.status({
      camera,
      epoch,
      state,
      reason: '',
      code: '',
      otherCodes: [],
      codec: '',
      width: 0,
      height: 0,
      decode: '',
      retryInMs: 0,
      fps: 0,
      ...more,
    });
  }

  async function openUnits(source: string): Promise<UnitSource> {
    const address = parseSource(source);
    const { properties, transport, openTimeoutMs } = settings;
    if (address.kind === 'gst') return await openPipeline({ name: address.pipeline, properties, openTimeoutMs }, own);
    try {
      return await openDemuxer({ address, transport, openTimeoutMs, redirected: redirected.delete(source) }, own);
    } catch (error) {
      if (isSightlineError(error) && error.details['redirected'] === true) redirected.add(source);
      throw error;
    }
  }

  async function decode(units: UnitSource, source: string): Promise<PictureStream> {
    return await openPictures(
      units.kind === 'live' ? readAhead(units, own) : units,
      {
        decode: settings.decode,
        hardware: services.hardware,
        realtime: settings.realtime,
        silenceTimeoutMs: parseSource(source).kind === 'file' ? undefined : settings.silenceTimeoutMs,
        onSkipped: () => {
          counters.unitsSkipped += 1;
        },
      },
      own,
    );
  }

  function openDetectStream(main: PictureStream): DetectStream | undefined {
    const source = settings.detectSource;
    if (source === undefined) return undefined;
    const paced = isPaced(main);
    const openSame = async () => {
      const stream = await decode(await openUnits(source), source);
      if (stream.kind === main.kind) return stream;
      await stream[Symbol.asyncDispose]();
      throw new SightlineError('source.unsupported', `detectSource is a ${stream.kind} source and source a ${main.kind} one`);
    };
    return startDetectStream({ camera, paced, timeBase: main.timeBase, open: openSame }, own);
  }

  function live(pictures: PictureStream, { width, height }: Picture): void {
    status(SourceState.LIVE, {
      codec: pictures.codec,
      width,
      height,
      decode: pictures.path,
      fps: pictures.frameRate ?? 0,
      ...troubles.joined(),
    });
  }

  /** Says the state anew where the detectors work or keep up otherwise than before. */
  function judge(): void {
    if (sayLive !== undefined && troubles.judge()) sayLive();
  }

  async function begin(pictures: PictureStream, first: Picture, detectStream: DetectStream | undefined): Promise<Analysis> {
    const detectors = await Promise.all(
      settings.detect.map(async (detect) => ({ settings: detect, detector: await services.detector(detect.model) })),
    );
    epoch = await nextEpoch(signal);
    failure = undefined;
    video?.begin({ epoch, timeBase: pictures.timeBase, frameRate: pictures.frameRate, size: first });
    const paced = isPaced(pictures);
    const { width, height } = first;
    sayLive = () => live(pictures, first);
    sayLive();
    const facts = { camera, epoch, codec: pictures.codec, width, height, decode: pictures.path };
    if (liveSinceMs === undefined) own.log.info(facts, 'camera live');
    else services.flood.info('camera live, anew', facts);
    return createAnalysis(
      {
        settings,
        epoch,
        timeBase: pictures.timeBase,
        size: { width, height },
        paced,
        live: pictures.kind === 'live',
        detectors,
        slots: services.slots,
        counters,
        health,
        flood: services.flood,
        beginTrace: services.beginTrace,
        detectStream,
        annotator: paced ? undefined : video?.annotator,
        send: async (frame) => {
          if (paced) await services.room(signal);
          services.sendFrame(frame);
        },
      },
      own,
    );
  }

  /** Reads the source until it ends; true when it was a file. */
  async function play(): Promise<boolean> {
    const units = await openUnits(settings.source);
    const meter = createStreamMeter({ declaredFps: units.frameRate ?? 0, live: units.kind === 'live' });
    const read = metered(units, meter);
    await using pictures = await decode(video?.tap(read, !isPaced(units)) ?? read, settings.source);
    measured = () => meter.stats(pictures.undecodable);
    troubles.opened(units.kind);
    signal.throwIfAborted();
    if (draining) return false;
    playing = pictures;
    await using detectStream = openDetectStream(pictures);
    const interrupt = () => pictures.interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    let size = { width: 0, height: 0 };
    try {
      for (let picture = await pictures.next(); picture !== undefined; picture = await pictures.next()) {
        let taken = false;
        try {
          const resized = picture.width !== size.width || picture.height !== size.height;
          if (analysis === undefined || picture.restarted || resized) {
            await finish(true);
            analysis = await begin(pictures, picture, detectStream);
            size = { width: picture.width, height: picture.height };
            liveSinceMs ??= own.clock.mono();
          }
          if (troubles.times(picture)) sayLive?.();
          video?.shown(picture);
          taken = true;
          await analysis.push(picture);
        } finally {
          if (!taken) picture.frame.free();
        }
      }
      await finish(true);
      if (pictures.kind === 'live') return false;
      if (draining || signal.aborted) return true;
      if (liveSinceMs === undefined) throw new SightlineError('source.format', 'the file holds no frame that can be decoded');
      const { mediaMs, units: pictureCount } = meter.stats(pictures.undecodable);
      troubles.length({ mediaMs, pictures: Number(pictureCount), lastMs: read.lastMs, statedMs: units.durationMs });
      return true;
    } finally {
      playing = undefined;
      sayLive = undefined;
      signal.removeEventListener('abort', interrupt);
      await finish(false);
    }
  }

  /** Ends the analysis of an epoch; `whole`: after everything decoded has left. */
  async function finish(whole: boolean): Promise<void> {
    const ending = analysis;
    analysis = undefined;
    if (ending === undefined) return;
    try {
      if (whole) await ending.idle();
    } finally {
      await ending[Symbol.asyncDispose]();
    }
  }

  /** Sleeps, at most until `end` fires. */
  async function pause(ms: number, end: AbortSignal): Promise<void> {
    try {
      await own.clock.sleep(ms, AbortSignal.any([signal, end]));
    } catch (error) {
      if (signal.aborted || !end.aborted) throw error;
    }
  }

  async function run(): Promise<void> {
    let looping = false;
    while (!signal.aborted) {
      // Between the rounds of a file nothing is away, and what has failed stays so until it works.
      if (!looping && failure === undefined) status(SourceState.CONNECTING);
      looping = false;
      liveSinceMs = undefined;
      let error: unknown;
      try {
        const wasFile = await play();
        if (signal.aborted || draining) return;
        if (wasFile && settings.loop) {
          looping = true;
          continue;
        }
        const end = wasFile ? (troubles.source?.reason ?? 'the file was played to its end') : 'the source ended the stream';
        error = new SightlineError('source.ended', end);
        if (wasFile) {
          status(SourceState.ENDED, { reason: errorText(error), code: 'source.ended' });
          own.log.info({ camera }, 'file ended');
          return;
        }
      } catch (thrown) {
        if (signal.aborted || draining) return;
        error = thrown;
      }
      const code = isSightlineError(error) ? error.code : 'source.failed';
      const reason = redact(errorText(error));
      if (lasting.has(code)) {
        again = new AbortController();
        status(SourceState.FAILED, { reason, code, retryInMs: failedRetryMs });
        if (reason !== failure) own.log.error({ camera, code, reason, retryInMs: failedRetryMs }, 'camera failed');
        failure = reason;
        await pause(failedRetryMs, again.signal);
        continue;
      }
      failure = undefined;
      if (liveSinceMs !== undefined && own.clock.mono() - liveSinceMs > steadyMs) retry.reset();
      const retryInMs = retry.next(error);
      status(SourceState.AWAY, { reason, code, retryInMs });
      own.log.warn({ camera, code, reason, retryInMs }, 'camera away');
      await own.clock.sleep(retryInMs, signal);
    }
  }

  const running = run().catch((error: unknown) => {
    if (!isAbort(error) && !signal.aborted) throw error;
  });

  return {
    settings,
    counters,
    stream: () => measured?.(),
    tick: judge,
    label: (of, labels) => {
      if (of !== epoch) return;
      analysis?.label(labels);
      video?.label(labels);
    },
    want: (annotated) => video?.want(annotated),
    videoDropped: () => video?.dropped,
    retry: () => again.abort(new DOMException('it is tried again', 'AbortError')),
    drain: async () => {
      draining = true;
      if (playing === undefined) stopping.abort(new DOMException('the camera was closed', 'AbortError'));
      else playing.interrupt();
      await running;
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort(new DOMException('the camera was closed', 'AbortError'));
      await running;
      await video?.[Symbol.asyncDispose]();
    },
  };
}
