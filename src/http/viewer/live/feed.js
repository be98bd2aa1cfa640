import { retryDelayMs } from './retry.js';
import { ServerClock, steadyNow } from './server-clock.js';
import { liveProtocol, readAnswer, readUnit } from './wire.js';

/**
 * One WebSocket for all cameras of a page. It connects at once, says hello with a ticket, renews it while it lives, and after a failure
 * comes back with all subscriptions; after a refusal only slowly, or at `retry()`.
 *
 * @import { LiveAnswer, LiveFrame, LiveRequest, LiveState } from '../../../core/live-messages.ts'
 * @import { Unit } from './wire.js'
 */

/** @typedef {Extract<LiveAnswer, { type: 'config' }>} VideoConfig */
/** @typedef {'clean' | 'annotated'} Variant */

/**
 * @typedef {object} FeedState
 * @property {'connecting' | 'live' | 'waiting' | 'refused' | 'closed'} word `waiting`: for the next attempt
 * @property {string} text for people
 * @property {number} [retryInMs] when waiting
 * @property {string} [code] when refused, the server's
 */

/**
 * What a subscription is told. `begin`: a stream is asked for, and nothing of an earlier one comes after it; `renewed` says whether over a
 * new connection, where the clock of the video may be another one.
 *
 * @typedef {object} Listener
 * @property {(renewed: boolean) => void} [begin]
 * @property {(config: VideoConfig) => void} [config]
 * @property {(unit: Unit) => void} [unit]
 * @property {(frame: LiveFrame) => void} [frame]
 * @property {(state: LiveState) => void} [state]
 * @property {(lost: { units: number, frames: number }) => void} [lost] what the server left out because this page reads too slowly
 * @property {(refusal: { code?: string, reason: string }) => void} [refused] the stream is over; nobody asks again by himself
 */

/** @typedef {{ camera: string, variant: Variant, video: boolean, metadata: boolean, on: Listener }} Wish */

const connectWithinMs = 10_000;
/** A connection that lived this long was a success: the next failure begins at the shortest wait. */
const settledMs = 5000;
/** Renewed after this share of a ticket's life. */
const renewAtShare = 0.5;
const renewAgainMs = 3000;
/** Video flowed and nothing at all has come for this long, or a renewal got no answer where earlier ones did: the way there is dead. */
const silentMs = 15_000;
/** Video that was sent this long ago shows the past: what is on the way is given up with the connection. */
const tooLateMs = 8000;
/** Until the next attempt after a refusal. */
const refusedMs = 30_000;
/** Refused tickets in a row after which it is no accident, such as a server that has started anew in between. */
const refusedTickets = 2;
const streamNumbers = 65_536;

export class LiveFeed {
  /** @type {{ url: string, ticket: () => Promise<{ ticket: string, expiresAt: number }>, onState: (state: FeedState) => void }} */
  #options;
  /** @type {FeedState} */
  #state = { word: 'connecting', text: 'connecting' };
  /** @type {Map<number, Subscription>} */
  #streams = new Map();
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  #clock = new ServerClock();
  /** @type {WebSocket | undefined} */
  #socket;
  #open = false;
  #next = 0;
  #attempt = 0;
  #ticketsRefused = 0;
  #heardAt = 0;
  #videoHeard = false;
  #renewAnswered = false;
  #renewSentAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchTimer;
  #soon = () => {
    if (this.#state.word === 'waiting' && document.visibilityState === 'visible') void this.#connect();
  };

  /**
   * @param {object} options
   * @param {string} options.url ws: or wss:
   * @param {() => Promise<{ ticket: string, expiresAt: number }>} options.ticket a fresh one; rejecting with `status` 401 or 403 means refused
   * @param {(state: FeedState) => void} [options.onState]
   */
  constructor({ url, ticket, onState = () => {} }) {
    this.#options = { url, ticket, onState };
    globalThis.addEventListener('online', this.#soon);
    document.addEventListener('visibilitychange', this.#soon);
    void this.#connect();
  }

  get state() {
    return this.#state;
  }

  /** Milliseconds since 1970 by the server's clock, as far as it is known. */
  serverNow() {
    return this.#clock.at(steadyNow());
  }

  /**
   * @param {{ camera: string, variant?: Variant, video?: boolean, metadata?: boolean, on: Listener }} wish
   * @returns {Subscription} until it is closed it is asked for again over every new connection
   */
  subscribe({ camera, variant = 'clean', video = true, metadata = true, on }) {
    const subscription = new Subscription({ camera, variant, video, metadata, on }, (closed) => this.#unsubscribe(closed));
    this.#subscriptions.add(subscription);
    if (this.#open) this.#ask(subscription, false);
    return subscription;
  }

  /** Connects now, also after a refusal. */
  retry() {
    if (this.#state.word === 'closed' || this.#socket !== undefined || this.#state.word === 'connecting') return;
    this.#attempt = 0;
    this.#ticketsRefused = 0;
    void this.#connect();
  }

  close() {
    globalThis.removeEventListener('online', this.#soon);
    document.removeEventListener('visibilitychange', this.#soon);
    this.#say({ word: 'closed', text: 'closed' });
    this.#hangUp();
    this.#subscriptions.clear();
  }

  /** @param {FeedState} state */
  #say(state) {
    if (this.#state.word === 'closed') return;
    this.#state = state;
    this.#options.onState(state);
  }

  async #connect() {
    clearTimeout(this.#retryTimer);
    this.#say({ word: 'connecting', text: 'connecting' });
    let ticket;
    try {
      ticket = await this.#options.ticket();
    } catch (error) {
      if (this.#state.word !== 'connecting') return;
      const status = error instanceof Object && 'status' in error ? error.status : undefined;
      if (status === 401) this.#refuse('not allowed: please log in', 'http.auth');
      else if (status === 403)
        this.#refuse(`not allowed: ${error instanceof Error ? error.message : 'no ticket is given'}`, 'http.forbidden');
      else this.#wait('the server does not answer');
      return;
    }
    if (this.#state.word !== 'connecting' || this.#socket !== undefined) return;
    const socket = new WebSocket(this.#options.url, liveProtocol);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#watchTimer = setTimeout(() => this.#fail(socket, 'the server does not answer'), connectWithinMs);
    socket.onopen = () => this.#send({ type: 'hello', ticket: ticket.ticket });
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    };
    socket.onclose = ({ reason }) => this.#fail(socket, reason === '' ? 'the connection was lost' : reason);
  }

  /** @param {LiveRequest} request */
  #send(request) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  /** @param {WebSocket} socket @param {string} reason */
  #fail(socket, reason) {
    if (this.#socket !== socket) return;
    this.#hangUp();
    if (this.#state.word === 'connecting' || this.#state.word === 'live') this.#wait(reason);
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#open = false;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#watchTimer);
    for (const subscription of this.#streams.values()) subscription.stream = undefined;
    this.#streams.clear();
    this.#clock.forget();
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {string} reason */
  #wait(reason) {
    const retryInMs = retryDelayMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#say({ word: 'waiting', text: `connecting: ${reason}`, retryInMs });
    this.#retryTimer = setTimeout(() => void this.#connect(), retryInMs);
  }

  /** Rights come back, and proxies have their moments. @param {string} text @param {string} code */
  #refuse(text, code) {
    this.#say({ word: 'refused', text, code });
    this.#retryTimer = setTimeout(() => void this.#connect(), refusedMs);
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    const now = steadyNow();
    this.#heardAt = now;
    if (typeof data !== 'string') {
      const unit = readUnit(data);
      if (unit === undefined) return;
      this.#videoHeard = true;
      this.#clock.observe(unit.sentMs, now);
      const late = this.#clock.at(now) - unit.sentMs > tooLateMs;
      if (late && this.#socket !== undefined) this.#fail(this.#socket, 'the network is too slow for this video');
      else this.#streams.get(unit.stream)?.on.unit?.(unit);
      return;
    }
    const answer = readAnswer(data);
    if (answer !== undefined) this.#answer(answer, now);
  }

  /** @param {LiveAnswer} answer @param {number} now */
  #answer(answer, now) {
    switch (answer.type) {
      case 'welcome':
        this.#clock.observe(answer.now, now);
        this.#renewIn((answer.expiresAt - answer.now) * renewAtShare);
        if (this.#open) this.#renewAnswered = true;
        else this.#welcome();
        return;
      case 'config':
        return this.#streams.get(answer.stream)?.on.config?.(answer);
      case 'frame':
        for (const { camera, metadata, on } of this.#streams.values())
          if (metadata && camera === answer.camera) on.frame?.(answer);
        return;
      case 'state':
        for (const { camera, on } of this.#streams.values()) if (camera === answer.camera) on.state?.(answer);
        return;
      case 'lost':
        return this.#streams.get(answer.stream)?.on.lost?.({ units: answer.units, frames: answer.frames });
      case 'unsubscribed':
        return this.#refused(answer.stream, { reason: answer.reason });
      case 'error':
        if (answer.stream !== undefined) return this.#refused(answer.stream, { code: answer.code, reason: answer.message });
        return this.#error(answer.code, answer.message);
    }
  }

  #welcome() {
    this.#open = true;
    this.#ticketsRefused = 0;
    this.#videoHeard = false;
    this.#renewAnswered = false;
    this.#renewSentAt = 0;
    clearTimeout(this.#watchTimer);
    this.#watch(steadyNow());
    this.#say({ word: 'live', text: 'live' });
    for (const subscription of this.#subscriptions) this.#ask(subscription, true);
  }

  /** @param {number} since */
  #watch(since) {
    this.#watchTimer = setTimeout(() => {
      const now = steadyNow();
      if (now - since > settledMs) this.#attempt = 0;
      const silent = now - this.#heardAt > silentMs;
      const owed = this.#videoHeard || (this.#renewAnswered && this.#renewSentAt > this.#heardAt);
      const wanted = [...this.#streams.values()].some(({ video }) => video);
      if (silent && owed && wanted && this.#socket !== undefined) this.#fail(this.#socket, 'the connection was lost');
      else this.#watch(since);
    }, 1000);
  }

  /** @param {number} ms */
  #renewIn(ms) {
    clearTimeout(this.#renewTimer);
    this.#renewTimer = setTimeout(() => void this.#renew(), Math.max(1000, ms));
  }

  async #renew() {
    const socket = this.#socket;
    try {
      const { ticket, expiresAt } = await this.#options.ticket();
      if (this.#socket !== socket) return;
      this.#send({ type: 'renew', ticket });
      this.#renewSentAt = steadyNow();
      this.#renewIn((expiresAt - this.serverNow()) * renewAtShare);
    } catch {
      // Whether this is a refusal shows when the server closes at the end of the ticket, and the next connection asks for one.
      if (this.#socket === socket) this.#renewIn(renewAgainMs);
    }
  }

  /** @param {string} code @param {string} message */
  #error(code, message) {
    if (code === 'http.auth') this.#ticketsRefused += 1;
    const final = code === 'http.forbidden' || this.#ticketsRefused >= refusedTickets;
    this.#hangUp();
    if (final) this.#refuse(`not allowed: ${message}`, code);
    else this.#wait(message);
  }

  /** @param {number} stream @param {{ code?: string, reason: string }} refusal */
  #refused(stream, refusal) {
    const subscription = this.#streams.get(stream);
    if (subscription === undefined) return;
    this.#streams.delete(stream);
    this.#subscriptions.delete(subscription);
    subscription.stream = undefined;
    subscription.on.refused?.(refusal);
  }

  /** @param {Subscription} subscription @param {boolean} renewed */
  #ask(subscription, renewed) {
    do this.#next = (this.#next + 1) % streamNumbers;
    while (this.#streams.has(this.#next));
    subscription.stream = this.#next;
    this.#streams.set(this.#next, subscription);
    subscription.on.begin?.(renewed);
    const { camera, video, metadata, variant } = subscription;
    this.#send({ type: 'subscribe', stream: this.#next, camera, video, metadata, variant });
  }

  /** @param {Subscription} subscription */
  #unsubscribe(subscription) {
    this.#subscriptions.delete(subscription);
    if (subscription.stream === undefined) return;
    this.#streams.delete(subscription.stream);
    this.#send({ type: 'unsubscribe', stream: subscription.stream });
    subscription.stream = undefined;
  }
}

export class Subscription {
  /** Its number over the present connection, given by the feed. @type {number | undefined} */
  stream;
  /** @type {(subscription: Subscription) => void} */
  #close;

  /** @param {Wish} wish @param {(subscription: Subscription) => void} close */
  constructor({ camera, variant, video, metadata, on }, close) {
    this.camera = camera;
    this.variant = variant;
    this.video = video;
    this.metadata = metadata;
    this.on = on;
    this.#close = close;
  }

  /** Nothing is heard of it from here on. */
  close() {
    this.on = {};
    this.#close(this);
  }
}
