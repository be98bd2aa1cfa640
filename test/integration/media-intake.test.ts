import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Variant } from '../../src/gen/sightline/media/v1/media.ts';
import { startIntake } from '../../src/media/intake.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { connectMediaWorker, framed } from '../support/media-worker.ts';
import { until } from '../support/until.ts';

test('a worker is taken at its token, with its cameras, its newest epoch, and nothing else; what it does wrong ends its connection alone', async () => {
  await using directory = await temporaryDirectory();
  using ctx = testContext();
  const taken: string[] = [];
  const gone: string[] = [];
  await using intake = await startIntake(
    {
      socketPath: join(directory.path, 'm.sock'),
      sink: {
        format: ({ camera, epoch, codec }) => taken.push(`${camera} ${epoch} is ${codec}`),
        unit: ({ camera, epoch, pts }) => {
          taken.push(`${camera} ${epoch} ${pts}`);
          return undefined;
        },
        gone: (cameras) => gone.push(...cameras),
      },
    },
    ctx,
  );
  intake.setWorkers([
    { worker: 'w1', token: 'one', cameras: ['lobby'] },
    { worker: 'w2', token: 'two', cameras: ['door'] },
  ]);
  assert.equal((await stat(intake.socketPath)).mode & 0o777, 0o600);
  const format = { codec: 'h264', width: 64, height: 64 } as const;
  const unit = (camera: string, epoch: number, pts: bigint) => ({
    ...{ camera, epoch, pts, key: true, captureMs: 1000, nals: [Buffer.of(0x65, 1)] },
  });
  using other = await connectMediaWorker(intake.socketPath, 'w2', 'two');
  for (const [worker, token] of [
    ['w1', 'two'],
    ['w1', ''],
    ['w3', 'one'],
  ] as const) {
    using stranger = await connectMediaWorker(intake.socketPath, worker, token);
    await stranger.closed;
  }
  assert.equal(intake.refused.token, 3);
  const wrong: readonly Uint8Array[] = [
    Buffer.from(`GET / HTTP/1.1\r\nHost: ${'x'.repeat(80)}\r\n\r\n`),
    Buffer.of(0xff, 0xff, 0xff, 0xff, 0x7f),
    Buffer.of(0xff, 0x7f),
    Buffer.of(0),
    framed({ $case: 'hello', value: { protocolVersion: 2, worker: 'w1', token: 'one' } }),
    framed({
      $case: 'format',
      value: { camera: 'lobby', epoch: 1, variant: 1, ...format, parameterSets: Buffer.alloc(0), revision: '' },
    }),
  ];
  for (const bytes of wrong) {
    const socket = connect(intake.socketPath).on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(bytes);
    await closed;
  }
  assert.equal(intake.refused.protocol, wrong.length);

  using worker = await connectMediaWorker(intake.socketPath, 'w1', 'one');
  worker.format('lobby', 3, format);
  worker.unit(unit('lobby', 3, 1n));
  worker.unit(unit('lobby', 2, 2n));
  worker.format('door', 1, format);
  worker.unit(unit('door', 1, 3n));
  worker.format('lobby', 4, { ...format, codec: 'h265' });
  worker.unit(unit('lobby', 4, 4n));
  await until('the last one', () => taken.includes('lobby 4 4'));
  assert.deepEqual(taken.splice(0), ['lobby 3 is h264', 'lobby 3 1', 'lobby 4 is h265', 'lobby 4 4']);
  assert.deepEqual([intake.refused.epoch, intake.refused.camera], [1, 1]);

  // A camera that moves to this worker: what it said of its format before is not forgotten.
  intake.setWorkers([
    { worker: 'w1', token: 'one', cameras: ['lobby', 'door'] },
    { worker: 'w2', token: 'two', cameras: [] },
  ]);
  worker.unit(unit('door', 1, 5n));
  await until('the camera', () => taken.length === 2);
  assert.deepEqual(taken.splice(0), ['door 1 is h264', 'door 1 5']);
  // What a camera sends can make a format or unit that cannot be: that is not taken, and costs the worker's other cameras nothing.
  const before = intake.refused.protocol;
  const value = {
    camera: 'lobby',
    epoch: 5,
    variant: Variant.CLEAN,
    ...format,
    parameterSets: Buffer.alloc(70_000),
    revision: '',
  };
  worker.send({ $case: 'format', value });
  worker.unit(unit('lobby', 5, 7n));
  worker.send({ $case: 'format', value: { ...value, epoch: 6, parameterSets: Buffer.alloc(0), width: 0 } });
  worker.unit({ ...unit('lobby', 4, 8n), nals: [] });
  worker.unit(unit('door', 1, 9n));
  worker.format('lobby', 7, format);
  worker.unit(unit('lobby', 7, 10n));
  await until('both go on', () => taken.length === 3);
  assert.deepEqual(taken.splice(0), ['door 1 9', 'lobby 7 is h264', 'lobby 7 10']);
  assert.equal(intake.refused.protocol - before, 4);
  // The same worker again takes the place of its connection before; one that says no message at all loses it.
  using again = await connectMediaWorker(intake.socketPath, 'w1', 'one');
  await worker.closed;
  assert.deepEqual(gone, []);
  again.socket.write(framed(undefined));
  await again.closed;
  await until('told', () => gone.length === 2);
  intake.setWorkers([]);
  await other.closed;
  assert.deepEqual(taken, []);
  assert.ok(ctx.lines.filter(({ level }) => level === 'error').length === 0);
  const said = JSON.stringify(ctx.lines);
  assert.ok(!said.includes('"one"') && !said.includes('"two"'), 'no token is logged');
});
