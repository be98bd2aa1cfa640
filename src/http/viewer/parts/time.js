import { el } from './dom.js';
import { ago, date, moment } from './format.js';

/**
 * @param {number} ms
 * @param {{ relative?: boolean, day?: boolean }} [options] relative ones grow old by themselves
 * @returns {HTMLTimeElement}
 */
export function time(ms, { relative = false, day = false } = {}) {
  const words = relative ? ago(ms) : day ? date(ms) : moment(ms);
  return el(
    'time',
    { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString(), ...(relative ? { 'data-ago': ms } : {}) },
    words,
  );
}

setInterval(() => {
  for (const element of document.querySelectorAll('time[data-ago]')) {
    const words = ago(Number(element.getAttribute('data-ago')));
    if (element.textContent !== words) element.textContent = words;
  }
}, 5000);
