import { change, get, words } from './api.js';
import { el, fill } from './dom.js';

/**
 * Makes a password for RTSP, shown once, beside the addresses to use it with. The addresses have no password in them: it would end
 * in histories and logs.
 * @param {string} user
 * @returns {HTMLElement}
 */
export function streamPassword(user) {
  const out = el('div', { role: 'status' });
  const make = el('button', { type: 'button' }, 'Make a stream password');
  make.addEventListener('click', () => {
    show(user, out).catch((error) => fill(out, el('p', { class: 'complaint' }, words(error))));
  });
  const take = el('button', { type: 'button' }, 'Take it away');
  take.addEventListener('click', () => {
    change('DELETE', `users/${encodeURIComponent(user)}/stream-password`).then(
      () => fill(out, el('p', {}, 'There is none now; streams that were opened with it have ended.')),
      (error) => fill(out, el('p', { class: 'complaint' }, words(error))),
    );
  });
  return el(
    'div',
    { class: 'stack' },
    el(
      'p',
      { class: 'hint' },
      'For players and recorders that read RTSP. It is made by the server and shown once; a new one ends the one before.',
    ),
    el('div', { class: 'row' }, make, take),
    out,
  );
}

/** @param {string} user @param {HTMLElement} out */
async function show(user, out) {
  /** @type {{ password: string }} */
  const { password } = await change('POST', `users/${encodeURIComponent(user)}/stream-password`);
  /** @type {{ items: readonly { camera: string, rtsp?: { clean?: string, annotated: string } }[] }} */
  const { items } = await get('cameras');
  const streams = items.flatMap(({ rtsp }) =>
    rtsp === undefined ? [] : [rtsp.annotated, ...(rtsp.clean === undefined ? [] : [rtsp.clean])],
  );
  fill(
    out,
    el('p', {}, 'Shown this once. Write it down, or copy it now:'),
    el(
      'dl',
      { class: 'pairs' },
      el('dt', {}, 'User'),
      el('dd', {}, el('code', {}, user)),
      el('dt', {}, 'Password'),
      el('dd', {}, el('code', { class: 'secret' }, password)),
    ),
    streams.length === 0
      ? el('p', { class: 'hint' }, 'The RTSP server is not running, so there are no addresses yet.')
      : el(
          'ul',
          { class: 'plain' },
          streams.map((url) => el('li', {}, el('code', {}, url))),
        ),
  );
}
