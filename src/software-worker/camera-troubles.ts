import type { Context } from '../core/context.ts';
import type { FloodGate } from '../core/log.ts';
import type { SourceStatus } from '../gen/sightline/bridge/v1/bridge.ts';
import type { CameraCounters } from './analysis.ts';
import type { DetectorHealth } from './detector-health.ts';
import { breaksOff, type FileLength, playedMs } from './file-length.ts';
import { createKeepingUp, decodeLimits, type KeepingUpVerdict, lookLimits } from './keeping-up.ts';
import type { CameraSettings } from './settings.ts';
import type { FrameClock } from './times.ts';
import { joined, type Trouble } from './troubles.ts';

/** What is not as it should be with a camera that is live: its clock, its stamps, its length, decoder, detectors. Said in words and logged. */
export interface CameraTroubles {
  joined(): Pick<SourceStatus, 'reason' | 'code' | 'otherCodes'>;
  /** Of the source itself. */
  readonly source: Trouble | undefined;
  /** The source was opened anew. */
  opened(kind: 'live' | 'file'): void;
  /** How much was decoded and looked at says nothing about what comes next. */
  forgetPace(): void;
  /** Once a second while it is live: whether decoder and detectors keep up, and the detectors work. True when that has changed. */
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

const decodeRemedy = 'hardware decoding, a smaller stream of the camera or fewer cameras would help';

export function createCameraTroubles(options: CameraTroublesOptions, ctx: Context): CameraTroubles {
  const { settings, counters, health, flood } = options;
  const { camera } = settings;
  const { log, clock } = ctx;
  const looking = createKeepingUp(lookLimits);
  const decoding = createKeepingUp(decodeLimits);
  /** What is not as it should be with the source while there are pictures. */
  let trouble: Trouble | undefined;
  /** Time stamps that jump. */
  let jumping: Trouble | undefined;
  /** Detectors that do not keep up. */
  let late: Trouble | undefined;
  /** A decoder that does not keep up. */
  let behind: Trouble | undefined;
  /** Detectors that do not work. */
  let failing: Trouble | undefined;

  function forgetLooks(): void {
    looking.reset();
    late = undefined;
  }

  function forgetPace(): void {
    forgetLooks();
    decoding.reset();
    behind = undefined;
  }

  function judgeDecoding(): void {
    const verdict = decoding.add({ done: counters.framesDecoded, missed: counters.unitsSkipped }, clock.mono());
    if (verdict === undefined) return;
    if (verdict.late) {
      const { words, rates } = paceOf(verdict);
      behind = { reason: `${words} are decoded: this machine has no time for more; ${decodeRemedy}`, code: 'camera.late' };
      log.warn({ camera, ...rates, remedy: decodeRemedy }, 'camera sends more than is decoded, video is skipped');
    } else {
      behind = undefined;
      log.info({ camera }, 'camera is decoded in whole again');
    }
  }

  function judgeLooks(): void {
    const verdict = looking.add({ done: counters.framesInTime, missed: counters.framesDropped }, clock.mono());
    if (verdict === undefined) return;
    if (verdict.late) {
      const { words, rates } = paceOf(verdict);
      late = { reason: `${words} are looked at: this machine has no time for more`, code: 'camera.late' };
      log.warn({ camera, ...rates }, 'camera is looked at less often than asked');
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
    joined: () => joined([failing, trouble, jumping, behind, late]),
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
      const before = { failing, late, behind };
      judgeDetectors();
      judgeDecoding();
      if (settings.detect.some(({ model }) => health.works(model))) judgeLooks();
      else forgetLooks();
      return failing?.reason !== before.failing?.reason || late !== before.late || behind !== before.behind;
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

function paceOf({ fps, dueFps }: Extract<KeepingUpVerdict, { late: true }>): {
  readonly words: string;
  readonly rates: { readonly fps: number; readonly dueFps: number };
} {
  const [some, all] = [fps, dueFps].map((value) => value.toFixed(value < 1 ? 2 : 1));
  return { words: `${some} of ${all} frames a second`, rates: { fps: Number(some), dueFps: Number(all) } };
}

function clockError(seconds: number): string {
  const away = Math.abs(seconds);
  const [amount, unit] = away < 120 ? [away, 's'] : away < 7200 ? [away / 60, 'min'] : [away / 3600, 'h'];
  const off = `${Math.round(amount)} ${unit} ${seconds > 0 ? 'ahead' : 'behind'}`;
  // An encoder or a network that takes seconds looks the same from here.
  return seconds < 0 && away < 120 ? `${off}, or its pictures come that late` : off;
}
