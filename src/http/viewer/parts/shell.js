import { openAccount } from './account.js';
import { toast } from './announce.js';
import { words } from './api.js';
import { at, here } from './base.js';
import { byId, el, fill } from './dom.js';
import { moment } from './format.js';
import { icon } from './icons.js';
import { logOut, may, onSession } from './session.js';
import { themeButton } from './theme.js';

/**
 * @import { Session } from './session.js'
 * @import { Permission } from '../../../core/access.ts'
 * @import { IconName } from './icons.js'
 */

/** @type {readonly { path: string, name: string, icon: IconName, permission: Permission }[]} */
const places = [
  { path: '', name: 'Live', icon: 'live', permission: 'live' },
  { path: 'watchlist', name: 'Watchlist', icon: 'watchlist', permission: 'watchlist.read' },
  { path: 'health', name: 'Health', icon: 'health', permission: 'health.read' },
  { path: 'users', name: 'Users', icon: 'users', permission: 'users.manage' },
];

/** So long before the session ends it is said. */
const dayMs = 86_400_000;

/** @returns {HTMLAnchorElement} */
export function brand() {
  const mark = el('span', { class: 'mark', 'aria-hidden': 'true' });
  return el('a', { class: 'brand', href: at('') }, mark, 'Sightline');
}

/**
 * The bar at the top (on phones the places are at the bottom): where one is, and who.
 * @param {Session} session
 * @param {{ current?: string, tools?: readonly HTMLElement[] }} [options] current: path of the place
 */
export function showShell(session, { current, tools = [] } = {}) {
  const nav = el(
    'nav',
    { 'aria-label': 'Pages', class: 'places' },
    places
      .filter(({ permission }) => may(session, permission))
      .map((place) =>
        el(
          'a',
          { href: at(place.path), 'aria-current': place.path === current ? 'page' : undefined },
          icon(place.icon),
          el('span', {}, place.name),
        ),
      ),
  );
  const account = el(
    'button',
    { type: 'button', class: 'quiet who', title: 'Your account', onclick: () => openAccount(session) },
    icon('users'),
    el('span', { class: 'name' }, session.user),
    el('span', { class: 'role' }, session.role),
  );
  const leave = el(
    'button',
    {
      type: 'button',
      class: 'quiet square',
      'aria-label': 'Log out',
      title: 'Log out',
      onclick: () => {
        logOut().catch((error) => toast(words(error), 'bad'));
      },
    },
    icon('exit'),
  );
  const end = el('p', { class: 'session-end', role: 'status', hidden: true });
  let { expiresAt } = session;
  const showEnd = () => {
    const near = expiresAt !== undefined && expiresAt - Date.now() < dayMs;
    end.hidden = !near;
    if (!near || expiresAt === undefined) return fill(end);
    const again = el('a', { href: at(`login#${encodeURIComponent(here())}`) }, 'log in again');
    fill(end, `You are logged in until ${moment(expiresAt)}: `, again, ' before then.');
  };
  onSession((now) => {
    expiresAt = now.expiresAt;
    showEnd();
  });
  setInterval(showEnd, 60_000);
  showEnd();
  // Whom a proxy let in logs out there.
  fill(
    byId('top'),
    brand(),
    nav,
    el('div', { class: 'tools' }, tools, themeButton(), account, session.via === 'session' ? leave : undefined),
    end,
  );
}
