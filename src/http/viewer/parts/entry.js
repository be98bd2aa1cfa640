import { toast } from './announce.js';
import { change, get, words } from './api.js';
import { at } from './base.js';
import { confirmed } from './dialog.js';
import { el, fill } from './dom.js';
import { capital, counted, percent } from './format.js';
import { icon } from './icons.js';
import { noPicture, picture } from './picture.js';
import { meaningOf } from './score.js';
import { may } from './session.js';
import { stateWords } from './severity.js';
import { time } from './time.js';

/**
 * One entry of the watchlist: its pictures, why it is there, where it last matched, and how it goes.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { EntryRecord } from '../../../core/store.ts'
 * @import { ReferenceSummary } from '../../../core/control.ts'
 * @import { Session } from './session.js'
 */

/**
 * @typedef {object} EntryView
 * @property {EntryRecord} entry
 * @property {readonly Omit<ReferenceSummary, 'vector'>[]} references
 * @property {{ alertId: string, camera: string, at: number }} [lastSighting]
 */

/** How an entry is compared, in words. @type {Readonly<Record<EntryRecord['kind'], string>>} */
const comparedWords = {
  face: 'face',
  body: 'body (clothes and build)',
  description: 'words: experimental, matches a description, not a person',
};

/** Examples of others are no pictures of the entry. @param {EntryView['references']} references */
export function pictureWords(references) {
  const texts = references.filter(({ text }) => text !== undefined).length;
  if (texts > 0) return counted(texts, 'description');
  const others = references.filter(({ negative }) => negative).length;
  const own = counted(references.length - others, 'picture');
  return others === 0 ? own : `${own}, ${counted(others, 'negative example')}`;
}

/** Where there is no match to be shown. @param {Session} session @param {boolean} ignored whether its list is one of people to be ignored */
export function noMatchWords({ cameras }, ignored) {
  if (ignored) return 'ignored: raises no alerts';
  return cameras === 'all' ? 'no match yet' : 'no match yet on your cameras';
}

/**
 * @param {HTMLElement} place
 * @param {EntryView} view
 * @param {{ ignored: boolean, session: Session, changed: () => void, gone: () => void, addPicture: (entry: EntryRecord) => void, back: () => void }} needs
 */
export function showEntry(place, { entry, references }, { ignored, session, changed, gone, addPicture, back }) {
  const writes = may(session, 'watchlist.write');
  const sightings = el('ul', { class: 'plain stack' }, el('li', { class: 'hint' }, 'Looking …'));
  const remove = async () => {
    const says = [
      `Erased for good: the entry, ${pictureWords(references)} with what was computed from them, its place in the index, and its name and pictures in past alerts and clips.`,
      'What stays is a line in the audit trail: that an entry was removed, when, and by whom.',
    ];
    if (!(await confirmed({ title: `Remove ${entry.name}?`, says, action: 'Erase', danger: true, typed: entry.name }))) return;
    change('DELETE', `watchlist/${entry.id}`).then(
      () => {
        toast(`${entry.name} is erased.`);
        gone();
      },
      (error) => toast(words(error), 'bad'),
    );
  };
  /** @param {string} id @param {string} what */
  const removeReference = async (id, what) => {
    const says = [`The ${what} and what was computed from it are erased. The entry stays.`];
    if (!(await confirmed({ title: `Remove this ${what}?`, says, action: 'Erase', danger: true }))) return;
    change('DELETE', `watchlist/${entry.id}/references/${id}`).then(changed, (error) => toast(words(error), 'bad'));
  };
  fill(
    place,
    el(
      'div',
      { class: 'page-head' },
      el(
        'div',
        { class: 'row' },
        el(
          'button',
          { type: 'button', class: 'to-list quiet square', 'aria-label': 'Back to the list', onclick: back },
          icon('back'),
        ),
        el('h2', { tabindex: -1 }, entry.name),
      ),
      writes &&
        el(
          'div',
          { class: 'row' },
          entry.kind !== 'description' &&
            el('button', { type: 'button', onclick: () => addPicture(entry) }, icon('add'), 'Add a picture'),
          el('button', { type: 'button', onclick: () => void remove() }, icon('remove'), 'Remove'),
        ),
    ),
    el(
      'dl',
      { class: 'pairs' },
      pair('List', ignored ? `${entry.list}: who is on it is ignored` : entry.list),
      pair('Compared by', comparedWords[entry.kind]),
      entry.reason !== '' && pair('Reason', entry.reason),
      entry.notes !== '' && pair('Notes', entry.notes),
      pair('Added', el('span', {}, time(entry.addedAt), ` by ${entry.addedBy}`)),
      entry.expiresAt !== undefined && pair('Expires', time(entry.expiresAt, { day: true })),
      entry.threshold !== undefined && pair('Own threshold', entry.threshold.toFixed(2)),
    ),
    el('h3', {}, entry.kind === 'description' ? 'Descriptions' : 'Pictures'),
    entry.kind !== 'description' &&
      !may(session, 'pictures') &&
      el('p', { class: 'hint' }, 'Pictures of the watchlist are not granted to you; an admin can.'),
    el(
      'ul',
      { class: 'references' },
      references.map((reference, index) => {
        const words = reference.text;
        const what = words !== undefined ? 'description' : reference.negative ? 'negative example' : 'picture';
        return el(
          'li',
          {},
          words !== undefined
            ? el('p', {}, words)
            : may(session, 'pictures')
              ? picture({
                  path: `watchlist/references/${reference.id}/picture`,
                  alt: `${reference.negative ? 'Somebody else who looks like' : 'Picture of'} ${entry.name}, ${index + 1}`,
                  missing: 'Gone',
                })
              : noPicture('Not granted'),
          reference.negative && el('span', { class: 'word warn' }, icon('not'), 'Not this person'),
          reference.accepted && !reference.negative && el('span', { class: 'word warn' }, icon('warn'), 'Poor, accepted'),
          words === undefined &&
            el('span', { class: 'hint' }, `Quality ${percent(reference.quality)}`, el('br'), reference.source),
          writes &&
            el(
              'div',
              {},
              el(
                'button',
                {
                  type: 'button',
                  class: 'quiet',
                  'aria-label': `Remove ${what} ${index + 1} of ${entry.name}`,
                  onclick: () => void removeReference(reference.id, what),
                },
                icon('remove'),
                'Remove',
              ),
            ),
        );
      }),
    ),
    el('h3', {}, 'Last matches'),
    sightings,
  );
  get('alerts', { entry: entry.id, limit: 5 }).then(
    (answer) => {
      const { items } = /** @type {{ items: readonly Alert[] }} */ (answer);
      fill(
        sightings,
        items.map((alert) =>
          el(
            'li',
            {},
            el('a', { href: at(`alerts/${alert.id}`) }, time(alert.firstSeenAt), ` on ${alert.camera}`),
            `, score ${alert.score.toFixed(2)}${alert.kind === 'description' ? ` (${meaningOf(alert).toLowerCase()})` : ''}, ${stateWords(alert).toLowerCase()}`,
          ),
        ),
        items.length === 0 && el('li', { class: 'hint' }, `${capital(noMatchWords(session, ignored))}.`),
      );
    },
    (error) => fill(sightings, el('li', { class: 'complaint' }, words(error))),
  );
}

/** @param {string} name @param {Node | string} value */
function pair(name, value) {
  return [el('dt', {}, name), el('dd', {}, value)];
}
