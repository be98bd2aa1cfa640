import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Principal } from '../core/access.ts';
import type { Clock } from '../core/clock.ts';
import { type LiveAnswer, unitHeadBytes, writeUnitHead } from '../core/live-messages.ts';
import type { CameraId } from '../core/types.ts';
import type { StreamConfig } from './channel.ts';
import type { StreamVariant } from './intake-wire.ts';
import { type Backlog, MetadataPace, type VideoPace } from './live-pace.ts';
import type { ServedUnit } from './served-unit.ts';
import { frameHead, opcodes, textFrame } from './websocket-frame.ts';

/** One subscriber of the live feed: what it asked for, and what it is sent. Writing never waits: what it does not read it loses. */

export interface Subscription {
  /** The client's own number. */
  readonly stream: number;
  readonly camera: CameraId;
  readonly variant: StreamVariant;
  readonly video: boolean;
  readonly metadata: boolean;
  readonly pace: VideoPace;
  lostFrames: number;
  /** A configuration was sent. */
  configured: boolean;
}

interface HeldFrame {
  readonly camera: CameraId;
  readonly bytes: Buffer;
}

/** Twice what video alone may wait. Who leaves more than this unread is ended. */
const waitingLimitBytes = 16 * 1024 * 1024;
/** From a close frame to the end of the connection: a client that does not answer it is not waited for. */
const closeWithinMs = 1000;
/** Beside video goes a ping: its answer says that what was sent before it has been read. */
const measureEveryMs = 1000;
/** What is sent when a connection is to end must arrive at once; behind more than this nothing does. */
const lastWordsLimitBytes = 256 * 1024;

export class LiveConnection {
  /** Undefined until `hello`. */
  principal: Principal | undefined;
  readonly subscriptions = new Map<number, Subscription>();
  /** CLOCK_MONOTONIC, milliseconds. */
  heardMono: number;
  /** Of the newest ticket, after its grace; CLOCK_MONOTONIC, milliseconds. A stranger's end is another's to see to. */
  endsMono = Number.POSITIVE_INFINITY;
  readonly #socket: Socket;
  readonly #webSocket: WebSocket;
  readonly #clock: Clock;
  readonly #metadata = new MetadataPace<HeldFrame>();
  #video = 0;
  /** Pings so far; each carries its number. */
  #pinged = 0;
  #pingedMono = Number.NEGATIVE_INFINITY;
  /** The oldest ping that was not answered, nor one after it. */
  #unanswered: { readonly number: number; readonly mono: number } | undefined;
  #closing: ReturnType<Clock['deadline']> | undefined;

  constructor(socket: Socket, webSocket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#webSocket = webSocket;
    this.#clock = clock;
    this.heardMono = clock.mono();
    socket.on('drain', () => this.#flush());
    webSocket.on('pong', (data) => this.#ponged(Number(data.toString())));
    webSocket.on('close', () => this.#closing?.[Symbol.dispose]());
  }

  get open(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  /** It has not taken all that it was given. */
  get waits(): boolean {
    return this.#socket.writableLength > 0;
  }

  add(subscription: Subscription): void {
    this.subscriptions.set(subscription.stream, subscription);
    if (subscription.video) this.#video += 1;
  }

  remove(subscription: Subscription): void {
    if (this.subscriptions.delete(subscription.stream) && subscription.video) this.#video -= 1;
  }

  /** Ends a connection that asks on without reading the answers. */
  say(answer: LiveAnswer): void {
    if (this.#takes()) this.#socket.write(textFrame(JSON.stringify(answer)));
  }

  ping(): void {
    if (!this.#takes()) return;
    this.#pinged += 1;
    this.#pingedMono = this.#clock.mono();
    this.#unanswered ??= { number: this.#pinged, mono: this.#pingedMono };
    this.#webSocket.ping(String(this.#pinged));
  }

  pong(data: Buffer): void {
    if (this.#takes()) this.#webSocket.pong(data);
  }

  /** Of several pings a client may answer the newest alone (RFC 6455 section 5.5.3). */
  #ponged(number: number): void {
    if (this.#unanswered === undefined || !(number >= this.#unanswered.number && number <= this.#pinged)) return;
    this.#unanswered = undefined;
    this.#flush();
  }

  #backlog(): Backlog {
    const ms = this.#unanswered === undefined ? 0 : this.#clock.mono() - this.#unanswered.mono;
    return { bytes: this.#socket.writableLength, ms };
  }

  #takes(): boolean {
    if (!this.open) return false;
    if (this.#socket.writableLength <= waitingLimitBytes) return true;
    this.terminate();
    return false;
  }

  configure(subscription: Subscription, config: StreamConfig): void {
    const { stream, camera, variant } = subscription;
    subscription.configured = true;
    subscription.pace.cut();
    this.say({ type: 'config', stream, camera, variant, ...config });
  }

  /** True when it was lost. */
  unit(subscription: Subscription, unit: ServedUnit): boolean {
    if (!this.open || !subscription.configured) return false;
    const { pace, stream } = subscription;
    const before = pace.lost;
    if (!pace.offer(unit.key, this.#backlog())) return pace.lost > before;
    this.#confess(subscription);
    const payload = unit.prefixed();
    const head = writeUnitHead({
      key: unit.key,
      stream,
      ptsMinusDts: unit.pts - unit.dts,
      pts: unit.pts,
      captureMs: unit.captureMs,
      sentMs: this.#clock.now(),
    });
    this.#socket.cork();
    this.#socket.write(Buffer.concat([frameHead(opcodes.binary, unitHeadBytes + payload.length), head]));
    this.#socket.write(payload);
    this.#socket.uncork();
    if (this.#unanswered === undefined && this.#clock.mono() - this.#pingedMono >= measureEveryMs) this.ping();
    return false;
  }

  /** `bytes`: a whole WebSocket frame, which others are sent too. True when one was lost. */
  frame(camera: CameraId, bytes: Buffer): boolean {
    if (!this.open) return false;
    const { out, lost } = this.#metadata.offer({ camera, bytes }, this.#backlog(), this.#video > 0);
    if (lost !== undefined) {
      for (const subscription of this.subscriptions.values()) {
        if (!subscription.metadata || subscription.camera !== lost.camera) continue;
        subscription.lostFrames += 1;
        break;
      }
    }
    for (const held of out) this.#socket.write(held.bytes);
    return lost !== undefined;
  }

  /** Says why and ends it; at once where that could not arrive. */
  end(code: string, message: string): void {
    if (!this.open) return;
    const full = this.#socket.writableLength > lastWordsLimitBytes;
    this.say({ type: 'error', code, message });
    // 1008: policy violation (RFC 6455 section 7.4.1).
    this.#webSocket.close(1008, code);
    if (full) {
      this.terminate();
      return;
    }
    this.#closing = this.#clock.deadline(closeWithinMs);
    this.#closing.signal.addEventListener('abort', () => this.terminate(), { once: true });
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  #flush(): void {
    if (!this.open) return;
    for (const held of this.#metadata.release(this.#backlog(), this.#video > 0)) this.#socket.write(held.bytes);
    if (this.#metadata.held > 0) return;
    for (const subscription of this.subscriptions.values()) if (subscription.lostFrames > 0) this.#confess(subscription);
  }

  /** Tells what was lost before what comes next. */
  #confess(subscription: Subscription): void {
    const units = subscription.pace.takeLost();
    const frames = subscription.lostFrames;
    if (units === 0 && frames === 0) return;
    subscription.lostFrames = 0;
    this.say({ type: 'lost', stream: subscription.stream, units, frames });
  }
}
