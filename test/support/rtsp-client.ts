import { once } from 'node:events';
import { connect, isIPv6, type Socket } from 'node:net';
import { until } from './until.ts';

export interface RtspReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RtspPacket {
  readonly channel: number;
  readonly bytes: Buffer;
}

export interface RtspClient extends Disposable {
  readonly socket: Socket;
  /** Everything that came between the answers. */
  readonly packets: readonly RtspPacket[];
  readonly closed: boolean;
  request(method: string, uri: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<RtspReply>;
  /** The next answer, whatever was asked. */
  reply(): Promise<RtspReply>;
}

/** A client that does as the test says, without a will of its own; `from` is an address of this machine. */
export async function connectRtsp(port: number, from = '127.0.0.1'): Promise<RtspClient> {
  const socket = connect({ port, host: isIPv6(from) ? '::1' : '127.0.0.1', localAddress: from });
  await once(socket, 'connect');
  const packets: RtspPacket[] = [];
  const replies: RtspReply[] = [];
  let rest = Buffer.alloc(0);
  let cseq = 0;
  let closed = false;

  function take(): boolean {
    if (rest[0] === 0x24) {
      if (rest.length < 4 || rest.length < 4 + rest.readUInt16BE(2)) return false;
      const end = 4 + rest.readUInt16BE(2);
      packets.push({ channel: rest[1] ?? 0, bytes: Buffer.from(rest.subarray(4, end)) });
      rest = rest.subarray(end);
      return true;
    }
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first = '', ...lines] = rest.toString('utf8', 0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    );
    const bodyEnd = end + 4 + Number(headers['content-length'] ?? 0);
    if (rest.length < bodyEnd) return false;
    replies.push({ status: Number(first.split(' ')[1]), headers, body: rest.toString('utf8', end + 4, bodyEnd) });
    rest = rest.subarray(bodyEnd);
    return true;
  }

  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (take());
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  const reply = () => until('an rtsp answer', () => replies.shift());
  return {
    socket,
    packets,
    get closed() {
      return closed;
    },
    reply,
    request(method, uri, headers = {}, body = '') {
      cseq += 1;
      const all = { CSeq: String(cseq), ...headers, ...(body === '' ? {} : { 'Content-Length': String(body.length) }) };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`${method} ${uri} RTSP/1.0\r\n${lines.join('')}\r\n${body}`);
      return reply();
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** NAL units of one channel's RTP packets, with time stamps; the other half of RFC 6184. */
export function depacketise(
  packets: readonly RtspPacket[],
  channel = 0,
): readonly { readonly timestamp: number; readonly nal: Buffer }[] {
  const nals: { readonly timestamp: number; readonly parts: Buffer[] }[] = [];
  for (const { bytes } of packets.filter((packet) => packet.channel === channel)) {
    const timestamp = bytes.readUInt32BE(4);
    const payload = bytes.subarray(12);
    const [indicator = 0, fragment = 0] = payload;
    if ((indicator & 31) !== 28) nals.push({ timestamp, parts: [payload] });
    else if ((fragment & 0x80) === 0) nals.at(-1)?.parts.push(payload.subarray(2));
    else nals.push({ timestamp, parts: [Buffer.of((indicator & 0xe0) | (fragment & 31)), payload.subarray(2)] });
  }
  return nals.map(({ timestamp, parts }) => ({ timestamp, nal: Buffer.concat(parts) }));
}
