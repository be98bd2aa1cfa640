import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { VideoStream } from '../../src/media/video-stream.ts';

/**
 * Access units of an H.264 camera over RTSP and TCP, as they come, into a stream: just enough to feed the server where no worker
 * does. Nothing of it is kept and nothing is checked. Connects again until the signal fires.
 */
export async function pull(
  url: string,
  stream: Pick<VideoStream, 'announce' | 'push' | 'cut'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await once(url, stream, signal);
    stream.cut();
    await wait(50, undefined, { signal }).catch(() => {});
  }
}

function once(url: string, stream: Pick<VideoStream, 'announce' | 'push'>, signal: AbortSignal): Promise<void> {
  const { hostname, port } = new URL(url);
  const requests = [
    `DESCRIBE ${url} RTSP/1.0\r\nCSeq: 1\r\n\r\n`,
    `SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`,
    `PLAY ${url} RTSP/1.0\r\nCSeq: 3\r\nSession: 1\r\n\r\n`,
  ];
  const socket = connect(Number(port), hostname);
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  let rest = Buffer.alloc(0);
  let nals: Buffer[] = [];
  let parts: Buffer[] = [];
  let key = false;
  let high = 0n;
  let before = 0;

  function payload(packet: Buffer): void {
    const bytes = packet.subarray(12);
    const [indicator = 0, fragment = 0] = bytes;
    if ((indicator & 31) !== 28) nals.push(bytes);
    else {
      if ((fragment & 0x80) !== 0) parts = [Buffer.of((indicator & 0xe0) | (fragment & 31))];
      parts.push(bytes.subarray(2));
      if ((fragment & 0x40) !== 0) nals.push(Buffer.concat(parts));
    }
    if (((packet[1] ?? 0) & 0x80) === 0) return;
    key = nals.some((nal) => ((nal[0] ?? 0) & 31) === 5);
    const timestamp = packet.readUInt32BE(4);
    if (timestamp < before - 2 ** 31) high += 2n ** 32n;
    before = timestamp;
    stream.push({ nals, pts90k: high + BigInt(timestamp), captureTimeMs: Date.now(), key });
    nals = [];
  }

  /** Bytes of the message or packet at the begin; 0 while they have not all come. */
  function next(): number {
    if (rest[0] === 0x24) {
      if (rest.length < 4) return 0;
      const end = 4 + rest.readUInt16BE(2);
      if (end > rest.length) return 0;
      if (rest[1] === 0) payload(rest.subarray(4, end));
      return end;
    }
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return 0;
    const length = /^content-length: *(\d+)/im.exec(rest.toString('latin1', 0, end))?.[1] ?? '0';
    const all = end + 4 + Number(length);
    if (all > rest.length) return 0;
    const sets = /sprop-parameter-sets=([^;\s]+)/.exec(rest.toString('latin1', end, all))?.[1];
    if (sets !== undefined) {
      stream.announce({ codec: 'h264', parameterSets: sets.split(',').map((set) => Buffer.from(set, 'base64')) });
    }
    const request = requests.shift();
    if (request !== undefined) socket.write(request);
    return all;
  }

  socket.on('connect', () => socket.write(requests.shift() ?? ''));
  socket.on('data', (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (let used = next(); used > 0; used = next()) rest = rest.subarray(used);
  });
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}
