import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, resolve } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type LiveAnswer,
  type LiveBox,
  type LiveState,
  liveProtocol,
  liveRequest,
  writeUnitHead,
} from '../../src/core/live-messages.ts';
import { mediaClockRate } from '../../src/core/media-time.ts';
import type { NumberedVideo } from './numbered-video.ts';

/**
 * Plays numbered video and its metadata over the wire of the live feed, in a loop, and serves the viewer's files beside it. The metadata
 * say the number of the picture they belong to by where their box begins (`numberedBox`).
 */
export interface LiveCamera {
  readonly video: NumberedVideo;
  /** Said instead of the video's own, to be one the browser cannot play. */
  readonly codec?: string;
  /** Milliseconds until the metadata of a picture go out, after its unit; undefined: none do. */
  readonly metadataDelayMs?: (index: number) => number | undefined;
  /** Milliseconds by which a unit goes out late; units stay in order. */
  readonly videoDelayMs?: (index: number) => number;
}

export interface LiveServer extends AsyncDisposable {
  readonly port: number;
  /** Requests by subscribers since the start, as they came. */
  readonly requests: readonly string[];
  readonly connections: number;
  /** Ends all connections and, until `up`, takes none. Videos begin anew, by another clock. */
  down(): void;
  up(): void;
  /** The camera goes on with another video of the same rate. */
  change(camera: string, video: NumberedVideo): void;
  say(camera: string, state: Omit<LiveState, 'type' | 'camera'>): void;
  /** Ends the streams of a camera, as a revoked right does. */
  revoke(camera: string, reason: string): void;
}

export interface LiveServerOptions {
  readonly cameras: Readonly<Record<string, LiveCamera>>;
  /** The page at `/`. */
  readonly page: string;
  /** Who calls `window.ticket()` gets a right one for as long as this says so. */
  readonly ticketIsRight?: () => boolean;
  readonly ticketLifeMs?: number;
}

interface Subscriber {
  readonly stream: number;
  readonly camera: string;
  readonly variant: 'clean' | 'annotated';
  readonly video: boolean;
  readonly metadata: boolean;
  readonly socket: WebSocket;
}

const viewer = resolve(import.meta.dirname, '../../src/http/viewer');
const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
};
/** The first box's left edge: 250 steps of 1/320 of the width from 8/320 on. */
export const numberedSteps = 250;

/** Between the clocks of two starts: more than any test takes. */
export const clockStep = 100_000_000;

export function numberedBox(number: number, predicted: boolean): LiveBox {
  const left = (8 + (number % numberedSteps)) / 320;
  return {
    track: 7,
    label: 'person',
    box: [left, 0.3, 0.15, 0.5],
    score: 0.9,
    colour: '#ff0000',
    decided: true,
    ...(predicted ? {} : { match: { entryId: 'e', name: `Number ${number}`, list: 'l', kind: 'face', similarity: 0.71 } }),
  };
}

/** A camera that runs: what its subscribers are sent at each moment follows from the time alone. */
class Playing {
  readonly subscribers = new Set<Subscriber>();
  readonly #name: string;
  #camera: LiveCamera;
  #startMs = 0;
  #startPts = 0;
  #starts = 0;
  #next = 0;
  #busyUntilMs = 0;
  #timers = new Set<NodeJS.Timeout>();
  #sent: { readonly index: number; readonly bytes: (stream: number) => Buffer }[] = [];

  constructor(name: string, camera: LiveCamera) {
    this.#name = name;
    this.#camera = camera;
  }

  start(): void {
    this.#startMs = Date.now();
    // Another clock after each start, behind the former one as after a restart of the media door.
    this.#starts += 1;
    this.#startPts = 1_000_000_007 - this.#starts * clockStep;
    this.#next = 0;
    this.#sent = [];
    this.#busyUntilMs = 0;
    this.#schedule();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Another video from now on, by the same clock. */
  change(video: NumberedVideo): void {
    this.stop();
    // The pictures of the former one are captured a little ahead of their units, and no two may have one time stamp.
    const frames = Math.ceil(((Date.now() - this.#startMs) * video.fps) / 1000) + 10;
    this.#startPts += frames * (mediaClockRate / video.fps);
    this.#startMs += (frames * 1000) / video.fps;
    this.#camera = { ...this.#camera, video };
    this.#next = 0;
    this.#sent = [];
    this.#busyUntilMs = 0;
    for (const subscriber of this.subscribers) this.#configure(subscriber);
    this.#schedule();
  }

  /** The first picture's time stamp, from which pictures follow at `fps`. */
  get startPts(): number {
    return this.#startPts;
  }

  add(subscriber: Subscriber): void {
    const { socket, stream } = subscriber;
    this.subscribers.add(subscriber);
    say(socket, { type: 'state', camera: this.#name, state: 'live', since: this.#startMs });
    if (!subscriber.video) return;
    this.#configure(subscriber);
    for (const { bytes } of this.#sent) socket.send(bytes(stream));
  }

  #configure({ socket, stream, variant, video }: Subscriber): void {
    if (!video) return;
    const { codec, description, width, height } = this.#camera.video;
    say(socket, {
      type: 'config',
      stream,
      camera: this.#name,
      variant,
      codec: variant === 'clean' ? (this.#camera.codec ?? codec) : codec,
      description: description.toString('base64'),
      width,
      height,
    });
  }

  #after(ms: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
  }

  #schedule(): void {
    const { video, videoDelayMs } = this.#camera;
    const index = this.#next;
    const unit = video.units[index % video.units.length];
    if (unit === undefined) return;
    const loop = Math.floor(index / video.units.length);
    const frameMs = 1000 / video.fps;
    const captured = loop * video.units.length + unit.number;
    const decoded = loop * video.units.length + unit.dts;
    // No unit can leave before its picture is captured: reordering costs the encoder as many pictures as it looks ahead.
    const first = video.units[0]?.dts ?? 0;
    const due = this.#startMs + (decoded - first) * frameMs + (videoDelayMs?.(index) ?? 0);
    this.#busyUntilMs = Math.max(this.#busyUntilMs, due);
    this.#after(Math.max(0, this.#busyUntilMs - Date.now()), () => {
      this.#next += 1;
      const ticks = mediaClockRate / video.fps;
      const pts = this.#startPts + captured * ticks;
      const captureMs = this.#startMs + captured * frameMs;
      const bytes = (stream: number) =>
        Buffer.concat([
          writeUnitHead({
            key: unit.key,
            stream,
            ptsMinusDts: (captured - decoded) * ticks,
            pts,
            captureMs,
            sentMs: Date.now(),
          }),
          unit.data,
        ]);
      if (unit.key) this.#sent = [];
      this.#sent.push({ index, bytes });
      for (const { socket, stream, video: wanted } of this.subscribers) if (wanted) socket.send(bytes(stream));
      this.#metadata(index, unit.number, pts, captureMs);
      this.#schedule();
    });
  }

  #metadata(index: number, number: number, pts: number, captureMs: number): void {
    const delay = this.#camera.metadataDelayMs?.(index);
    if (delay === undefined) return;
    const predicted = index % 2 === 1;
    this.#after(delay, () => {
      const frame: LiveAnswer = {
        type: 'frame',
        camera: this.#name,
        pts,
        time: captureMs,
        predicted,
        boxes: [numberedBox(number, predicted)],
      };
      for (const { socket, metadata } of this.subscribers) if (metadata) say(socket, frame);
    });
  }
}

function say(socket: WebSocket, answer: LiveAnswer): void {
  socket.send(JSON.stringify(answer));
}

export async function startLiveServer({
  cameras,
  page,
  ticketIsRight = () => true,
  ticketLifeMs = 30_000,
}: LiveServerOptions): Promise<LiveServer> {
  const playing = new Map(Object.entries(cameras).map(([name, camera]) => [name, new Playing(name, camera)]));
  const sockets = new Set<WebSocket>();
  const requests: string[] = [];
  let isUp = true;
  const http = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const answer = (status: number, type: string, body: string | Buffer) =>
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    if (pathname === '/') return answer(200, 'text/html; charset=utf-8', page);
    if (pathname === '/ticket')
      return answer(
        200,
        'application/json',
        JSON.stringify({ ticket: ticketIsRight() ? 'right' : 'wrong', expiresAt: Date.now() + ticketLifeMs }),
      );
    if (pathname === '/start') return answer(200, 'application/json', JSON.stringify(playing.get('c0')?.startPts));
    const file = normalize(pathname);
    readFile(join(viewer, file)).then(
      (bytes) => answer(200, types[extname(file)] ?? 'application/octet-stream', bytes),
      () => answer(404, 'text/plain', 'not found'),
    );
  });
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => liveProtocol });
  http.on('upgrade', (request, socket, head) => {
    if (!isUp) socket.destroy();
    else webSockets.handleUpgrade(request, socket, head, (webSocket) => attach(webSocket));
  });

  function attach(socket: WebSocket): void {
    sockets.add(socket);
    const streams = new Map<number, Subscriber>();
    socket.on('close', () => {
      sockets.delete(socket);
      for (const subscriber of streams.values()) playing.get(subscriber.camera)?.subscribers.delete(subscriber);
    });
    socket.on('message', (data) => {
      const request = liveRequest.parse(JSON.parse(data.toString()));
      requests.push('stream' in request ? `${request.type} ${request.stream}` : request.type);
      if (request.type === 'hello' || request.type === 'renew') {
        if (request.ticket === 'right')
          say(socket, { type: 'welcome', user: 'test', now: Date.now(), expiresAt: Date.now() + ticketLifeMs });
        else {
          say(socket, { type: 'error', code: 'http.auth', message: 'the ticket is not one of this server; ask for a new one' });
          socket.close(1008);
        }
      } else if (request.type === 'subscribe') {
        const camera = playing.get(request.camera);
        const { type: _type, ...wish } = request;
        const subscriber = { ...wish, socket };
        if (camera === undefined) {
          say(socket, {
            type: 'error',
            code: 'http.unknown',
            message: `there is no camera ${request.camera}`,
            stream: request.stream,
          });
          return;
        }
        streams.set(request.stream, subscriber);
        camera.add(subscriber);
      } else {
        const subscriber = streams.get(request.stream);
        if (subscriber === undefined) return;
        streams.delete(request.stream);
        playing.get(subscriber.camera)?.subscribers.delete(subscriber);
        say(socket, { type: 'unsubscribed', stream: request.stream, reason: 'it was asked for' });
      }
    });
  }

  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  for (const camera of playing.values()) camera.start();
  return {
    port: (http.address() as AddressInfo).port,
    requests,
    get connections() {
      return sockets.size;
    },
    down: () => {
      isUp = false;
      for (const camera of playing.values()) camera.stop();
      for (const socket of sockets) socket.terminate();
    },
    up: () => {
      isUp = true;
      for (const camera of playing.values()) camera.start();
    },
    change: (camera, video) => playing.get(camera)?.change(video),
    say: (camera, state) => {
      for (const { socket } of playing.get(camera)?.subscribers ?? []) say(socket, { type: 'state', camera, ...state });
    },
    revoke: (camera, reason) => {
      const subscribers = playing.get(camera)?.subscribers;
      for (const { socket, stream } of subscribers ?? []) say(socket, { type: 'unsubscribed', stream, reason });
      subscribers?.clear();
    },
    [Symbol.asyncDispose]: async () => {
      for (const camera of playing.values()) camera.stop();
      for (const socket of sockets) socket.terminate();
      webSockets.close();
      http.closeAllConnections();
      await new Promise<void>((done) => http.close(() => done()));
    },
  };
}
