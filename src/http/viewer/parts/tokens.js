import { toast } from './announce.js';
import { change, get, words } from './api.js';
import { cameraChoice } from './camera-choice.js';
import { confirmed, makeDialog } from './dialog.js';
import { add, checkbox, el, field } from './dom.js';
import { icon } from './icons.js';
import { makeTable } from './table.js';
import { time } from './time.js';

/** @import { Permission } from '../../../core/access.ts' */

/**
 * @typedef {object} Token
 * @property {string} id
 * @property {string} name
 * @property {readonly Permission[]} scopes
 * @property {'all' | readonly string[]} cameras
 * @property {string} createdBy
 * @property {number} createdAt
 * @property {number} [expiresAt]
 * @property {number} [lastUsedAt]
 */

/** @type {readonly (readonly [Permission, string])[]} */
const scopes = [
  ['live', 'Live video and boxes'],
  ['alerts.read', 'Read alerts'],
  ['alerts.act', 'Act on alerts'],
  ['watchlist.read', 'Read the watchlist'],
  ['watchlist.write', 'Change the watchlist'],
  ['watchlist.export', 'Export the watchlist'],
  ['pictures', 'Pictures of the watchlist'],
  ['ledger.read', 'Why there was no alert'],
  ['health.read', 'Health'],
  ['metrics.read', 'Metrics'],
  ['config.reload', 'Load the configuration'],
  ['users.manage', 'Users and tokens'],
  ['audit.read', 'Audit trail'],
];

/** @param {readonly string[]} cameras @returns {Promise<HTMLElement>} */
export async function tokensSection(cameras) {
  const table = makeTable('Tokens for programs', [
    { name: 'Name' },
    { name: 'May' },
    { name: 'Cameras' },
    { name: 'Made by' },
    { name: 'Expires' },
    { name: 'Last used' },
    { name: '' },
  ]);
  const load = async () => {
    /** @type {{ items: readonly Token[] }} */
    const { items } = await get('tokens');
    table.rows(
      items.map((token) => [
        token.name,
        token.scopes.join(', '),
        token.cameras === 'all' ? 'all' : token.cameras.join(', '),
        token.createdBy,
        token.expiresAt === undefined ? 'never' : time(token.expiresAt, { day: true }),
        token.lastUsedAt === undefined ? 'never' : time(token.lastUsedAt),
        el(
          'div',
          { class: 'row' },
          el(
            'button',
            {
              type: 'button',
              class: 'quiet square',
              'aria-label': `Remove token ${token.name}`,
              onclick: () => void remove(token),
            },
            icon('remove'),
          ),
        ),
      ]),
    );
  };
  /** @param {Token} token */
  const remove = async (token) => {
    if (
      !(await confirmed({
        title: `Remove the token ${token.name}?`,
        says: ['Programs that use it are refused from now on.'],
        action: 'Remove',
        danger: true,
      }))
    )
      return;
    try {
      await change('DELETE', `tokens/${encodeURIComponent(token.id)}`);
      await load();
    } catch (error) {
      toast(words(error), 'bad');
    }
  };
  await load();
  return el(
    'section',
    { class: 'stack', 'aria-label': 'Tokens' },
    el(
      'div',
      {},
      el('button', { type: 'button', onclick: () => tokenDialog(cameras, () => void load()) }, icon('add'), 'Make a token'),
    ),
    table.element,
  );
}

/** @param {readonly string[]} cameras @param {() => void} made */
function tokenDialog(cameras, made) {
  const { body, foot, open, close } = makeDialog('Make a token', { onclose: made });
  const name = el('input', { required: true, maxlength: 64, autocomplete: 'off' });
  const expires = el('input', { type: 'date' });
  const boxes = scopes.map(([scope, says]) => ({ scope, ...checkbox(says) }));
  const choice = cameraChoice(cameras);
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const form = el(
    'form',
    { id: 'token-form' },
    field('Name', name, 'Of the program that will use it.'),
    el(
      'fieldset',
      {},
      el('legend', {}, 'It may'),
      el(
        'div',
        { class: 'tick-list' },
        boxes.map(({ row }) => row),
      ),
    ),
    choice.element,
    field('Expires (optional)', expires),
    complaint,
  );
  const make = el('button', { type: 'submit', form: 'token-form', class: 'primary' }, 'Make');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const chosen = boxes.filter(({ input }) => input.checked).map(({ scope }) => scope);
    if (chosen.length === 0) {
      complaint.textContent = 'Choose what it may do.';
      return;
    }
    const end = expires.value === '' ? {} : { expiresAt: new Date(`${expires.value}T23:59:59`).getTime() };
    change('POST', 'tokens', { name: name.value.trim(), scopes: chosen, cameras: choice.value, ...end }).then(
      (answer) => {
        const { token } = /** @type {{ token: string }} */ (answer);
        body.replaceChildren();
        add(
          body,
          el('p', {}, 'Shown this once. Copy it now:'),
          el('p', {}, el('code', { class: 'secret' }, token)),
          el('p', { class: 'hint' }, 'It is sent as “Authorization: Bearer …”.'),
        );
        make.remove();
      },
      (error) => {
        complaint.textContent = words(error);
      },
    );
  });
  add(body, form);
  add(foot, el('button', { type: 'button', onclick: close }, 'Close'), make);
  open();
}
