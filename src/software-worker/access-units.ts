/**
 * Pictures from the packets of RTP, pure. Packets of one picture carry one time stamp (RFC 3550, section 5.1), and nothing else
 * says reliably what belongs together: FFmpeg's parsers end an H.264 picture at every parameter set, and senders exist that
 * repeat those before each slice of a key picture, which then decodes to several pictures, each with parts of it missing.
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
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #pts: bigint | undefined;
  #arrival: Arrival | undefined;

  /** Bytes of the picture that is not complete yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy of the fragment. Returns the picture before, when this one begins the next. */
  push(fragment: Fragment): AccessUnit | undefined {
    const begins = this.#pts !== undefined && fragment.pts !== undefined && fragment.pts !== this.#pts;
    const before = begins ? this.flush() : undefined;
    const { receivedMonoUs, wallUs } = fragment;
    this.#pts ??= fragment.pts;
    this.#arrival = { receivedMonoUs, wallUs, ntpUs: this.#arrival?.ntpUs ?? fragment.ntpUs };
    this.#parts.push(Buffer.from(fragment.data));
    this.#bytes += fragment.data.length;
    return before;
  }

  /** The picture held, complete or not, at the end of the stream. */
  flush(): AccessUnit | undefined {
    if (this.#arrival === undefined) return undefined;
    const unit = { ...this.#arrival, pts: this.#pts, data: Buffer.concat(this.#parts, this.#bytes) };
    this.#parts = [];
    this.#bytes = 0;
    this.#pts = undefined;
    this.#arrival = undefined;
    return unit;
  }
}
