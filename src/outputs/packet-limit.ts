/**
 * Finds out from how connections end which packets a broker does not take. Needed where CONNACK does not say it: over MQTT 3.1.1,
 * and from brokers that keep it to themselves. Pure.
 *
 * DISCONNECT "packet too large" is believed at once: the largest unanswered packet is too large whichever one was meant. A
 * connection that ends without a word may have ended for any reason, so the first time needs two such ends, each on a packet with
 * a picture that is clearly larger than all that was taken. Once a limit is known, one is enough to lower it.
 */

export interface PacketSize {
  readonly bytes: number;
  /** Carries a picture, which can be left out. */
  readonly picture: boolean;
}

/** An end of a connection, by the broker or the network. */
export interface LinkEnd {
  /** The broker gave "packet too large" as the reason. */
  readonly tooLarge: boolean;
  readonly unanswered: readonly PacketSize[];
  /** Largest packet taken on this connection. */
  readonly largestTaken: number;
}

/** The same message may be smaller next time: shorter times, the shorter late topic, no expiry. */
const slackBytes = 512;

const silentEndsToBelieve = 2;

export class PacketLimit {
  readonly #memoryMs: number;
  #limit: { readonly bytes: number; readonly untilMono: number } | undefined;
  #largestTaken = 0;
  #silentEnds = 0;

  /** `memoryMs`: what was learned is forgotten so long after the last lesson, since a broker does not tell when it was changed. */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Packets above this leave without their picture. */
  bytes(nowMono: number): number {
    return this.#limit !== undefined && nowMono < this.#limit.untilMono ? this.#limit.bytes : Number.POSITIVE_INFINITY;
  }

  /** The size of the packet that was too large, when that is why the connection ended. */
  learn(end: LinkEnd, nowMono: number): number | undefined {
    if (this.#limit !== undefined && nowMono >= this.#limit.untilMono) {
      this.#limit = undefined;
      this.#largestTaken = 0;
    }
    this.#largestTaken = Math.max(this.#largestTaken, end.largestTaken);
    const guilty = end.unanswered.reduce<PacketSize | undefined>(
      (most, packet) => (most === undefined || packet.bytes > most.bytes ? packet : most),
      undefined,
    );
    if (guilty === undefined || !(end.tooLarge || this.#believes(guilty, end))) return undefined;
    this.#silentEnds = 0;
    // What was larger was taken before the broker was changed.
    if (this.#largestTaken >= guilty.bytes) this.#largestTaken = 0;
    const bytes = Math.min(this.bytes(nowMono), Math.max(guilty.bytes - slackBytes, this.#largestTaken));
    this.#limit = { bytes, untilMono: nowMono + this.#memoryMs };
    return guilty.bytes;
  }

  #believes(guilty: PacketSize, end: LinkEnd): boolean {
    const slack = this.#limit === undefined ? slackBytes : 0;
    if (!guilty.picture || guilty.bytes <= this.#largestTaken + slack) {
      this.#silentEnds = 0;
      // Its size was good enough before. Should the broker have been changed, that counts less each time.
      if (guilty.picture) this.#largestTaken = Math.max(end.largestTaken, Math.floor(this.#largestTaken / 2));
      return false;
    }
    this.#silentEnds += 1;
    return this.#limit !== undefined || this.#silentEnds >= silentEndsToBelieve;
  }
}
