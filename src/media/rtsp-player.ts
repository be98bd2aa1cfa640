import type { Clock } from '../core/clock.ts';
import { hurried, type Replay } from './replay.ts';
import { goodbye, senderReport } from './rtp.ts';
import type { MediaTransport } from './rtsp-transport.ts';
import type { PacketisedUnit, StreamReader, StreamTime, VideoStream } from './video-stream.ts';

/** What one client is sent of a stream: the pictures since the last key frame, then each as it comes. */

/** More than this waiting for a client: it loses frames until the next key frame. */
export const maxQueuedBytes = 4 * 1024 * 1024;
export const reportEveryMs = 2500;

export interface Player extends StreamReader {
  readonly playing: boolean;
  /** From here on the client is given all; nothing leaves before `start`. The first unit it will get, where that is known already. */
  prepare(): PacketisedUnit | undefined;
  start(): void;
  pause(): void;
  /** To be called every few seconds: while the source is silent the client hears where the clocks are. */
  idle(): void;
}

export interface PlayerOptions {
  readonly stream: VideoStream;
  readonly transport: MediaTransport;
  readonly clock: Clock;
  readonly cname: string;
  readonly replay: Replay;
  readonly maxQueuedBytes: number;
  /** Units that this client loses because it is too slow. */
  onDrop(units: number): void;
  /** The stream has ended and the client has been told. */
  onEnd(): void;
}

export function createPlayer(options: PlayerOptions): Player {
  const { stream, transport, clock } = options;
  let attachment: Disposable | undefined;
  let waitingForKey = true;
  let slow = false;
  /** Units are shared with all readers: what waits here costs no bytes of its own. */
  let queue: PacketisedUnit[] = [];
  let queuedBytes = 0;
  /** Of the pictures before PLAY that still wait: those are not a sign of a slow client. */
  let replayBytes = 0;
  let packets = 0;
  let octets = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;

  function report({ pts90k, captureTimeMs }: StreamTime): void {
    transport.rtcp(senderReport({ ssrc: stream.ssrc, captureTimeMs, pts90k, packets, octets }, options.cname));
  }

  function send(unit: PacketisedUnit): void {
    const now = clock.mono();
    if (now - reportedAt >= reportEveryMs) {
      reportedAt = now;
      transport.together(() => {
        report(unit);
        transport.unit(unit);
      });
    } else transport.unit(unit);
    packets += unit.count;
    octets += unit.octets;
  }

  function flush(): void {
    let sent = 0;
    for (const unit of queue) {
      if (!transport.ready) break;
      send(unit);
      sent += 1;
      queuedBytes -= unit.bytes.length;
      replayBytes = Math.max(0, replayBytes - unit.bytes.length);
    }
    if (sent > 0) queue = queue.slice(sent);
  }

  function overflow(): void {
    const lost = queue.length;
    forget();
    waitingForKey = true;
    slow = true;
    lose(lost);
  }

  function forget(): void {
    queue = [];
    queuedBytes = 0;
    replayBytes = 0;
  }

  function lose(units: number): void {
    stream.lose(units);
    options.onDrop(units);
  }

  transport.onReady(flush);

  return {
    get playing() {
      return attachment !== undefined;
    },
    prepare() {
      if (attachment !== undefined) return undefined;
      const kept = options.replay === 'none' ? [] : stream.kept();
      queue = options.replay === 'hurried' ? hurried(kept) : [...kept];
      queuedBytes = queue.reduce((sum, unit) => sum + unit.bytes.length, 0);
      replayBytes = queuedBytes;
      waitingForKey = queue.length === 0;
      slow = false;
      reportedAt = Number.NEGATIVE_INFINITY;
      attachment = stream.attach(this);
      return queue[0];
    },
    start: flush,
    pause() {
      attachment?.[Symbol.dispose]();
      attachment = undefined;
      forget();
    },
    take(unit) {
      if (waitingForKey && !unit.key) {
        if (slow) lose(1);
        return;
      }
      waitingForKey = false;
      slow = false;
      if (queue.length === 0 && transport.ready) {
        send(unit);
        return;
      }
      queue.push(unit);
      queuedBytes += unit.bytes.length;
      if (queuedBytes > options.maxQueuedBytes + replayBytes) overflow();
    },
    cut(withdrawn) {
      if (withdrawn) forget();
      waitingForKey = true;
      slow = false;
      reportedAt = Number.NEGATIVE_INFINITY;
    },
    idle() {
      const time = stream.time();
      if (attachment === undefined || packets === 0 || queue.length > 0 || time === undefined) return;
      if (clock.mono() - reportedAt < 2 * reportEveryMs) return;
      report(time);
      // The source's own clock is told again with its next picture.
      reportedAt = Number.NEGATIVE_INFINITY;
    },
    ended() {
      attachment = undefined;
      // What waits is bounded, and a connection still takes it.
      if (transport.reliable) for (const unit of queue) send(unit);
      forget();
      transport.rtcp(goodbye(stream.ssrc));
      options.onEnd();
    },
  };
}
