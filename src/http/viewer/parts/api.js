import { at, here } from './base.js';

/** What the server refused (RFC 9457), or that it could not be reached (status 0). `message` is for people. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {Readonly<Record<string, unknown>>} [details]
   */
  constructor(status, code, message, details = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** @typedef {{ readonly user: string, readonly csrf?: string }} Known */

/** @type {Known | undefined} */
let known;

/**
 * What `GET session` answered. The page of somebody else is loaded anew: another tab of this browser has logged them in.
 * @param {Known} session
 */
export function useSession(session) {
  if (known !== undefined && known.user !== session.user) location.reload();
  known = session;
}

/** Whoever is logged in now, after a login in another tab. */
async function useNewSession() {
  try {
    useSession(await get('session'));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) toLogin();
    throw error;
  }
}

/** A refusal of the CSRF token and not of what it came with. @param {unknown} error */
export function isCsrfRefusal(error) {
  if (!(error instanceof ApiError) || error.status !== 403) return false;
  return error.details['reason'] === 'csrf' || /\bX-CSRF\b/.test(error.message);
}

const reloadedKey = 'sightline.reloaded';
const reloadAgainMs = 60_000;

/** A proxy before the server wants its own login, which only a page can go to. @returns {boolean} false: that was tried a moment ago */
function reloadForLogin() {
  try {
    if (Date.now() - Number(sessionStorage.getItem(reloadedKey) ?? 0) < reloadAgainMs) return false;
    sessionStorage.setItem(reloadedKey, String(Date.now()));
  } catch {
    return false;
  }
  location.reload();
  return true;
}

/** To the login, and back to this page afterwards. */
export function toLogin() {
  const next = here();
  location.replace(at(`login${next === '' ? '' : `#${encodeURIComponent(next)}`}`));
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
export async function problemOf(response) {
  const retry = Number(response.headers.get('retry-after'));
  const wait = retry > 0 ? { retryAfterS: retry } : {};
  try {
    const problem = await response.json();
    return new ApiError(response.status, problem.code ?? '', problem.detail ?? problem.title ?? response.statusText, {
      ...problem.details,
      ...wait,
    });
  } catch {
    return new ApiError(response.status, '', `the server answered ${response.status} ${response.statusText}`, wait);
  }
}

/**
 * @param {string} path below `api/v1/`
 * @param {RequestInit} [init]
 * @returns {Promise<Response>} of a success; rejects with ApiError
 */
export async function send(path, init = {}) {
  try {
    return await sendOnce(path, init);
  } catch (error) {
    if (!isCsrfRefusal(error)) throw error;
  }
  const before = known?.user;
  await useNewSession();
  // What one user meant is not done in the name of another.
  if (before !== undefined && known?.user !== before) return await new Promise(() => {});
  return await sendOnce(path, init);
}

/** @param {string} path @param {RequestInit} init @returns {Promise<Response>} */
async function sendOnce(path, init) {
  const method = init.method ?? 'GET';
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/json' };
  if (init.body !== undefined && init.body !== null) headers['content-type'] = 'application/json';
  if (method !== 'GET' && known?.csrf !== undefined) headers['x-csrf'] = known.csrf;
  /** @type {Response} */
  let response;
  try {
    response = await fetch(at(`api/v1/${path}`), {
      credentials: 'same-origin',
      redirect: 'manual',
      ...init,
      headers: { ...headers, ...init.headers },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Is it running, and is the network up?');
  }
  if (response.type === 'opaqueredirect') {
    if (reloadForLogin()) return await new Promise(() => {});
    throw new ApiError(
      0,
      'redirected',
      'Something before the server leads elsewhere: log in there, then load this page again.',
    );
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/**
 * @template T
 * @param {string} path
 * @param {Record<string, string | number | boolean | undefined>} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function get(path, query = {}, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, String(value));
  const text = search.toString();
  const response = await send(text === '' ? path : `${path}?${text}`, signal === undefined ? {} : { signal });
  return await response.json();
}

/**
 * @template T
 * @param {'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<T>} undefined where the answer is empty
 */
export async function change(method, path, body) {
  const response = await send(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return response.status === 204 ? /** @type {T} */ (undefined) : await response.json();
}

/**
 * @param {unknown} error
 * @returns {string} a sentence
 */
export function words(error) {
  const text = error instanceof Error ? error.message : String(error);
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
