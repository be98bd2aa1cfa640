import { toast } from './announce.js';
import { change, get, words } from './api.js';
import { cameraChoice } from './camera-choice.js';
import { confirmed, makeDialog } from './dialog.js';
import { add, checkbox, el, field, select } from './dom.js';
import { capital } from './format.js';
import { icon } from './icons.js';
import { leastPassword } from './password.js';
import { streamPassword } from './stream-password.js';
import { makeTable } from './table.js';
import { time } from './time.js';

/**
 * @import { Role } from '../../../core/access.ts'
 * @import { Session } from './session.js'
 */

/**
 * @typedef {object} User
 * @property {string} user
 * @property {Role} role
 * @property {'all' | readonly string[]} cameras
 * @property {boolean} pictures
 * @property {boolean} disabled
 * @property {boolean} password
 * @property {boolean} streamPassword
 * @property {number} createdAt
 * @property {number} sessions
 * @property {number} [lastSeenAt]
 */

/** @type {readonly (readonly [Role, string])[]} */
const roles = [
  ['viewer', 'Viewer: sees cameras and alerts'],
  ['operator', 'Operator: also acts on alerts and keeps the watchlist'],
  ['admin', 'Admin: everything'],
];

/** @param {Session} session @param {readonly string[]} cameras @returns {Promise<HTMLElement>} */
export async function usersSection(session, cameras) {
  const table = makeTable('Users', [
    { name: 'User' },
    { name: 'Role' },
    { name: 'Cameras' },
    { name: 'Pictures' },
    { name: 'Streams' },
    { name: 'Last seen' },
    { name: '' },
  ]);
  const load = async () => {
    /** @type {{ items: readonly User[] }} */
    const { items } = await get('users');
    table.rows(
      items.map((user) => [
        el('span', {}, user.user, user.disabled && [' ', el('span', { class: 'word bad' }, 'disabled')]),
        capital(user.role),
        user.cameras === 'all' ? 'all' : user.cameras.join(', ') || 'none',
        user.pictures || user.role === 'admin' ? 'yes' : 'no',
        user.streamPassword ? 'has a password' : 'none',
        user.lastSeenAt === undefined ? 'never' : time(user.lastSeenAt),
        el(
          'div',
          { class: 'row' },
          el('button', { type: 'button', 'aria-label': `Change ${user.user}`, onclick: () => edit(user) }, 'Change'),
          el(
            'button',
            { type: 'button', 'aria-label': `Streams of ${user.user}`, onclick: () => streams(user) },
            icon('key'),
            'Streams',
          ),
          el(
            'button',
            {
              type: 'button',
              class: 'quiet square',
              'aria-label': `Remove ${user.user}`,
              disabled: user.user === session.user,
              onclick: () => void remove(user),
            },
            icon('remove'),
          ),
        ),
      ]),
    );
  };
  /** @param {string} text */
  const done = (text) => {
    toast(text);
    load().catch((error) => toast(words(error), 'bad'));
  };
  /** @param {User} user */
  const remove = async (user) => {
    const says = [
      'Their sessions and streams end at once, and so do the tokens that they made: programs that use them are refused from then on.',
      'What they did stays in the audit trail.',
    ];
    if (!(await confirmed({ title: `Remove ${user.user}?`, says, action: 'Remove', danger: true }))) return;
    change('DELETE', `users/${encodeURIComponent(user.user)}`).then(
      () => done(`${user.user} is removed.`),
      (error) => toast(words(error), 'bad'),
    );
  };
  /** @param {User} user */
  const streams = (user) => {
    const { body, foot, open, close } = makeDialog(`Streams of ${user.user}`, { onclose: () => void load() });
    add(body, streamPassword(user.user));
    add(foot, el('button', { type: 'button', onclick: close }, 'Close'));
    open();
  };
  /** @param {User} [user] a new one without */
  const edit = (user) => userDialog(cameras, user, done);
  await load();
  return el(
    'section',
    { class: 'stack', 'aria-label': 'Users' },
    el('div', {}, el('button', { type: 'button', class: 'primary', onclick: () => edit() }, icon('add'), 'Add a user')),
    table.element,
  );
}

/** @param {readonly string[]} cameras @param {User | undefined} user @param {(text: string) => void} done */
function userDialog(cameras, user, done) {
  const { body, foot, open, close } = makeDialog(user === undefined ? 'Add a user' : `Change ${user.user}`);
  const name = el('input', { required: true, maxlength: 64, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' });
  const password = el('input', { type: 'password', autocomplete: 'new-password', minlength: leastPassword });
  const role = select(roles);
  role.value = user?.role ?? 'viewer';
  const choice = cameraChoice(cameras, user?.cameras);
  const pictures = checkbox('Sees the pictures of the watchlist');
  pictures.input.checked = user?.pictures ?? false;
  const disabled = checkbox('Disabled: cannot log in, and has no streams');
  disabled.input.checked = user?.disabled ?? false;
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const form = el(
    'form',
    { id: 'user-form' },
    user === undefined && field('User', name, 'Letters, digits, . _ @ and -'),
    field(
      user === undefined ? 'Password' : 'New password',
      password,
      user === undefined
        ? `At least ${leastPassword} characters. Empty: only a trusted proxy lets them in.`
        : `At least ${leastPassword} characters. Empty: stays as it is. Another one ends their sessions.`,
    ),
    field('Role', role),
    choice.element,
    el('div', {}, pictures.row, el('p', { class: 'hint' }, 'Admins see them in any case. Every look is in the audit trail.')),
    user !== undefined && disabled.row,
    complaint,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const common = {
      role: role.value,
      cameras: choice.value,
      pictures: pictures.input.checked,
      ...(password.value === '' ? {} : { password: password.value }),
    };
    const sent =
      user === undefined
        ? change('POST', 'users', { ...common, user: name.value.trim() })
        : change('PATCH', `users/${encodeURIComponent(user.user)}`, { ...common, disabled: disabled.input.checked });
    sent.then(
      () => {
        close();
        done(user === undefined ? `${name.value.trim()} is added.` : `${user.user} is changed.`);
      },
      (error) => {
        complaint.textContent = words(error);
      },
    );
  });
  add(body, form);
  add(
    foot,
    el('button', { type: 'button', onclick: close }, 'Cancel'),
    el('button', { type: 'submit', form: 'user-form', class: 'primary' }, user === undefined ? 'Add' : 'Save'),
  );
  open();
}
