import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Between a camera and its reader over TCP: lets pictures through by their number, whole, and everything else as it comes. */
export interface RtspGate extends AsyncDisposable {
  /** The camera's address by way of the gate. */
  readonly url: string;
  /** Lets one more picture through. */
  next(): void;
}

const interleaved = 0x24;
const rtpChannel = 0;

/** Bytes of the message or packet that `data` begins with; undefined while they have not all come. */
function lengthOf(data: Buffer): number | undefined {
  if (data.length < 4) return undefined;
  let length: number;
  if (data[0] === interleaved) length = 4 + data.readUInt16BE(2);
  else {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    length = end + 4 + Number(/^content-length: *(\d+)/im.exec(data.subarray(0, end).toString())?.[1] ?? 0);
  }
  return length <= data.length ? length : undefined;
}

/** The first `free` pictures pass at once; the marker bit of RTP (RFC 3550, RFC 6184) says where one ends. */
export async function startRtspGate(camera: string, free: number): Promise<RtspGate> {
  const { hostname, port, pathname } = new URL(camera);
  const sockets = new Set<Socket>();
  let left = free;
  const pumps = new Set<() => void>();

  const server = createServer((reader) => {
    const source = connect(Number(port), hostname);
    let held = Buffer.alloc(0);
    const pump = () => {
      for (let length = lengthOf(held); length !== undefined; length = lengthOf(held)) {
        const isVideo = held[0] === interleaved && held[1] === rtpChannel;
        if (isVideo && left === 0) return;
        if (isVideo && ((held[5] ?? 0) & 0x80) !== 0) left -= 1;
        reader.write(held.subarray(0, length));
        held = held.subarray(length);
      }
    };
    source.on('data', (data: Buffer) => {
      held = Buffer.concat([held, data]);
      pump();
    });
    pumps.add(pump);
    reader.pipe(source);
    for (const socket of [reader, source]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        pumps.delete(pump);
        reader.destroy();
        source.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = server.address() as AddressInfo;
  return {
    url: `rtsp://127.0.0.1:${own.port}${pathname}`,
    next: () => {
      left += 1;
      for (const pump of pumps) pump();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
