import { el, fill } from './dom.js';
import { icon } from './icons.js';
import { remember, remembered } from './remembered.js';

const dark = matchMedia('(prefers-color-scheme: dark)');

function isDark() {
  const chosen = document.documentElement.dataset['theme'];
  return chosen === undefined ? dark.matches : chosen === 'dark';
}

/** Follows the system until somebody chooses; choosing what the system says follows it again. */
export function themeButton() {
  const button = el('button', { type: 'button', class: 'quiet square' });
  const show = () => {
    const label = isDark() ? 'Light colours' : 'Dark colours';
    button.setAttribute('aria-label', label);
    button.title = label;
    fill(button, icon(isDark() ? 'sun' : 'moon'));
  };
  button.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    const system = dark.matches ? 'dark' : 'light';
    if (next === system) delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = next;
    remember('theme', next === system ? undefined : next);
    show();
  });
  dark.addEventListener('change', show);
  if (remembered('theme') === undefined) delete document.documentElement.dataset['theme'];
  show();
  return button;
}
