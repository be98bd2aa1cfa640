import { WebSocket } from 'ws';
import { liveProtocol } from '../../src/core/live-messages.ts';
import { quantile } from '../support/quantile.ts';

/** Subscribers of metadata in a process of their own; the first one stops reading once it is told to begin. */

export interface Subscribers {
  readonly url: string;
  readonly ticket: string;
  readonly camera: string;
  readonly count: number;
}

export interface Received {
  /** By the subscribers that read, each frame as often as it came. */
  readonly frames: number;
  /** Of the subscriber with the fewest. */
  readonly fewest: number;
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

const { url, ticket, camera, count } = JSON.parse(process.argv[2] ?? '{}') as Subscribers;
const now = () => performance.timeOrigin + performance.now();
const frames = new Array<number>(count).fill(0);
const delays: number[] = [];
/** Frames from this time on count. */
let from = Number.POSITIVE_INFINITY;
let stalled: WebSocket | undefined;
let subscribed = 0;

for (let index = 0; index < count; index++) {
  const socket = new WebSocket(url, [liveProtocol]);
  if (index === 0) stalled = socket;
  socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', ticket })));
  socket.on('message', (data) => {
    const arrived = now();
    const message = JSON.parse(data.toString());
    if (message.type === 'welcome') {
      socket.send(JSON.stringify({ type: 'subscribe', stream: 1, camera, video: false }));
      subscribed += 1;
      if (subscribed === count) process.send?.('ready');
    } else if (message.type === 'frame' && message.time >= from) {
      frames[index] = (frames[index] ?? 0) + 1;
      delays.push(arrived - message.time);
    }
  });
}

process.on('message', (said) => {
  if (said === 'begin') {
    stalled?.pause();
    from = now();
  } else if (said === 'end') {
    const reading = frames.slice(1);
    const received: Received = {
      frames: reading.reduce((sum, one) => sum + one, 0),
      fewest: Math.min(...reading),
      delayMs: { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99), max: quantile(delays, 1) },
    };
    process.send?.(received);
  } else process.exit(0);
});
