import { act, reject } from '../parts/alert-actions.js';
import { fillCard } from '../parts/alert-card.js';
import { AlertStore } from '../parts/alert-store.js';
import { ApiError, get } from '../parts/api.js';
import { at, decoded } from '../parts/base.js';
import { clipView } from '../parts/clip.js';
import { byId, el, fill } from '../parts/dom.js';
import { EventFeed } from '../parts/events.js';
import { capital } from '../parts/format.js';
import { start } from '../parts/problems.js';
import { requireSession } from '../parts/session.js';
import { reasonWords, similarWords } from '../parts/severity.js';
import { showShell } from '../parts/shell.js';
import { time } from '../parts/time.js';

/**
 * One alert, as messages link to it: pictures, clip, history, what can be done.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 */

start(async () => {
  const session = await requireSession();
  showShell(session);
  const id = decoded(location.pathname.split('/').at(-1) ?? '');
  const main = byId('main');
  /** @type {Alert & { revision: number }} */
  let first;
  try {
    first = await get(`alerts/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    fill(
      main,
      el(
        'div',
        { class: 'page' },
        el('h1', {}, 'Alert'),
        el(
          'p',
          { class: 'notice' },
          'There is no such alert: it is past its retention, erased with its entry, or of a camera that is not yours.',
        ),
        el('p', {}, el('a', { href: at('') }, 'To the live page')),
      ),
    );
    return;
  }
  const store = new AlertStore();
  const { revision, ...alert } = first;
  store.take(alert, revision);
  const card = el('article', { tabindex: -1 });
  const history = el('ol', { class: 'history' });
  const heading = el('h1', {}, similarWords(alert), ` on ${alert.camera}`);
  const show = () => {
    const known = store.get(id);
    if (known === undefined) return;
    const answered = (/** @type {Alert} */ answer) => {
      store.take(answer);
      show();
    };
    fillCard(
      known.alert,
      {
        session,
        elsewhere: known.elsewhere,
        act: (action, now) => {
          if (action === 'reject') reject(now, session, answered);
          else if (action === 'clip') document.querySelector('video')?.focus();
          else void act(now, action, answered);
        },
      },
      card,
    );
    fill(
      history,
      known.alert.steps.map((step) =>
        el(
          'li',
          {},
          time(step.at),
          ` ${capital(step.state)} by ${step.actor}${step.reason === undefined ? '' : `: ${reasonWords[step.reason] ?? step.reason}`}`,
        ),
      ),
    );
  };
  show();
  fill(
    main,
    el(
      'div',
      { class: 'page alert-page' },
      el('div', { class: 'page-head' }, heading, el('a', { href: at('') }, 'All alerts')),
      el('section', { 'aria-label': 'Evidence clip', class: 'panel' }, clipView(alert, session)),
      el(
        'div',
        { class: 'stack' },
        card,
        el('section', { class: 'panel', 'aria-labelledby': 'history' }, el('h2', { id: 'history' }, 'History'), history),
      ),
    ),
  );
  const listen = () =>
    new EventFeed({
      onOpen: () => {
        get(`alerts/${encodeURIComponent(id)}`).then(
          (answer) => {
            const { revision: now, ...rest } = /** @type {Alert & { revision: number }} */ (answer);
            if (store.take(rest, now) !== 'same') show();
          },
          () => {},
        );
      },
      onState: () => {},
      onEvent: (name, data) => {
        if (name !== 'alert') return;
        const event = /** @type {{ alert: Alert, revision: number }} */ (data);
        if (event.alert.id === id && store.take(event.alert, event.revision) !== 'same') show();
      },
    });
  // Browsers have six connections to a server; alerts are opened in tabs.
  /** @type {EventFeed | undefined} */
  let feed;
  const follow = (/** @type {boolean} */ shown) => {
    if (shown) feed ??= listen();
    else {
      feed?.close();
      feed = undefined;
    }
  };
  document.addEventListener('visibilitychange', () => follow(document.visibilityState === 'visible'));
  addEventListener('pagehide', () => follow(false));
  addEventListener('pageshow', () => follow(document.visibilityState === 'visible'));
  follow(document.visibilityState === 'visible');
});
