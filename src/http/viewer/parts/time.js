import { el } from './dom.js';
import { ago, clockTime, date, moment } from './format.js';

/**
 * @param {number} ms
 * @param {{ relative?: boolean, day?: boolean, clock?: boolean }} [options] `clock`: without the day; relative ones grow old by themselves
 * @returns {HTMLTimeElement}
 */
export function time(ms, { relative = false, day = false, clock = false } = {}) {
  const words = relative ? ago(ms) : day ? date(ms) : clock ? clockTime(ms) : moment(ms);
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
