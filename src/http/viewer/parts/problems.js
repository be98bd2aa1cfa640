import { words } from './api.js';
import { byId, el } from './dom.js';

/**
 * Runs a page: what it throws is shown where people look, not only in the console.
 * @param {() => Promise<void>} page
 */
export function start(page) {
  page().catch((error) => {
    byId('main').prepend(
      el(
        'div',
        { class: 'notice bad', role: 'alert' },
        el('p', {}, words(error)),
        el('button', { type: 'button', onclick: () => location.reload() }, 'Try again'),
      ),
    );
  });
}
