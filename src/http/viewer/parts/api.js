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

/** @type {string | undefined} */
let csrf;

/** @param {string | undefined} token of `GET session` */
export function useCsrf(token) {
  csrf = token;
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
  const method = init.method ?? 'GET';
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/json' };
  if (init.body !== undefined && init.body !== null) headers['content-type'] = 'application/json';
  if (method !== 'GET' && csrf !== undefined) headers['x-csrf'] = csrf;
  /** @type {Response} */
  let response;
  try {
    response = await fetch(at(`api/v1/${path}`), {
      credentials: 'same-origin',
      ...init,
      headers: { ...headers, ...init.headers },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Is it running, and is the network up?');
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
