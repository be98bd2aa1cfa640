import { change, get, words } from '../parts/api.js';
import { at, decoded } from '../parts/base.js';
import { add, byId, el, field, fill } from '../parts/dom.js';
import { leastPassword } from '../parts/password.js';
import { start } from '../parts/problems.js';
import { brand } from '../parts/shell.js';
import { themeButton } from '../parts/theme.js';

// The token leaves the address before anything else: histories and shoulders remember addresses.
const token = decoded(location.hash.slice(1));
history.replaceState(null, '', location.pathname);

start(async () => {
  fill(byId('top'), brand(), el('div', { class: 'tools' }, themeButton()));
  const box = el('div', { class: 'small' }, el('h1', {}, 'Set-up'));
  add(byId('main'), box);
  /** @type {{ needed: boolean }} */
  const { needed } = await get('setup');
  if (!needed) {
    add(box, el('p', { class: 'notice' }, 'The first user has been made already. ', el('a', { href: at('login') }, 'Log in')));
    return;
  }
  if (token === '') {
    add(
      box,
      el(
        'p',
        { class: 'notice bad' },
        'This page is opened by the set-up link in the log of the server. Its token is missing here: open the whole link.',
      ),
    );
    return;
  }
  const user = el('input', {
    name: 'username',
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    required: true,
    maxlength: 64,
  });
  const password = el('input', {
    type: 'password',
    name: 'new-password',
    autocomplete: 'new-password',
    required: true,
    minlength: leastPassword,
  });
  const again = el('input', { type: 'password', autocomplete: 'new-password', required: true });
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const go = el('button', { type: 'submit', class: 'primary' }, 'Make the first user');
  const form = el(
    'form',
    { class: 'stack panel' },
    el('p', {}, 'This makes the first user, an admin: sees every camera and every picture, and adds the others.'),
    field('User', user, 'Letters, digits, . _ @ and -'),
    field('Password', password, `At least ${leastPassword} characters. A sentence is easy to remember and hard to guess.`),
    field('Password again', again),
    complaint,
    go,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (password.value !== again.value) {
      complaint.textContent = 'The passwords differ.';
      return again.focus();
    }
    go.disabled = true;
    change('POST', 'setup', { token, user: user.value.trim(), password: password.value }).then(
      () => location.replace(at('')),
      (error) => {
        complaint.textContent = words(error);
        go.disabled = false;
      },
    );
  });
  add(box, form);
  user.focus();
});
