import { checkbox, el } from './dom.js';

/**
 * All cameras, or some of them.
 * @param {readonly string[]} cameras
 * @param {'all' | readonly string[]} [chosen]
 * @returns {{ readonly element: HTMLElement, readonly value: 'all' | readonly string[] }}
 */
export function cameraChoice(cameras, chosen = 'all') {
  const all = checkbox('All cameras, also future ones');
  all.input.checked = chosen === 'all';
  // A camera that is gone from the configuration stays granted until somebody takes it away.
  const names = chosen === 'all' ? cameras : [...new Set([...cameras, ...chosen])];
  const some = names.map((name) => {
    const box = checkbox(name);
    box.input.checked = chosen !== 'all' && chosen.includes(name);
    return { name, ...box };
  });
  const list = el(
    'div',
    { class: 'tick-list' },
    some.map(({ row }) => row),
  );
  const show = () => {
    list.hidden = all.input.checked;
  };
  all.input.addEventListener('change', show);
  show();
  return {
    element: el('fieldset', {}, el('legend', {}, 'Cameras'), all.row, list),
    get value() {
      return all.input.checked ? 'all' : some.filter(({ input }) => input.checked).map(({ name }) => name);
    },
  };
}
