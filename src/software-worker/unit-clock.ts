import { toPts90k } from '../core/media-time.ts';
import type { TimeBase } from './times.ts';

/**
 * Puts encoded units on the clock of the decoded frames, so that video and metadata meet by equal numbers. Pure.
 *
 * A frame's time stamp is its unit's own as long as a source's stamps grow; where they do not (twins, jumps, none at all), `times.ts`
 * makes another, and only the decoded frame tells. Units of a live source leave at once while frames keep the stamps they came with,
 * and wait for their frames otherwise: at the begin of an epoch, around a new time line, with a new sequence parameter set. Those of a
 * file at its own pace leave with their frames.
 */
export interface UnitClock<T> {
  /** A unit in decoding order. Returns those that may leave, in the same order. */
  push(unit: ArrivedUnit, item: T): readonly ClockedUnit<T>[];
  /** A frame was decoded and has its time. Returns the units that may leave with it. */
  shown(frame: ShownFrame): readonly ClockedUnit<T>[];
  /** Units so far that have no place on the clock: never decoded, a second one with one time, out of order. */
  readonly dropped: number;
}

export interface ArrivedUnit {
  /** In time base units, as the source gave them. */
  readonly pts: bigint | undefined;
  readonly dts: bigint | undefined;
  /** Something new may begin with it (another sequence parameter set): its frame is waited for. */
  readonly renewed: boolean;
}

export interface ShownFrame {
  readonly epoch: number;
  /** As its unit had it. */
  readonly given: bigint | undefined;
  /** As its metadata have it. */
  readonly pts: bigint;
  readonly cameraTimeUs: number;
}

export interface ClockedUnit<T> {
  readonly item: T;
  readonly epoch: number;
  /** 90 kHz. */
  readonly pts: bigint;
  /** 90 kHz; never above `pts`, and rising from unit to unit within an epoch. */
  readonly dts: bigint;
  /** The frame's own where it is known, otherwise as far from the latest frame's as the time stamps are. */
  readonly cameraTimeUs: number;
}

export interface UnitClockOptions {
  readonly timeBase: TimeBase;
  readonly live: boolean;
  /** Units that are sent before one that is shown earlier: 0 without B-frames. More is learned from the units. */
  readonly reorder: number;
}

/** Units that may wait for a frame: what a decoder holds (B-frames, frame threads), and of a live source what waits to be decoded. */
const waitingUnits = { file: 64, live: 512 } as const;
/** Units further ahead of what was sent or shown last, or so far back, wait for their frame: it may be a new time line. */
const leapSeconds = { ahead: 2, back: 0.5 } as const;
/** The codecs allow no more (H.264 max_num_reorder_frames, H.265 sps_max_num_reorder_pics). */
const reorderMost = 16;
/** Time stamps looked back at for twins. */
const recentStamps = 32;

interface Waiting<T> {
  readonly unit: ArrivedUnit;
  readonly item: T;
}

export function createUnitClock<T>(options: UnitClockOptions): UnitClock<T> {
  const timeBase = { numerator: options.timeBase.num, denominator: options.timeBase.den };
  const usPerTick = (1e6 * options.timeBase.num) / options.timeBase.den;
  const ahead = BigInt(Math.round((leapSeconds.ahead * 1e6) / usPerTick));
  const back = BigInt(Math.round((leapSeconds.back * 1e6) / usPerTick));
  const mostWaiting = waitingUnits[options.live ? 'live' : 'file'];
  const waiting: Waiting<T>[] = [];
  const decodeTimes = createDecodeTimes(options.reorder);
  let recent: bigint[] = [];
  let anchor: ShownFrame | undefined;
  /** The highest that was sent in the epoch of the latest frame. Frames may be far behind it, or skipped. */
  let highest: bigint | undefined;
  /** Stamps of units that were sent and whose frames have not been shown. */
  let unshown: bigint[] = [];
  /** Units are sent before such that are shown earlier. Where they are not, a stamp that goes back is a hiccup, and will be another. */
  let reordered = options.reorder > 0;
  let dropped = 0;

  /** Frames keep the stamps that they come with. */
  function isSteady(): boolean {
    return anchor !== undefined && anchor.given === anchor.pts;
  }

  /** Frames come in the order in which they are shown: what is not behind the latest will get another stamp. */
  function mayLeaveEarly({ pts, renewed }: ArrivedUnit): boolean {
    if (anchor === undefined || pts === undefined || renewed || recent.includes(pts)) return false;
    const latest = highest === undefined || highest < anchor.pts ? anchor.pts : highest;
    return pts > anchor.pts && pts > (reordered ? latest - back : latest) && pts <= latest + ahead;
  }

  function place(unit: ArrivedUnit, item: T, frame: ShownFrame, pts: bigint): ClockedUnit<T> | undefined {
    const given = unit.pts ?? pts;
    const dts = unit.dts === undefined ? undefined : toPts90k(pts + unit.dts - given, timeBase);
    const pts90k = toPts90k(pts, timeBase);
    const dts90k = decodeTimes.next(pts90k, dts);
    if (dts90k === undefined) {
      dropped += 1;
      return undefined;
    }
    if (highest === undefined || pts > highest) highest = pts;
    recent.push(given);
    if (recent.length > recentStamps) recent.shift();
    if (frame.given !== given) unshown.push(given);
    if (unshown.length > mostWaiting) unshown.shift();
    const cameraTimeUs = Math.round(frame.cameraTimeUs + Number(pts - frame.pts) * usPerTick);
    return { item, epoch: frame.epoch, pts: pts90k, dts: dts90k, cameraTimeUs };
  }

  function drop(count: number): void {
    dropped += waiting.splice(0, count).length;
  }

  /** With the stamps that they came with: the first `sure` units, and those behind them of which nothing else is to be expected. */
  function takeSteady(frame: ShownFrame, sure: number): readonly ClockedUnit<T>[] {
    const taken: ClockedUnit<T>[] = [];
    for (let at = 0; ; at += 1) {
      const [first] = waiting;
      if (first === undefined || (at >= sure && !mayLeaveEarly(first.unit))) return taken;
      waiting.shift();
      const placed = first.unit.pts === undefined ? undefined : place(first.unit, first.item, frame, first.unit.pts);
      if (first.unit.pts === undefined) dropped += 1;
      if (placed !== undefined) taken.push(placed);
    }
  }

  return {
    push: (unit, item) => {
      waiting.push({ unit, item });
      reordered ||= unit.pts !== undefined && unit.dts !== undefined && unit.dts < unit.pts;
      if (waiting.length > mostWaiting) drop(1);
      if (!options.live || anchor === undefined || waiting.length > 1 || !isSteady()) return [];
      return takeSteady(anchor, 0);
    },
    shown: (frame) => {
      const { given } = frame;
      const sent = given === undefined ? -1 : unshown.indexOf(given);
      // Where it was sent, one that waits only has the same stamp.
      let own = sent < 0 ? waiting.findIndex(({ unit }) => unit.pts === given) : -1;
      if (given !== undefined && (sent >= 0 || own >= 0)) {
        const earlier = sent < 0 ? unshown : unshown.slice(0, sent);
        reordered ||= earlier.some((pts) => pts > given);
        unshown = unshown.filter((pts) => pts > given);
      }
      const before = anchor;
      anchor = frame;
      if (before?.epoch !== frame.epoch) {
        decodeTimes.reset();
        recent = [];
        highest = undefined;
        unshown = [];
      }
      if (isSteady() && (before === undefined || before.epoch === frame.epoch)) return takeSteady(frame, own + 1);
      // What was sent before the first unit of a new time line belongs to the old one, which is over; without sound stamps, what was
      // not shown before this frame will not be.
      if (own > 0) drop(own);
      own = Math.min(own, 0);
      if (isSteady()) return takeSteady(frame, own + 1);
      const first = own < 0 ? undefined : waiting.shift();
      const placed = first && place(first.unit, first.item, frame, frame.pts);
      return placed === undefined ? [] : [placed];
    },
    get dropped() {
      return dropped;
    },
  };
}

/**
 * Decoding times where a source gives none: with pictures shown out of order, the n-th unit is decoded when the n-th picture, `reorder`
 * earlier, is shown. All in 90 kHz.
 */
function createDecodeTimes(known: number): {
  /** Undefined where there is none that is neither after the picture's own time nor before the unit sent last. */
  next(pts: bigint, dts: bigint | undefined): bigint | undefined;
  reset(): void;
} {
  let reorder = Math.min(reorderMost, Math.max(0, known));
  let held: bigint[] = [];
  let last: bigint | undefined;

  function derived(pts: bigint): bigint {
    held.push(pts);
    held.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const [smallest = pts] = held;
    if (held.length > reorder) held.shift();
    else return smallest - BigInt(reorder + 1 - held.length);
    return smallest;
  }

  return {
    next: (pts, dts) => {
      let at = dts ?? derived(pts);
      if (at > pts) at = pts;
      if (last !== undefined && at <= last) at = last + 1n;
      if (at > pts) {
        // Shown before what was sent before it: more is reordered than was known.
        if (dts === undefined) reorder = Math.min(reorderMost, reorder + 1);
        return undefined;
      }
      last = at;
      return at;
    },
    reset: () => {
      held = [];
      last = undefined;
    },
  };
}
