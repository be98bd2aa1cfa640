import { add, el, fill } from './dom.js';
import { shape } from './icons.js';

/**
 * A photo with what was found on it: a box for each face, solid where it will do, dashed where it is refused, the reasons in words at the box.
 *
 * @import { Box } from '../../../core/types.ts'
 */

/** @typedef {{ box: Box, refusals: readonly string[] }} Found */

const leastShownPx = 320;

/**
 * @param {{ url: string, alt: string, width: number, height: number, faces: readonly Found[], chosen: number | undefined, choose: (index: number) => void }} photo chosen: from 0
 * @returns {HTMLElement}
 */
export function photoView({ url, alt, width, height, faces, chosen, choose }) {
  const drawing = shape('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
  const tags = el('div', { class: 'tags', 'aria-hidden': 'true' });
  faces.forEach(({ box, refusals }, index) => {
    const fine = refusals.length === 0;
    const group = shape('g', { class: `face${fine ? '' : ' refused'}${index === chosen ? ' chosen' : ''}` });
    group.append(shape('rect', { x: box.left, y: box.top, width: box.width, height: box.height }));
    group.addEventListener('click', () => choose(index));
    drawing.append(group);
    const few = faces.length <= 3 || index === chosen;
    const tag = el(
      'div',
      { class: `tag ${fine ? 'fine' : 'refused'}` },
      `${index + 1}: ${fine ? 'will do' : few ? refusals.map(brief).join('; ') : 'refused'}`,
    );
    // Through the object model: the policy of the page takes no style attributes.
    const left = (box.left / width) * 100;
    const ends = left > 55;
    tag.classList.toggle('ends', ends);
    if (ends) tag.style.right = `${100 - ((box.left + box.width) / width) * 100}%`;
    else tag.style.left = `${left}%`;
    // That of the chosen one above, the others below: they come between faces of one height otherwise.
    const above = (index === chosen && box.top > height * 0.25) || box.top + box.height > height * 0.82;
    if (above) tag.style.bottom = `${Math.min(88, (1 - box.top / height) * 100)}%`;
    else tag.style.top = `${((box.top + box.height) / height) * 100}%`;
    tags.append(tag);
  });
  const picture = el('div', { class: 'photo' });
  const img = el('img', { src: url, alt });
  // A small one is shown larger: what is said of its faces is written on it.
  if (width < leastShownPx) img.style.width = `min(${leastShownPx}px, ${Math.round((55 * width) / height)}dvh)`;
  add(picture, img, /** @type {Node} */ (drawing), tags);
  return picture;
}

/** What is wrong, without what would help: there is room for that beside the picture. @param {string} refusal */
function brief(refusal) {
  return refusal.split(';')[0] ?? refusal;
}

/**
 * Base64 of a file, in pieces, so that the page does not stand still.
 * @param {Blob} file
 * @returns {Promise<string>}
 */
export async function base64Of(file) {
  return await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ''));
    reader.onerror = () => reject(new Error('the file could not be read'));
    reader.readAsDataURL(file);
  });
}

/** Why the webcam cannot be used here; undefined where it can. */
export function webcamHindrance() {
  if (!isSecureContext)
    return `Browsers give a webcam to pages over https (or on localhost) only; this one came over ${location.protocol.replace(':', '')}. Choose a file instead, or set http.tls.`;
  return navigator.mediaDevices === undefined ? 'This browser has no access to a webcam.' : undefined;
}

/**
 * Shows the webcam until a picture is taken.
 * @param {HTMLElement} place
 * @param {(picture: Blob) => void} taken
 * @param {() => void} given up
 * @returns {Promise<() => void>} ends it
 */
export async function webcam(place, taken, given) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' },
    audio: false,
  });
  const end = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  const video = el('video', { autoplay: true, muted: true, playsinline: true, 'aria-label': 'Webcam' });
  video.srcObject = stream;
  const shoot = el('button', { type: 'button', class: 'primary' }, 'Take the picture');
  shoot.addEventListener('click', () => {
    const canvas = el('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    canvas.toBlob(
      (blob) => {
        end();
        if (blob !== null) taken(blob);
      },
      'image/jpeg',
      0.95,
    );
  });
  const cancel = el(
    'button',
    {
      type: 'button',
      onclick: () => {
        end();
        given();
      },
    },
    'Not now',
  );
  fill(place, el('div', { class: 'photo' }, video), el('div', { class: 'row' }, shoot, cancel));
  shoot.focus();
  return end;
}
