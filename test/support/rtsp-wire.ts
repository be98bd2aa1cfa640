import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/**
 * Stands between a reader and a real RTSP camera over TCP and misbehaves as told. What the camera says is taken apart into its
 * answers and the packets between them, so that a fault happens where it is meant to: in the midst of a picture, in a sender report.
 */
export interface RtspWire extends AsyncDisposable {
  /** Where readers connect. */
  readonly url: string;
  /** Connections that reached the camera. */
  readonly connections: number;
  camera: Camera;
  /** The plug is pulled: connections end, further ones are refused. */
  leave(): Promise<void>;
  /** On the same port. */
  come(): Promise<void>;
  /** While true nothing that the camera says reaches a reader; connections stand. */
  silent: boolean;
  reports: Reports;
  /** While true every picture has a time stamp from anywhere. */
  jumping: boolean;
  /** Ends all connections without a goodbye. */
  cut(): void;
  /** The same within the next slice that takes several packets: after a packet in its midst, or within that packet. */
  cutInSlice(where: 'in packet' | 'after packet'): Promise<void>;
}

export interface Camera {
  readonly port: number;
  /** What readers get, whatever they ask for. */
  readonly path: string;
}

/** Sender reports as they are, without them, or with a clock that is off. */
export type Reports = 'true' | 'none' | { readonly aheadSeconds: number };

const anyPath = /rtsp:\/\/[^/\s]+\/camera\b/g;
const senderReport = 200;

/** Cuts what a server says into its answers and its interleaved packets (RFC 2326, section 10.12), heads included. */
function createCutter(): (bytes: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0);

  function next(): Buffer | undefined {
    if (rest.length < 4) return undefined;
    if (rest[0] === 0x24) {
      const length = 4 + rest.readUInt16BE(2);
      return rest.length < length ? undefined : rest.subarray(0, length);
    }
    const head = rest.indexOf('\r\n\r\n');
    if (head < 0) return undefined;
    const [, body = '0'] = /content-length: *(\d+)/i.exec(rest.toString('latin1', 0, head)) ?? [];
    const length = head + 4 + Number(body);
    return rest.length < length ? undefined : rest.subarray(0, length);
  }

  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const pieces: Buffer[] = [];
    for (let piece = next(); piece !== undefined; piece = next()) {
      pieces.push(piece);
      rest = rest.subarray(piece.length);
    }
    return pieces;
  };
}

/** A fragment of H.264 (FU-A, RFC 6184 section 5.8) that is neither the first nor the last of its slice. */
function isMidSlice(piece: Buffer): boolean {
  return piece[0] === 0x24 && piece[1] === 0 && ((piece[16] ?? 0) & 31) === 28 && ((piece[17] ?? 0) & 0xc0) === 0;
}

export async function startRtspWire(first: Camera): Promise<RtspWire> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  let cutting: { readonly where: 'in packet' | 'after packet'; done(): void } | undefined;

  function stamped(piece: Buffer): Buffer {
    if (!wire.jumping || piece[0] !== 0x24 || piece[1] !== 0) return piece;
    const changed = Buffer.from(piece);
    changed.writeUInt32BE(Math.imul(piece.readUInt32BE(8), 2_654_435_761) >>> 0, 8);
    return changed;
  }

  function reported(piece: Buffer): Buffer | undefined {
    const isReport = piece[0] === 0x24 && piece[1] === 1;
    if (!isReport || wire.reports === 'true') return piece;
    if (wire.reports === 'none') return undefined;
    if (piece[5] !== senderReport) return piece;
    const changed = Buffer.from(piece);
    changed.writeUInt32BE((changed.readUInt32BE(12) + wire.reports.aheadSeconds) % 2 ** 32, 12);
    return changed;
  }

  const server = createServer((reader) => {
    connections += 1;
    const camera = connect(wire.camera.port, '127.0.0.1');
    const pair = [reader, camera] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      reader.destroy();
      camera.destroy();
    };
    for (const socket of pair) socket.on('close', end).on('error', end);
    reader.on('data', (bytes) => {
      const path = `rtsp://127.0.0.1:${wire.camera.port}/${wire.camera.path}`;
      // Packets of the reader, its receiver reports, go through as they are.
      camera.write(bytes[0] === 0x24 ? bytes : Buffer.from(bytes.toString('latin1').replace(anyPath, path), 'latin1'));
    });
    const cutApart = createCutter();
    camera.on('data', (bytes) => {
      for (const piece of cutApart(bytes)) {
        if (wire.silent || reader.destroyed) continue;
        if (cutting !== undefined && isMidSlice(piece)) {
          reader.write(cutting.where === 'in packet' ? piece.subarray(0, piece.length / 2) : piece);
          cutting.done();
          cutting = undefined;
          reader.end();
          camera.destroy();
          return;
        }
        const sent = reported(stamped(piece));
        if (sent !== undefined) reader.write(sent);
      }
    });
  });

  async function open(port: number): Promise<number> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  async function close(): Promise<void> {
    wire.cut();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }

  const port = await open(0);
  const wire: RtspWire = {
    url: `rtsp://127.0.0.1:${port}/camera`,
    get connections() {
      return connections;
    },
    camera: first,
    leave: close,
    come: async () => void (await open(port)),
    silent: false,
    reports: 'true',
    jumping: false,
    cut: () => {
      for (const [reader, camera] of pairs) {
        reader.destroy();
        camera.destroy();
      }
    },
    cutInSlice: (where) =>
      new Promise((done) => {
        cutting = { where, done };
      }),
    [Symbol.asyncDispose]: close,
  };
  return wire;
}
