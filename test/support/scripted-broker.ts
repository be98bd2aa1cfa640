import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface Published {
  readonly topic: string;
  readonly text: string;
}

export interface ScriptedBroker extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly published: readonly Published[];
  /** Most messages that were unacknowledged at one time. */
  readonly mostOutstanding: number;
}

export interface Script {
  /** Properties of CONNACK, encoded. */
  readonly connackProperties?: readonly number[];
  /** Reason code of CONNACK. */
  readonly connackCode?: number;
  /** Reason code of the PUBACK, `undefined` for none; `disconnect` ends the connection with that reason code instead. */
  publish(message: Published): Answer | Promise<Answer>;
}

type Answer = number | undefined | { readonly disconnect: number };

function varint(bytes: Buffer, offset: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let index = 0; index < 4; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 128 ** index;
    if (byte < 128) return { value, next: offset + index + 1 };
  }
  throw new Error('malformed length');
}

/** An MQTT 5 broker for one client that answers what the script says; just enough of the protocol for a publisher. */
export async function startScriptedBroker(script: Script): Promise<ScriptedBroker> {
  const published: Published[] = [];
  const sockets = new Set<Socket>();
  let outstanding = 0;
  let mostOutstanding = 0;

  async function publish(socket: Socket, body: Buffer): Promise<void> {
    const topicEnd = 2 + body.readUInt16BE(0);
    const packetId = body.subarray(topicEnd, topicEnd + 2);
    const properties = varint(body, topicEnd + 2);
    if (properties === undefined) throw new Error('malformed publish');
    const message = {
      topic: body.toString('utf8', 2, topicEnd),
      text: body.toString('utf8', properties.next + properties.value),
    };
    published.push(message);
    outstanding += 1;
    mostOutstanding = Math.max(mostOutstanding, outstanding);
    const code = await script.publish(message);
    outstanding -= 1;
    if (typeof code === 'object') socket.end(Buffer.from([0xe0, 2, code.disconnect, 0]));
    else if (code !== undefined) socket.write(Buffer.from([0x40, 4, ...packetId, code, 0]));
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length > 1) {
        const length = varint(rest, 1);
        if (length === undefined || rest.length < length.next + length.value) return;
        const type = (rest[0] ?? 0) >> 4;
        const body = rest.subarray(length.next, length.next + length.value);
        rest = rest.subarray(length.next + length.value);
        const properties = script.connackProperties ?? [];
        if (type === 1) {
          socket.write(
            Buffer.from([0x20, 3 + properties.length, 0, script.connackCode ?? 0, properties.length, ...properties]),
          );
        } else if (type === 3) void publish(socket, body);
        else if (type === 12) socket.write(Buffer.from([0xd0, 0]));
        else if (type === 14) socket.end();
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    url: `mqtt://127.0.0.1:${address.port}`,
    published,
    get mostOutstanding() {
      return mostOutstanding;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
