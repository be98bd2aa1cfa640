import { makeDialog } from './dialog.js';
import { add, checkbox, el } from './dom.js';
import { remember, remembered } from './remembered.js';

/** Keys of the live page. Single letters can be switched off (WCAG 2.1.4): some speak to their computer, and words are keys then. */

/**
 * @typedef {object} Key
 * @property {readonly string[]} keys as KeyboardEvent has them
 * @property {string} [shown]
 * @property {string} says
 * @property {(event: KeyboardEvent) => void | false} run false: not for us, the browser's own use of the key holds
 */

let on = remembered('keys') !== 'off';

/** Where keys write or choose something. @param {EventTarget | null} target */
function types(target) {
  return target instanceof Element && target.closest('input, select, textarea, video, [contenteditable]') !== null;
}

/** @param {readonly Key[]} keys */
export function listenToKeys(keys) {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (types(event.target) || document.querySelector('dialog[open]') !== null) return;
    if (!on && event.key.length === 1) return;
    const found = keys.find((known) => known.keys.includes(event.key));
    if (found !== undefined && found.run(event) !== false) event.preventDefault();
  });
}

/** @param {readonly Key[]} keys */
export function showKeys(keys) {
  const { body, foot, open, close } = makeDialog('Keys');
  const toggle = checkbox('Keys of a single letter are on');
  toggle.input.checked = on;
  toggle.input.addEventListener('change', () => {
    on = toggle.input.checked;
    remember('keys', on ? undefined : 'off');
  });
  add(
    body,
    el(
      'dl',
      { class: 'pairs keys' },
      keys.flatMap(({ shown, keys: names, says }) => [
        el('dt', {}, el('kbd', {}, shown ?? names.join(' '))),
        el('dd', {}, says),
      ]),
    ),
    toggle.row,
  );
  add(foot, el('button', { type: 'button', onclick: close }, 'Close'));
  open();
}
