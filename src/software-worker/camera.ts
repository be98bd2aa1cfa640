import type { Context } from '../core/context.ts';
import { type ErrorCode, errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import type { Detector } from '../core/models.ts';
import { redact } from '../core/redact.ts';
import {
  type Label,
  SourceState,
  type SourceStatus,
  type StreamStats,
  type Frame as WireFrame,
} from '../gen/sightline/bridge/v1/bridge.ts';
import { type Analysis, type CameraCounters, createAnalysis } from './analysis.ts';
import type { Hardware } from './decoder.ts';
import { metered, openDemuxer, type UnitSource } from './demux.ts';
import { type DetectStream, startDetectStream } from './detect-stream.ts';
import { createDetectorHealth } from './detector-health.ts';
import { breaksOff, type FileLength, playedMs } from './file-length.ts';
import { openPipeline } from './gst.ts';
import { createKeepingUp } from './keeping-up.ts';
import { openPictures, type Picture, type PictureStream } from './pictures.ts';
import { createSourceRetry } from './retry.ts';
import type { CameraSettings } from './settings.ts';
import type { Slots } from './slots.ts';
import { parseSource } from './source-address.ts';
import { createStreamMeter } from './stream-meter.ts';
import { joined, type Trouble } from './troubles.ts';

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
  };
  let epoch = 0;
  let analysis: Analysis | undefined;
  let playing: PictureStream | undefined;
  let measured: (() => StreamStats) | undefined;
  let draining = false;
  /** Sources whose redirects led nowhere the last time. */
  const redirected = new Set<string>();
  let liveSinceMs: number | undefined;
  /** What is not as it should be with the source while there are pictures. */
  let trouble: Trouble | undefined;
  /** Time stamps that jump. */
  let jumping: Trouble | undefined;
  /** Detectors that do not keep up. */
  let late: Trouble | undefined;
  const keepingUp = createKeepingUp();
  const health = createDetectorHealth();
  /** Detectors that do not work. */
  let failing: Trouble | undefined;
  /** Says the state anew, while it is live. */
  let sayLive: (() => void) | undefined;
  /** Why it has failed, until it is live again or away. */
  let failure: string | undefined;
  let again = new AbortController();

  function status(state: SourceState, more: Partial<SourceStatus> = {}): void {
    if (state !== SourceState.LIVE) forgetPace();
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
      units,
      {
        decode: settings.decode,
        hardware: services.hardware,
        realtime: settings.realtime,
        silenceTimeoutMs: parseSource(source).kind === 'file' ? undefined : settings.silenceTimeoutMs,
      },
      own,
    );
  }

  function openDetectStream(main: PictureStream): DetectStream | undefined {
    const source = settings.detectSource;
    if (source === undefined) return undefined;
    const paced = main.kind === 'file' && !settings.realtime;
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
      ...joined([failing, trouble, jumping, late]),
    });
  }

  /** How often it was looked at says nothing about what comes next. */
  function forgetPace(): void {
    keepingUp.reset();
    late = undefined;
  }

  function judgePace(): void {
    const verdict = keepingUp.add({ looked: counters.framesInTime, missed: counters.framesDropped }, own.clock.mono());
    if (verdict === undefined) return;
    if (verdict.late) {
      const [fps, due] = [verdict.fps, verdict.dueFps].map((value) => value.toFixed(value < 1 ? 2 : 1));
      const reason = `${fps} of ${due} frames a second are looked at: this machine has no time for more`;
      late = { reason, code: 'camera.late' };
      own.log.warn({ camera, fps: Number(fps), dueFps: Number(due) }, 'camera is looked at less often than asked');
    } else {
      late = undefined;
      own.log.info({ camera }, 'camera is looked at as often as asked again');
    }
  }

  function judgeDetectors(): void {
    const found = health.failing(own.clock.mono());
    const names = found.map(({ model }) => model).join(', ');
    const [first] = found;
    const reason = found.length === 1 ? `its detector ${names} does not work` : `its detectors ${names} do not work`;
    failing = first === undefined ? undefined : { reason, code: first.code };
  }

  function judge(): void {
    if (sayLive === undefined) return;
    const before = [failing, late];
    judgeDetectors();
    if (settings.detect.some(({ model }) => health.works(model))) judgePace();
    else forgetPace();
    if (failing?.reason !== before[0]?.reason || late !== before[1]) sayLive();
  }

  /** Words for a clock that begins to be off, or is right again. */
  function judgeClock(offBySeconds: number): void {
    const reason = `its clock is ${clockError(offBySeconds)}; the time of arrival is used`;
    trouble = offBySeconds === 0 ? undefined : { reason, code: 'camera.clock' };
    if (offBySeconds === 0) own.log.info({ camera }, 'camera clock is right again');
    else own.log.warn({ camera, seconds: offBySeconds }, 'camera clock is off, arrival is used instead');
  }

  /** Words for time stamps that begin to jump, or go on as they should again. */
  function judgeStamps(jump: boolean): void {
    jumping = jump ? { reason: 'its time stamps jump; the time of arrival is used', code: 'camera.clock' } : undefined;
    if (jump) own.log.warn({ camera }, 'camera time stamps jump, arrival is used instead');
    else own.log.info({ camera }, 'camera time stamps are sound again');
  }

  /** Words for a file that is shorter than its container says. */
  function judgeLength(file: FileLength): void {
    trouble = undefined;
    if (!breaksOff(file)) return;
    const [played, stated] = [playedMs(file), file.statedMs].map((ms) => (ms / 1000).toFixed(1));
    trouble = { reason: `the file breaks off after ${played} of ${stated} s`, code: 'source.format' };
    services.flood.warn('file breaks off', { camera, reason: trouble.reason });
  }

  async function begin(pictures: PictureStream, first: Picture, detectStream: DetectStream | undefined): Promise<Analysis> {
    const detectors = await Promise.all(
      settings.detect.map(async (detect) => ({ settings: detect, detector: await services.detector(detect.model) })),
    );
    epoch = await services.epoch(camera, signal);
    failure = undefined;
    const paced = pictures.kind === 'file' && !settings.realtime;
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
        detectStream,
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
    await using pictures = await decode(read, settings.source);
    measured = () => meter.stats(pictures.undecodable);
    // What is wrong with a file is found at its end, and holds for the next round.
    if (units.kind === 'live') trouble = undefined;
    jumping = undefined;
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
          if (picture.clockOffBySeconds !== undefined) judgeClock(picture.clockOffBySeconds);
          if (picture.stampsJump !== undefined) judgeStamps(picture.stampsJump);
          if (picture.clockOffBySeconds !== undefined || picture.stampsJump !== undefined) sayLive?.();
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
      if (units.durationMs === undefined) trouble = undefined;
      else judgeLength({ mediaMs, pictures: Number(pictureCount), lastMs: read.lastMs, statedMs: units.durationMs });
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
        const end = wasFile ? (trouble?.reason ?? 'the file was played to its end') : 'the source ended the stream';
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
      if (of === epoch) analysis?.label(labels);
    },
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
    },
  };
}

function clockError(seconds: number): string {
  const away = Math.abs(seconds);
  const [amount, unit] = away < 120 ? [away, 's'] : away < 7200 ? [away / 60, 'min'] : [away / 3600, 'h'];
  const off = `${Math.round(amount)} ${unit} ${seconds > 0 ? 'ahead' : 'behind'}`;
  // An encoder or a network that takes seconds looks the same from here.
  return seconds < 0 && away < 120 ? `${off}, or its pictures come that late` : off;
}
