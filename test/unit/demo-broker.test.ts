import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { startDemoBroker } from '../../src/demo/broker.ts';
import { testContext } from '../support/context.ts';
import { until } from '../support/until.ts';

test('connections over the limit are refused, counted and logged, not once for each', async () => {
  using ctx = testContext();
  const sockets: Socket[] = [];
  const refusals = () => ctx.lines.filter(({ msg }) => String(msg).startsWith('the broker refuses connections'));
  {
    await using broker = await startDemoBroker({ port: 0 }, ctx);
    let closed = 0;
    for (let made = 0; made < 64 + 8; made += 1) {
      const socket = connect(broker.port, broker.host);
      socket.on('error', () => {});
      socket.once('close', () => {
        closed += 1;
      });
      sockets.push(socket);
      await once(socket, 'connect');
    }
    await until('those over the limit are closed', () => closed === 8);
  }
  for (const socket of sockets) socket.destroy();
  const lines = refusals();
  assert.deepEqual(lines.at(-1) && { refused: lines.at(-1)?.['refused'], limit: lines.at(-1)?.['limit'] }, {
    refused: 8,
    limit: 64,
  });
  assert.ok(lines.length < 8, `${lines.length} lines`);
});
