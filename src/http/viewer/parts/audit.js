import { toast } from './announce.js';
import { get, words } from './api.js';
import { at } from './base.js';
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
  /** @param {string} id */
  const named = (id) => (names.has(id) ? `${names.get(id)} (${id})` : id);
  /** @param {AuditRow} row */
  const subject = ({ action, subject: id, details }) =>
    action.startsWith('alert.') || details['what'] === 'snapshot' || details['what'] === 'clip'
      ? el('a', { href: at(`alerts/${encodeURIComponent(id)}`) }, `alert ${id}`)
      : named(id);
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
        subject(row),
        Object.entries(row.details)
          .map(([name, value]) => `${name}: ${named(String(value))}`)
          .join(', '),
      ]),
    );
  };
  /** Who is behind the ids of entries and of their references. @type {Map<string, string>} */
  const names = new Map();
  const learnNames = async () => {
    /** @type {string | undefined} */
    let next;
    do {
      /** @type {{ items: readonly import('./entry.js').EntryView[], cursor?: string }} */
      const page = await get('watchlist', { limit: 500, cursor: next });
      for (const { entry, references } of page.items)
        for (const id of [entry.id, ...references.map((reference) => reference.id)]) names.set(id, entry.name);
      next = page.cursor;
    } while (next !== undefined);
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
  // Without them the trail can still be read.
  await learnNames().catch(() => {});
  await load();
  return el('section', { class: 'stack', 'aria-label': 'Audit trail' }, form, table.element, more);
}
