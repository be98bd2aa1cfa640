import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import { systemClock } from '../../src/core/clock.ts';
import { LiveConnection } from '../../src/media/live-connection.ts';

test('a client that asks on without reading the answers is ended before they fill the memory', () => {
  let writableLength = 0;
  let writes = 0;
  const socket = Object.assign(new EventEmitter(), {
    write: (bytes: Buffer) => {
      writes += 1;
      writableLength += bytes.length;
      return false;
    },
  });
  Object.defineProperty(socket, 'writableLength', { get: () => writableLength });
  const ended: string[] = [];
  const webSocket = Object.assign(new EventEmitter(), {
    ...{ OPEN: 1, readyState: 1 },
    terminate: () => {
      ended.push('terminated');
      webSocket.readyState = 3;
    },
    pong: () => ended.push('pong'),
  });
  const connection = new LiveConnection(socket as unknown as Socket, webSocket as unknown as WebSocket, systemClock);
  const answer = { type: 'unsubscribed', stream: 1, reason: 'x'.repeat(1024 * 1024) } as const;
  for (let index = 0; index < 100; index++) connection.say(answer);
  assert.deepEqual(ended, ['terminated']);
  assert.equal(writes, 16, 'what was under the limit');
  connection.pong(Buffer.alloc(0));
  connection.ping();
  assert.deepEqual(ended, ['terminated']);
});
