import { toast } from '../parts/announce.js';
import { get, send, words } from '../parts/api.js';
import { decoded } from '../parts/base.js';
import { byId, el, fill, say, select } from '../parts/dom.js';
import { openEnrolment } from '../parts/enrol.js';
import { noMatchWords, pictureWords, showEntry } from '../parts/entry.js';
import { ago, counted } from '../parts/format.js';
import { icon } from '../parts/icons.js';
import { start } from '../parts/problems.js';
import { may, requireSession } from '../parts/session.js';
import { showShell } from '../parts/shell.js';

/**
 * Who is on the lists.
 *
 * @import { EntryView } from '../parts/entry.js'
 * @import { EntryRecord } from '../../../core/store.ts'
 */

const pageSize = 500;

/** @param {EntryView} view @param {string} search @param {string} list */
function matches({ entry }, search, list) {
  if (list !== '' && entry.list !== list) return false;
  const text = `${entry.name} ${entry.notes} ${entry.reason} ${entry.list}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((part) => text.includes(part));
}

start(async () => {
  const session = await requireSession();
  showShell(session, { current: 'watchlist' });
  const main = byId('main');
  if (!may(session, 'watchlist.read')) {
    fill(
      main,
      el(
        'div',
        { class: 'page' },
        el('h1', {}, 'Watchlist'),
        el('p', { class: 'notice' }, 'The watchlist is for operators and admins.'),
      ),
    );
    return;
  }
  /** @type {{ items: readonly { list: string, kind: string, purpose: string }[] }} */
  const { items: lists } = await get('lists');
  const names = lists.map(({ list }) => list);
  const ignored = new Set(lists.filter(({ kind }) => kind === 'ignore').map(({ list }) => list));
  const search = el('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search by name, notes or reason' });
  const list = select([['', 'All lists'], ...names.map((name) => /** @type {const} */ ([name, name]))], {
    'aria-label': 'List',
  });
  const count = el('p', { class: 'hint', role: 'status' });
  const entries = el('ul', { class: 'entries', 'aria-label': 'Entries' });
  const detail = el('section', { class: 'detail stack', 'aria-label': 'Entry' });
  const empty = el('p', { class: 'empty' });
  /** @type {readonly EntryView[]} */
  let views = [];

  const load = async () => {
    /** @type {EntryView[]} */
    const all = [];
    /** @type {string | undefined} */
    let cursor;
    do {
      /** @type {{ items: readonly EntryView[], cursor?: string }} */
      const page = await get('watchlist', { limit: pageSize, cursor });
      all.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== undefined);
    views = all.sort((a, b) => a.entry.name.localeCompare(b.entry.name));
    show();
  };
  const reload = () => load().catch((error) => toast(words(error), 'bad'));
  const chosen = () => decoded(location.hash.slice(1));
  /** @param {string} id */
  const choose = (id) => {
    if (chosen() === id) return showDetail();
    location.hash = encodeURIComponent(id);
  };
  const enrol = (/** @type {EntryRecord | undefined} */ entry) =>
    openEnrolment({
      lists: names,
      ...(entry === undefined ? {} : { entry }),
      done: (id) => {
        void reload().then(() => choose(id));
      },
    });

  const show = () => {
    const shown = views.filter((view) => matches(view, search.value.trim(), list.value));
    say(
      count,
      shown.length === views.length
        ? counted(views.length, 'entry', 'entries')
        : `${shown.length} of ${counted(views.length, 'entry', 'entries')}`,
    );
    fill(
      entries,
      shown.map(({ entry, references, lastSighting }) =>
        el(
          'li',
          {},
          el(
            'button',
            { type: 'button', 'aria-current': entry.id === chosen() ? 'true' : undefined, onclick: () => choose(entry.id) },
            el('strong', {}, entry.name),
            el('span', {}, entry.list),
            el(
              'span',
              { class: 'facts' },
              `${pictureWords(references)} · ${lastSighting === undefined ? noMatchWords(session, ignored.has(entry.list)) : `last match ${ago(lastSighting.at)} on ${lastSighting.camera}`}`,
            ),
          ),
        ),
      ),
    );
    say(empty, views.length === 0 ? 'Nobody is enrolled yet.' : shown.length === 0 ? 'Nobody matches.' : '');
    showDetail();
  };
  const showDetail = () => {
    const id = chosen();
    for (const button of entries.querySelectorAll('[aria-current]')) button.removeAttribute('aria-current');
    const shown = views.filter((view) => matches(view, search.value.trim(), list.value));
    const index = shown.findIndex(({ entry }) => entry.id === id);
    entries.children[index]?.querySelector('button')?.setAttribute('aria-current', 'true');
    const view = views.find(({ entry }) => entry.id === id);
    if (view === undefined) return fill(detail);
    showEntry(detail, view, {
      ignored: ignored.has(view.entry.list),
      session,
      changed: () => void reload(),
      gone: () => {
        history.replaceState(null, '', location.pathname);
        void reload();
      },
      addPicture: enrol,
      back: () => {
        history.replaceState(null, '', location.pathname);
        show();
      },
    });
  };
  search.addEventListener('input', show);
  list.addEventListener('change', show);
  addEventListener('hashchange', () => {
    showDetail();
    const heading = detail.querySelector('h2');
    if (heading instanceof HTMLElement) heading.focus();
  });

  const take = el('button', { type: 'button' }, icon('download'), 'Export');
  take.addEventListener('click', () => {
    exportAll(list.value).catch((error) => toast(words(error), 'bad'));
  });
  fill(
    main,
    el(
      'div',
      { class: 'page' },
      el(
        'div',
        { class: 'page-head' },
        el('h1', {}, 'Watchlist'),
        el(
          'div',
          { class: 'row' },
          may(session, 'watchlist.export') && take,
          may(session, 'watchlist.write') &&
            el(
              'button',
              { type: 'button', class: 'primary', disabled: names.length === 0, onclick: () => enrol(undefined) },
              icon('add'),
              'Enrol',
            ),
        ),
      ),
      names.length === 0 && el('p', { class: 'notice' }, 'There is no list in the configuration yet: add one under “lists”.'),
      el(
        'div',
        { class: 'browse' },
        el(
          'section',
          { class: 'panel list-panel', 'aria-label': 'List of entries' },
          el('div', { class: 'search' }, search, list),
          count,
          entries,
          empty,
        ),
        el('div', { class: 'panel detail-panel' }, detail, el('p', { class: 'empty choose' }, 'Choose an entry.')),
      ),
    ),
  );
  await load();
});

/** With its pictures, as `sightline watchlist import` takes it. @param {string} list */
async function exportAll(list) {
  const response = await send(`watchlist/export${list === '' ? '' : `?list=${encodeURIComponent(list)}`}`);
  const url = URL.createObjectURL(await response.blob());
  const link = el('a', { href: url, download: `watchlist${list === '' ? '' : `-${list}`}.ndjson` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  toast('The file holds pictures of people: keep it as you keep the watchlist.');
}
