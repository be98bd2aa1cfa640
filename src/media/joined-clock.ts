import { mediaClockRate } from '../core/media-time.ts';

/**
 * The epochs of one camera as one continuous 90 kHz clock, for all of its streams and for its boxes. Within an epoch the joined time is
 * the epoch's own plus an offset, exactly; where an epoch begins it has advanced by as much as the captures lie apart. Pure.
 */

/** Joined times begin here: what comes before the first unit in presentation (pictures that lead it) is above zero too. */
const beginsAt = 10 * mediaClockRate;
/** Of pauses. RTP time stamps have 32 bits: receivers take a step above 2^31 (6.6 hours) for one backwards. */
const longestPause = 3600 * mediaClockRate;
/** A step like this within an epoch is none of its clock: it is joined like a new one. */
const longestStep = 6 * 3600 * mediaClockRate;
/** An epoch that its metadata begins may have video from before: room for it. */
const room = 2 * mediaClockRate;
/** Epochs whose offset is remembered: metadata comes late. */
const rememberedEpochs = 4;
const last = 2 ** 52;

export interface JoinedTime {
  readonly pts: number;
  readonly dts: number;
  /** The first of its epoch. */
  readonly began: boolean;
}

export class JoinedClock {
  /** Newest last. */
  #known: { readonly epoch: number; readonly offset: bigint }[] = [];
  /** Greatest joined time so far. */
  #latest: { readonly pts: number; readonly captureMs: number } | undefined;

  /** The newest. */
  get epoch(): number | undefined {
    return this.#known.at(-1)?.epoch;
  }

  /** Greatest joined time given so far. */
  get latest(): number | undefined {
    return this.#latest?.pts;
  }

  /** Joined time of something of an epoch that has begun; undefined for other epochs and for times that cannot be. */
  at(epoch: number, pts90k: bigint): number | undefined {
    const known = this.#known.find((one) => one.epoch === epoch);
    if (known === undefined) return undefined;
    const pts = Number(pts90k + known.offset);
    return pts >= 0 && pts < last ? pts : undefined;
  }

  /**
   * Joined times of an access unit; an epoch that was never seen begins with it. Undefined for an epoch that another has followed, and
   * for times that cannot be.
   */
  unit(
    epoch: number,
    unit: { readonly pts: bigint; readonly dts: bigint; readonly captureMs: number },
  ): JoinedTime | undefined {
    const reorder = Number(unit.pts - unit.dts);
    if (Math.abs(reorder) > longestStep || !Number.isFinite(unit.captureMs)) return undefined;
    let began = false;
    if (epoch !== this.epoch) {
      if (this.#known.some((one) => one.epoch === epoch)) return undefined;
      this.#begin(epoch, unit.pts, unit.captureMs, Math.max(0, reorder));
      began = true;
    }
    let pts = this.at(epoch, unit.pts);
    if (pts === undefined || Math.abs(pts - (this.#latest?.pts ?? pts)) > longestStep) {
      this.#begin(epoch, unit.pts, unit.captureMs, Math.max(0, reorder));
      pts = this.at(epoch, unit.pts);
    }
    if (pts === undefined) return undefined;
    if (this.#latest === undefined || pts > this.#latest.pts) this.#latest = { pts, captureMs: unit.captureMs };
    return { pts, dts: pts - reorder, began };
  }

  /** For an epoch that has metadata and, for a while already, no video. */
  begin(epoch: number, pts90k: bigint, captureMs: number): void {
    if (Number.isFinite(captureMs) && !this.#known.some((one) => one.epoch === epoch))
      this.#begin(epoch, pts90k, captureMs, room);
  }

  /** `ahead`: how far before `pts` something of the epoch may lie; that too comes after all that was. */
  #begin(epoch: number, pts: bigint, captureMs: number, ahead: number): void {
    const before = this.#latest;
    let joined = beginsAt;
    if (before !== undefined) {
      const pause = Math.round(((captureMs - before.captureMs) / 1000) * mediaClockRate);
      joined = before.pts + Math.max(1 + ahead, Math.min(longestPause, pause));
    }
    const offset = BigInt(joined) - pts;
    this.#known = [...this.#known.filter((one) => one.epoch !== epoch), { epoch, offset }].slice(-rememberedEpochs);
  }
}
