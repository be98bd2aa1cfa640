import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import { systemClock } from '../../src/core/clock.ts';
import { LiveConnection, type Subscription } from '../../src/media/live-connection.ts';
import { VideoPace } from '../../src/media/live-pace.ts';
import type { ServedUnit } from '../../src/media/served-unit.ts';
import { ManualClock } from '../support/clock.ts';

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

test('a client that reads what is minutes old loses it although it is few bytes, and goes on at a key frame once it has caught up', async () => {
  const clock = new ManualClock();
  const sent: string[] = [];
  const socket = Object.assign(new EventEmitter(), {
    writableLength: 0,
    cork: () => {},
    uncork: () => {},
    write: (bytes: Buffer) => {
      const said = /"type":"\w+".*\}/.exec(bytes.toString('latin1'))?.[0];
      if (said !== undefined) sent.push(said);
      return true;
    },
  });
  const pings: Buffer[] = [];
  const webSocket = Object.assign(new EventEmitter(), {
    ...{ OPEN: 1, readyState: 1 },
    ping: (data: string) => pings.push(Buffer.from(data)),
  });
  const answer = (at: number) => webSocket.emit('pong', pings.at(at));
  const connection = new LiveConnection(socket as unknown as Socket, webSocket as unknown as WebSocket, clock);
  const subscription: Subscription = {
    ...{ stream: 1, camera: 'lobby', variant: 'clean', video: true, metadata: true, pace: new VideoPace() },
    ...{ lostFrames: 0, configured: true },
  };
  connection.add(subscription);
  const unit = (key: boolean): ServedUnit => ({
    ...{ key, pts: 0, dts: 0, captureMs: 0, bytes: 4 },
    prefixed: () => Buffer.alloc(4),
  });
  let lost = 0;
  async function play(seconds: number): Promise<void> {
    for (let index = 0; index < seconds * 5; index++) {
      if (connection.unit(subscription, unit(index % 5 === 0))) lost += 1;
      await clock.advance(200);
    }
  }
  for (let second = 0; second < 10; second++) {
    await play(1);
    answer(-1);
  }
  assert.deepEqual([lost, pings.length], [0, 10], 'one that answers each is sent all');
  await play(5);
  assert.deepEqual([lost, pings.length], [0, 11], 'it is asked once');
  await play(60);
  assert.equal(lost, 299, 'what would be later than 5 s');
  assert.equal(connection.frame('lobby', Buffer.from('"type":"frame"}')), false);
  assert.deepEqual(sent, [], 'its boxes wait with it');
  webSocket.emit('pong', Buffer.from('99'));
  answer(0);
  await play(1);
  assert.equal(lost, 304, 'no answer to what it was asked');
  answer(-1);
  assert.deepEqual(sent, ['"type":"frame"}']);
  await play(2);
  assert.deepEqual([lost, sent.slice(1)], [304, ['"type":"lost","stream":1,"units":304,"frames":0}']]);
});
