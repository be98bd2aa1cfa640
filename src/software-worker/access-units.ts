import { beginsPicture, type PictureEnds, partKind } from './picture-ends.ts';

/**
 * Pictures from the packets of RTP, pure. Packets of one picture carry one time stamp (RFC 3550, section 5.1), and nothing else
 * says reliably what belongs together: FFmpeg's parsers end an H.264 picture at every parameter set, and senders exist that
 * repeat those before each slice of a key picture, which then decodes to several pictures, each with parts of it missing.
 * A picture is handed over as soon as its end is foreseen, otherwise when the next one begins.
 */

/** When a unit of video came, and when it was captured. */
export interface Arrival {
  readonly receivedMonoUs: bigint;
  /** Wall clock of this process, microseconds since 1970. */
  readonly wallUs: number;
  /** Sender's wall clock of the capture, where its reports have said. */
  readonly ntpUs: number | undefined;
}

/** Part of a picture, Annex B; `pts` is undefined where it goes on from the part before. */
export interface Fragment extends Arrival {
  readonly pts: bigint | undefined;
  readonly data: Uint8Array;
}

/** A whole picture: it arrived with its last fragment. */
export interface AccessUnit extends Arrival {
  readonly pts: bigint | undefined;
  readonly data: Buffer;
}

/** A key picture of 8K has 4 MB; a sender that never moves its time stamp must not fill the memory. */
export const accessUnitLimitBytes = 16 * 1024 * 1024;

export class AccessUnitJoiner {
  readonly #ends: PictureEnds | undefined;
  #parts: Buffer[] = [];
  #bytes = 0;
  #pts: bigint | undefined;
  #arrival: Arrival | undefined;
  /** Time stamp of a picture that was handed over before the next one began, and what came for it since. */
  #closed: { readonly pts: bigint; slice: boolean; broken: boolean } | undefined;
  #broken = 0;
  /** Whether the first slice of the connection's first picture has come; undefined from the second time stamp on. */
  #firstBegan: boolean | undefined = false;

  /** Without `ends` every picture waits for the next one. */
  constructor(ends?: PictureEnds) {
    this.#ends = ends;
  }

  /** Bytes of the picture that is not complete yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Pictures that were handed over too early, with parts of them missing. */
  get broken(): number {
    return this.#broken;
  }

  /** Keeps a copy of the fragment. Returns the pictures that are whole with it: the one before, when this begins the next, and its own. */
  push(fragment: Fragment): readonly AccessUnit[] {
    const { receivedMonoUs, wallUs, pts } = fragment;
    const data = Buffer.from(fragment.data);
    const units: AccessUnit[] = [];
    if (this.#pts !== undefined && pts !== undefined && pts !== this.#pts) {
      this.#firstBegan = undefined;
      this.#hand(units);
    } else if (this.#firstBegan !== undefined) this.#partFirst(data, units);
    const late = this.#closed !== undefined && (pts ?? this.#closed.pts) === this.#closed.pts;
    if (late && this.#isLost(data)) return units;
    if (!late) {
      this.#closed = undefined;
      this.#pts ??= pts;
      this.#arrival = { receivedMonoUs, wallUs, ntpUs: this.#arrival?.ntpUs ?? fragment.ntpUs };
    }
    this.#parts.push(data);
    this.#bytes += data.length;
    if (!late && this.#ends?.add(data) === true && this.#pts !== undefined) {
      this.#closed = { pts: this.#pts, slice: true, broken: false };
      this.#hand(units);
    }
    return units;
  }

  /** The picture held, complete or not, at the end of the stream. */
  flush(): AccessUnit | undefined {
    const units: AccessUnit[] = [];
    this.#hand(units);
    return units[0];
  }

  /**
   * FFmpeg takes an RTP time of 0 for none (rtpdec.c, `base_timestamp`): where a stream begins with it, its second picture has the time of
   * the first. The first then leaves a tick earlier.
   */
  #partFirst(data: Buffer, units: AccessUnit[]): void {
    if (this.#ends === undefined || !beginsPicture(data, this.#ends.coding)) return;
    if (this.#firstBegan === true && this.#pts !== undefined) {
      this.#pts -= 1n;
      this.#hand(units);
      this.#firstBegan = undefined;
    } else this.#firstBegan = true;
  }

  #hand(units: AccessUnit[]): void {
    if (this.#arrival === undefined) return;
    this.#ends?.over();
    units.push({ ...this.#arrival, pts: this.#pts, data: Buffer.concat(this.#parts, this.#bytes) });
    this.#parts = [];
    this.#bytes = 0;
    this.#pts = undefined;
    this.#arrival = undefined;
  }

  /** A slice for a picture that has left is lost; anything else (parameter sets, filler) may go with the next one. */
  #isLost(data: Buffer): boolean {
    const closed = this.#closed;
    if (closed === undefined || this.#ends === undefined) return false;
    const kind = partKind(data, this.#ends.coding);
    if (kind !== 'rest') closed.slice = kind === 'slice';
    if (!closed.slice) return false;
    if (!closed.broken) {
      this.#broken += 1;
      this.#ends.refute();
    }
    closed.broken = true;
    return true;
  }
}
