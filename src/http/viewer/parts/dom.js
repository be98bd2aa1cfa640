/**
 * Elements from values. Text is always text: nothing here takes markup.
 * @typedef {Node | string | number | boolean | null | undefined} Child
 */

/**
 * Properties beginning with `on` are listeners, `class` and everything with a dash or without a property are attributes; `undefined`
 * and `false` leave them out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Child | readonly Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith('on') && typeof value === 'function')
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, ...children);
  return element;
}

/**
 * @param {Element} parent
 * @param {...(Child | readonly Child[])} children
 */
export function add(parent, ...children) {
  for (const child of /** @type {readonly Child[]} */ (children.flat(4)))
    if (child !== null && child !== undefined && child !== false && child !== true)
      parent.append(child instanceof Node ? child : String(child));
}

/**
 * @param {Element} parent
 * @param {...(Child | readonly Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  add(parent, ...children);
}

/**
 * Changes text only where it differs, so that a reader of a live region hears nothing twice.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * An element of the page that its HTML has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

let last = 0;
/** @param {string} prefix */
export function newId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}

/**
 * A control with its label and what helps to fill it in.
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @param {string} [hint]
 */
export function field(label, control, hint) {
  if (control.id === '') control.id = newId('field');
  const hintId = `${control.id}-hint`;
  if (hint !== undefined) control.setAttribute('aria-describedby', hintId);
  return el(
    'div',
    { class: 'field' },
    el('label', { for: control.id }, label),
    control,
    hint === undefined ? undefined : el('p', { id: hintId, class: 'hint' }, hint),
  );
}

/**
 * @param {string} label
 * @param {Record<string, unknown>} [properties]
 * @returns {{ readonly row: HTMLElement, readonly input: HTMLInputElement }}
 */
export function checkbox(label, properties = {}) {
  const input = el('input', { type: 'checkbox', id: newId('check'), ...properties });
  return { row: el('div', { class: 'check' }, input, el('label', { for: input.id }, label)), input };
}

/**
 * @param {readonly (readonly [string, string])[]} options value and words
 * @param {Record<string, unknown>} [properties]
 */
export function select(options, properties = {}) {
  return el(
    'select',
    properties,
    options.map(([value, words]) => el('option', { value }, words)),
  );
}
