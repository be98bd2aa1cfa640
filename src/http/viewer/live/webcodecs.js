import { fromBase64, toMicroseconds, toPts } from './wire.js';

/**
 * Video by the browser's own decoder, one picture out for each unit in. Exists in secure contexts only.
 *
 * @import { Unit } from './wire.js'
 * @import { VideoConfig } from './feed.js'
 * @import { Picture } from './pairing.js'
 */

/** @typedef {Pick<Picture, 'pts' | 'exact' | 'source' | 'width' | 'height' | 'close'>} Decoded */

/**
 * What both ways of decoding tell: `picture` hands over a picture to close; `trouble` says what failed and whether decoding goes on.
 *
 * @typedef {object} VideoNeeds
 * @property {(picture: Decoded) => void} picture
 * @property {(trouble: { message: string, final: boolean }) => void} trouble
 * @property {(units: number) => void} dropped units that are left out because decoding does not keep up
 * @property {() => number} held pictures handed over that are not closed yet
 * @property {() => number} delayMs what the metadata need; MSE keeps this much video ahead
 */

/** Units given to the decoder ahead of its work; more would only be beyond recall. */
const maxQueued = 8;
/** Pictures kept open at once: hardware decoders have few, and stop when they are out. */
const maxOpen = 12;
/** Units wait this long at most for the decoder or for pictures to be closed; then all up to the next key frame are dropped. */
const behindMs = 1200;
const maxPending = 2000;
const maxPendingBytes = 64 * 2 ** 20;
const maxErrors = 3;
const errorsWithinMs = 30_000;

/** @type {Map<string, Promise<boolean>>} */
const supported = new Map();

/** @param {VideoConfig} config @returns {VideoDecoderConfig} */
function decoderConfig({ codec, description, width, height }) {
  return { codec, description: fromBase64(description), codedWidth: width, codedHeight: height, optimizeForLatency: true };
}

/** @param {VideoConfig} config @returns {Promise<boolean>} */
export function webCodecsSupport(config) {
  if (!('VideoDecoder' in globalThis)) return Promise.resolve(false);
  const { codec } = config;
  const known = supported.get(codec);
  if (known !== undefined) return known;
  const asked = VideoDecoder.isConfigSupported(decoderConfig(config)).then(
    (answer) => answer.supported === true,
    () => false,
  );
  supported.set(codec, asked);
  return asked;
}

/** @param {VideoFrame} frame @param {number} pts @returns {Decoded} */
export function decoded(frame, pts) {
  const { displayWidth: width, displayHeight: height } = frame;
  return { pts, exact: true, source: frame, width, height, close: () => frame.close() };
}

export class WebCodecsVideo {
  kind = /** @type {const} */ ('webcodecs');
  #needs;
  /** @type {VideoDecoder | undefined} */
  #decoder;
  /** @type {VideoConfig | undefined} */
  #config;
  /** @type {{ unit: Unit, arrivedAt: number, replayed: boolean }[]} */
  #pending = [];
  #pendingBytes = 0;
  #needsKey = true;
  #closed = false;
  /** @type {number[]} */
  #errors = [];

  /** @param {VideoNeeds} needs */
  constructor(needs) {
    this.#needs = needs;
  }

  /** Units after this are of `config`; the first must be a key. @param {VideoConfig} config */
  configure(config) {
    this.#config = config;
    // Everything given to the decoder before still comes out: configuring waits its turn. What waits here is of the former video.
    this.#discard(this.#pending.length);
    this.#needsKey = true;
    if (this.#decoder?.state !== 'configured') return;
    try {
      this.#decoder.configure(decoderConfig(config));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {Unit} unit @param {number} now @param {boolean} replayed units of a replay may all wait */
  push(unit, now, replayed) {
    if (this.#closed) return;
    if (this.#needsKey && !unit.key) {
      this.#needs.dropped(1);
      return;
    }
    this.#needsKey = false;
    this.#pending.push({ unit, arrivedAt: now, replayed });
    this.#pendingBytes += unit.data.byteLength;
    this.pump();
    this.#shed(now);
  }

  /** Call it whenever pictures have been closed. */
  pump() {
    while (!this.#closed && this.#pending.length > 0 && this.#needs.held() < maxOpen) {
      try {
        const decoder = this.#ready();
        if (decoder === undefined || decoder.decodeQueueSize >= maxQueued) return;
        const [next] = this.#pending.splice(0, 1);
        if (next === undefined) return;
        const { key, pts, data } = next.unit;
        this.#pendingBytes -= data.byteLength;
        decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: toMicroseconds(pts), data }));
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  close() {
    this.#closed = true;
    this.#pending = [];
    if (this.#decoder !== undefined && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
  }

  /** @returns {VideoDecoder | undefined} undefined when there is none and the next unit is no key */
  #ready() {
    if (this.#decoder !== undefined) return this.#decoder;
    if (this.#config === undefined || this.#pending[0]?.unit.key !== true) return undefined;
    const decoder = new VideoDecoder({
      output: (frame) => {
        if (this.#closed || this.#decoder !== decoder) return frame.close();
        this.#needs.picture(decoded(frame, toPts(frame.timestamp)));
      },
      error: (error) => {
        if (this.#decoder === decoder) this.#failed(error);
      },
    });
    decoder.addEventListener('dequeue', () => this.pump());
    this.#decoder = decoder;
    decoder.configure(decoderConfig(this.#config));
    return decoder;
  }

  /** @param {unknown} error */
  #failed(error) {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#decoder !== undefined && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
    this.#untilKey();
    this.#errors = [...this.#errors.filter((at) => now - at < errorsWithinMs), now];
    const message = error instanceof Error ? error.message : String(error);
    this.#needs.trouble({ message, final: this.#errors.length >= maxErrors });
    this.pump();
  }

  /** @param {number} now */
  #shed(now) {
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    const late = !oldest.replayed && now - oldest.arrivedAt > behindMs;
    if (late || this.#pending.length > maxPending || this.#pendingBytes > maxPendingBytes) this.#untilKey();
  }

  /** Drops up to the newest key that waits; without one, also what comes until the next. */
  #untilKey() {
    const key = this.#pending.findLastIndex(({ unit }, index) => index > 0 && unit.key);
    this.#needsKey = key < 0;
    this.#discard(key < 0 ? this.#pending.length : key);
  }

  /** @param {number} count */
  #discard(count) {
    if (count === 0) return;
    for (const { unit } of this.#pending.splice(0, count)) this.#pendingBytes -= unit.data.byteLength;
    this.#needs.dropped(count);
  }
}
