import { el } from './dom.js';
import { capital } from './format.js';
import { icon } from './icons.js';

/** @import { Alert, Severity } from '../../../core/alerts.ts' */

/** Colour, shape and word. @param {Severity} severity */
export function severityMark(severity) {
  return el('span', { class: `severity ${severity}` }, icon(severity), capital(severity));
}

/** @param {Alert} alert */
export function kindWords({ kind }) {
  if (kind === 'face') return 'Face';
  if (kind === 'description') return 'Description in words (experimental)';
  return kind === 'appearance' ? 'Appearance (clothes and build)' : 'Nobody on a list';
}

/** For sentences that say who it is not. @param {Alert} alert */
export function whoWords({ entry }) {
  return entry === undefined ? 'Unknown person' : entry.name;
}

/** The heading of an alert: what was measured, not who it is. @param {Alert} alert */
export function similarWords({ entry, kind }) {
  if (entry === undefined) return 'Unknown person';
  return kind === 'description' ? `Resembles the description ${entry.name}` : `Similar to ${entry.name}`;
}

/** Why an alert was closed by itself. @type {Readonly<Record<string, string>>} */
export const reasonWords = {
  left: 'left the view',
  retracted: 'retracted: later pictures spoke against it',
  source_ended: 'recording ended',
  entry_removed: 'entry removed',
};

/** @param {Alert} alert */
export function stateWords(alert) {
  const last = alert.steps.findLast(({ state }) => state === 'acknowledged' || state === 'resolved' || state === 'rejected');
  const by = last === undefined ? '' : ` by ${last.actor}`;
  if (alert.state === 'resolved') return `Resolved${by}`;
  if (alert.state === 'rejected') return `Not this person${by === '' ? '' : `, says ${last?.actor}`}`;
  const closed = alert.steps.findLast(({ state }) => state === 'closed');
  const view = alert.state === 'closed' ? capital(reasonWords[closed?.reason ?? ''] ?? 'over') : 'In view';
  return last === undefined ? view : `${view}, acknowledged${by}`;
}
