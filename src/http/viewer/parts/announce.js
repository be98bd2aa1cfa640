import { el } from './dom.js';

/** What happens beside the eye: for readers at once, for everybody as a line at the bottom that goes by itself. */
const polite = el('div', { class: 'unseen', 'aria-live': 'polite', role: 'status' });
const toasts = el('div', { class: 'toasts' });
document.body.append(polite, toasts);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let clear;

/**
 * To readers alone. Two at once become one announcement.
 * @param {string} text
 */
export function announce(text) {
  const pending = polite.textContent ?? '';
  polite.textContent = pending === '' || pending.includes(text) ? text : `${pending} ${text}`;
  clearTimeout(clear);
  clear = setTimeout(() => {
    polite.textContent = '';
  }, 4000);
}

/**
 * @param {string} text
 * @param {'plain' | 'bad'} [kind]
 */
export function toast(text, kind = 'plain') {
  const line = el('p', { class: `toast ${kind}` }, text);
  toasts.append(line);
  announce(text);
  while (toasts.childElementCount > 3) toasts.firstElementChild?.remove();
  setTimeout(() => line.remove(), kind === 'bad' ? 9000 : 4500);
}
