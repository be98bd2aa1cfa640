import { ApiError, send } from './api.js';
import { el, fill } from './dom.js';

/** Pictures kept at once for cards that are shown again. */
const limit = 200;
/** @type {Map<string, Promise<string>>} */
const known = new Map();

/** @param {string} path @param {string} version */
function load(path, version) {
  const key = `${path} ${version}`;
  const old = known.get(key);
  if (old !== undefined) return old;
  const loading = send(path, { headers: { accept: 'image/jpeg' } })
    .then((response) => response.blob())
    .then((blob) => URL.createObjectURL(blob));
  known.set(key, loading);
  loading.catch(() => known.delete(key));
  const [first] = known;
  if (known.size > limit && first !== undefined) {
    known.delete(first[0]);
    first[1].then((url) => URL.revokeObjectURL(url)).catch(() => {});
  }
  return loading;
}

/** What is to be done when a box comes near to what is seen. @type {WeakMap<Element, () => void>} */
const waiting = new WeakMap();
/** Each look at a picture is in the audit trail: what nobody scrolls to is not asked for. */
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      waiting.get(target)?.();
    }
  },
  { rootMargin: '200px' },
);

/**
 * A picture in a box whose size is there from the beginning; in its place words, when there is none.
 * @param {{ path: string, version?: string, alt: string, missing: string }} what path below `api/v1/`; another version is fetched anew
 * @returns {HTMLElement}
 */
export function picture({ path, version = '', alt, missing }) {
  const box = el('div', { class: 'picture' });
  const show = () => {
    load(path, version).then(
      (url) => fill(box, el('img', { src: url, alt, draggable: 'false' })),
      (error) =>
        fill(
          box,
          el('p', { class: 'none' }, error instanceof ApiError && error.status === 404 ? missing : 'Could not be loaded'),
        ),
    );
  };
  if (known.has(`${path} ${version}`)) show();
  else {
    waiting.set(box, show);
    near.observe(box);
  }
  return box;
}

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function noPicture(text) {
  return el('div', { class: 'picture' }, el('p', { class: 'none' }, text));
}
