import { AlertStore, isHandled, isOpen, storeLimit } from './alert-store.js';
import { ApiError, get, toLogin } from './api.js';
import { EventFeed } from './events.js';

/**
 * Alerts as they happen. After each opening of the events everything that waits for somebody or is in view is asked for again, page by
 * page and until it was answered, so that what happened while the connection was away is neither missed nor told twice.
 *
 * @import { Alert, AlertStep } from '../../../core/alerts.ts'
 * @import { CameraState } from '../../../core/types.ts'
 */

const pageSize = 200;
/** By themselves pages are asked for until so many alerts, or so far back; older ones when somebody wants them. */
const lookAlerts = 1000;
const lookMs = 30 * 86_400_000;
/** Of those known from further back, so many are looked at one by one. */
const singly = 100;
const firstRetryMs = 1000;
const longestRetryMs = 30_000;

/**
 * @typedef {object} Told
 * @property {'first' | 'missed' | 'now'} when
 * @property {readonly Alert[]} loud new ones that are in view and wait for somebody: to be heard
 */

/**
 * @typedef {object} FeedHandlers
 * @property {(fresh: readonly Alert[], changed: readonly Alert[], gone: readonly string[], told: Told) => void} onAlerts
 * @property {(camera: string, state: CameraState | undefined) => void} onCamera
 * @property {(state: 'connecting' | 'open' | 'lost') => void} onState
 * @property {(missing: boolean) => void} onMissing whether alerts may be missing because asking for them has failed
 */

/** What there is to hear of new alerts. @param {readonly Alert[]} fresh */
export function loudOf(fresh) {
  return fresh.filter((alert) => isOpen(alert) && !isHandled(alert));
}

export class AlertFeed {
  store = new AlertStore();
  /** Alerts since then are known; undefined before the first answer. @type {number | undefined} */
  since;
  #handlers;
  #first = true;
  #catching = false;
  #again = false;
  #closed = false;
  /** Ends the wait for the next attempt. */
  #wake = () => {};
  /** Where older ones begin; undefined when there are none. @type {string | undefined} */
  #olderFrom;
  #limit = storeLimit;

  /** @param {FeedHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    this.events = new EventFeed({
      onOpen: () => void this.#catchUp(),
      onState: handlers.onState,
      onEvent: (name, data) => this.#event(name, data),
    });
  }

  close() {
    this.#closed = true;
    this.#wake();
    this.events.close();
  }

  /** Whether the server has alerts from before `since`. */
  get hasOlder() {
    return this.#olderFrom !== undefined;
  }

  /** The next page of those from before `since`. */
  async older() {
    const cursor = this.#olderFrom;
    if (cursor === undefined) return;
    const answer = await this.#page({ cursor });
    if (this.#olderFrom !== cursor) return;
    this.#limit += answer.items.length;
    const { fresh, changed } = this.#takeAll(answer.items);
    this.#reached(answer);
    this.#handlers.onAlerts(fresh, changed, [], { when: 'first', loud: [] });
  }

  /** What a request of our own answered. @param {Alert} alert */
  answered(alert) {
    if (this.store.take(alert) !== 'same') this.#handlers.onAlerts([], [alert], [], { when: 'now', loud: [] });
  }

  /** @param {string} name @param {unknown} data */
  #event(name, data) {
    const silent = /** @type {const} */ ({ when: 'now', loud: [] });
    if (name === 'alert') {
      const { alert, step, revision } = /** @type {{ alert: Alert, step: AlertStep, revision: number }} */ (data);
      const what = this.store.take(alert, revision);
      // One that was not known may be an old one that somebody else acts on.
      const loud = step.state === 'opened' ? loudOf([alert]) : [];
      if (what === 'new') this.#handlers.onAlerts([alert], [], this.store.trim(this.#limit), { when: 'now', loud });
      if (what === 'changed') this.#handlers.onAlerts([], [alert], [], silent);
    } else if (name === 'hidden') {
      const { id, revision } = /** @type {{ id: string, revision: number }} */ (data);
      const known = this.store.get(id);
      if (known !== undefined && this.store.hide(id, revision)) this.#handlers.onAlerts([], [known.alert], [], silent);
    } else if (name === 'camera') {
      const { camera, state } = /** @type {{ camera: string, state?: CameraState }} */ (data);
      this.#handlers.onCamera(camera, state);
    } else if (name === 'lost') void this.#catchUp();
  }

  /** Until it has succeeded once after the last call. */
  async #catchUp() {
    this.#again = true;
    this.#wake();
    if (this.#catching) return;
    this.#catching = true;
    let retryMs = firstRetryMs;
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#ask();
        retryMs = firstRetryMs;
        this.#handlers.onMissing(false);
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return toLogin();
        this.#again = true;
        this.#handlers.onMissing(true);
        await new Promise((resolve) => {
          this.#wake = () => resolve(undefined);
          setTimeout(resolve, retryMs * (0.75 + Math.random() / 2));
        });
        retryMs = Math.min(retryMs * 2, longestRetryMs);
      }
    }
    this.#catching = false;
  }

  /** @param {{ cursor?: string | undefined, open?: boolean }} query @returns {Promise<{ items: readonly Alert[], cursor?: string }>} */
  async #page(query) {
    return await get('alerts', { limit: pageSize, ...query });
  }

  /** @param {readonly Alert[]} alerts */
  #takeAll(alerts) {
    /** @type {{ fresh: Alert[], changed: Alert[] }} */
    const taken = { fresh: [], changed: [] };
    for (const alert of alerts) {
      const what = this.store.take(alert);
      if (what === 'new') taken.fresh.push(alert);
      if (what === 'changed') taken.changed.push(alert);
    }
    return taken;
  }

  /** @param {{ items: readonly Alert[], cursor?: string }} answer */
  #reached({ items, cursor }) {
    const last = items.at(-1)?.firstSeenAt ?? Date.now();
    if (this.since !== undefined && cursor !== undefined && last >= this.since) return;
    this.since = cursor === undefined ? 0 : last;
    this.#olderFrom = cursor;
  }

  async #ask() {
    const before = this.store.list();
    // A first look that failed half way knows nothing yet.
    const known = this.#first ? Number.NEGATIVE_INFINITY : (this.since ?? Number.NEGATIVE_INFINITY);
    const seen = new Set();
    /** Told page by page, as a later page may fail. @param {readonly Alert[]} items */
    const take = (items) => {
      for (const { id } of items) seen.add(id);
      const { fresh, changed } = this.#takeAll(items);
      const when = this.#first ? 'first' : 'missed';
      if (fresh.length + changed.length > 0)
        this.#handlers.onAlerts(fresh, changed, [], { when, loud: this.#first ? [] : loudOf(fresh) });
    };
    let reached = Number.POSITIVE_INFINITY;
    /** @type {string | undefined} */
    let cursor;
    for (let count = 0; count < lookAlerts; ) {
      const answer = await this.#page({ cursor });
      take(answer.items);
      cursor = answer.cursor;
      count += answer.items.length;
      reached = cursor === undefined ? Number.NEGATIVE_INFINITY : (answer.items.at(-1)?.firstSeenAt ?? reached);
      this.#reached(answer);
      if (cursor === undefined || reached < Date.now() - lookMs || reached < known) break;
    }
    // More than are looked at came meanwhile: the rest of them is older ones.
    if (!this.#first && reached > known) {
      this.since = reached;
      this.#olderFrom = cursor;
    }
    // What is in view may be older than all of these.
    if (cursor !== undefined) {
      /** @type {string | undefined} */
      let next;
      for (let count = 0; count < lookAlerts; ) {
        const answer = await this.#page({ open: true, cursor: next });
        take(answer.items);
        next = answer.cursor;
        count += answer.items.length;
        if (next === undefined) break;
      }
    }
    // Erased with its entry, or past its retention.
    const erased = before.filter(({ id, firstSeenAt }) => firstSeenAt > reached && !seen.has(id)).map(({ id }) => id);
    const unsure = before.filter((alert) => alert.firstSeenAt <= reached && !seen.has(alert.id) && !isHandled(alert));
    for (const { id } of unsure.slice(0, singly)) {
      try {
        const { revision: _, ...alert } = /** @type {Alert & { revision: number }} */ (await get(`alerts/${id}`));
        take([alert]);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        erased.push(id);
      }
    }
    for (const id of erased) this.store.forget(id);
    const when = this.#first ? 'first' : 'missed';
    this.#first = false;
    this.#handlers.onAlerts([], [], [...erased, ...this.store.trim(this.#limit)], { when, loud: [] });
  }
}
