import { ApiError, change, get, toLogin, useSession, words } from './api.js';
import { byId, el, fill } from './dom.js';

/** @import { Permission, Role } from '../../../core/access.ts' */

/**
 * @typedef {object} Session
 * @property {string} user
 * @property {Role} role
 * @property {'all' | readonly string[]} cameras
 * @property {boolean} pictures
 * @property {readonly Permission[]} permissions
 * @property {string} [csrf]
 * @property {'session' | 'token' | 'proxy'} via
 * @property {number} [expiresAt] milliseconds since 1970
 */

/** Told of each later answer. @type {((session: Session) => void)[]} */
const listeners = [];

/** @param {(session: Session) => void} listener */
export function onSession(listener) {
  listeners.push(listener);
}

/** @param {Session} a @param {Session} b whether both may see and do the same */
export function sameRights(a, b) {
  /** @param {Session} session */
  const rights = ({ user, role, cameras, pictures, permissions }) =>
    JSON.stringify([user, role, cameras === 'all' ? cameras : [...cameras].sort(), pictures, [...permissions].sort()]);
  return rights(a) === rights(b);
}

/**
 * Whoever is logged in; nobody is sent to the login, and this never comes back then.
 * @returns {Promise<Session>}
 */
export async function requireSession() {
  while (true) {
    try {
      /** @type {Session} */
      const session = await get('session');
      useSession(session);
      setInterval(() => void staySeen(), seenEveryMs);
      return session;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        toLogin();
        return await new Promise(() => {});
      }
      await waitFor(error);
    }
  }
}

/** Somebody who only looks asks for nothing: without this the session would end as unused. */
const seenEveryMs = 10 * 60_000;

/** Asks who is logged in, and whether it is still the same. */
export async function staySeen() {
  try {
    /** @type {Session} */
    const session = await get('session');
    useSession(session);
    for (const listener of listeners) listener(session);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) toLogin();
  }
}

/** @param {unknown} error */
async function waitFor(error) {
  const main = byId('main');
  const before = [...main.childNodes];
  await new Promise((resolve) => {
    fill(
      main,
      el(
        'div',
        { class: 'notice bad', role: 'alert' },
        el('p', {}, words(error)),
        el('button', { type: 'button', onclick: resolve }, 'Try again'),
      ),
    );
    setTimeout(resolve, 5000);
  });
  main.replaceChildren(...before);
}

/**
 * @param {Session} session
 * @param {Permission} permission
 */
export function may(session, permission) {
  return session.permissions.includes(permission);
}

export async function logOut() {
  await change('DELETE', 'session');
  toLogin();
}
