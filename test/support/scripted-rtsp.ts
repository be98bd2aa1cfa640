import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** An RTSP server that answers as it is told. */
export interface ScriptedRtsp extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly connections: number;
}

export interface RtspRequest {
  readonly method: string;
  /** Its header lines as they came. */
  readonly text: string;
  readonly cseq: string;
  readonly socket: Socket;
}

/** `answer` gives the status line without its protocol, header lines and perhaps a body: CSeq is added. Undefined: it says nothing. */
export async function startScriptedRtsp(
  answer: (request: RtspRequest, port: number) => string | undefined,
): Promise<ScriptedRtsp> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    let rest = '';
    socket.setEncoding('latin1').on('data', (text) => {
      const requests = `${rest}${text}`.split('\r\n\r\n');
      rest = requests.pop() ?? '';
      for (const request of requests) {
        const [, cseq = '0'] = /^cseq: *(\d+)/im.exec(request) ?? [];
        const method = request.slice(0, request.indexOf(' '));
        const said = answer({ method, text: request, cseq, socket }, port);
        if (said === undefined) continue;
        const [status = '', ...more] = said.split('\r\n');
        socket.write(`RTSP/1.0 ${status}\r\nCSeq: ${cseq}\r\n${more.join('\r\n')}`, 'latin1');
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    port,
    url: `rtsp://127.0.0.1:${port}/x`,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends zeros until the reader goes, as fast as a network of 1 Gbit/s would. */
export async function sendWithoutEnd(socket: Socket): Promise<void> {
  const chunk = Buffer.alloc(2 ** 20);
  async function* zeros(): AsyncGenerator<Buffer> {
    while (!socket.destroyed) {
      yield chunk;
      await wait(8);
    }
  }
  await pipeline(zeros, socket).catch(() => {});
}
