/** A small set of our own, drawn on 16 by 16. They stand beside words and are hidden from readers, or the button has a label. */
const paths = {
  live: 'M2 4h9v8H2zM11 7l3-2v6l-3-2',
  watchlist: 'M3 3h10v10H3zM6 11c0-2 4-2 4 0M8 8a1.4 1.4 0 1 0 0-2.9A1.4 1.4 0 0 0 8 8',
  health: 'M1.5 8.5h3l2-5 3 9 2-4h3',
  users: 'M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M3 13.5c0-4 10-4 10 0',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6 13 13M13 3l-1.4 1.4M4.4 11.6 3 13',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5',
  sound: 'M2 6h3l3-3v10l-3-3H2zM10.5 5.5c1.5 1.5 1.5 3.5 0 5M12.5 3.5c2.700 2.700 2.700 6.300 0 9',
  silent: 'M2 6h3l3-3v10l-3-3H2zM10.500 6l4 4M14.500 6l-4 4',
  help: 'M6 6a2 2 0 1 1 2.800 1.900C8 8.300 8 8.800 8 9.500M8 12v.2M8 15A7 7 0 1 0 8 1a7 7 0 0 0 0 14',
  exit: 'M7 2H3v12h4M6.500 8H14M11 5l3 3-3 3',
  check: 'M3 8.500 6.500 12 13 4.500',
  done: 'M2 8.500 5 12l4-7M8 11l1 1 5-7.500',
  not: 'M4 4l8 8M12 4l-8 8',
  play: 'M5 3v10l8-5z',
  full: 'M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4',
  grid: 'M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z',
  add: 'M8 3v10M3 8h10',
  remove: 'M3 4h10M6 4V2h4v2M4.500 4l.5 10h6l.5-10M7 7v4M9 7v4',
  download: 'M8 2v8M5 7l3 3 3-3M2 13h12',
  camera: 'M2 5h3l1-2h4l1 2h3v8H2zM8 11a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  key: 'M10 8a3 3 0 1 0-2.200-1L2 13v1h3v-2h2v-2l1-1M11 5v.1',
  back: 'M10 3 5 8l5 5',
  next: 'M6 3l5 5-5 5',
  low: 'M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10',
  medium: 'M3 3h10v10H3z',
  high: 'M8 2l6.500 11.500h-13z',
  critical: 'M5 1.500h6L14.500 5v6L11 14.500H5L1.500 11V5zM8 4.500v4.500M8 11v.500',
  warn: 'M8 2l6.500 11.500h-13zM8 6v4M8 11.500v.500',
  ok: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M5 8.200l2.200 2.200L11 6',
  away: 'M2 4h9v8H2zM11 7l3-2v6l-3-2M1 1l14 14',
};

/** @typedef {keyof typeof paths} IconName */

const svg = 'http://www.w3.org/2000/svg';

/**
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const picture = document.createElementNS(svg, 'svg');
  picture.setAttribute('viewBox', '0 0 16 16');
  picture.setAttribute('class', `icon icon-${name}`);
  picture.setAttribute('aria-hidden', 'true');
  picture.setAttribute('focusable', 'false');
  const path = document.createElementNS(svg, 'path');
  path.setAttribute('d', paths[name]);
  picture.append(path);
  return picture;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
export function shape(tag, attributes) {
  const element = document.createElementNS(svg, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return /** @type {SVGElement} */ (element);
}
