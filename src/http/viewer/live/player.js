import { Decoding } from './decoding.js';
import { Figures } from './figures.js';
import { boxAt, drawBoxes, drawPicture, placeOf } from './overlay.js';
import { Pairing } from './pairing.js';
import { ReplayGauge } from './replay.js';
import { stage } from './stage.js';
import { playerState } from './state.js';

/**
 * One camera on one canvas: asks the feed for its video and metadata while it is in view, decodes, pairs and draws.
 *
 * @import { LiveBox, LiveFrame, LiveState } from '../../../core/live-messages.ts'
 * @import { Decoder } from './decoding.js'
 * @import { LiveFeed, Subscription, Variant, VideoConfig } from './feed.js'
 * @import { Place } from './overlay.js'
 * @import { Picture } from './pairing.js'
 * @import { Actor } from './stage.js'
 * @import { PlayerState } from './state.js'
 * @import { Decoded } from './webcodecs.js'
 * @import { Unit } from './wire.js'
 */

/**
 * @typedef {object} Drawn
 * @property {number} pts 90 kHz
 * @property {number} captureMs milliseconds since 1970 by the server's clock
 * @property {readonly LiveBox[] | undefined} boxes drawn ones; undefined: without, because none came or none are wanted
 * @property {LiveFrame | undefined} frame
 */

/**
 * @typedef {object} PlayerOptions
 * @property {LiveFeed} feed
 * @property {HTMLCanvasElement} canvas laid out by the page; its pixels belong to the player
 * @property {string} camera
 * @property {Variant} [variant]
 * @property {boolean} [trails]
 * @property {boolean} [boxes]
 * @property {'auto' | Decoder} [decoder]
 * @property {(state: PlayerState) => void} [onState] on change
 * @property {(drawn: Drawn) => void} [onDraw] after each drawing
 */

const stateEveryMs = 250;
const againMs = 15_000;
/** No picture for this long, and for four of their longest distances lately: the delay grows with every moment. */
const stillMs = 2500;
const maxUnits = 600;
const leastDelayMs = 80;
const mostDelayMs = 600;
/** Of the longest lag of metadata behind their unit, what is left of it with each one that follows. */
const lagDecay = 0.995;

export class Player {
  camera;
  canvas;
  /** '' or a sentence for people. */
  notice = '';
  /** @type {PlayerState} */
  state = { word: 'paused', text: 'paused while out of view', notice: '' };
  /** Left out by the server since this page read too slowly. */
  lost = 0;
  /** @type {LiveFeed} */
  #feed;
  #context;
  #onState;
  #onDraw;
  /** @type {Variant} */
  #variant;
  /** Taken instead of `#variant` because this browser cannot play that one. @type {Variant | undefined} */
  #instead;
  #boxes;
  #trails;
  #inView = false;
  #closed = false;
  /** @type {Subscription | undefined} */
  #subscription;
  #decoding;
  #pairing = new Pairing(true);
  #gauge = new ReplayGauge();
  #figures = new Figures();
  /** By pts. @type {Map<number, { captureMs: number, arrivedAt: number, replayed: boolean }>} */
  #units = new Map();
  #unitsDropped = 0;
  #lagMs = 0;
  /** @type {{ picture: Picture, frame: LiveFrame | undefined } | undefined} */
  #last;
  #fresh = true;
  /** @type {Place} */
  #place = { x: 0, y: 0, width: 1, height: 1 };
  /** Where labels stand, by track. @type {ReadonlyMap<number, number>} */
  #spots = new Map();
  #ratio = 1;
  /** @type {LiveState | undefined} */
  #cameraState;
  /** @type {{ code?: string, reason: string } | undefined} */
  #refused;
  /** @type {string | undefined} */
  #unsupported;
  #againAt = Number.POSITIVE_INFINITY;
  #stateAt = 0;
  #drawnAt = 0;
  /** Of the picture that was drawn last. */
  #drawnCaptureMs = 0;
  /** @type {Actor} */
  #actor;

  /** @param {PlayerOptions} options */
  constructor({ feed, canvas, camera, variant = 'clean', trails = true, boxes = true, decoder = 'auto', onState, onDraw }) {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new Error('the canvas is in use for something else');
    this.#feed = feed;
    this.#context = context;
    this.canvas = canvas;
    this.camera = camera;
    this.#variant = variant;
    this.#trails = trails;
    this.#boxes = boxes;
    this.#decoding = new Decoding(decoder, {
      picture: (picture) => this.#decoded(picture),
      dropped: (units) => {
        this.#unitsDropped += units;
      },
      held: () => this.#pairing.held,
      delayMs: () => Math.min(mostDelayMs, Math.max(leastDelayMs, this.#lagMs)),
      unplayable: (config) => this.#cannotPlay(config),
      failed: (kind, message) => this.#failed(kind, message),
    });
    this.#onState = onState ?? (() => {});
    this.#onDraw = onDraw ?? (() => {});
    this.#actor = {
      canvas,
      viewed: (inView) => this.#viewed(inView),
      resized: (width, height, ratio) => this.#resized(width, height, ratio),
      paint: (now) => this.#paint(now),
      watch: (now) => this.#tell(now),
    };
    stage().enter(this.#actor);
  }

  get #effective() {
    return this.#instead ?? this.#variant;
  }

  get figures() {
    const { fps, delayMs } = this.#figures.recent(performance.now());
    const { codec = '', width = 0, height = 0 } = this.#decoding.config ?? {};
    return {
      fps,
      delayMs,
      drawn: this.#figures.drawn,
      dropped: this.#pairing.dropped + this.#unitsDropped,
      lost: this.lost,
      behind: this.#pairing.behind,
      decoder: this.#decoding.kind,
      codec,
      variant: this.#effective,
      width,
      height,
    };
  }

  /** @param {Variant} variant */
  setVariant(variant) {
    if (variant === this.#variant && this.#instead === undefined) return;
    this.#variant = variant;
    this.#instead = undefined;
    this.notice = '';
    this.#begin();
  }

  /** @param {boolean} trails */
  setTrails(trails) {
    this.#trails = trails;
    this.#fresh = false;
  }

  /** @param {boolean} boxes */
  setBoxes(boxes) {
    this.#boxes = boxes;
    this.#pairing.wanted = boxes && this.#effective === 'clean';
    this.#fresh = false;
  }

  /** @param {number} clientX of a pointer event @param {number} clientY @returns {LiveBox | undefined} */
  boxAt(clientX, clientY) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const x = ((clientX - left) * this.canvas.width) / width;
    const y = ((clientY - top) * this.canvas.height) / height;
    return boxAt(this.#last?.frame?.boxes ?? [], this.#place, x, y);
  }

  /** The canvas keeps its picture. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    stage().leave(this.#actor);
    this.#end();
    this.#last?.picture.close();
    this.#last = undefined;
  }

  /** @param {boolean} inView */
  #viewed(inView) {
    if (this.#closed || inView === this.#inView) return;
    this.#inView = inView;
    if (inView) this.#begin();
    else this.#end();
    this.#tell(performance.now());
  }

  /** @param {number} width @param {number} height @param {number} ratio */
  #resized(width, height, ratio) {
    this.#ratio = ratio;
    if (this.canvas.width === width && this.canvas.height === height) return;
    // Setting either size clears the canvas: it must not be seen empty until the next repaint.
    this.canvas.width = width;
    this.canvas.height = height;
    if (this.#last !== undefined) this.#draw(this.#last.picture, this.#last.frame);
  }

  #begin() {
    if (!this.#inView || this.#closed) return;
    this.#end();
    this.#subscription = this.#feed.subscribe({
      camera: this.camera,
      variant: this.#effective,
      video: true,
      metadata: this.#effective === 'clean',
      on: {
        begin: () => this.#restart(),
        config: (config) => {
          this.#refused = undefined;
          void this.#decoding.configure(config);
        },
        unit: (unit) => this.#unit(unit),
        frame: (frame) => this.#metadata(frame),
        state: (state) => {
          this.#cameraState = state;
          this.#stateAt = 0;
        },
        lost: ({ units }) => {
          this.lost += units;
        },
        refused: (refusal) => {
          if (this.#effective === 'clean' && /\bmasked\b/.test(refusal.reason)) {
            this.#instead = 'annotated';
            this.notice = 'Parts of this picture are masked: the annotated video is shown.';
            this.#subscription = undefined;
            return this.#begin();
          }
          this.#refused = refusal;
          this.#againAt = performance.now() + againMs;
          this.#stateAt = 0;
        },
      },
    });
    this.#againAt = Number.POSITIVE_INFINITY;
  }

  #end() {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#restart();
  }

  /** What comes from here on has nothing to do with what came before; the picture on the canvas stays. */
  #restart() {
    this.#decoding.stop();
    this.#pairing.reset();
    this.#pairing.wanted = this.#boxes && this.#effective === 'clean';
    this.#gauge = new ReplayGauge();
    this.#units.clear();
    this.#figures.forget();
    this.#lagMs = 0;
    this.#drawnAt = 0;
    this.#cameraState = undefined;
    // The clock of another stream may come by the same time stamp again.
    if (this.#last !== undefined) this.#last.picture.exact = false;
  }

  /** @param {VideoConfig} config */
  #cannotPlay({ codec }) {
    const name = /^h(vc|ev)1/.test(codec) ? 'H.265' : codec;
    if (this.#effective === 'clean' && !codec.startsWith('avc')) {
      this.#instead = 'annotated';
      this.notice = `This browser cannot play ${name}: the annotated H.264 video is shown instead.`;
      return this.#begin();
    }
    this.#unsupported ??= `this browser cannot play the video (${name})`;
    this.#againAt = performance.now() + againMs;
    this.#stateAt = 0;
  }

  /** @param {Decoder} kind @param {string} message */
  #failed(kind, message) {
    if (kind === 'webcodecs') this.notice = `The browser's decoder failed (${message}): trying another way.`;
    else this.#unsupported = `this browser could not play the video: ${message}`;
    this.#begin();
  }

  /** @param {Decoded} picture */
  #decoded(picture) {
    const now = performance.now();
    const unit = this.#units.get(picture.pts) ?? { captureMs: this.#feed.serverNow(), arrivedAt: now, replayed: false };
    // MSE plays by a delay of its own. What WebCodecs needs more than no time is lateness, so that a slow machine shows the newest picture.
    const dueAt = this.#decoding.kind === 'mse' ? now : unit.arrivedAt;
    this.#pairing.addPicture({ ...picture, ...unit, dueAt });
    this.#unsupported = undefined;
  }

  /** @param {Unit} unit */
  #unit(unit) {
    const now = performance.now();
    const replayed = this.#gauge.isReplayed(unit);
    this.#units.set(unit.pts, { captureMs: unit.captureMs, arrivedAt: now, replayed });
    if (this.#units.size > maxUnits)
      for (const oldest of this.#units.keys()) {
        this.#units.delete(oldest);
        break;
      }
    this.#decoding.push(unit, now, replayed);
  }

  /** @param {LiveFrame} frame */
  #metadata(frame) {
    const now = performance.now();
    const unit = this.#units.get(frame.pts);
    if (unit !== undefined && !unit.replayed) this.#lagMs = Math.max(now - unit.arrivedAt, this.#lagMs * lagDecay);
    this.#pairing.addMetadata(frame, now);
  }

  /** @param {number} now */
  #paint(now) {
    const shown = this.#pairing.take(now);
    this.#decoding.pump();
    if (shown !== undefined) {
      const { picture, metadata } = shown;
      this.#last?.picture.close();
      this.#last = { picture, frame: metadata };
      this.#refresh();
      this.#drawnAt = now;
      this.#drawnCaptureMs = picture.captureMs;
      const boxed = metadata !== undefined || !this.#pairing.wanted || picture.replayed;
      this.#figures.add(now, this.#feed.serverNow() - picture.captureMs, boxed);
    } else if (this.#last !== undefined && this.#subscription !== undefined) {
      // Boxes that come after their picture was shown are still right while it stays.
      const { picture, frame } = this.#last;
      const late = frame === undefined && picture.exact ? this.#pairing.metadataOf(picture.pts) : undefined;
      if (late !== undefined) this.#last = { picture, frame: late };
      if (late !== undefined || !this.#fresh) this.#refresh();
    }
    if (now >= this.#againAt) {
      this.#decoding.forgive();
      if (this.#instead === undefined) this.notice = '';
      this.#begin();
    }
    if (now - this.#stateAt >= stateEveryMs) this.#tell(now);
  }

  #refresh() {
    if (this.#last !== undefined) this.#draw(this.#last.picture, this.#last.frame);
  }

  /** @param {Picture} picture @param {LiveFrame | undefined} frame that of exactly this picture */
  #draw(picture, frame) {
    const { width, height } = this.canvas;
    this.#place = placeOf(width, height, picture.width, picture.height);
    drawPicture(this.#context, picture.source, this.#place);
    const boxed = frame !== undefined && this.#boxes && this.#effective === 'clean';
    if (boxed) {
      const before = this.#trails && !stage().reducedMotion ? this.#pairing.before(picture.pts) : [];
      this.#spots = drawBoxes(this.#context, frame, this.#place, this.#ratio, { before, spots: this.#spots });
    }
    this.#fresh = true;
    this.#onDraw({ pts: picture.pts, captureMs: picture.captureMs, boxes: boxed ? frame.boxes : undefined, frame });
  }

  /** @param {number} now */
  #tell(now) {
    this.#stateAt = now;
    const { delayMs, behind } = this.#figures.recent(now);
    const still = this.#drawnAt !== 0 && now - this.#drawnAt > Math.max(stillMs, 4 * this.#figures.gapMs);
    const age = this.#feed.serverNow() - this.#drawnCaptureMs;
    const { state, notice } = this;
    this.state = playerState({
      feed: this.#feed.state,
      camera: this.#cameraState,
      playing: this.#inView,
      refused: this.#refused,
      unsupported: this.#unsupported,
      delayMs: this.#drawnAt === 0 ? undefined : still ? age : delayMs,
      behind: behind || (this.#cameraState?.inferenceBehindMs ?? 0) > 0,
      notice,
    });
    if (state.word !== this.state.word || state.text !== this.state.text || state.notice !== notice) this.#onState(this.state);
  }
}
