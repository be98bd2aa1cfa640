/**
 * What this page knows of alerts: each once, in its newest form, however often and in whatever order it is told. Pure.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 */

/**
 * @typedef {object} Known
 * @property {Alert} alert
 * @property {number} revision 0 where it is not known
 * @property {boolean} elsewhere it goes on at a camera that is not the user's: what is known of it is old
 */

/**
 * @typedef {object} Filter
 * @property {string} [list]
 * @property {string} [camera]
 * @property {string} [severity]
 * @property {'waiting' | 'open'} [show] waiting: nobody has acted yet; open: still in view
 */

/** More are forgotten, handled ones first and then the oldest; the server has them. */
export const storeLimit = 1500;

/** @param {Alert} alert */
export function lastStepAt(alert) {
  return alert.steps.at(-1)?.at ?? 0;
}

/** @param {Alert} alert */
export function isHandled(alert) {
  return alert.steps.some(({ state }) => state === 'acknowledged' || state === 'resolved' || state === 'rejected');
}

/** @param {Alert} alert */
export function isOpen({ state }) {
  return state === 'opened' || state === 'updated' || state === 'acknowledged';
}

/** Newer by what is said of it, where no revision decides. @param {Alert} alert @param {Alert} than */
function isNewer(alert, than) {
  return lastStepAt(alert) > lastStepAt(than) || (lastStepAt(alert) === lastStepAt(than) && alert.lastSeenAt > than.lastSeenAt);
}

/** Newest first; the id decides between two of one moment. @param {Alert} a @param {Alert} b */
export function newestFirst(a, b) {
  return b.firstSeenAt - a.firstSeenAt || (a.id < b.id ? 1 : -1);
}

/** @param {Alert} alert @param {Filter} filter */
export function passes(alert, { list, camera, severity, show }) {
  if (list !== undefined && alert.entry?.list !== list) return false;
  if (camera !== undefined && !alert.cameras.includes(camera) && alert.camera !== camera) return false;
  if (severity !== undefined && alert.severity !== severity) return false;
  if (show === 'waiting') return !isHandled(alert);
  return show !== 'open' || isOpen(alert);
}

export class AlertStore {
  /** @type {Map<string, Known>} */
  #known = new Map();

  get size() {
    return this.#known.size;
  }

  /** @param {string} id */
  get(id) {
    return this.#known.get(id);
  }

  /**
   * @param {Alert} alert
   * @param {number} [revision] 0: not known
   * @returns {'new' | 'changed' | 'same'}
   */
  take(alert, revision = 0) {
    const old = this.#known.get(alert.id);
    if (old === undefined) {
      this.#known.set(alert.id, { alert, revision, elsewhere: false });
      return 'new';
    }
    const decided = revision > 0 && old.revision > 0;
    const newer = decided ? revision > old.revision : isNewer(alert, old.alert);
    if (!newer) {
      if (!decided && revision > old.revision) this.#known.set(alert.id, { ...old, revision });
      return 'same';
    }
    this.#known.set(alert.id, { alert, revision: Math.max(revision, old.revision), elsewhere: false });
    return 'changed';
  }

  /**
   * @param {string} id
   * @param {number} revision
   * @returns {boolean} whether it is known here
   */
  hide(id, revision) {
    const old = this.#known.get(id);
    if (old === undefined || old.revision >= revision) return false;
    this.#known.set(id, { ...old, revision, elsewhere: true });
    return true;
  }

  /** @param {string} id */
  forget(id) {
    this.#known.delete(id);
  }

  /**
   * @param {Filter} [filter]
   * @returns {readonly Alert[]} newest first
   */
  list(filter = {}) {
    return [...this.#known.values()]
      .map(({ alert }) => alert)
      .filter((alert) => passes(alert, filter))
      .sort(newestFirst);
  }

  /** @returns {readonly string[]} what has been forgotten */
  trim(limit = storeLimit) {
    if (this.#known.size <= limit) return [];
    const list = this.list();
    const over = list.toReversed().filter((alert) => isHandled(alert) && !isOpen(alert));
    const needed = list.toReversed().filter((alert) => !isHandled(alert) || isOpen(alert));
    const gone = [...over, ...needed].slice(0, list.length - limit);
    for (const { id } of gone) this.#known.delete(id);
    return gone.map(({ id }) => id);
  }
}
