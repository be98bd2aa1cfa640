import type { Context } from '../core/context.ts';
import type { FloodGate } from '../core/log.ts';
import type { SourceStatus } from '../gen/sightline/bridge/v1/bridge.ts';
import type { CameraCounters } from './analysis.ts';
import type { DetectorHealth } from './detector-health.ts';
import { breaksOff, type FileLength, playedMs } from './file-length.ts';
import { createKeepingUp } from './keeping-up.ts';
import type { CameraSettings } from './settings.ts';
import type { FrameClock } from './times.ts';
import { joined, type Trouble } from './troubles.ts';

/** What is not as it should be with a camera that is live: its clock, its stamps, its length, its detectors. Said in words and logged. */
export interface CameraTroubles {
  joined(): Pick<SourceStatus, 'reason' | 'code' | 'otherCodes'>;
  /** Of the source itself. */
  readonly source: Trouble | undefined;
  /** The source was opened anew. */
  opened(kind: 'live' | 'file'): void;
  /** How often it was looked at says nothing about what comes next. */
  forgetPace(): void;
  /** Once a second while it is live: whether the detectors work and keep up. True when that has changed. */
  judge(): boolean;
  /** What a frame's times say. True when that has changed. */
  times(clock: Pick<FrameClock, 'clockOffBySeconds' | 'stampsJump'>): boolean;
  /** A file at its end; `statedMs` is undefined when its container does not say. */
  length(file: Omit<FileLength, 'statedMs'> & { readonly statedMs: number | undefined }): void;
}

export interface CameraTroublesOptions {
  readonly settings: CameraSettings;
  readonly counters: CameraCounters;
  readonly health: DetectorHealth;
  readonly flood: FloodGate;
}

export function createCameraTroubles(options: CameraTroublesOptions, ctx: Context): CameraTroubles {
  const { settings, counters, health, flood } = options;
  const { camera } = settings;
  const { log, clock } = ctx;
  const keepingUp = createKeepingUp();
  /** What is not as it should be with the source while there are pictures. */
  let trouble: Trouble | undefined;
  /** Time stamps that jump. */
  let jumping: Trouble | undefined;
  /** Detectors that do not keep up. */
  let late: Trouble | undefined;
  /** Detectors that do not work. */
  let failing: Trouble | undefined;

  function forgetPace(): void {
    keepingUp.reset();
    late = undefined;
  }

  function judgePace(): void {
    const verdict = keepingUp.add({ looked: counters.framesInTime, missed: counters.framesDropped }, clock.mono());
    if (verdict === undefined) return;
    if (verdict.late) {
      const [fps, due] = [verdict.fps, verdict.dueFps].map((value) => value.toFixed(value < 1 ? 2 : 1));
      const reason = `${fps} of ${due} frames a second are looked at: this machine has no time for more`;
      late = { reason, code: 'camera.late' };
      log.warn({ camera, fps: Number(fps), dueFps: Number(due) }, 'camera is looked at less often than asked');
    } else {
      late = undefined;
      log.info({ camera }, 'camera is looked at as often as asked again');
    }
  }

  function judgeDetectors(): void {
    const found = health.failing(clock.mono());
    const names = found.map(({ model }) => model).join(', ');
    const [first] = found;
    const reason = found.length === 1 ? `its detector ${names} does not work` : `its detectors ${names} do not work`;
    failing = first === undefined ? undefined : { reason, code: first.code };
  }

  /** Words for a clock that begins to be off, or is right again. */
  function judgeClock(offBySeconds: number): void {
    const reason = `its clock is ${clockError(offBySeconds)}; the time of arrival is used`;
    trouble = offBySeconds === 0 ? undefined : { reason, code: 'camera.clock' };
    if (offBySeconds === 0) log.info({ camera }, 'camera clock is right again');
    else log.warn({ camera, seconds: offBySeconds }, 'camera clock is off, arrival is used instead');
  }

  /** Words for time stamps that begin to jump, or go on as they should again. */
  function judgeStamps(jump: boolean): void {
    jumping = jump ? { reason: 'its time stamps jump; the time of arrival is used', code: 'camera.clock' } : undefined;
    if (jump) log.warn({ camera }, 'camera time stamps jump, arrival is used instead');
    else log.info({ camera }, 'camera time stamps are sound again');
  }

  return {
    joined: () => joined([failing, trouble, jumping, late]),
    get source() {
      return trouble;
    },
    opened: (kind) => {
      // What is wrong with a file is found at its end, and holds for the next round.
      if (kind === 'live') trouble = undefined;
      jumping = undefined;
    },
    forgetPace,
    judge: () => {
      const before = [failing, late];
      judgeDetectors();
      if (settings.detect.some(({ model }) => health.works(model))) judgePace();
      else forgetPace();
      return failing?.reason !== before[0]?.reason || late !== before[1];
    },
    times: ({ clockOffBySeconds, stampsJump }) => {
      if (clockOffBySeconds !== undefined) judgeClock(clockOffBySeconds);
      if (stampsJump !== undefined) judgeStamps(stampsJump);
      return clockOffBySeconds !== undefined || stampsJump !== undefined;
    },
    length: ({ statedMs, ...seen }) => {
      trouble = undefined;
      if (statedMs === undefined || !breaksOff({ ...seen, statedMs })) return;
      const [played, stated] = [playedMs({ ...seen, statedMs }), statedMs].map((ms) => (ms / 1000).toFixed(1));
      trouble = { reason: `the file breaks off after ${played} of ${stated} s`, code: 'source.format' };
      flood.warn('file breaks off', { camera, reason: trouble.reason });
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
