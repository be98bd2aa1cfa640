import { el } from './dom.js';
import { shape } from './icons.js';

/** The words that stand wherever a score does. */
const meaning = 'Similarity, not identity';

/** @param {{ kind: string }} match an alert, or a name at a box */
export function meaningOf({ kind }) {
  return kind === 'description' ? 'Experimental, matches a description, not a person' : meaning;
}

/**
 * A score as a bar from 0 to 1 with the threshold marked.
 * @param {number} score cosine, -1 to 1; below 0 the bar is empty
 * @param {number} threshold
 * @param {string} meaning the words of `meaningOf`
 * @returns {HTMLElement}
 */
export function scoreBar(score, threshold, meaning) {
  const at = (/** @type {number} */ value) => Math.min(100, Math.max(0, value * 100));
  const bar = shape('svg', { class: 'score-bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img' });
  bar.setAttribute('aria-label', `Score ${score.toFixed(2)}, threshold ${threshold.toFixed(2)}. ${meaning}.`);
  bar.append(
    shape('rect', { class: 'ground', x: 0, y: 2, width: 100, height: 6 }),
    shape('rect', { class: score >= threshold ? 'value' : 'value below', x: 0, y: 2, width: at(score), height: 6 }),
    shape('rect', { class: 'threshold', x: at(threshold) - 0.5, y: 0, width: 1, height: 10 }),
  );
  const words = el(
    'div',
    { class: 'score-words', 'aria-hidden': 'true' },
    el('span', {}, el('strong', {}, score.toFixed(2)), ` · threshold ${threshold.toFixed(2)}`),
  );
  return el('div', { class: 'score' }, /** @type {Node} */ (bar), words, el('p', { class: 'meaning' }, meaning));
}
