import { ApiError, change, get, words } from '../parts/api.js';
import { at, decoded } from '../parts/base.js';
import { add, byId, el, field, fill } from '../parts/dom.js';
import { span } from '../parts/format.js';
import { start } from '../parts/problems.js';
import { brand } from '../parts/shell.js';
import { themeButton } from '../parts/theme.js';

/** Where one came from, relative to the first page; a foreign address leads nowhere. */
function next() {
  const wanted = decoded(location.hash.slice(1));
  const first = at('');
  const target = new URL(wanted, first).href;
  return target.startsWith(first) && !/^login/.test(wanted) ? target : first;
}

start(async () => {
  fill(byId('top'), brand(), el('div', { class: 'tools' }, themeButton()));
  const user = el('input', {
    name: 'username',
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    required: true,
  });
  const password = el('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const go = el('button', { type: 'submit', class: 'primary' }, 'Log in');
  const form = el('form', { class: 'stack panel' }, field('User', user), field('Password', password), complaint, go);
  const box = el('div', { class: 'small' }, el('h1', {}, 'Log in'), form);
  add(byId('main'), box);

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    go.disabled = true;
    complaint.textContent = '';
    change('POST', 'session', { user: user.value.trim(), password: password.value }).then(
      () => location.replace(next()),
      (error) => {
        password.value = '';
        refused(error);
      },
    );
  });

  /** @param {unknown} error */
  const refused = (error) => {
    const waitS = error instanceof ApiError ? Number(error.details['retryAfterS'] ?? 0) : 0;
    if (error instanceof ApiError && error.status === 401) complaint.textContent = 'User or password is wrong.';
    else complaint.textContent = words(error);
    if (waitS === 0) {
      go.disabled = false;
      password.focus();
      return;
    }
    const end = Date.now() + waitS * 1000;
    const tick = () => {
      const left = end - Date.now();
      go.disabled = left > 0;
      go.textContent = left > 0 ? `Wait ${span(left)}` : 'Log in';
      if (left > 0) setTimeout(tick, 500);
    };
    complaint.textContent = 'Too many attempts that failed.';
    tick();
  };

  user.focus();
  /** @type {{ needed: boolean }} */
  const { needed } = await get('setup');
  if (needed)
    box.prepend(
      el(
        'p',
        { class: 'notice' },
        'There is no user yet. The server has printed a set-up link to its log at the start: open that to make the first one.',
      ),
    );
});
