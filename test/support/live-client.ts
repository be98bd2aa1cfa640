import { once } from 'node:events';
import { WebSocket } from 'ws';
import {
  type LiveAnswer,
  type LiveRequest,
  liveAnswer,
  liveProtocol,
  type UnitHead,
  unitHeadBytes,
} from '../../src/core/live-messages.ts';

/** A subscriber of the live feed; what comes is checked against its schema. */

export interface LiveUnit extends UnitHead {
  readonly nals: readonly Buffer[];
}

type Said<T extends LiveAnswer['type']> = Extract<LiveAnswer, { readonly type: T }>;

export interface LiveClient extends Disposable {
  readonly webSocket: WebSocket;
  say(request: LiveRequest | { readonly type: 'subscribe'; readonly stream: number; readonly camera: string }): void;
  /** All that came, in its order. */
  readonly answers: readonly (LiveAnswer | LiveUnit)[];
  readonly units: readonly LiveUnit[];
  said<T extends LiveAnswer['type']>(type: T): readonly Said<T>[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export function readUnit(bytes: Buffer): LiveUnit {
  const nals: Buffer[] = [];
  for (let at = unitHeadBytes; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    nals.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return {
    key: (bytes.readUInt8(1) & 1) === 1,
    stream: bytes.readUInt16BE(2),
    ptsMinusDts: bytes.readInt32BE(4),
    pts: Number(bytes.readBigInt64BE(8)),
    captureMs: bytes.readDoubleBE(16),
    sentMs: bytes.readDoubleBE(24),
    nals,
  };
}

/** Connects; with a ticket it says hello. */
export async function connectLive(
  url: string,
  options: { readonly ticket?: string; readonly protocol?: string; readonly ca?: string } = {},
): Promise<LiveClient> {
  const { ticket, protocol = liveProtocol, ca } = options;
  const webSocket = new WebSocket(url, protocol === '' ? [] : [protocol], ca === undefined ? {} : { ca });
  const answers: (LiveAnswer | LiveUnit)[] = [];
  const units: LiveUnit[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    webSocket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  webSocket.on('message', (data, isBinary) => {
    if (isBinary && data instanceof Buffer) {
      const unit = readUnit(data);
      units.push(unit);
      answers.push(unit);
    } else answers.push(liveAnswer.parse(JSON.parse(data.toString())));
  });
  await once(webSocket, 'open');
  webSocket.on('error', () => {});
  if (ticket !== undefined) webSocket.send(JSON.stringify({ type: 'hello', ticket }));
  return {
    webSocket,
    say: (request) => webSocket.send(JSON.stringify(request)),
    answers,
    units,
    said: <T extends LiveAnswer['type']>(type: T) =>
      answers.filter((one): one is Said<T> => 'type' in one && one.type === type),
    closed,
    [Symbol.dispose]: () => webSocket.terminate(),
  };
}
