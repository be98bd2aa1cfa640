import { AlertStore } from './alert-store.js';
import { get } from './api.js';
import { EventFeed } from './events.js';

/**
 * Alerts as they happen. After each opening of the events everything that is shown is asked for again, page by page, so that what
 * happened while the connection was away is neither missed nor told twice.
 *
 * @import { Alert, AlertStep } from '../../../core/alerts.ts'
 * @import { CameraState } from '../../../core/types.ts'
 */

const pageSize = 100;
const maxPages = 5;

/**
 * @typedef {object} FeedHandlers
 * @property {(fresh: readonly Alert[], changed: readonly Alert[], gone: readonly string[], told: 'first' | 'missed' | 'now') => void} onAlerts
 * @property {(camera: string, state: CameraState | undefined) => void} onCamera
 * @property {(state: 'connecting' | 'open' | 'lost') => void} onState
 * @property {(error: unknown) => void} onError
 */

export class AlertFeed {
  store = new AlertStore();
  #handlers;
  #first = true;
  #catching = false;
  #again = false;

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
    this.events.close();
  }

  /** What a request of our own answered. @param {Alert} alert */
  answered(alert) {
    if (this.store.take(alert) !== 'same') this.#handlers.onAlerts([], [alert], [], 'now');
  }

  /** @param {string} name @param {unknown} data */
  #event(name, data) {
    if (name === 'alert') {
      const { alert, revision } = /** @type {{ alert: Alert, step: AlertStep, revision: number }} */ (data);
      const what = this.store.take(alert, revision);
      if (what === 'new') this.#handlers.onAlerts([alert], [], this.store.trim(), 'now');
      if (what === 'changed') this.#handlers.onAlerts([], [alert], [], 'now');
    } else if (name === 'hidden') {
      const { id, revision } = /** @type {{ id: string, revision: number }} */ (data);
      const known = this.store.get(id);
      if (known !== undefined && this.store.hide(id, revision)) this.#handlers.onAlerts([], [known.alert], [], 'now');
    } else if (name === 'camera') {
      const { camera, state } = /** @type {{ camera: string, state?: CameraState }} */ (data);
      this.#handlers.onCamera(camera, state);
    } else if (name === 'lost') void this.#catchUp();
  }

  async #catchUp() {
    if (this.#catching) {
      this.#again = true;
      return;
    }
    this.#catching = true;
    do {
      this.#again = false;
      try {
        await this.#ask();
      } catch (error) {
        this.#handlers.onError(error);
      }
    } while (this.#again);
    this.#catching = false;
  }

  async #ask() {
    const before = this.store.list();
    const oldest = before.at(-1)?.firstSeenAt ?? Number.POSITIVE_INFINITY;
    /** @type {Alert[]} */
    const fresh = [];
    /** @type {Alert[]} */
    const changed = [];
    const seen = new Set();
    /** @type {string | undefined} */
    let cursor;
    let reached = Number.POSITIVE_INFINITY;
    for (let page = 0; page < maxPages; page += 1) {
      /** @type {{ items: readonly Alert[], cursor?: string }} */
      const answer = await get('alerts', { limit: pageSize, cursor });
      for (const alert of answer.items) {
        seen.add(alert.id);
        reached = alert.firstSeenAt;
        const what = this.store.take(alert);
        if (what === 'new') fresh.push(alert);
        if (what === 'changed') changed.push(alert);
      }
      cursor = answer.cursor;
      if (cursor === undefined) reached = Number.NEGATIVE_INFINITY;
      if (cursor === undefined || this.#first || reached < oldest) break;
    }
    // Erased with its entry, or past its retention.
    const erased = before.filter(({ id, firstSeenAt }) => firstSeenAt > reached && !seen.has(id)).map(({ id }) => id);
    for (const id of erased) this.store.forget(id);
    const told = this.#first ? 'first' : 'missed';
    this.#first = false;
    this.#handlers.onAlerts(fresh, changed, [...erased, ...this.store.trim()], told);
  }
}
