/** What a browser remembers between visits: taste only, nothing of anybody. Storage may be forbidden or full. */

/**
 * @param {string} name
 * @returns {string | undefined}
 */
export function remembered(name) {
  try {
    return localStorage.getItem(`sightline.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} name
 * @param {string | undefined} value
 */
export function remember(name, value) {
  try {
    if (value === undefined) localStorage.removeItem(`sightline.${name}`);
    else localStorage.setItem(`sightline.${name}`, value);
  } catch {
    // Then it holds until the page is left.
  }
}
