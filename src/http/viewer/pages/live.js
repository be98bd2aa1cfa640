import { LiveFeed } from '../live/feed.js';
import { act, reject } from '../parts/alert-actions.js';
import { AlertFeed } from '../parts/alert-feed.js';
import { AlertList } from '../parts/alert-list.js';
import { announce, toast } from '../parts/announce.js';
import { ApiError, change, get, toLogin, words } from '../parts/api.js';
import { at } from '../parts/base.js';
import { openClip } from '../parts/clip.js';
import { byId, el, fill, say } from '../parts/dom.js';
import { Grid } from '../parts/grid.js';
import { icon } from '../parts/icons.js';
import { listenToKeys, showKeys } from '../parts/keys.js';
import { start } from '../parts/problems.js';
import { may, onSession, requireSession, sameRights, staySeen } from '../parts/session.js';
import { showShell } from '../parts/shell.js';
import { beep, setSound, soundReady, soundWanted, unlockOnTouch } from '../parts/sound.js';

/**
 * The first page: cameras, and alerts beside them as they happen.
 *
 * @import { Alert, Severity } from '../../../core/alerts.ts'
 * @import { CameraState } from '../../../core/types.ts'
 * @import { AlertAction } from '../parts/alert-card.js'
 * @import { Key } from '../parts/keys.js'
 */

/** @type {readonly Severity[]} */
const bySeverity = ['critical', 'high', 'medium', 'low'];

start(async () => {
  const session = await requireSession();
  const sound = soundButton();
  const help = el(
    'button',
    { type: 'button', class: 'quiet square', 'aria-label': 'Keys', title: 'Keys (?)', onclick: () => showKeys(keys) },
    icon('help'),
  );
  const link = el('span', { class: 'link', role: 'status' });
  showShell(session, { current: '', tools: [link, sound.button, help] });

  const live = new LiveFeed({
    url: at('api/v1/live').replace(/^http/, 'ws'),
    ticket: async () => {
      try {
        return await change('POST', 'tickets');
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) toLogin();
        throw error;
      }
    },
    onState: () => {},
  });
  const grid = new Grid(live);

  /** @param {AlertAction} action @param {Alert} alert */
  const doIt = (action, alert) => {
    const done = (/** @type {Alert} */ answer) => feed.answered(answer);
    if (action === 'clip') openClip(alert, session);
    else if (action === 'reject') reject(alert, session, done);
    else void act(alert, action, done);
  };

  const cameras = async () => {
    /** @type {{ items: readonly { camera: string, state: CameraState, masked: boolean }[] }} */
    const { items } = await get('cameras');
    grid.show(items.map(({ masked, ...item }) => ({ ...item, masked, drawn: masked && session.role !== 'admin' })));
    return items.map(({ camera }) => camera);
  };
  /** The server ends the events when rights change; while they were away everything else may have. */
  let openings = 0;
  const opened = () => {
    openings += 1;
    if (openings === 1) return;
    cameras().then(offer, () => {});
    void staySeen();
  };
  onSession((now) => {
    if (!sameRights(now, session)) reloadWhenIdle();
  });
  /** @type {readonly string[]} */
  let listNames = [];
  const offer = (/** @type {readonly string[]} */ cameraNames) => list?.offer(listNames, cameraNames);
  /** @type {AlertList | undefined} */
  let list;
  let lost = false;
  let missing = false;
  const showLink = () => {
    link.dataset['state'] = lost || missing ? 'lost' : 'open';
    say(link, lost ? 'Connection lost: trying again' : missing ? 'Alerts may be missing: trying again' : '');
  };
  const feed = new AlertFeed({
    onAlerts: (fresh, changed, gone, told) => {
      list?.take(fresh, changed, gone, told);
      const loudest = bySeverity.find((severity) => told.loud.some((alert) => alert.severity === severity));
      if (loudest !== undefined) beep(loudest);
      showTitle();
    },
    onCamera: (camera, state) => {
      if (!grid.know(camera, state)) cameras().then(offer, () => {});
    },
    onState: (state) => {
      if (state === 'open') opened();
      if (state !== 'connecting') lost = state === 'lost';
      showLink();
    },
    onMissing: (now) => {
      missing = now;
      showLink();
    },
  });
  list = new AlertList(
    feed.store,
    { session, act: doIt },
    { reach: () => ({ since: feed.since, more: feed.hasOlder }), ask: () => feed.older() },
  );
  const column = list;
  const showTitle = () => {
    const waiting = feed.store.list({ show: 'waiting' }).length;
    document.title = waiting === 0 ? 'Sightline' : `(${waiting}) Sightline`;
    say(alertsTab, waiting === 0 ? 'Alerts' : `Alerts (${waiting})`);
  };

  const main = byId('main');
  const alertsTab = el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => view('alerts') }, 'Alerts');
  const camerasTab = el('button', { type: 'button', 'aria-pressed': 'true', onclick: () => view('cameras') }, 'Cameras');
  /** On phones there is room for one of them. @param {'alerts' | 'cameras'} which */
  const view = (which) => {
    main.dataset['view'] = which;
    alertsTab.setAttribute('aria-pressed', String(which === 'alerts'));
    camerasTab.setAttribute('aria-pressed', String(which === 'cameras'));
  };
  fill(
    main,
    el('h1', { class: 'unseen' }, 'Live'),
    el('div', { class: 'switch', role: 'group', 'aria-label': 'Show' }, camerasTab, alertsTab),
    grid.element,
    column.element,
  );
  view(location.hash === '#alerts' ? 'alerts' : 'cameras');

  /** @param {AlertAction} action */
  const onSelected = (action) => {
    const alert = column.selectedAlert;
    if (!may(session, 'alerts.act')) return announce('Your role does not act on alerts.');
    if (alert === undefined) return toast('Choose an alert first: j and k.');
    const button = document.querySelector(`[data-alert="${alert.id}"] [data-action="${action}"]`);
    if (button instanceof HTMLButtonElement && !button.disabled) doIt(action, alert);
    else announce('That is not possible any more for this alert.');
  };
  const inAlerts = () => column.element.contains(document.activeElement);
  /** @type {readonly Key[]} */
  const keys = [
    {
      keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9'],
      shown: '1 to 9',
      says: 'This camera alone',
      run: ({ key }) => grid.chooseAt(Number(key) - 1),
    },
    { keys: ['ArrowLeft'], shown: '←', says: 'The camera before', run: () => grid.move(-1) },
    { keys: ['ArrowRight'], shown: '→', says: 'The next camera', run: () => grid.move(1) },
    {
      keys: ['ArrowUp'],
      shown: '↑',
      says: 'A row up; in the alerts: the newer one',
      run: () => (inAlerts() ? column.move(-1) : grid.move(-grid.columns)),
    },
    {
      keys: ['ArrowDown'],
      shown: '↓',
      says: 'A row down; in the alerts: the older one',
      run: () => (inAlerts() ? column.move(1) : grid.move(grid.columns)),
    },
    {
      keys: ['Escape'],
      shown: 'Esc',
      says: 'All cameras',
      run: () => (grid.single === undefined ? false : grid.choose(undefined)),
    },
    { keys: ['j'], says: 'The next alert', run: () => column.move(1) },
    { keys: ['k'], says: 'The alert before', run: () => column.move(-1) },
    ...(may(session, 'alerts.act')
      ? [
          { keys: ['a'], says: 'Acknowledge the chosen alert', run: () => onSelected('acknowledge') },
          { keys: ['r'], says: 'Resolve it', run: () => onSelected('resolve') },
          { keys: ['n'], says: 'Not this person', run: () => onSelected('reject') },
        ]
      : []),
    { keys: ['f'], says: 'Full screen', run: () => grid.fullScreen() },
    { keys: ['m'], says: 'Sound on or off', run: () => sound.turn() },
    { keys: ['?'], says: 'These keys', run: () => showKeys(keys) },
  ];
  listenToKeys(keys);

  const [names, lists] = await Promise.all([cameras(), get('lists')]);
  listNames = /** @type {{ items: readonly { list: string }[] }} */ (lists).items.map(({ list: name }) => name);
  offer(names);
  addEventListener('pagehide', () => {
    feed.close();
    live.close();
  });
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) location.reload();
  });
});

/** Not under the hands of somebody who fills in a dialog. */
function reloadWhenIdle() {
  if (document.querySelector('dialog[open]') === null) return location.reload();
  setTimeout(reloadWhenIdle, 1000);
}

function soundButton() {
  const button = el('button', { type: 'button', class: 'quiet sound', 'aria-keyshortcuts': 'm' });
  const show = () => {
    const on = soundWanted();
    const waits = on && !soundReady();
    button.setAttribute('aria-pressed', String(on));
    const text = waits ? 'Sound: click once' : on ? 'Sound on' : 'Sound off';
    button.title = waits
      ? 'The browser lets a page sound only after somebody has clicked on it or pressed a key (m)'
      : 'Sound of new alerts (m)';
    fill(button, icon(on ? 'sound' : 'silent'), el('span', {}, text));
  };
  // The touch alone lets the sound go on: the click after it must not be taken for a wish to end it.
  let waited = false;
  button.addEventListener('pointerdown', () => {
    waited = soundWanted() && !soundReady();
  });
  const turn = () => {
    const on = waited || !(soundWanted() && soundReady());
    waited = false;
    setSound(on).then(
      () => {
        show();
        if (on) beep('low');
        announce(on ? 'Sound on' : 'Sound off');
      },
      (error) => toast(words(error), 'bad'),
    );
    show();
  };
  button.addEventListener('click', turn);
  unlockOnTouch(show);
  show();
  return { button, turn };
}
