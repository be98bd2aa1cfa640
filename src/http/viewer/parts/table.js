import { el } from './dom.js';

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
  /** @param {readonly (Node | string | undefined)[]} cells */
  const rowOf = (cells) =>
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
    );
  return {
    element: el('div', { class: 'panel scroll-x', tabindex: 0, role: 'region', 'aria-label': caption }, table),
    rows: (rows) => {
      const none = el('tr', {}, el('td', { class: 'hint', colspan: columns.length }, 'None.'));
      const fresh = rows.length === 0 ? [none] : rows.map(rowOf);
      // A cell that says the same stays: what somebody reads, marks or hears is not taken from under them.
      fresh.forEach((row, index) => {
        const old = body.rows[index];
        if (old === undefined) body.append(row);
        else if (old.cells.length !== row.cells.length || row.querySelector('button') !== null) old.replaceWith(row);
        else
          for (const [place, cell] of [...row.cells].entries())
            if (old.cells[place]?.outerHTML !== cell.outerHTML) old.cells[place]?.replaceWith(cell);
      });
      while (body.rows.length > fresh.length) body.deleteRow(-1);
    },
  };
}
