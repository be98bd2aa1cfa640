import { toast } from './announce.js';
import { get, words } from './api.js';
import { el, field } from './dom.js';
import { makeTable } from './table.js';
import { time } from './time.js';

/**
 * @typedef {object} AuditRow
 * @property {number} at
 * @property {string} actor
 * @property {string} action
 * @property {string} subject
 * @property {Readonly<Record<string, string | number | boolean>>} details
 */

/** @returns {Promise<HTMLElement>} */
export async function auditSection() {
  const table = makeTable('Audit trail, newest first', [
    { name: 'When' },
    { name: 'Who' },
    { name: 'What' },
    { name: 'Of what' },
    { name: 'Details' },
  ]);
  const actor = el('input', { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' });
  const from = el('input', { type: 'date' });
  const to = el('input', { type: 'date' });
  const more = el('button', { type: 'button', hidden: true }, 'Older rows');
  /** @type {AuditRow[]} */
  let rows = [];
  /** @type {string | undefined} */
  let cursor;
  const load = async () => {
    /** @type {{ items: readonly AuditRow[], cursor?: string }} */
    const page = await get('audit', {
      actor: actor.value.trim(),
      from: from.value === '' ? undefined : new Date(`${from.value}T00:00`).getTime(),
      to: to.value === '' ? undefined : new Date(`${to.value}T23:59:59.999`).getTime(),
      limit: 50,
      cursor,
    });
    cursor = page.cursor;
    rows = [...rows, ...page.items];
    more.hidden = cursor === undefined;
    table.rows(
      rows.map((row) => [
        time(row.at),
        row.actor,
        row.action,
        row.subject,
        Object.entries(row.details)
          .map(([name, value]) => `${name}: ${value}`)
          .join(', '),
      ]),
    );
  };
  const failed = (/** @type {unknown} */ error) => toast(words(error), 'bad');
  more.addEventListener('click', () => void load().catch(failed));
  const form = el(
    'form',
    { class: 'row low-row', 'aria-label': 'Filter of the audit trail' },
    field('Who', actor),
    field('From', from),
    field('To', to),
    el('button', { type: 'submit' }, 'Show'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    rows = [];
    cursor = undefined;
    void load().catch(failed);
  });
  await load();
  return el('section', { class: 'stack', 'aria-label': 'Audit trail' }, form, table.element, more);
}
