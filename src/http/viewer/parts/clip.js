import { drawBoxes, labelOf, placeOf } from '../live/overlay.js';
import { ApiError, get, words } from './api.js';
import { at } from './base.js';
import { boxesAt, sightedTrack } from './clip-index.js';
import { makeDialog } from './dialog.js';
import { add, el, fill } from './dom.js';
import { moment } from './format.js';
import { meaningOf } from './score.js';
import { similarWords } from './severity.js';

/**
 * The evidence clip with the boxes that were drawn then, opened at the frame of the sighting.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { LiveBox } from '../../../core/live-messages.ts'
 * @import { ClipIndex } from './clip-index.js'
 * @import { Session } from './session.js'
 */

/** Between two looks for a clip whose last picture is there. */
const writingMs = 2000;

/**
 * @param {Alert} alert
 * @param {Session} session
 * @param {(camera: string) => void} [onCamera] told where the clip is from as soon as that is known
 * @returns {HTMLElement} which looks after itself while it is in the page
 */
export function clipView(alert, session, onCamera = () => {}) {
  const view = el('div', { class: 'clip' });
  const look = async () => {
    try {
      /** @type {ClipIndex} */
      const index = await get(`alerts/${alert.id}/clip/index`);
      const camera = index.camera ?? alert.camera;
      onCamera(camera);
      const masked = await isMasked(camera);
      if (masked && session.role !== 'admin')
        return wait(view, 'The clip shows what the masks of this camera hide: it is for admins.');
      show(view, alert, index, { camera, masked });
    } catch (error) {
      const dueAt = error instanceof ApiError ? error.details['dueAt'] : undefined;
      if (typeof dueAt === 'number') countDown(dueAt);
      else wait(view, words(error));
    }
  };
  /** @param {number} dueAt */
  const countDown = (dueAt) => {
    const waitS = Math.ceil((dueAt - Date.now()) / 1000);
    wait(view, waitS > 0 ? `The clip is being written: ${waitS} s to go.` : 'The clip is being written.');
    setTimeout(
      () => {
        if (!view.isConnected) return;
        if (waitS > 1) countDown(dueAt);
        else void look();
      },
      waitS > 0 ? 1000 : writingMs,
    );
  };
  queueMicrotask(() => void look());
  return view;
}

/** @param {string} camera @returns {Promise<boolean>} also where the camera is gone: nobody knows what it hid */
async function isMasked(camera) {
  /** @type {{ items: readonly { camera: string, masked: boolean }[] }} */
  const { items } = await get('cameras');
  return items.find((known) => known.camera === camera)?.masked ?? true;
}

/** @param {HTMLElement} view @param {string} text */
function wait(view, text) {
  const line = view.querySelector('.clip-wait p');
  if (line !== null) line.textContent = text;
  else fill(view, el('div', { class: 'clip-wait' }, el('p', { role: 'status' }, text)));
}

/** @param {HTMLElement} view @param {Alert} alert @param {ClipIndex} index @param {{ camera: string, masked: boolean }} from */
function show(view, alert, index, { camera, masked }) {
  const video = el('video', {
    src: at(`api/v1/alerts/${alert.id}/clip`),
    controls: true,
    muted: true,
    playsinline: true,
    preload: 'auto',
    'aria-label': `Clip of ${camera}, ${moment(alert.eventTime)}`,
  });
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  const note = el(
    'p',
    { class: 'hint' },
    `From ${camera}, opened at the frame of the sighting. `,
    masked && 'It shows what the masks of this camera hide. ',
  );
  const back = el('button', { type: 'button' }, 'To the sighting');
  const toSighting = () => {
    video.pause();
    video.currentTime = index.at;
  };
  back.addEventListener('click', toSighting);
  video.addEventListener('loadedmetadata', toSighting, { once: true });
  video.addEventListener('error', () => {
    note.textContent = 'This browser cannot play the clip; it can be downloaded and played elsewhere. ';
  });
  const sighted = sightedTrack(index, alert);
  /** @type {ReadonlyMap<number, number>} */
  let spots = new Map();
  const paint = () => {
    spots = paintBoxes(canvas, video, boxesAt(index, video.currentTime), sighted, spots);
  };
  const follow = () => {
    if (!video.isConnected) return;
    paint();
    video.requestVideoFrameCallback(follow);
  };
  if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(follow);
  video.addEventListener('seeked', paint);
  video.addEventListener('timeupdate', paint);
  new ResizeObserver(paint).observe(video);
  fill(
    view,
    el('div', { class: 'clip-stage' }, video, canvas),
    el(
      'div',
      { class: 'row' },
      back,
      el(
        'a',
        { class: 'button', href: at(`api/v1/alerts/${alert.id}/clip`), download: `${camera}-${alert.id}.mp4` },
        'Download',
      ),
      note,
    ),
  );
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLVideoElement} video
 * @param {readonly LiveBox[]} boxes
 * @param {number | undefined} sighted track of the alert
 * @param {ReadonlyMap<number, number>} spots of the labels that were drawn before
 */
function paintBoxes(canvas, video, boxes, sighted, spots) {
  const { videoWidth, videoHeight, clientWidth, clientHeight } = video;
  canvas.width = Math.round(clientWidth * devicePixelRatio);
  canvas.height = Math.round(clientHeight * devicePixelRatio);
  const context = canvas.getContext('2d');
  if (context === null || videoWidth === 0) return spots;
  const place = placeOf(canvas.width, canvas.height, videoWidth, videoHeight);
  // At the sighting itself its box may not have been named yet.
  const lines = (/** @type {LiveBox} */ box) =>
    box.match !== undefined ? labelOf(box) : box.track === sighted ? ['this alert'] : [];
  return drawBoxes(context, { boxes, predicted: false }, place, devicePixelRatio, { spots, words: lines });
}

/** @param {Alert} alert @param {Session} session */
export function openClip(alert, session) {
  const when = moment(alert.firstSeenAt);
  // The camera of the clip is not always that of the newest sighting: it is named when it is known.
  const { body, foot, open, close, retitle } = makeDialog(`${similarWords(alert)}, ${when}`, { wide: true });
  add(
    body,
    clipView(alert, session, (camera) => retitle(`${similarWords(alert)} on ${camera}, ${when}`)),
  );
  add(
    foot,
    el('p', { class: 'meaning' }, meaningOf(alert)),
    el('a', { class: 'button', href: at(`alerts/${alert.id}`) }, 'Page of this alert'),
    el('button', { type: 'button', onclick: close }, 'Close'),
  );
  open();
}
