import { Player } from '../live/player.js';
import { add, el, fill, say } from './dom.js';
import { capital, moment } from './format.js';
import { icon } from './icons.js';

/**
 * One camera of the grid: picture, name, and its state in words.
 *
 * @import { CameraState } from '../../../core/types.ts'
 */

/** @typedef {{ word: string, text: string, delayMs?: number, reason?: string }} PlayerState */

/** @type {Readonly<Record<string, import('./icons.js').IconName>>} */
const icons = {
  live: 'ok',
  delayed: 'warn',
  behind: 'warn',
  away: 'away',
  failed: 'away',
  refused: 'away',
  unsupported: 'away',
  ended: 'away',
};

/** States in which there are pictures. */
const moving = ['live', 'delayed', 'behind'];

export class Tile {
  camera;
  element;
  /** Its clean picture shows what masks hide. */
  masked = false;
  #canvas;
  #state = el('span', { class: 'state' });
  #figures = el('span', { class: 'figures', 'aria-hidden': 'true' });
  #cover = el('p', { class: 'cover', hidden: true });
  #notice = el('p', { class: 'tile-notice', hidden: true });
  /** @type {Player | undefined} */
  #player;
  /** @type {'clean' | 'annotated' | undefined} */
  #variant;
  /** @type {CameraState | undefined} */
  #known;
  /** @type {PlayerState | undefined} */
  #playing;

  /**
   * @param {string} camera
   * @param {number} number its digit on the keyboard, from 1
   * @param {(camera: string) => void} choose
   */
  constructor(camera, number, choose) {
    this.camera = camera;
    this.#canvas = el('canvas', { role: 'img', 'aria-label': `Picture of ${camera}` });
    const open = el('button', {
      type: 'button',
      class: 'open',
      'aria-label': `${camera}: alone or all`,
      'aria-keyshortcuts': number <= 9 ? number : undefined,
      onclick: () => choose(camera),
    });
    this.element = el(
      'li',
      { class: 'tile', 'data-camera': camera },
      this.#canvas,
      this.#cover,
      open,
      el('div', { class: 'caption' }, el('h3', {}, camera), this.#state, this.#figures),
      this.#notice,
    );
    this.#show();
  }

  /** @param {import('../live/feed.js').LiveFeed} feed @param {'clean' | 'annotated'} variant */
  start(feed, variant) {
    if (this.#player !== undefined) {
      if (variant !== this.#variant) this.#player.setVariant(variant);
      this.#variant = variant;
      return;
    }
    this.#variant = variant;
    this.#player = new Player({
      feed,
      canvas: this.#canvas,
      camera: this.camera,
      variant,
      onState: (/** @type {PlayerState} */ state) => {
        this.#playing = state;
        this.#show();
      },
    });
  }

  stop() {
    this.#player?.close();
    this.#player = undefined;
    this.#playing = undefined;
    this.#show();
  }

  /** What the daemon says of the camera. @param {CameraState | undefined} state */
  know(state) {
    this.#known = state;
    this.#show();
  }

  /** Each second: frame rate, delay and what is due, for those who look. */
  refresh() {
    this.#show();
    const figures = this.#player?.figures;
    const words =
      figures === undefined || figures.decoder === 'none' || !moving.includes(this.element.dataset['state'] ?? '')
        ? ''
        : `${Math.round(figures.fps)} fps${figures.delayMs === undefined ? '' : ` · ${Math.round(figures.delayMs)} ms`}`;
    say(this.#figures, words);
    const bare = this.masked && this.#variant === 'clean' && figures?.variant !== 'annotated';
    const notices = [bare ? 'Shows what the masks of this camera hide: only admins see this.' : '', this.#player?.notice ?? ''];
    const notice = notices.filter((text) => text !== '').join(' ');
    this.#notice.hidden = notice === '';
    say(this.#notice, notice);
  }

  #show() {
    const { word, text, cover } = this.#words();
    this.element.dataset['state'] = word;
    const symbol = icons[word];
    if (this.#state.dataset['said'] !== `${word} ${text}`) {
      this.#state.dataset['said'] = `${word} ${text}`;
      fill(this.#state, symbol === undefined ? undefined : icon(symbol), capital(text));
      this.#canvas.setAttribute('aria-label', `Picture of ${this.camera}: ${text}`);
    }
    this.#cover.hidden = cover === '';
    say(this.#cover, cover);
  }

  /** The daemon knows why a camera is away; the player how late its picture is. */
  #words() {
    const known = this.#known;
    const playing = this.#playing;
    if (known !== undefined && (known.state === 'away' || known.state === 'ended' || known.state === 'failed')) {
      const since = ` since ${moment(known.since)}`;
      const words = { away: 'away', ended: 'ended', failed: 'failed' }[known.state];
      const retry = known.state === 'away' && known.retryAt !== undefined ? `; ${attempt(known.retryAt)}` : '';
      return { word: known.state, text: `${words}${since}`, cover: `${capital(words)}${since}: ${known.reason}${retry}` };
    }
    if (playing === undefined) return { word: 'connecting', text: 'connecting', cover: '' };
    const covers = ['away', 'failed', 'refused', 'unsupported', 'ended'];
    return { word: playing.word, text: playing.text, cover: covers.includes(playing.word) ? capital(playing.text) : '' };
  }
}

/** @param {number} at when the worker tries again */
function attempt(at) {
  return at > Date.now() ? `next attempt at ${moment(at)}` : 'trying again';
}

/** @param {HTMLElement} parent @param {readonly Tile[]} tiles */
export function place(parent, tiles) {
  fill(parent);
  for (const tile of tiles) add(parent, tile.element);
}
