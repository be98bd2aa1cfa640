import type { Socket } from 'node:net';
import { interleaved } from './rtp.ts';
import type { Channels } from './rtsp-messages.ts';
import type { PacketisedUnit } from './video-stream.ts';

/** The way of packets to one client. */
export interface MediaTransport extends Disposable {
  /** What is given to it arrives, if late. */
  readonly reliable: boolean;
  /** False while it has enough to do; what it is given then waits in it. */
  readonly ready: boolean;
  /** Calls `listener` each time it has become ready again. */
  onReady(listener: () => void): void;
  unit(unit: PacketisedUnit): void;
  rtcp(packet: Buffer): void;
  /** What is sent within leaves in one piece where that is cheaper. */
  together(send: () => void): void;
}

/** Between the RTSP messages of a connection (RFC 2326 section 10.12). */
export function interleavedTransport(socket: Socket, channels: Channels): MediaTransport {
  let ready = true;
  let listener: (() => void) | undefined;

  function drained(): void {
    if (ready) return;
    ready = true;
    listener?.();
  }

  socket.on('drain', drained);
  return {
    reliable: true,
    get ready() {
      return ready;
    },
    onReady(onReady) {
      listener = onReady;
    },
    unit(unit) {
      // One system call for the whole unit; below its limit the socket asks nobody to wait.
      if (!socket.write(unit.on(channels.rtp))) ready = false;
    },
    rtcp(packet) {
      if (!socket.write(interleaved(channels.rtcp, packet))) ready = false;
    },
    together(send) {
      socket.cork();
      send();
      socket.uncork();
    },
    [Symbol.dispose]() {
      listener = undefined;
      socket.off('drain', drained);
    },
  };
}
