import { fillCard, spoken } from './alert-card.js';
import { passes } from './alert-store.js';
import { announce } from './announce.js';
import { add, el, fill, newId, say, select } from './dom.js';
import { counted } from './format.js';

/**
 * The column of alerts. What is under the pointer or has the focus does not move: what is new waits behind a bar then, and what no
 * longer passes the filter stays until somebody lets it go.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { AlertStore, Filter } from './alert-store.js'
 * @import { CardNeeds } from './alert-card.js'
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
  #items = el('ol', { class: 'cards' });
  #scroll = el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'List of alerts' });
  #bar = el('button', { type: 'button', class: 'fresh', hidden: true, onclick: () => this.showAll() });
  #count = el('span', { class: 'count' });
  #empty = el('p', { class: 'empty' });
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

  /** @param {AlertStore} store @param {CardNeeds} needs */
  constructor(store, needs) {
    this.#store = store;
    this.#needs = needs;
    const filters = el('div', { class: 'filters', role: 'group', 'aria-label': 'Filter', id: newId('filters') });
    add(filters, this.#shows, this.#severities, this.#cameras, this.#lists);
    filters.addEventListener('change', () => {
      this.#filter = {
        ...(this.#lists.value === '' ? {} : { list: this.#lists.value }),
        ...(this.#cameras.value === '' ? {} : { camera: this.#cameras.value }),
        ...(this.#severities.value === '' ? {} : { severity: this.#severities.value }),
        ...(this.#shows.value === '' ? {} : { show: /** @type {'open' | 'waiting'} */ (this.#shows.value) }),
      };
      this.showAll();
      announce(counted(this.#cards.size, 'alert'));
    });
    this.#items.addEventListener('focusin', ({ target }) => {
      const card = target instanceof Element ? target.closest('article') : null;
      if (card?.dataset['alert'] !== undefined) this.#select(card.dataset['alert']);
    });
    this.#items.addEventListener('click', ({ target }) => {
      const card = target instanceof Element ? target.closest('article') : null;
      if (card?.dataset['alert'] !== undefined) this.#select(card.dataset['alert']);
    });
    add(this.#scroll, this.#items, this.#empty);
    add(
      this.element,
      el('div', { class: 'alerts-head' }, el('h2', { id: 'alerts-heading' }, 'Alerts ', this.#count), filters),
      this.#bar,
      this.#scroll,
    );
    this.showAll();
  }

  /** @param {readonly string[]} lists @param {readonly string[]} cameras */
  offer(lists, cameras) {
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
  }

  /**
   * @param {readonly Alert[]} fresh
   * @param {readonly Alert[]} changed
   * @param {readonly string[]} gone
   * @param {boolean} quiet of the first page nothing is held back or said
   */
  take(fresh, changed, gone, quiet) {
    for (const id of gone) this.#drop(id);
    for (const alert of changed) {
      const card = this.#cards.get(alert.id);
      if (card !== undefined) this.#fill(card, alert.id);
      else if (passes(alert, this.#filter)) this.#held.add(alert.id);
    }
    const passing = fresh.filter((alert) => passes(alert, this.#filter));
    for (const { id } of passing) this.#held.add(id);
    if (quiet || !this.#isBusy()) this.#insertHeld();
    this.#showBar();
    if (quiet || fresh.length === 0) return;
    const [only] = fresh;
    announce(fresh.length === 1 && only !== undefined ? `New ${spoken(only)}` : `${fresh.length} new alerts`);
  }

  showAll() {
    this.#held.clear();
    const list = this.#store.list(this.#filter);
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

  #isBusy() {
    return this.#scroll.scrollTop > 4 || this.#items.contains(document.activeElement) || this.#items.matches(':hover');
  }

  /** Above all, or where their time puts them; what is in view stays where it is. */
  #insertHeld() {
    if (this.#held.size === 0) return;
    for (const { id } of this.#store
      .list()
      .filter(({ id }) => this.#held.has(id) && !this.#cards.has(id))
      .reverse()) {
      const card = this.#make(id);
      this.#fill(card, id);
      this.#cards.set(id, card);
      const at = this.#store.get(id)?.alert.firstSeenAt ?? 0;
      const after = [...this.#items.children].find((item) => {
        const other = item.querySelector('article')?.dataset['alert'];
        return (other === undefined ? 0 : (this.#store.get(other)?.alert.firstSeenAt ?? 0)) < at;
      });
      this.#items.insertBefore(el('li', {}, card), after ?? null);
    }
    this.#held.clear();
  }

  #showBar() {
    const count = this.#held.size;
    this.#bar.hidden = count === 0;
    say(this.#bar, count === 0 ? '' : `${count} new: show`);
    const waiting = this.#store.list({ show: 'waiting' }).length;
    say(this.#count, waiting === 0 ? '' : `${waiting} waiting`);
    const nothing = this.#store.size === 0 ? 'No alerts yet. They appear here as they happen.' : 'No alert passes this filter.';
    say(this.#empty, this.#cards.size === 0 ? nothing : '');
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

  /** @param {string} id */
  #drop(id) {
    this.#cards.get(id)?.parentElement?.remove();
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
