import { toast } from './announce.js';
import { change, words } from './api.js';
import { makeDialog } from './dialog.js';
import { add, el, field } from './dom.js';
import { leastPassword } from './password.js';
import { streamPassword } from './stream-password.js';

/** @import { Session } from './session.js' */

/**
 * One's own account: what one may do, password, stream password.
 * @param {Session} session
 */
export function openAccount(session) {
  const { body, foot, open, close } = makeDialog('Your account');
  const cameras = session.cameras === 'all' ? 'all cameras' : session.cameras.join(', ') || 'no cameras';
  add(
    body,
    el(
      'p',
      {},
      el('strong', {}, session.user),
      `, ${session.role}; ${cameras}; `,
      session.pictures || session.role === 'admin'
        ? 'sees pictures of the watchlist.'
        : 'pictures of the watchlist are not granted.',
    ),
  );
  if (session.via === 'session') add(body, passwordForm(close));
  add(body, el('h3', {}, 'Stream password'), streamPassword(session.user));
  add(foot, el('button', { type: 'button', onclick: close }, 'Close'));
  open();
}

/** @param {() => void} done */
function passwordForm(done) {
  const before = el('input', { type: 'password', autocomplete: 'current-password', required: true });
  const after = el('input', { type: 'password', autocomplete: 'new-password', required: true, minlength: leastPassword });
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const form = el(
    'form',
    { class: 'stack' },
    el('h3', {}, 'Another password'),
    field('Password now', before),
    field('New password', after, `At least ${leastPassword} characters. Your other sessions and streams end.`),
    complaint,
    el('div', {}, el('button', { type: 'submit' }, 'Change password')),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    change('PUT', 'session/password', { old: before.value, new: after.value }).then(
      () => {
        toast('The new password holds from now on.');
        done();
      },
      (error) => {
        complaint.textContent = words(error);
      },
    );
  });
  return form;
}
