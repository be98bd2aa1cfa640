import type { ErrorCode } from '../core/errors.ts';
import { errorCodes } from '../core/errors.ts';
import type {
  ClockFigures,
  DetectorFigures,
  FaceFigures,
  ProbeProgress,
  ProbeTransport,
  StreamFigures,
} from '../core/probe.ts';
import { quantile } from '../core/quantile.ts';
import type { CameraState, FrameMeta } from '../core/types.ts';
import type { StreamStats, WorkerStats } from '../gen/sightline/bridge/v1/bridge.ts';
import { createFaceTally, type FaceRules } from './face-tally.ts';
import { createFrameTally } from './frame-tally.ts';

/** Everything a worker says of the one camera that is probed, until enough was seen. Pure: times come with the calls. */

export interface ObservationOptions {
  readonly seconds: number;
  readonly transport: ProbeTransport;
  /** Absent: nobody looks for faces. */
  readonly detector?: { readonly model: string; readonly fps: number };
  readonly rules: FaceRules;
}

export interface ProbeFailure {
  readonly code: ErrorCode;
  readonly reason: string;
  /** Units that had come by then: something arrives, although nothing can be shown. */
  readonly units: number;
}

export interface Observation {
  frame(frame: FrameMeta): void;
  state(state: CameraState, code: string): void;
  stats(stats: WorkerStats): void;
  /** Whether it is over at this moment of the monotonic clock, and how; undefined while it goes on. */
  end(nowMs: number): 'enough' | ProbeFailure | undefined;
  /** Something was seen that can be reported. */
  readonly begun: boolean;
  progress(nowMs: number): ProbeProgress;
  /** Only once it has `begun`. */
  streamFigures(): StreamFigures;
  detectorFigures(): DetectorFigures | undefined;
  faceFigures(): FaceFigures;
}

/** Looks that are missed while the first frames, which came while the detector was loaded, are caught up with. */
const settlingMs = 2000;
/** A sender's clock that moves by more between two reports of the worker was set. */
const clockJumpMs = 500;

export function createObservation(options: ObservationOptions): Observation {
  const frames = createFrameTally();
  const faces = createFaceTally(options.rules);
  let live: Extract<CameraState, { state: 'live' }> | undefined;
  let failure: Omit<ProbeFailure, 'units'> | undefined;
  let interruptions = 0;
  /**
   * The source has come to its end, or is a film that broke off, whose media time may stand still for ever. A report of the worker
   * that was made after that is still to come.
   */
  let ended = false;
  let final = false;
  let firstFrameMs: number | undefined;
  let stream: StreamStats | undefined;
  let latestFrameMs = 0;
  let counts = { detected: 0, missed: 0, skipped: 0 };
  let missedAtStart = 0;
  let model: WorkerStats['models'][number] | undefined;
  /** Since the sender's clock was set last. */
  let aheadMs: number[] = [];
  let jumps = 0;

  function errorCode(code: string): ErrorCode {
    return errorCodes.find((known) => known === code) ?? 'source.failed';
  }

  function seeClock({ senderClock, senderAheadMs }: StreamStats): void {
    if (!senderClock) return;
    const before = aheadMs.at(-1);
    if (before !== undefined && Math.abs(senderAheadMs - before) > clockJumpMs) {
      jumps += 1;
      aheadMs = [];
    }
    aheadMs.push(senderAheadMs);
  }

  function clockFigures(): ClockFigures {
    const ahead = quantile(aheadMs, 0.5);
    return ahead === undefined ? { senderReports: false } : { senderReports: true, aheadMs: ahead, jumps };
  }

  /** Frames may come before the first figures, which say it of every transport. */
  function isLive(): boolean {
    return stream?.live ?? options.transport !== 'file';
  }

  /** Media time of a file, wall time of a camera. */
  function elapsedMs(nowMs: number): number {
    if (firstFrameMs === undefined) return 0;
    return isLive() ? nowMs - firstFrameMs : frames.mediaMs;
  }

  return {
    frame: (frame) => {
      latestFrameMs = frame.stages.bridgedMs ?? frame.time.receivedMonoMs;
      firstFrameMs ??= latestFrameMs;
      if (!isLive() && frames.mediaMs >= options.seconds * 1000) return;
      frames.see(frame);
      faces.see(frame);
    },
    state: (state, code) => {
      if (state.state === 'live') {
        live = state;
        failure = undefined;
      } else if (state.state === 'away' || state.state === 'failed') {
        if (live !== undefined && failure === undefined) interruptions += 1;
        failure = { code: errorCode(code), reason: state.reason };
      } else if (state.state === 'ended') ended = true;
    },
    stats: (stats) => {
      const [camera] = stats.cameras;
      if (camera === undefined) return;
      counts = {
        detected: Number(camera.framesDetected),
        missed: Number(camera.framesDropped),
        skipped: Number(camera.unitsSkipped),
      };
      if (firstFrameMs === undefined || latestFrameMs - firstFrameMs < settlingMs) missedAtStart = counts.missed;
      model = stats.models.find((each) => each.model === options.detector?.model);
      if (camera.stream === undefined) return;
      stream = camera.stream;
      seeClock(stream);
      if (failure !== undefined && !stream.live) ended = true;
      final = ended;
    },
    end: (nowMs) => {
      if (failure !== undefined && firstFrameMs === undefined) return { ...failure, units: Number(stream?.units ?? 0n) };
      if (stream === undefined || firstFrameMs === undefined) return undefined;
      return final || elapsedMs(nowMs) >= options.seconds * 1000 ? 'enough' : undefined;
    },
    get begun() {
      return live !== undefined && stream !== undefined && frames.frames > 0;
    },
    progress: (nowMs) => ({
      state: firstFrameMs === undefined ? 'opening' : 'watching',
      seconds: Math.min(options.seconds, elapsedMs(nowMs) / 1000),
      frames: frames.frames,
      faces: faces.looks,
    }),
    streamFigures: () => {
      if (live === undefined || stream === undefined) throw new TypeError('nothing was observed yet');
      const { epochs, arrival, ...seen } = frames.figures(counts.skipped);
      const keyFrames = Number(stream.keyFrames);
      const fps = seen.fps ?? stream.declaredFps;
      return {
        live: stream.live,
        transport: options.transport,
        codec: live.codec,
        width: live.width,
        height: live.height,
        decode: live.decode,
        ...seen,
        ...(stream.declaredFps > 0 ? { declaredFps: stream.declaredFps } : {}),
        ...(stream.mediaMs > 0 ? { kbitPerSecond: (Number(stream.bytes) * 8) / stream.mediaMs } : {}),
        keyFrames: {
          count: keyFrames,
          ...(keyFrames > 1 ? { meanIntervalMs: stream.keySpanMs / (keyFrames - 1) } : {}),
          longestIntervalMs: stream.longestKeyIntervalMs,
        },
        bFrames: { depth: stream.reorderUnits, delayMs: fps > 0 ? (1000 * stream.reorderUnits) / fps : 0 },
        skipped: counts.skipped,
        undecodable: Number(stream.undecodable),
        interruptions,
        newTimeLines: Math.max(0, epochs - 1 - interruptions),
        ...(stream.live && arrival !== undefined ? { arrival } : {}),
        ...(stream.live && (options.transport === 'tcp' || options.transport === 'udp') ? { clock: clockFigures() } : {}),
      };
    },
    detectorFigures: () => {
      if (options.detector === undefined) return undefined;
      const requests = Number(model?.requests ?? 0n);
      return {
        ...options.detector,
        looks: counts.detected,
        missed: counts.missed - missedAtStart,
        ...(requests > 0 && model !== undefined ? { msPerLook: model.computeMsTotal / requests } : {}),
        ...(model === undefined || model.failing === '' ? {} : { failing: model.failing }),
      };
    },
    faceFigures: () => faces.figures(),
  };
}
