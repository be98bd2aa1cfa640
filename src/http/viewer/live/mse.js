import { fragment, initSegment, mimeType } from './mp4.js';
import { decoded } from './webcodecs.js';
import { fromBase64, toPts } from './wire.js';

/**
 * Video by Media Source Extensions: what remains on plain http. The element is never shown; each of its pictures is taken as a VideoFrame,
 * which carries its own time stamp. The element itself may already be a picture further when a callback for it runs.
 *
 * @import { VideoNeeds } from './webcodecs.js'
 * @import { Unit } from './wire.js'
 * @import { VideoConfig } from './feed.js'
 */

const rate = 90_000;
/**
 * Said to be the length of each sample. A source buffer takes a step of more than twice this for a gap and drops everything up to the next
 * key; cameras do pause, and the next unit's time decides anyway how long a picture stays.
 */
const sampleDuration = rate / 2;
const catchUpRate = 1.08;
/** Ahead of the wanted delay by this much: play faster. By `seekMs`: jump. */
const catchUpMs = 60;
const seekMs = 1000;
/** At the start, while a replay comes in, sooner: nobody is to watch the last seconds first. */
const startMs = 1500;
const startSeekMs = 200;
/** Kept behind the position, and how much more gathers before it is removed. */
const keepS = 5;
const gatherS = 15;
const maxErrors = 3;
const errorsWithinMs = 30_000;
const maxWaiting = 2000;
const maxTimes = 600;
/** Without VideoFrame: nearer than this to the next picture's turn the element may show that one already (two repaints at 60 Hz). */
const doubtS = 0.034;

const hasCallbacks = 'requestVideoFrameCallback' in HTMLVideoElement.prototype;

/** iPhones have the managed kind only. @type {typeof MediaSource | undefined} */
const Source = globalThis.MediaSource ?? Reflect.get(globalThis, 'ManagedMediaSource');

/** @param {string} codec */
export function mseSupport(codec) {
  return Source?.isTypeSupported(mimeType(codec)) === true;
}

export class MseVideo {
  kind = /** @type {const} */ ('mse');
  #needs;
  #video = document.createElement('video');
  /** @type {MediaSource | undefined} */
  #media;
  /** @type {SourceBuffer | undefined} */
  #buffer;
  /** @type {VideoConfig | undefined} */
  #config;
  #codec = '';
  /** Decoding time of the first unit: zero of the element's clock. @type {number | undefined} */
  #base;
  /** @type {Uint8Array<ArrayBuffer>[]} */
  #waiting = [];
  #sequence = 0;
  #openedAt = 0;
  #needsKey = true;
  #closed = false;
  #newestPts = 0;
  /** Presentation times of the units, ascending, and those of the key frames, for removal. @type {number[]} */
  #times = [];
  /** @type {number[]} */
  #keys = [];
  #lastTaken = Number.NEGATIVE_INFINITY;
  /** @type {number[]} */
  #errors = [];
  #url = '';

  /** @param {VideoNeeds} needs */
  constructor(needs) {
    this.#needs = needs;
    const video = this.#video;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.onerror = () => this.#failed(video.error?.message ?? 'the browser could not play the video');
  }

  /** Units after this are of `config`; the first must be a key. @param {VideoConfig} config */
  configure(config) {
    this.#config = config;
    this.#needsKey = true;
    if (this.#media === undefined || config.codec.slice(0, 4) !== this.#codec.slice(0, 4)) return this.#open();
    this.#codec = config.codec;
    this.#waiting.push(this.#init(config));
    this.#append();
  }

  /** @param {Unit} unit @param {number} _now @param {boolean} _replayed */
  push(unit, _now, _replayed) {
    if (this.#closed || this.#media === undefined) return;
    if ((this.#needsKey && !unit.key) || this.#waiting.length > maxWaiting) {
      this.#needsKey = true;
      this.#needs.dropped(1);
      return;
    }
    this.#needsKey = false;
    const dts = unit.pts - unit.ptsMinusDts;
    this.#base ??= dts;
    if (dts < this.#base) return;
    this.#sequence += 1;
    const { key, ptsMinusDts, data, pts } = unit;
    this.#waiting.push(
      fragment({ sequence: this.#sequence, dts: dts - this.#base, ptsMinusDts, duration: sampleDuration, key, data }),
    );
    if (key) this.#keys.push(pts);
    this.#times.splice(this.#times.findLastIndex((time) => time < pts) + 1, 0, pts);
    if (this.#times.length > maxTimes) this.#times.shift();
    if (pts > this.#newestPts) this.#newestPts = pts;
    this.#append();
    this.#steer();
  }

  /** Called at each repaint. Browsers without requestVideoFrameCallback are asked here. */
  pump() {
    if (!hasCallbacks) this.#grab(this.#video.currentTime);
  }

  close() {
    this.#closed = true;
    this.#shut();
  }

  #shut() {
    this.#video.pause();
    this.#video.removeAttribute('src');
    this.#video.load();
    if (this.#url !== '') URL.revokeObjectURL(this.#url);
    this.#url = '';
    this.#media = undefined;
    this.#buffer = undefined;
    this.#waiting = [];
    this.#keys = [];
    this.#times = [];
    this.#base = undefined;
    this.#newestPts = 0;
    this.#lastTaken = Number.NEGATIVE_INFINITY;
  }

  #open() {
    const config = this.#config;
    if (Source === undefined || config === undefined || this.#closed) return;
    this.#shut();
    const media = new Source();
    this.#media = media;
    this.#openedAt = performance.now();
    this.#codec = config.codec;
    this.#needsKey = true;
    this.#waiting = [this.#init(config)];
    this.#url = URL.createObjectURL(media);
    media.onsourceopen = () => {
      if (this.#media !== media || this.#buffer !== undefined) return;
      try {
        const buffer = media.addSourceBuffer(mimeType(config.codec));
        this.#buffer = buffer;
        buffer.onupdateend = () => {
          if (this.#buffer === buffer) this.#append();
        };
        this.#append();
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error));
      }
    };
    this.#video.src = this.#url;
    this.#listen();
  }

  /** @param {VideoConfig} config */
  #init({ codec, description, width, height }) {
    return initSegment({ codec, description: fromBase64(description), width, height });
  }

  #append() {
    const buffer = this.#buffer;
    if (buffer === undefined || buffer.updating || this.#media?.readyState !== 'open') return;
    try {
      if (this.#trim(buffer)) return;
      const [first, ...rest] = this.#waiting;
      if (first === undefined) return;
      const size = this.#waiting.reduce((sum, { byteLength }) => sum + byteLength, 0);
      const all = rest.length === 0 ? first : new Uint8Array(size);
      let at = 0;
      if (rest.length > 0)
        for (const part of this.#waiting) {
          all.set(part, at);
          at += part.byteLength;
        }
      this.#waiting = [];
      buffer.appendBuffer(all);
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Removes up to a key frame only: a removal that ends within a group of pictures takes the rest of the group along, also what is playing.
   *
   * @param {SourceBuffer} buffer
   */
  #trim(buffer) {
    const [first] = this.#keys;
    const position = this.#video.currentTime;
    if (first === undefined || position - this.#seconds(first) < keepS + gatherS) return false;
    const last = this.#keys.findLastIndex((pts) => this.#seconds(pts) < position - keepS);
    const end = this.#keys[last];
    if (last < 1 || end === undefined) return false;
    this.#keys.splice(0, last);
    buffer.remove(0, this.#seconds(end));
    return true;
  }

  /** @param {number} pts */
  #seconds(pts) {
    return (pts - (this.#base ?? 0)) / rate;
  }

  #steer() {
    const video = this.#video;
    const { buffered } = video;
    if (buffered.length === 0) return;
    const start = buffered.start(buffered.length - 1);
    const newest = this.#seconds(this.#newestPts);
    const wanted = this.#needs.delayMs() / 1000;
    const ahead = newest - video.currentTime;
    const jump = performance.now() - this.#openedAt < startMs ? startSeekMs : seekMs;
    if (ahead > wanted + jump / 1000 || video.currentTime < start) {
      if (!video.seeking) video.currentTime = Math.max(start, newest - wanted);
    }
    if (ahead > wanted + catchUpMs / 1000) video.playbackRate = catchUpRate;
    else if (ahead < wanted) video.playbackRate = 1;
    if (video.paused) void video.play().catch(() => {});
  }

  #listen() {
    const video = this.#video;
    const media = this.#media;
    if (!hasCallbacks) return;
    video.requestVideoFrameCallback((_now, { mediaTime }) => {
      if (this.#closed || this.#media !== media) return;
      this.#listen();
      this.#grab(mediaTime);
    });
  }

  /** @param {number} mediaTime seconds; what the callback is for, if it is not too late */
  #grab(mediaTime) {
    const base = this.#base;
    if (base === undefined || this.#closed || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (!('VideoFrame' in globalThis)) return this.#copy(base + Math.round(mediaTime * rate));
    let frame;
    try {
      frame = new VideoFrame(this.#video);
    } catch {
      return;
    }
    const pts = base + toPts(frame.timestamp);
    if (pts <= this.#lastTaken) return frame.close();
    this.#lastTaken = pts;
    this.#needs.picture(decoded(frame, pts));
  }

  /**
   * Without VideoFrame: the pixels are those of `pts` only while the element cannot have gone on to the next picture.
   *
   * @param {number} pts
   */
  #copy(pts) {
    if (pts <= this.#lastTaken) return;
    this.#lastTaken = pts;
    const canvas = document.createElement('canvas');
    canvas.width = this.#video.videoWidth;
    canvas.height = this.#video.videoHeight;
    canvas.getContext('2d', { alpha: false })?.drawImage(this.#video, 0, 0);
    const next = this.#times.find((time) => time > pts);
    const exact = next !== undefined && this.#video.currentTime + doubtS < this.#seconds(next);
    this.#needs.picture({ pts, exact, source: canvas, width: canvas.width, height: canvas.height, close: () => {} });
  }

  /** @param {string} message */
  #failed(message) {
    if (this.#closed) return;
    const now = performance.now();
    this.#errors = [...this.#errors.filter((at) => now - at < errorsWithinMs), now];
    const final = this.#errors.length >= maxErrors;
    if (final) this.close();
    else this.#open();
    this.#needs.trouble({ message, final });
  }
}
