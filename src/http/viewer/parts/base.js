/** Everything is addressed from where these files lie, so that a prefix of a proxy before them changes nothing. */
const base = new URL('../', import.meta.url);

/**
 * @param {string} path relative to the viewer's first page: `api/v1/session`, `login`
 * @returns {string}
 */
export function at(path) {
  return new URL(path, base).href;
}

/**
 * What stands in an address, which anybody may have written.
 *
 * @param {string} text percent-encoded
 * @returns {string} empty for what is no encoding of anything
 */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** The page that is open, relative to the first one: where login leads back to. */
export function here() {
  return location.href.startsWith(base.href) ? location.href.slice(base.href.length) : '';
}
