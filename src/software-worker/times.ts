import { createSenderClock } from './sender-clock.ts';
import { createStampTrust } from './stamp-trust.ts';

/**
 * The clocks of a camera's frames, pure. PTS stay as the source gives them as long as they grow, and are made of arrival while those of a
 * live source jump again and again; camera time comes from RTCP
 * sender reports where there are any, otherwise from arrival, smoothed, and never runs backwards.
 */

export interface TimeBase {
  readonly num: number;
  readonly den: number;
}

export interface FrameArrival {
  /** In time base units; undefined when the source gave none. */
  readonly pts: bigint | undefined;
  readonly receivedMonoUs: bigint;
  /** Wall clock of this process at arrival, microseconds since 1970. */
  readonly wallUs: number;
  /** Wall clock of the capture by the sender's report, microseconds since 1970. */
  readonly ntpUs: number | undefined;
}

export interface FrameClock {
  readonly pts: bigint;
  /** Since the first frame of the epoch. */
  readonly mediaMs: number;
  readonly cameraTimeUs: number;
  readonly cameraTimeSource: 'rtcp' | 'arrival';
  /** The source began a new time line with this frame: a new epoch is due, and `mediaMs` is 0. */
  readonly restarted: boolean;
  /** Seconds by which the camera's clock is ahead: said when that has changed, 0 once it is right again. */
  readonly clockOffBySeconds?: number;
  /** Whether arrival stands in for time stamps that jump: said when that has changed. */
  readonly stampsJump?: boolean;
}

/** Camera clocks further off than this are not believed (design section 2). */
const believedWithinUs = 2_000_000;
/** A clock must be off, or right again, for so long before that is said: a machine that gets no turn makes everything late. */
const saidAfterMs = 5000;
/** A step back by less is a hiccup of the sender and keeps the epoch. */
const hiccupMs = 500;
/** A live source whose PTS leap forward by more than this beyond the time that passed has begun a new time line. */
const leapMs = 10_000;
/** Weight of one frame in the smoothed difference between arrival and media time. */
const smoothing = 0.05;

export function createFrameTimes(options: {
  readonly timeBase: TimeBase;
  readonly kind: 'live' | 'file';
  /** For frames without PTS. */
  readonly frameRate: number;
  /** Wall clock at which a file was opened: its frames' camera time is this plus media time. */
  readonly openedWallUs: number;
}): { next(arrival: FrameArrival): FrameClock } {
  const { timeBase, kind } = options;
  const ticksPerMs = timeBase.den / timeBase.num / 1000;
  const step = BigInt(Math.max(1, Math.round((1000 / options.frameRate) * ticksPerMs)));
  let first: bigint | undefined;
  let last: bigint | undefined;
  let lastMonoUs = 0n;
  let offsetUs: number | undefined;
  let ntpOffsetUs: number | undefined;
  const senderClock = createSenderClock();
  /** By how much the clock is off as was said last, and since when that has been another. */
  let saidOffUs = 0;
  let unsaidSinceMs: number | undefined;
  let lastCameraUs = Number.NEGATIVE_INFINITY;
  let openedUs = options.openedWallUs;

  const trust = createStampTrust();
  let lastGiven: bigint | undefined;

  function asGiven(arrival: FrameArrival, passedMs: number): { readonly pts: bigint; readonly restarted: boolean } {
    if (last === undefined) return { pts: arrival.pts ?? 0n, restarted: false };
    if (arrival.pts === undefined) return { pts: last + step, restarted: false };
    const aheadMs = Number(arrival.pts - last) / ticksPerMs;
    if (aheadMs > 0) return { pts: arrival.pts, restarted: kind === 'live' && aheadMs - passedMs > leapMs };
    return aheadMs < -hiccupMs ? { pts: arrival.pts, restarted: true } : { pts: last + 1n, restarted: false };
  }

  function goesOn({ pts }: FrameArrival, passedMs: number): boolean {
    if (pts === undefined || lastGiven === undefined) return true;
    const aheadMs = Number(pts - lastGiven) / ticksPerMs;
    return aheadMs > 0 && aheadMs - passedMs <= leapMs;
  }

  function placed(arrival: FrameArrival): { readonly pts: bigint; readonly restarted: boolean } {
    const passedMs = Math.max(0, Number(arrival.receivedMonoUs - lastMonoUs) / 1000);
    const given = asGiven(arrival, passedMs);
    if (kind === 'file') return given;
    const { trusted } = trust;
    const sound = trusted ? !given.restarted : goesOn(arrival, passedMs);
    trust.add({ monoMs: Number(arrival.receivedMonoUs) / 1000, sound });
    lastGiven = arrival.pts ?? lastGiven;
    if (trust.trusted) return trusted ? given : { pts: arrival.pts ?? given.pts, restarted: true };
    // No new epoch: by arrival, what was seen so far goes on.
    const ticks = BigInt(Math.max(1, Math.round(passedMs * ticksPerMs)));
    return { pts: last === undefined ? given.pts : last + ticks, restarted: false };
  }

  function sayNow(offUs: number, monoMs: number): boolean {
    const isNews = (offUs === 0) !== (saidOffUs === 0) || Math.abs(offUs - saidOffUs) > believedWithinUs;
    unsaidSinceMs = isNews ? (unsaidSinceMs ?? monoMs) : undefined;
    if (unsaidSinceMs === undefined || monoMs - unsaidSinceMs < saidAfterMs) return false;
    unsaidSinceMs = undefined;
    saidOffUs = offUs;
    return true;
  }

  return {
    next: (arrival) => {
      const wasTrusted = trust.trusted;
      const { pts, restarted } = placed(arrival);
      const jumping = !trust.trusted;
      if (jumping && wasTrusted) {
        offsetUs = undefined;
        ntpOffsetUs = undefined;
        senderClock.reset();
      }
      if (restarted) {
        if (kind === 'file') openedUs = lastCameraUs;
        first = undefined;
        offsetUs = undefined;
        ntpOffsetUs = undefined;
        senderClock.reset();
      }
      first ??= pts;
      last = pts;
      lastMonoUs = arrival.receivedMonoUs;
      const mediaMs = Number(pts - first) / ticksPerMs;
      const mediaUs = mediaMs * 1000;
      if (kind === 'file') {
        lastCameraUs = openedUs + mediaUs;
        return { pts, mediaMs, cameraTimeUs: Math.round(lastCameraUs), cameraTimeSource: 'arrival', restarted };
      }
      const arrivedOffset = arrival.wallUs - mediaUs;
      // A wall clock that was set, or a stall, moves the difference at once; jitter only by a little.
      if (offsetUs === undefined || Math.abs(arrivedOffset - offsetUs) > believedWithinUs) offsetUs = arrivedOffset;
      else offsetUs += (arrivedOffset - offsetUs) * smoothing;
      // What the sender says of its clock goes by the same time stamps.
      const ntpUs = arrival.pts === undefined || jumping ? undefined : arrival.ntpUs;
      if (ntpUs !== undefined) ntpOffsetUs = ntpUs - mediaUs;
      let cameraTimeSource: 'rtcp' | 'arrival' = 'arrival';
      let cameraUs = offsetUs + mediaUs;
      let offBy: number | undefined;
      const monoMs = Number(arrival.receivedMonoUs) / 1000;
      const capturedMs = ntpUs === undefined ? undefined : ntpUs / 1000;
      senderClock.add({ mediaMs, arrivedMonoMs: monoMs, arrivedMs: arrival.wallUs / 1000, capturedMs });
      const { aheadMs } = senderClock;
      if (ntpOffsetUs !== undefined && aheadMs !== undefined) {
        const away = aheadMs * 1000;
        const believed = Math.abs(away) <= believedWithinUs;
        if (believed) {
          cameraTimeSource = 'rtcp';
          cameraUs = ntpOffsetUs + mediaUs;
        }
        if (sayNow(believed ? 0 : away, monoMs)) offBy = saidOffUs / 1e6;
      }
      // Only small steps back are ironed out: after the wall clock was set, its new time counts.
      if (cameraUs <= lastCameraUs && lastCameraUs - cameraUs < believedWithinUs) cameraUs = lastCameraUs + 1;
      lastCameraUs = cameraUs;
      return {
        pts,
        mediaMs,
        cameraTimeUs: Math.round(cameraUs),
        cameraTimeSource,
        restarted,
        ...(offBy === undefined ? {} : { clockOffBySeconds: offBy }),
        ...(jumping === wasTrusted ? { stampsJump: jumping } : {}),
      };
    },
  };
}
