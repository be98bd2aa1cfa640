import { isHandled } from './alert-store.js';
import { el, fill } from './dom.js';
import { isToday, moment } from './format.js';
import { icon } from './icons.js';
import { noPicture, picture } from './picture.js';
import { meaningOf, scoreBar } from './score.js';
import { may } from './session.js';
import { kindWords, severityMark, similarWords, stateWords } from './severity.js';
import { time } from './time.js';

/**
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { Session } from './session.js'
 */

/** @typedef {'acknowledge' | 'resolve' | 'reject' | 'clip'} AlertAction */

/**
 * @typedef {object} CardNeeds
 * @property {Session} session
 * @property {(action: AlertAction, alert: Alert) => void} act
 */

/** What readers hear of an alert. @param {Alert} alert */
export function spoken(alert) {
  const where = `on ${alert.camera} at ${moment(alert.firstSeenAt)}`;
  return alert.entry === undefined
    ? `${alert.severity} alert: unknown person ${where}`
    : `${alert.severity} alert: ${alert.kind} similar to ${alert.entry.name} ${where}, score ${alert.score.toFixed(2)}, ${meaningOf(alert).toLowerCase()}`;
}

/** Reference beside sighting. @param {Alert} alert @param {Session} session */
export function pictures(alert, session) {
  const sighting = el(
    'figure',
    {},
    picture({
      path: `alerts/${alert.id}/snapshot`,
      version: String(alert.eventTime),
      alt: `Sighting on ${alert.camera} at ${moment(alert.eventTime)}`,
      missing: 'Picture is past its retention',
    }),
    el('figcaption', {}, 'Sighting, ', time(alert.eventTime, { clock: isToday(alert.eventTime, alert.firstSeenAt) })),
  );
  return el('div', { class: 'pair' }, el('figure', {}, reference(alert, session), el('figcaption', {}, 'Reference')), sighting);
}

/** Never asked for without the right to it. @param {Alert} alert @param {Session} session */
function reference(alert, session) {
  if (alert.entry === undefined) return noPicture('Nobody on a list is similar enough');
  if (alert.kind === 'description') return noPicture('Described in words, without a picture');
  if (!may(session, 'pictures')) return noPicture('Reference pictures are not granted to you');
  return picture({
    path: `alerts/${alert.id}/reference`,
    version: /** @type {{ referenceId?: string }} */ (alert).referenceId ?? alert.entry.id,
    alt: `Reference picture of ${alert.entry.name}`,
    missing: 'The reference is gone',
  });
}

/**
 * The buttons keep their places whatever becomes of the alert: the one under the pointer stays the one it was.
 * @param {Alert} alert
 * @param {CardNeeds} needs
 */
export function actions(alert, { session, act }) {
  const final = alert.state === 'resolved' || alert.state === 'rejected';
  /** @param {AlertAction} action @param {string} words @param {import('./icons.js').IconName} picture @param {boolean} off @param {string} key */
  const button = (action, words, picture, off, key) =>
    el(
      'button',
      {
        type: 'button',
        'data-action': action,
        disabled: off,
        'aria-keyshortcuts': key === '' ? undefined : key,
        onclick: () => act(action, alert),
      },
      icon(picture),
      words,
    );
  return el(
    'div',
    { class: 'actions' },
    may(session, 'alerts.act') && [
      button('acknowledge', 'Acknowledge', 'check', final || isHandled(alert), 'a'),
      button('resolve', 'Resolve', 'done', final, 'r'),
      button('reject', 'Not this person', 'not', final || alert.entry === undefined, 'n'),
    ],
    button('clip', 'Evidence clip', 'play', false, ''),
  );
}

/**
 * @param {Alert} alert
 * @param {CardNeeds & { elsewhere: boolean }} needs
 * @param {HTMLElement} card filled anew; focus on one of its buttons survives
 */
export function fillCard(alert, needs, card) {
  const focused = document.activeElement;
  const action = focused instanceof HTMLElement && card.contains(focused) ? focused.dataset['action'] : undefined;
  const name = `alert-${alert.id}`;
  card.className = `alert-card ${alert.severity}${isHandled(alert) ? ' handled' : ''}`;
  card.dataset['alert'] = alert.id;
  card.setAttribute('aria-labelledby', name);
  fill(
    card,
    el(
      'header',
      { class: isToday(alert.firstSeenAt) ? undefined : 'dated' },
      severityMark(alert.severity),
      el('h3', { id: name }, similarWords(alert), el('span', { class: 'unseen' }, `, ${alert.severity}, ${alert.camera}`)),
      el('span', { class: 'when' }, time(alert.firstSeenAt)),
    ),
    el(
      'p',
      { class: 'facts' },
      [kindWords(alert), alert.entry?.list, alert.camera].filter((part) => part !== undefined).join(' · '),
    ),
    pictures(alert, needs.session),
    alert.entry === undefined
      ? el('p', { class: 'meaning' }, 'A usable face that is similar to nobody on a list.')
      : scoreBar(alert.score, alert.threshold, meaningOf(alert)),
    el(
      'p',
      { class: 'state' },
      needs.elsewhere ? 'Goes on at a camera that is not yours; this is old.' : stateWords(alert),
      alert.durable ? '' : ' · not stored: the disk was full',
    ),
    actions(alert, needs),
  );
  if (action === undefined) return;
  const again = card.querySelector(`[data-action="${action}"]`);
  if (again instanceof HTMLButtonElement && !again.disabled) again.focus({ preventScroll: true });
  else card.focus({ preventScroll: true });
}
