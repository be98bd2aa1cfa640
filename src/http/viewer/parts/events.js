import { ApiError, send, toLogin } from './api.js';

/**
 * Server-sent events over fetch and not EventSource: the comment lines of a living connection are seen, so that a dead one (a phone
 * that changed its network, a proxy that forgot us) is noticed and opened again.
 */

/** The server says something at least every 15 s. */
const silentMs = 40_000;
const firstRetryMs = 1000;
const longestRetryMs = 10_000;

/**
 * @typedef {object} EventHandlers
 * @property {() => void} onOpen from now on nothing is missed; what was before must be asked for
 * @property {(name: string, data: unknown) => void} onEvent
 * @property {(state: 'connecting' | 'open' | 'lost') => void} onState
 */

/**
 * Splits a stream of text into events. Pure but for what it has not yet used.
 * @param {(name: string, data: string) => void} onEvent
 * @returns {(chunk: string) => void}
 */
export function eventParser(onEvent) {
  let rest = '';
  let name = '';
  /** @type {string[]} */
  let data = [];
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) onEvent(name === '' ? 'message' : name, data.join('\n'));
        name = '';
        data = [];
      } else if (line.startsWith('event:')) name = line.slice(6).trim();
      else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    }
  };
}

export class EventFeed {
  #ended = new AbortController();
  #handlers;
  #retryMs = firstRetryMs;

  /** @param {EventHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    void this.#run();
  }

  close() {
    this.#ended.abort();
  }

  async #run() {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      this.#handlers.onState('connecting');
      try {
        await this.#read();
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return toLogin();
      }
      if (signal.aborted) return;
      this.#handlers.onState('lost');
      await new Promise((resolve) => {
        setTimeout(resolve, this.#retryMs * (0.75 + Math.random() / 2));
        addEventListener('online', resolve, { once: true });
      });
      this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    }
  }

  async #read() {
    const silent = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, silent.signal]);
    let timer = setTimeout(() => silent.abort(), silentMs);
    try {
      const response = await send('events', { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal });
      const type = response.headers.get('content-type') ?? '';
      if (response.body === null || !type.startsWith('text/event-stream')) {
        silent.abort();
        return;
      }
      this.#retryMs = firstRetryMs;
      this.#handlers.onState('open');
      this.#handlers.onOpen();
      const parse = eventParser((name, data) => this.#handlers.onEvent(name, JSON.parse(data)));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      while (true) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), silentMs);
        parse(value);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
