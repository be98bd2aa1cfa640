import { MseVideo, mseSupport } from './mse.js';
import { WebCodecsVideo, webCodecsSupport } from './webcodecs.js';

/**
 * Finds out what can play a video and lets it: WebCodecs where there is a secure context and it knows the codec, else Media Source
 * Extensions. What has failed is not taken again until `forgive`.
 *
 * @import { VideoConfig } from './feed.js'
 * @import { Decoded, VideoNeeds } from './webcodecs.js'
 * @import { Unit } from './wire.js'
 */

/** @typedef {'webcodecs' | 'mse'} Decoder */

/**
 * @typedef {object} DecodingNeeds
 * @property {(picture: Decoded) => void} picture
 * @property {(units: number) => void} dropped
 * @property {() => number} held
 * @property {() => number} delayMs
 * @property {(config: VideoConfig) => void} unplayable nothing here plays this video
 * @property {(decoder: Decoder, message: string) => void} failed for good; the stream has to begin anew
 */

export class Decoding {
  #needs;
  #forced;
  /** @type {VideoConfig | undefined} */
  #config;
  /** @type {WebCodecsVideo | MseVideo | undefined} */
  #video;
  /** Units that came while it was found out what can play them. @type {{ unit: Unit, now: number, replayed: boolean }[] | undefined} */
  #early;
  /** @type {Set<Decoder>} */
  #failed = new Set();

  /** @param {'auto' | Decoder} forced @param {DecodingNeeds} needs */
  constructor(forced, needs) {
    this.#forced = forced;
    this.#needs = needs;
  }

  /** @returns {Decoder | 'none'} */
  get kind() {
    return this.#video?.kind ?? 'none';
  }

  get config() {
    return this.#config;
  }

  /** @param {VideoConfig} config of the units after it */
  async configure(config) {
    this.#config = config;
    this.#early = [];
    const kind = await this.#choose(config);
    if (this.#config !== config) return;
    const early = this.#early ?? [];
    this.#early = undefined;
    if (kind === undefined) return this.#needs.unplayable(config);
    if (this.#video?.kind !== kind) {
      this.#video?.close();
      const needs = this.#needsOf(kind);
      this.#video = kind === 'webcodecs' ? new WebCodecsVideo(needs) : new MseVideo(needs);
    }
    this.#video.configure(config);
    for (const { unit, now, replayed } of early) this.#video?.push(unit, now, replayed);
  }

  /** @param {Unit} unit @param {number} now @param {boolean} replayed */
  push(unit, now, replayed) {
    if (this.#early !== undefined) this.#early.push({ unit, now, replayed });
    else this.#video?.push(unit, now, replayed);
  }

  /** At each repaint, after pictures were closed. */
  pump() {
    this.#video?.pump();
  }

  /** The stream is over; another may be configured. */
  stop() {
    this.#video?.close();
    this.#video = undefined;
    this.#config = undefined;
    this.#early = undefined;
  }

  forgive() {
    this.#failed.clear();
  }

  /** @param {VideoConfig} config @returns {Promise<Decoder | undefined>} */
  async #choose(config) {
    if (this.#forced !== 'mse' && !this.#failed.has('webcodecs') && (await webCodecsSupport(config))) return 'webcodecs';
    if (this.#forced !== 'webcodecs' && !this.#failed.has('mse') && mseSupport(config.codec)) return 'mse';
    return undefined;
  }

  /** @param {Decoder} kind @returns {VideoNeeds} */
  #needsOf(kind) {
    const { picture, dropped, held, delayMs, failed } = this.#needs;
    return {
      picture,
      dropped,
      held,
      delayMs,
      trouble: ({ message, final }) => {
        if (!final) return;
        this.#failed.add(kind);
        failed(kind, message);
      },
    };
  }
}
