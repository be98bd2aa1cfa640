import { fillCard, spoken } from './alert-card.js';
import { passes } from './alert-store.js';
import { announce, toast } from './announce.js';
import { words } from './api.js';
import { add, el, fill, newId, say, select } from './dom.js';
import { counted, moment } from './format.js';

/**
 * The column of alerts. While a pointer is over it or the focus is in it nothing in it moves: what is new waits behind a bar then, and what
 * no longer passes the filter stays until somebody lets it go. Otherwise new ones come in by themselves, and a chosen one stays in its place.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { AlertStore, Filter } from './alert-store.js'
 * @import { CardNeeds } from './alert-card.js'
 * @import { Told } from './alert-feed.js'
 */

/** A scrolled list is left alone for this long. */
const thereMs = 10_000;
/** After this long it goes back to its top, if nobody is there. */
const goneMs = 60_000;
/** A pointer or a focus of which nothing came for this long was left there, and whoever did waits for alerts elsewhere. */
const leftMs = 120_000;
/** A click so soon after the cards have moved under the pointer was meant for another one. */
const strayMs = 500;
/** Cards at first, and more with each touch of the button below them. */
const cardsAtOnce = 200;

/**
 * @typedef {object} Older
 * @property {() => { since: number | undefined, more: boolean }} reach alerts since when are known here, and whether there are older ones
 * @property {() => Promise<void>} ask for a page of older ones
 */

export class AlertList {
  element = el('section', { class: 'alerts', 'aria-labelledby': 'alerts-heading' });
  /** @type {string | undefined} */
  selected;
  #needs;
  #store;
  /** @type {Filter} */
  #filter = { show: 'waiting' };
  /** @type {Map<string, HTMLElement>} */
  #cards = new Map();
  /** @type {Set<string>} */
  #held = new Set();
  #older;
  #room = cardsAtOnce;
  #touchedAt = Number.NEGATIVE_INFINITY;
  #movedAt = Number.NEGATIVE_INFINITY;
  /** Cards that came in above what is in view, and when the last did. */
  #above = 0;
  #cameAt = Number.NEGATIVE_INFINITY;
  #pointer = '';
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #items = el('ol', { class: 'cards' });
  #scroll = el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'List of alerts' });
  #bar = el('button', { type: 'button', class: 'fresh', hidden: true, onclick: () => this.showAll() });
  #count = el('span', { class: 'count' });
  #empty = el('p', { class: 'empty' });
  #reach = el('p', { class: 'hint', role: 'status' });
  #more = el('button', { type: 'button', onclick: () => void this.#showOlder() }, 'Older alerts');
  #lists = select([['', 'All lists']], { 'aria-label': 'List' });
  #cameras = select([['', 'All cameras']], { 'aria-label': 'Camera' });
  #severities = select(
    [
      ['', 'Any severity'],
      ['critical', 'Critical'],
      ['high', 'High'],
      ['medium', 'Medium'],
      ['low', 'Low'],
    ],
    { 'aria-label': 'Severity' },
  );
  #shows = select(
    [
      ['waiting', 'Waiting'],
      ['open', 'In view'],
      ['', 'All alerts'],
    ],
    { 'aria-label': 'Which alerts' },
  );

  /** @param {AlertStore} store @param {CardNeeds} needs @param {Older} older */
  constructor(store, needs, older) {
    this.#store = store;
    this.#needs = needs;
    this.#older = older;
    const filters = el('div', { class: 'filters', role: 'group', 'aria-label': 'Filter', id: newId('filters') });
    add(filters, this.#shows, this.#severities, this.#cameras, this.#lists);
    filters.addEventListener('change', () => this.#filtered());
    this.#scroll.addEventListener('focusin', () => this.#touched());
    this.#items.addEventListener('focusin', ({ target }) => {
      const card = target instanceof Element ? target.closest('article') : null;
      if (card?.dataset['alert'] !== undefined) this.#select(card.dataset['alert']);
    });
    this.#items.addEventListener('click', ({ target }) => {
      const card = target instanceof Element ? target.closest('article') : null;
      if (card?.dataset['alert'] !== undefined) this.#select(card.dataset['alert']);
    });
    for (const name of ['pointerdown', 'wheel', 'touchmove', 'keydown'])
      this.#scroll.addEventListener(name, () => this.#touched(), { passive: true });
    this.#scroll.addEventListener('pointermove', ({ screenX, screenY }) => {
      // Browsers also tell of a pointer that lies still while the page moves under it.
      const at = `${screenX} ${screenY}`;
      if (at !== this.#pointer) this.#touched();
      this.#pointer = at;
    });
    this.#scroll.addEventListener('scroll', () => {
      if (this.#scroll.scrollTop > 4 || this.#above === 0) return;
      this.#above = 0;
      this.#showBar();
    });
    this.#items.addEventListener(
      'click',
      (event) => {
        if (event.detail === 0 || performance.now() - this.#movedAt > strayMs) return;
        event.preventDefault();
        event.stopPropagation();
      },
      { capture: true },
    );
    add(this.#scroll, this.#items, this.#empty, el('div', { class: 'older' }, this.#reach, this.#more));
    add(
      this.element,
      el('div', { class: 'alerts-head' }, el('h2', { id: 'alerts-heading' }, 'Alerts ', this.#count), filters),
      this.#bar,
      this.#scroll,
    );
    this.showAll();
  }

  #filtered() {
    this.#filter = {
      ...(this.#lists.value === '' ? {} : { list: this.#lists.value }),
      ...(this.#cameras.value === '' ? {} : { camera: this.#cameras.value }),
      ...(this.#severities.value === '' ? {} : { severity: this.#severities.value }),
      ...(this.#shows.value === '' ? {} : { show: /** @type {'open' | 'waiting'} */ (this.#shows.value) }),
    };
    this.showAll();
    announce(counted(this.#cards.size, 'alert'));
  }

  /** @param {readonly string[]} lists @param {readonly string[]} cameras */
  offer(lists, cameras) {
    const chosen = [this.#lists.value, this.#cameras.value];
    fill(
      this.#lists,
      el('option', { value: '' }, 'All lists'),
      lists.map((name) => el('option', { value: name }, name)),
    );
    fill(
      this.#cameras,
      el('option', { value: '' }, 'All cameras'),
      cameras.map((name) => el('option', { value: name }, name)),
    );
    // What is chosen stays chosen, if it is still there.
    for (const [index, choice] of [this.#lists, this.#cameras].entries()) {
      choice.value = chosen[index] ?? '';
      if (choice.selectedIndex < 0) choice.value = '';
    }
    if (this.#lists.value !== chosen[0] || this.#cameras.value !== chosen[1]) this.#filtered();
  }

  /**
   * @param {readonly Alert[]} fresh
   * @param {readonly Alert[]} changed
   * @param {readonly string[]} gone
   * @param {Told} told of the first look nothing is held back
   */
  take(fresh, changed, gone, { when, loud }) {
    this.#inPlace(() => {
      for (const id of gone) this.#drop(id);
      for (const alert of changed) {
        const card = this.#cards.get(alert.id);
        if (card !== undefined) this.#fill(card, alert.id);
        else if (passes(alert, this.#filter)) this.#held.add(alert.id);
      }
    });
    const passing = fresh.filter((alert) => passes(alert, this.#filter));
    for (const { id } of passing) this.#held.add(id);
    if (when === 'first' || !this.#isBusy()) this.#insertHeld(when === 'first');
    this.#showBar();
    const [only] = loud;
    if (only !== undefined) announce(loud.length === 1 ? `New ${spoken(only)}` : `${loud.length} new alerts`);
  }

  #touched() {
    this.#touchedAt = performance.now();
  }

  /** Each second while something is held back, has come in above or has left a gap. */
  #tick() {
    if (!this.#isBusy()) {
      this.#inPlace(() => {
        for (const gap of this.#gaps()) gap.remove();
      });
      this.#insertHeld(false);
    }
    const stillMs = performance.now() - Math.max(this.#touchedAt, this.#cameAt);
    if (this.#above > 0 && !this.#isThere() && stillMs > goneMs) this.#scroll.scrollTop = 0;
    this.#showBar();
  }

  /** Where alerts were that are erased. */
  #gaps() {
    return this.#items.querySelectorAll(':scope > .gap');
  }

  showAll() {
    this.#held.clear();
    this.#above = 0;
    this.#room = cardsAtOnce;
    const list = this.#store.list(this.#filter).slice(0, this.#room);
    this.#cards = new Map(list.map(({ id }) => [id, this.#cards.get(id) ?? this.#make(id)]));
    for (const [id, card] of this.#cards) this.#fill(card, id);
    fill(
      this.#items,
      [...this.#cards.values()].map((card) => card.parentElement ?? el('li', {}, card)),
    );
    this.#scroll.scrollTop = 0;
    this.#showBar();
  }

  /** @param {number} step 1: the next older one */
  move(step) {
    this.#touched();
    const ids = [...this.#items.querySelectorAll('article')].map((card) => card.dataset['alert'] ?? '');
    const now = this.selected === undefined ? -1 : ids.indexOf(this.selected);
    const id = ids[now < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, now + step))];
    const card = id === undefined ? undefined : this.#cards.get(id);
    card?.focus();
    card?.scrollIntoView({ block: 'nearest' });
  }

  /** @returns {Alert | undefined} */
  get selectedAlert() {
    return this.selected === undefined ? undefined : this.#store.get(this.selected)?.alert;
  }

  /** The same alert again: a time has passed, a state is another. @param {string} id */
  refresh(id) {
    const card = this.#cards.get(id);
    if (card !== undefined) this.#fill(card, id);
  }

  /** By pointer or by focus. Fingers hover nowhere, though browsers say so of the last place they touched. */
  #isThere() {
    if (performance.now() - this.#touchedAt > leftMs) return false;
    if (this.#scroll.contains(document.activeElement)) return true;
    return matchMedia('(hover: hover)').matches && (this.#scroll.matches(':hover') || this.#bar.matches(':hover'));
  }

  #isBusy() {
    return this.#isThere() || (this.#scroll.scrollTop > 4 && performance.now() - this.#touchedAt < thereMs);
  }

  /**
   * Changes the list; the chosen alert, or else the first one in view of a list that is scrolled, stays where it is seen. By our own hand,
   * as browsers let go of it at the top.
   * @param {() => void} change
   */
  #inPlace(change) {
    const { top, bottom } = this.#scroll.getBoundingClientRect();
    const inView = (/** @type {HTMLElement | undefined} */ card) => {
      const box = card?.getBoundingClientRect();
      return box !== undefined && box.bottom > top && box.top < bottom;
    };
    const chosen = this.selected === undefined ? undefined : this.#cards.get(this.selected);
    const scrolled = this.#scroll.scrollTop > 4;
    const first = () => [...this.#items.querySelectorAll('article')].find(inView);
    const anchor = inView(chosen) ? chosen : scrolled ? first() : undefined;
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    const moved = anchor?.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    // Even by nothing: an offset that is written is rounded.
    if (moved !== 0) this.#scroll.scrollBy({ top: moved, behavior: 'instant' });
  }

  /** Above all, or where their time puts them; what is in view stays where it is. @param {boolean} first */
  #insertHeld(first) {
    if (this.#held.size === 0) return;
    const oldest = this.#items.lastElementChild?.querySelector('article')?.dataset['alert'];
    const end = oldest === undefined ? 0 : this.#seenAt(oldest);
    const fresh = this.#store.list().filter(({ id }) => this.#held.has(id) && !this.#cards.has(id));
    // What is older than all that is shown comes with the button.
    const fitting = fresh.slice(0, Math.max(0, this.#room - this.#cards.size));
    const newer = fresh.slice(fitting.length).filter(({ firstSeenAt }) => firstSeenAt >= end);
    const inserted = fitting.length + newer.length;
    this.#inPlace(() => {
      for (const alert of [...fitting, ...newer]) this.#insert(alert);
    });
    this.#held.clear();
    if (first || inserted === 0) return;
    if (this.#scroll.scrollTop > 4) {
      this.#above += inserted;
      this.#cameAt = performance.now();
    }
    if (this.#items.matches(':hover')) this.#movedAt = performance.now();
  }

  /** @param {Alert} alert */
  #insert({ id, firstSeenAt }) {
    const card = this.#make(id);
    this.#cards.set(id, card);
    this.#fill(card, id);
    const after = [...this.#items.children].find((item) => {
      const other = item.querySelector('article')?.dataset['alert'];
      return other !== undefined && this.#seenAt(other) < firstSeenAt;
    });
    this.#items.insertBefore(el('li', {}, card), after ?? null);
  }

  /** @param {string} id */
  #seenAt(id) {
    return this.#store.get(id)?.alert.firstSeenAt ?? 0;
  }

  /** Those that are known here and not shown, then those that the server has. */
  async #showOlder() {
    this.#touched();
    this.#room += cardsAtOnce;
    this.#more.disabled = true;
    const shown = this.#cards.size;
    try {
      if (this.#hidden() === 0) await this.#older.ask();
      const missing = this.#store.list(this.#filter).filter(({ id }) => !this.#cards.has(id) && !this.#held.has(id));
      for (const alert of missing.slice(0, Math.max(0, this.#room - this.#cards.size))) this.#insert(alert);
      announce(counted(this.#cards.size - shown, 'older alert'));
    } catch (error) {
      toast(words(error), 'bad');
    }
    this.#more.disabled = false;
    this.#showBar();
  }

  /** How many pass the filter, are known, and have no card. */
  #hidden() {
    return this.#store.list(this.#filter).filter(({ id }) => !this.#cards.has(id) && !this.#held.has(id)).length;
  }

  #showBar() {
    const count = this.#held.size + this.#above;
    this.#bar.hidden = count === 0;
    say(this.#bar, count === 0 ? '' : `${count} new: show`);
    if (count === 0 && this.#gaps().length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else this.#timer ??= setInterval(() => this.#tick(), 1000);
    const waiting = this.#store.list({ show: 'waiting' }).length;
    const { since, more } = this.#older.reach();
    const hidden = this.#hidden();
    say(this.#count, waiting === 0 ? '' : `${waiting}${more ? ' or more' : ''} waiting`);
    const nothing = this.#store.size === 0 ? 'No alerts yet. They appear here as they happen.' : 'No alert passes this filter.';
    say(this.#empty, this.#cards.size === 0 && since !== undefined ? nothing : '');
    this.#more.hidden = hidden === 0 && !more;
    say(this.#reach, more && since !== undefined ? `Looked back to ${moment(since)}: there are older alerts.` : '');
  }

  /** @param {string} id */
  #make(id) {
    return el('article', { tabindex: -1, 'data-alert': id });
  }

  /** @param {HTMLElement} card @param {string} id */
  #fill(card, id) {
    const known = this.#store.get(id);
    if (known === undefined) return;
    fillCard(known.alert, { ...this.#needs, elsewhere: known.elsewhere }, card);
    card.classList.toggle('selected', id === this.selected);
  }

  /** Its place stays while somebody is there. @param {string} id */
  #drop(id) {
    const item = this.#cards.get(id)?.parentElement;
    if (item !== null && item !== undefined) {
      if (this.#isThere()) {
        item.style.height = `${item.getBoundingClientRect().height}px`;
        item.className = 'gap empty';
        fill(item, 'Erased with its entry, or past its retention.');
      } else item.remove();
    }
    this.#cards.delete(id);
    this.#held.delete(id);
    if (this.selected === id) this.selected = undefined;
  }

  /** @param {string} id */
  #select(id) {
    if (this.selected === id) return;
    this.selected = id;
    for (const [other, card] of this.#cards) {
      card.classList.toggle('selected', other === id);
      if (other === id) card.setAttribute('aria-current', 'true');
      else card.removeAttribute('aria-current');
    }
  }
}
