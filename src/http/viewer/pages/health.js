import { toast } from '../parts/announce.js';
import { change, get, words } from '../parts/api.js';
import { byId, el, fill, say } from '../parts/dom.js';
import { ago, bytes, capital, counted, moment, percent, span } from '../parts/format.js';
import { icon } from '../parts/icons.js';
import { start } from '../parts/problems.js';
import { reloadWords } from '../parts/reload-words.js';
import { may, requireSession } from '../parts/session.js';
import { showShell } from '../parts/shell.js';
import { makeTable } from '../parts/table.js';

/**
 * How everything is, refreshed while somebody looks. Only texts change, so nothing jumps.
 *
 * @import { PartState, ReloadView } from '../../../core/control.ts'
 * @import { GpuView } from '../../../core/gpus.ts'
 * @import { ServedModelView } from '../../../core/served-models.ts'
 * @import { CameraState } from '../../../core/types.ts'
 */

/**
 * @typedef {object} Camera
 * @property {string} camera
 * @property {CameraState} state
 * @property {{ fps: number, delayMs?: number, drops: number, lastFrameAt?: number, usableFaces?: number }} figures
 */

/**
 * @typedef {object} Status
 * @property {string} version
 * @property {number} startedAt
 * @property {number} now
 * @property {readonly PartState[]} parts
 * @property {readonly Camera[]} cameras
 * @property {readonly { name: string, waiting: number, limit?: number, dropped: number }[]} queues
 * @property {readonly { model: string, state: 'ready' | 'loading' | 'unavailable', reason?: string, workers: readonly string[] }[]} models
 * @property {string} engine
 * @property {readonly { name: string, state: 'unknown' | 'ready' | 'busy' | 'away', reason?: string }[]} [servers]
 * @property {readonly ServedModelView[]} [served]
 * @property {readonly GpuView[]} [gpus]
 * @property {{ kind: string, reason?: string }} index
 * @property {{ entries: number, references: number, outdated: number }} watchlist
 * @property {{ open: number }} alerts
 * @property {{ waiting: number, dead: number }} outbox
 * @property {{ rtspReaders: number, liveSubscribers: number, rssBytes: number, cpuSeconds: number, ringBytes: number }} [media]
 */

const everyMs = 2000;

/** @param {'good' | 'warn' | 'bad'} kind @param {string} text */
function word(kind, text) {
  return el('span', { class: `word ${kind}` }, icon(kind === 'good' ? 'ok' : 'warn'), text);
}

/** What helps, by the name of the part. @type {Readonly<Record<string, string>>} */
const remedies = {
  camera: 'See its line under Cameras; check its address, login, cable and power. It comes back by itself.',
  triton:
    'See whether the server runs, its log and inference.url. It is asked again all the time. Without another server nothing is detected and crops wait for it, unless inference.fallback is embedded.',
  embedder:
    'The reason says what it needs: a server under Triton servers, or weights. It goes on by itself; crops wait meanwhile.',
  detector: 'The reason says what it needs: a server under Triton servers, or weights. It goes on by itself.',
  mqtt: 'Check that the broker runs and mqtt.url and its password are right. Alerts wait in the outbox meanwhile.',
  models: 'See “sightline models” for what is missing and how to get it.',
  store: 'Check that the disk of the data directory has space and is writable.',
  rtsps:
    'Players are served without encryption meanwhile. Put the certificate and its key where media.rtsp.tls says, readable for Sightline; RTSPS begins by itself.',
  media: 'Live pictures and streams are away; alerts go on. It is started again by itself.',
  workers: 'The worker is started again by itself; the log says why it ended.',
};

/** Of a part that is not ready: whether nothing else does its work. @param {PartState} part */
function isNeeded({ needed }) {
  return needed !== false;
}

/** @param {PartState} part */
function remedy({ name }) {
  return Object.entries(remedies).find(([key]) => name.toLowerCase().includes(key))?.[1];
}

/** Whether its worker has no time for all the frames that it ought to look at. @param {CameraState} state */
function isBehind(state) {
  return state.state === 'live' && [state.code, ...(state.otherCodes ?? [])].includes('camera.late');
}

/** @param {CameraState} state */
function cameraWord(state) {
  if (isBehind(state)) return word('warn', 'Live, inference behind');
  if (state.state === 'live') return word(state.reason === undefined ? 'good' : 'warn', 'Live');
  return word(state.state === 'connecting' || state.state === 'ended' ? 'warn' : 'bad', capital(state.state));
}

/** @param {CameraState} state @param {number} now */
function cameraReason(state, now) {
  if (state.state === 'live') return state.reason ?? `${state.codec}, ${state.width} × ${state.height}, ${state.decode}`;
  const retryAt = state.state === 'away' ? state.retryAt : undefined;
  const retry = retryAt === undefined ? '' : retryAt > now ? `; next attempt in ${span(retryAt - now)}` : '; trying again';
  return `since ${moment(state.since, now)}${'reason' in state && state.reason !== undefined ? `: ${state.reason}` : ''}${retry}`;
}

start(async () => {
  const session = await requireSession();
  showShell(session, { current: 'health' });
  const verdict = el('p', { class: 'verdict', role: 'status' });
  const asOf = el('p', { class: 'hint' });
  const reload = el('button', { type: 'button' }, 'Load the configuration again');
  reload.addEventListener('click', () => {
    /** @type {Promise<ReloadView>} */ (change('POST', 'config/reload')).then(
      (view) => toast(reloadWords(view, Date.now()), view.state === 'refused' ? 'bad' : 'plain'),
      (error) => toast(words(error), 'bad'),
    );
  });
  const parts = makeTable('Parts that are not ready', [{ name: 'Part' }, { name: 'Why' }, { name: 'What helps' }]);
  const cameras = makeTable('Cameras', [
    { name: 'Camera' },
    { name: 'State' },
    { name: 'Details' },
    { name: 'Frames/s', number: true },
    { name: 'Delay', number: true },
    { name: 'Drops', number: true },
    { name: 'Last frame', number: true },
    { name: 'Usable faces', number: true },
  ]);
  const queues = makeTable('Queues', [
    { name: 'Queue' },
    { name: 'State' },
    { name: 'Waiting', number: true },
    { name: 'Limit', number: true },
    { name: 'Dropped', number: true },
  ]);
  const models = makeTable('Models', [{ name: 'Model' }, { name: 'Of' }, { name: 'State' }, { name: 'Why' }]);
  const servers = makeTable('Triton servers', [{ name: 'Server' }, { name: 'State' }, { name: 'Why' }]);
  const served = makeTable('Models on Triton servers, last minute', [
    { name: 'Model' },
    { name: 'Server' },
    { name: 'Answers/s', number: true },
    { name: 'Round trip', number: true },
    { name: 'Queue', number: true },
    { name: 'Compute', number: true },
    { name: 'Network', number: true },
  ]);
  const gpus = makeTable('GPUs', [
    { name: 'GPU' },
    { name: 'Workers' },
    { name: 'Busy', number: true },
    { name: 'Decoder', number: true },
    { name: 'Encoder', number: true },
    { name: 'Memory', number: true },
    { name: 'Temperature', number: true },
  ]);
  const cells = el('dl', { class: 'cells' });
  const main = byId('main');
  fill(
    main,
    el(
      'div',
      { class: 'page' },
      el('div', { class: 'page-head' }, el('h1', {}, 'Health'), may(session, 'config.reload') && reload),
      el('div', { class: 'row' }, verdict, asOf),
      parts.element,
      cells,
      cameras.element,
      queues.element,
      models.element,
      servers.element,
      served.element,
      gpus.element,
    ),
  );

  /** @param {string} name @param {Node | string} value @param {string} [hint] */
  const cell = (name, value, hint) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, value, hint === undefined ? undefined : el('p', { class: 'hint' }, hint)));

  /** @type {string} */
  let said = '';
  /** At the last look, by queue: what was dropped long ago is no trouble now. @type {ReadonlyMap<string, number>} */
  let droppedBefore = new Map();
  /** @param {Status} status */
  const show = (status) => {
    const { now } = status;
    const failing = status.parts.filter(({ ready }) => !ready);
    const away = status.cameras.filter(({ state }) => state.state !== 'live' && state.state !== 'ended');
    const behind = status.cameras.filter(({ state }) => isBehind(state));
    const ailing = status.cameras.filter(
      ({ state }) => state.state === 'live' && state.reason !== undefined && !isBehind(state),
    );
    const dropping = status.queues.filter(({ name, dropped }) => dropped > (droppedBefore.get(name) ?? dropped));
    droppedBefore = new Map(status.queues.map(({ name, dropped }) => [name, dropped]));
    const troubles = [
      failing.length > 0 ? `${counted(failing.length, 'part')} not ready` : '',
      away.length > 0 ? `${counted(away.length, 'camera')} without pictures` : '',
      behind.length > 0 ? `inference behind at ${counted(behind.length, 'camera')}` : '',
      ailing.length > 0 ? `${counted(ailing.length, 'camera')} with a trouble` : '',
      dropping.length > 0 ? `${counted(dropping.length, 'queue')} dropping` : '',
      status.outbox.dead > 0 ? `${counted(status.outbox.dead, 'alert')} refused by an output` : '',
    ].filter((text) => text !== '');
    const text = troubles.length === 0 ? 'Everything works' : capital(troubles.join(', '));
    if (text !== said) fill(verdict, word(troubles.length === 0 ? 'good' : failing.some(isNeeded) ? 'bad' : 'warn', text));
    said = text;
    say(asOf, `as of ${moment(now, now)}`);
    parts.element.hidden = failing.length === 0;
    parts.rows(
      failing.map((part) => [word(isNeeded(part) ? 'bad' : 'warn', part.name), part.reason ?? 'starting', remedy(part) ?? '']),
    );
    fill(
      cells,
      cell('Engine', status.engine),
      cell('Index', status.index.kind, status.index.reason),
      cell(
        'Watchlist',
        counted(status.watchlist.entries, 'entry', 'entries'),
        `${counted(status.watchlist.references, 'reference')}${status.watchlist.outdated > 0 ? `, ${status.watchlist.outdated} of an older model` : ''}`,
      ),
      cell('Open alerts', String(status.alerts.open)),
      cell(
        'Outbox',
        `${status.outbox.waiting} waiting`,
        status.outbox.dead > 0 ? `${status.outbox.dead} dead letters` : undefined,
      ),
      status.media === undefined
        ? cell('Media door', word('bad', 'Not running'), remedies['media'])
        : cell(
            'Media door',
            word('good', 'Running'),
            `${counted(status.media.rtspReaders, 'RTSP reader')}, ${counted(status.media.liveSubscribers, 'live viewer')}, ${bytes(status.media.rssBytes)} (ring ${bytes(status.media.ringBytes)})`,
          ),
      cell('Version', status.version, `running for ${span(now - status.startedAt)}`),
    );
    cameras.rows(
      status.cameras.map(({ camera, state, figures }) => [
        camera,
        cameraWord(state),
        cameraReason(state, now),
        figures.fps.toFixed(1),
        figures.delayMs === undefined ? '–' : `${Math.round(figures.delayMs)} ms`,
        figures.drops.toLocaleString(),
        figures.lastFrameAt === undefined ? 'none yet' : ago(figures.lastFrameAt, now),
        figures.usableFaces === undefined ? '–' : percent(figures.usableFaces),
      ]),
    );
    queues.rows(
      status.queues.map(({ name, waiting, limit, dropped }) => [
        name,
        limit !== undefined && waiting >= limit
          ? word('bad', 'Full')
          : dropped > 0
            ? word('warn', 'Has dropped')
            : word('good', 'Keeps up'),
        waiting.toLocaleString(),
        limit === undefined ? 'none' : limit.toLocaleString(),
        dropped.toLocaleString(),
      ]),
    );
    models.rows(
      status.models.map(({ model, state, reason, workers }) => [
        model,
        workers.length === 0 ? 'the daemon' : workers.join(', '),
        word(
          state === 'ready' ? (reason === undefined ? 'good' : 'warn') : state === 'loading' ? 'warn' : 'bad',
          capital(state),
        ),
        reason ?? '',
      ]),
    );
    servers.element.hidden = status.servers === undefined;
    servers.rows(
      (status.servers ?? []).map(({ name, state, reason }) => [
        name,
        word(state === 'ready' ? 'good' : state === 'away' ? 'bad' : 'warn', capital(state)),
        reason ?? '',
      ]),
    );
    served.element.hidden = (status.served ?? []).length === 0;
    served.rows(
      (status.served ?? []).map(({ model, server, answersPerSecond, roundTripMs, queueMs, computeMs, networkMs }) => [
        model,
        server,
        answersPerSecond.toFixed(1),
        ...[roundTripMs, queueMs, computeMs, networkMs].map((ms) => (ms === undefined ? '–' : `${ms.toFixed(1)} ms`)),
      ]),
    );
    gpus.element.hidden = (status.gpus ?? []).length === 0;
    gpus.rows(
      (status.gpus ?? []).map(({ name, workers, utilization, decoder, encoder, memoryUsedBytes, memoryBytes, celsius }) => [
        name,
        workers.join(', '),
        ...[utilization, decoder, encoder].map((share) => (share === undefined ? '–' : percent(share))),
        memoryUsedBytes === undefined || memoryBytes === undefined ? '–' : `${bytes(memoryUsedBytes)} of ${bytes(memoryBytes)}`,
        celsius === undefined ? '–' : `${celsius} °C`,
      ]),
    );
  };

  const refresh = async () => {
    try {
      if (document.visibilityState === 'visible') show(await get('status'));
    } catch (error) {
      said = '';
      fill(verdict, word('bad', words(error)));
    }
    setTimeout(() => void refresh(), everyMs);
  };
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible')
      get('status').then(
        (status) => show(/** @type {Status} */ (status)),
        () => {},
      );
  });
  await refresh();
});
