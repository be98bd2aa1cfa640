import { ApiError, get, words } from './api.js';
import { at } from './base.js';
import { makeDialog } from './dialog.js';
import { add, el, fill } from './dom.js';
import { moment } from './format.js';
import { whoWords } from './severity.js';

/**
 * The evidence clip with the boxes that were drawn then, opened at the frame of the sighting.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { LiveBox } from '../../../core/live-messages.ts'
 */

/**
 * @typedef {object} ClipIndex
 * @property {number} [fps]
 * @property {readonly { readonly time: number, readonly boxes: readonly LiveBox[] }[]} frames
 * @property {number} at seconds in the clip
 */

/** Seconds after the sighting at which a clip ends unless told otherwise, and what writing it takes. */
const afterS = 10;
const writingS = 2;
/** From then on a clip that is not there will not come. */
const hopelessS = 120;

/** @param {Alert} alert @returns {HTMLElement} which looks after itself while it is in the page */
export function clipView(alert) {
  const view = el('div', { class: 'clip' });
  const look = async () => {
    const ageS = (Date.now() - alert.decidedAt) / 1000;
    const waitS = afterS + writingS - ageS;
    if (waitS > 0) {
      wait(view, `The clip is written ${afterS} s after the alert: ${Math.ceil(waitS)} s to go.`);
      return again(1000);
    }
    try {
      /** @type {ClipIndex} */
      const index = await get(`alerts/${alert.id}/clip/index`);
      show(view, alert, index);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) return wait(view, words(error));
      if (ageS > hopelessS) return wait(view, 'There is no clip: it is past its retention, or clips are switched off.');
      wait(view, 'The clip is being written.');
      again(3000);
    }
  };
  /** @param {number} ms */
  const again = (ms) => {
    setTimeout(() => {
      if (view.isConnected) void look();
    }, ms);
  };
  queueMicrotask(() => void look());
  return view;
}

/** @param {HTMLElement} view @param {string} text */
function wait(view, text) {
  const line = view.querySelector('.clip-wait p');
  if (line !== null) line.textContent = text;
  else fill(view, el('div', { class: 'clip-wait' }, el('p', { role: 'status' }, text)));
}

/** @param {HTMLElement} view @param {Alert} alert @param {ClipIndex} index */
function show(view, alert, index) {
  const video = el('video', {
    src: at(`api/v1/alerts/${alert.id}/clip`),
    controls: true,
    muted: true,
    playsinline: true,
    preload: 'auto',
    'aria-label': `Clip of ${alert.camera}, ${moment(alert.eventTime)}`,
  });
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  const note = el('p', { class: 'hint' }, 'Opened at the frame of the sighting. ');
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
  const paint = () => drawBoxes(canvas, video, boxesAt(index, video.currentTime));
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
        { class: 'button', href: at(`api/v1/alerts/${alert.id}/clip`), download: `${alert.camera}-${alert.id}.mp4` },
        'Download',
      ),
      note,
    ),
  );
}

/** Of the last frame that is not later than `seconds`. @param {ClipIndex} index @param {number} seconds */
export function boxesAt({ frames, fps = 25 }, seconds) {
  let low = 0;
  let high = frames.length;
  // A picture is shown from a little before its time on, as clocks of players round.
  const until = seconds + 0.5 / fps;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((frames[middle]?.time ?? 0) <= until) low = middle + 1;
    else high = middle;
  }
  const frame = frames[low - 1];
  return frame === undefined || until - frame.time > 1 ? [] : frame.boxes;
}

/** @param {HTMLCanvasElement} canvas @param {HTMLVideoElement} video @param {readonly LiveBox[]} boxes */
function drawBoxes(canvas, video, boxes) {
  const { videoWidth, videoHeight, clientWidth, clientHeight } = video;
  const dots = devicePixelRatio;
  canvas.width = Math.round(clientWidth * dots);
  canvas.height = Math.round(clientHeight * dots);
  const paper = canvas.getContext('2d');
  if (paper === null || videoWidth === 0) return;
  const scale = Math.min(canvas.width / videoWidth, canvas.height / videoHeight);
  const [width, height] = [videoWidth * scale, videoHeight * scale];
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  paper.lineWidth = 2 * dots;
  paper.font = `600 ${13 * dots}px system-ui, sans-serif`;
  paper.textBaseline = 'bottom';
  for (const { box, match, colour, label } of boxes) {
    const [x, y, w, h] = [left + box[0] * width, top + box[1] * height, box[2] * width, box[3] * height];
    paper.strokeStyle = colour;
    paper.strokeRect(x, y, w, h);
    const text = match === undefined ? label : `${match.name} ${match.similarity.toFixed(2)}`;
    const wide = paper.measureText(text).width + 8 * dots;
    paper.fillStyle = 'rgb(0 0 0 / 75%)';
    paper.fillRect(x, y - 18 * dots, wide, 18 * dots);
    paper.fillStyle = '#fff';
    paper.fillText(text, x + 4 * dots, y - 2 * dots);
  }
}

/** @param {Alert} alert */
export function openClip(alert) {
  const { body, foot, open, close } = makeDialog(`${whoWords(alert)} on ${alert.camera}, ${moment(alert.eventTime)}`, {
    wide: true,
  });
  add(body, clipView(alert));
  add(
    foot,
    el('p', { class: 'meaning' }, 'Similarity, not identity'),
    el('a', { class: 'button', href: at(`alerts/${alert.id}`) }, 'Page of this alert'),
    el('button', { type: 'button', onclick: close }, 'Close'),
  );
  open();
}
