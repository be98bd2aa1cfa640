import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { goodbye, interleavedHead, senderReport } from './rtp.ts';
import type { Channels } from './rtsp-messages.ts';
import type { PacketisedUnit, StreamReader, VideoStream } from './video-stream.ts';

/** What one client is sent of a stream: packets between the RTSP messages of its connection, from a key frame on. */

/** More than this waiting in the connection: the client loses frames until the next key frame. */
export const maxQueuedBytes = 4 * 1024 * 1024;
export const reportEveryMs = 2500;
const rtpHeaderBytes = 12;

export interface Player extends StreamReader {
  readonly playing: boolean;
  play(): void;
  pause(): void;
}

export interface PlayerOptions {
  readonly socket: Socket;
  readonly stream: VideoStream;
  readonly channels: Channels;
  readonly clock: Clock;
  readonly cname: string;
  /** A unit that this client loses because it is too slow. */
  onDrop(): void;
  /** The stream has ended and the client has been told. */
  onEnd(): void;
}

export function createPlayer(options: PlayerOptions): Player {
  const { socket, stream, channels, clock } = options;
  let attachment: Disposable | undefined;
  let waitingForKey = true;
  let slow = false;
  let packets = 0;
  let octets = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;

  function write(channel: number, packet: Buffer): void {
    socket.write(interleavedHead(channel, packet.length));
    socket.write(packet);
  }

  function report(unit: PacketisedUnit): void {
    const now = clock.mono();
    if (now - reportedAt < reportEveryMs) return;
    reportedAt = now;
    const { pts90k, captureTimeMs } = unit;
    write(channels.rtcp, senderReport({ ssrc: stream.ssrc, captureTimeMs, pts90k, packets, octets }, options.cname));
  }

  return {
    get playing() {
      return attachment !== undefined;
    },
    play() {
      if (attachment !== undefined) return;
      waitingForKey = true;
      slow = false;
      reportedAt = Number.NEGATIVE_INFINITY;
      attachment = stream.attach(this);
    },
    pause() {
      attachment?.[Symbol.dispose]();
      attachment = undefined;
    },
    take(unit) {
      if (socket.writableLength > maxQueuedBytes) {
        waitingForKey = true;
        slow = true;
      }
      if (waitingForKey && (!unit.key || socket.writableLength > maxQueuedBytes)) {
        if (slow) options.onDrop();
        return;
      }
      waitingForKey = false;
      slow = false;
      // One system call for the whole unit.
      socket.cork();
      report(unit);
      for (const packet of unit.packets) {
        write(channels.rtp, packet);
        packets += 1;
        octets += packet.length - rtpHeaderBytes;
      }
      socket.uncork();
    },
    ended() {
      attachment = undefined;
      write(channels.rtcp, goodbye(stream.ssrc));
      options.onEnd();
    },
  };
}
