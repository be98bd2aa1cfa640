import { announce } from './announce.js';
import { add, el, fill, say } from './dom.js';
import { icon } from './icons.js';
import { columnsFor } from './layout.js';
import { place, Tile } from './tile.js';

/**
 * All cameras at once, or one alone. Cameras that are not shown are not asked for.
 *
 * @import { CameraState } from '../../../core/types.ts'
 * @import { LiveFeed } from '../live/feed.js'
 */

/** More are on further pages of the grid. */
const perPage = 16;

export class Grid {
  element = el('section', { class: 'cameras', 'aria-labelledby': 'cameras-heading' });
  /** @type {string | undefined} */
  single;
  #feed;
  #page = 0;
  /** @type {readonly Tile[]} */
  #tiles = [];
  /** Cameras whose clean picture is not for this user. @type {ReadonlySet<string>} */
  #drawn = new Set();
  /** @type {Map<string, CameraState | undefined>} */
  #states = new Map();
  #list = el('ol', { class: 'grid' });
  #pages = el('div', { class: 'pages' });
  #all = el('button', { type: 'button', hidden: true, onclick: () => this.choose(undefined) }, icon('grid'), 'All cameras');
  #empty = el('p', { class: 'empty', hidden: true });

  /** @param {LiveFeed} feed */
  constructor(feed) {
    this.#feed = feed;
    const full = el(
      'button',
      {
        type: 'button',
        class: 'quiet square',
        'aria-label': 'Full screen',
        title: 'Full screen (f)',
        'aria-keyshortcuts': 'f',
        onclick: () => this.fullScreen(),
      },
      icon('full'),
    );
    add(
      this.element,
      el('div', { class: 'cameras-head' }, el('h2', { id: 'cameras-heading' }, 'Cameras'), this.#pages, this.#all, full),
      this.#list,
      this.#empty,
    );
    new ResizeObserver(() => this.#layOut()).observe(this.#list);
    addEventListener('hashchange', () => this.#fromAddress());
    setInterval(() => {
      for (const tile of this.#tiles) tile.refresh();
    }, 1000);
  }

  /** @param {readonly { readonly camera: string, readonly state: CameraState, readonly masked: boolean, readonly drawn: boolean }[]} cameras `drawn`: with the boxes burnt in, for the clean picture shows what masks hide */
  show(cameras) {
    for (const { camera, state } of cameras) this.#states.set(camera, state);
    const before = [...this.#drawn].join('\n');
    this.#drawn = new Set(cameras.filter(({ drawn }) => drawn).map(({ camera }) => camera));
    const names = cameras.map(({ camera }) => camera);
    if (names.join('\n') !== this.#tiles.map(({ camera }) => camera).join('\n')) {
      const old = new Map(this.#tiles.map((tile) => [tile.camera, tile]));
      this.#tiles = names.map(
        (name, index) =>
          old.get(name) ?? new Tile(name, index + 1, (chosen) => this.choose(this.single === chosen ? undefined : chosen)),
      );
      for (const [name, tile] of old) if (!names.includes(name)) tile.stop();
      this.#page = Math.min(this.#page, Math.max(0, Math.ceil(names.length / perPage) - 1));
      this.#fromAddress();
    } else if (before !== [...this.#drawn].join('\n')) this.#fromAddress();
    for (const tile of this.#tiles) {
      tile.know(this.#states.get(tile.camera));
      tile.masked = cameras.some(({ camera, masked }) => camera === tile.camera && masked);
    }
    this.#empty.hidden = names.length > 0;
    say(
      this.#empty,
      names.length > 0
        ? ''
        : 'No camera may be seen by you. Cameras are set in the configuration file, and granted to users on the users page.',
    );
  }

  /** @param {string} camera @param {CameraState | undefined} state @returns {boolean} whether it is shown here */
  know(camera, state) {
    const tile = this.#tiles.find((known) => known.camera === camera);
    if (state !== undefined) tile?.know(state);
    return tile !== undefined && state !== undefined;
  }

  /** @param {string | undefined} camera undefined: all */
  choose(camera) {
    const to = camera === undefined ? ' ' : `#camera=${encodeURIComponent(camera)}`;
    history.replaceState(null, '', to === ' ' ? location.pathname + location.search : to);
    this.#fromAddress();
    announce(camera === undefined ? 'All cameras' : `${camera} alone`);
  }

  /** @param {number} index from 0, of those on this page of the grid */
  chooseAt(index) {
    const tile = this.#tiles[this.#page * perPage + index];
    if (tile !== undefined) this.choose(tile.camera);
  }

  /** To the next camera, alone or by focus. @param {number} step */
  move(step) {
    if (this.#tiles.length === 0) return;
    const focused = this.#tiles.findIndex(({ element }) => element.contains(document.activeElement));
    const now = this.single === undefined ? focused : this.#tiles.findIndex(({ camera }) => camera === this.single);
    const next = this.#tiles[(now + step + this.#tiles.length) % this.#tiles.length];
    if (next === undefined) return;
    if (this.single !== undefined) this.choose(next.camera);
    else next.element.querySelector('button')?.focus();
  }

  /** Columns now, for the arrows. */
  get columns() {
    return Number(this.#list.style.getPropertyValue('--columns')) || 1;
  }

  /** With the alerts: a wall screen shows both. */
  fullScreen() {
    if (document.fullscreenElement === null) document.documentElement.requestFullscreen().catch(() => {});
    else document.exitFullscreen().catch(() => {});
  }

  #fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1)).get('camera') ?? undefined;
    this.single = this.#tiles.some(({ camera }) => camera === wanted) ? wanted : undefined;
    const shown =
      this.single === undefined
        ? this.#tiles.slice(this.#page * perPage, (this.#page + 1) * perPage)
        : this.#tiles.filter(({ camera }) => camera === this.single);
    const focused = document.activeElement?.closest('.tile');
    place(this.#list, shown);
    for (const tile of this.#tiles) {
      if (shown.includes(tile)) tile.start(this.#feed, this.#drawn.has(tile.camera) ? 'annotated' : 'clean');
      else tile.stop();
    }
    if (focused instanceof HTMLElement) focused.querySelector('button')?.focus();
    this.element.classList.toggle('single', this.single !== undefined);
    this.#all.hidden = this.single === undefined;
    this.#showPages();
    this.#layOut();
  }

  #showPages() {
    const count = Math.ceil(this.#tiles.length / perPage);
    if (count <= 1 || this.single !== undefined) return fill(this.#pages);
    const turn = (/** @type {number} */ step) => {
      this.#page = (this.#page + step + count) % count;
      this.#fromAddress();
    };
    const first = this.#page * perPage + 1;
    fill(
      this.#pages,
      el(
        'button',
        { type: 'button', class: 'quiet square', 'aria-label': 'Cameras before these', onclick: () => turn(-1) },
        icon('back'),
      ),
      `${first} to ${Math.min(this.#tiles.length, first + perPage - 1)} of ${this.#tiles.length}`,
      el(
        'button',
        { type: 'button', class: 'quiet square', 'aria-label': 'Cameras after these', onclick: () => turn(1) },
        icon('next'),
      ),
    );
  }

  #layOut() {
    const { clientWidth, clientHeight } = this.#list;
    const count = this.#list.childElementCount;
    const columns = String(columnsFor(count, clientWidth, Math.max(clientHeight, 1)));
    const rows = String(Math.max(1, Math.ceil(count / Number(columns))));
    if (this.#list.style.getPropertyValue('--columns') !== columns) this.#list.style.setProperty('--columns', columns);
    if (this.#list.style.getPropertyValue('--rows') !== rows) this.#list.style.setProperty('--rows', rows);
  }
}
