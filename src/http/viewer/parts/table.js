import { el, fill } from './dom.js';

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {boolean} [number]
 */

/**
 * A table whose rows can be replaced; the first cell of each is its heading.
 * @param {string} caption
 * @param {readonly Column[]} columns
 * @returns {{ readonly element: HTMLElement, rows(rows: readonly (readonly (Node | string | undefined)[])[]): void }}
 */
export function makeTable(caption, columns) {
  const body = el('tbody');
  const table = el(
    'table',
    { class: 'blocks' },
    el('caption', {}, caption),
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        columns.map(({ name, number }) => el('th', { scope: 'col', class: number ? 'number' : undefined }, name)),
      ),
    ),
    body,
  );
  return {
    element: el('div', { class: 'panel scroll-x', tabindex: 0, role: 'region', 'aria-label': caption }, table),
    rows: (rows) =>
      fill(
        body,
        rows.length === 0 && el('tr', {}, el('td', { class: 'hint', colspan: columns.length }, 'None.')),
        rows.map((cells) =>
          el(
            'tr',
            {},
            cells.map((cell, index) => {
              const column = columns[index];
              if (index === 0) return el('th', { scope: 'row' }, cell);
              return el(
                'td',
                { 'data-name': column?.name === '' ? undefined : column?.name, class: column?.number ? 'number' : undefined },
                cell,
              );
            }),
          ),
        ),
      ),
  };
}
